"""Where the parts of a snapshot come from: the files of one agent root (`Parts`), or the server
that a fleet shares. The reader puts them together and knows neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from maestro_core.bus.feed import Topic
from maestro_core.models import Running
from maestro_core.observe.beat import CadenceNote
from maestro_core.observe.circuits import Circuits
from maestro_core.observe.ledger_view import CadenceRuns
from maestro_core.observe.snapshot import (
    ConsumerView,
    ConsumerWord,
    CountsView,
    FleetView,
    Later,
    MarkerView,
)
from maestro_core.settings import Settings


class Source(Protocol):
    """`refresh` reads; everything else tells what was read last. Times are wall epoch seconds
    of this machine. One thread."""

    @property
    def settings(self) -> Settings:
        """As far as they could be read; wrong values are at their defaults."""
        ...

    @property
    def settings_problems(self) -> tuple[str, ...]:
        """Why a consumer would refuse to start now."""
        ...

    @property
    def prompts(self) -> frozenset[str]: ...
    @property
    def paused(self) -> Mapping[str, MarkerView]: ...
    @property
    def emergency_stop(self) -> MarkerView | None: ...
    @property
    def circuits(self) -> Circuits: ...
    @property
    def counts(self) -> CountsView:
        """Exact, but for the open circuits, which are judged at the time that is shown."""
        ...

    @property
    def waiting(self) -> Mapping[str, int]:
        """By cadence, as far as ticks are read; so `claimed` and `dead`."""
        ...

    @property
    def claimed(self) -> Mapping[str, int]: ...
    @property
    def dead(self) -> Mapping[str, int]: ...
    @property
    def recent(self) -> Mapping[str, CadenceRuns]: ...
    @property
    def cost_today(self) -> float: ...
    @property
    def announced(self) -> Mapping[str, tuple[str, ...]]:
        """Cadences that hosts of a fleet say they can run -> those hosts."""
        ...

    @property
    def unread(self) -> int:
        """Ticks that a later refresh will count under their cadence."""
        ...

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be read, one line each."""
        ...

    def refresh(self, topics: frozenset[Topic], day: str) -> None:
        """Read again what the topics name; `day` is today's UTC date. Never raises."""
        ...

    def not_due(self, now: float) -> dict[str, Later]: ...
    def consumer(self, now: float) -> ConsumerView: ...
    def running(self, word: ConsumerWord) -> tuple[Running, ...]: ...
    def told(self, word: ConsumerWord) -> Mapping[str, CadenceNote]:
        """How cadences stand by who runs them; of the others the stored circuits tell."""
        ...

    def fleet(self) -> FleetView | None: ...
    def close(self) -> None: ...
