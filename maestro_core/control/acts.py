"""What an operator's acts come down to on one kind of bus: the seam between `Operator`, which
knows who acts, what may be done and how it is told, and the bus that it is done on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from maestro_core import files
from maestro_core.clock import Clock
from maestro_core.control import audit, markers
from maestro_core.control.commands import Ack, Command
from maestro_core.control.delivery import Delivery
from maestro_core.control.markers import Note
from maestro_core.journal import Journal
from maestro_core.layout import Layout
from maestro_core.models import Receipt
from maestro_core.schedule.produce import Outlet


class Acts(Protocol):
    """Any thread; methods block. All raise BusError when the bus cannot be had."""

    def now(self) -> float:
        """Wall epoch seconds by the bus's clock."""
        ...

    def enqueue(self, document: dict[str, Any]) -> Receipt:
        """Add a tick as `make_document` made it. Raises UsageError, Refused too."""
        ...

    def pause(self, cadence: str, note: Note) -> Note | None:
        """What the marker said before; None = there was none. So do the next three."""
        ...

    def resume(self, cadence: str) -> Note | None: ...
    def engage(self, note: Note) -> Note | None: ...
    def clear(self) -> Note | None: ...

    def deliver(self, command: Command) -> Ack:
        """Have it carried out. Raises Busy when whoever should do it does not answer."""
        ...

    def record(
        self, *, at: str, actor: Mapping[str, Any], verb: str, targets: Sequence[str], ok: bool,
        redact: Callable[[str], str], **facts: Any,
    ) -> str | None:  # fmt: skip
        """Note an act; the sentence that says why that was not possible, or None."""
        ...

    def unknown(self, cadence: str) -> str | None:
        """Why nobody would run that cadence; None = somebody would."""
        ...

    def outlet(self) -> Outlet | None:
        """Where ticks that are due go; None = the folders."""
        ...

    def close(self) -> None: ...


class FileActs:
    """On the folders of one agent root."""

    def __init__(
        self, layout: Layout, clock: Clock, journal: Journal, wait_seconds: float,
        on_wait: Callable[[str], None] | None = None,
    ) -> None:  # fmt: skip
        self._layout = layout
        self._fs = files.OsFiles()
        self._delivery = Delivery(layout, clock, journal, wait_seconds, on_wait)
        self.now = clock.wall
        self.deliver = self._delivery.deliver

    def enqueue(self, document: dict[str, Any]) -> Receipt:
        from maestro_core.bus.producer import publish_tick

        return Receipt(*publish_tick(self._layout, document))

    def pause(self, cadence: str, note: Note) -> Note | None:
        return markers.pause(self._layout, self._fs, cadence, note)

    def resume(self, cadence: str) -> Note | None:
        return markers.resume(self._layout, self._fs, cadence)

    def engage(self, note: Note) -> Note | None:
        return markers.engage(self._layout, self._fs, note)

    def clear(self) -> Note | None:
        return markers.clear(self._layout, self._fs)

    def record(
        self, *, at: str, actor: Mapping[str, Any], verb: str, targets: Sequence[str], ok: bool,
        redact: Callable[[str], str], **facts: Any,
    ) -> str | None:  # fmt: skip
        return audit.record(
            self._layout, at=at, actor=actor, verb=verb, targets=targets, ok=ok, redact=redact,
            **facts,
        )  # fmt: skip

    def unknown(self, cadence: str) -> str | None:
        from maestro_core.settings import examine_settings

        configured = examine_settings(self._layout).settings.cadences
        if cadence in configured or self._layout.prompt(cadence).exists():
            return None
        return (
            f"no cadence is called {cadence}: it is not in config/cadences.toml and has no prompt"
        )

    def outlet(self) -> Outlet | None:
        return None

    def close(self) -> None:
        """Nothing is held open."""
