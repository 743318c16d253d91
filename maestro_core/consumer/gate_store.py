"""Where breakers and holds are remembered, as the consumer sees it.

One verb changes a cadence: `update` applies a pure function to the newest state, so that a
store which several consumers share can compare, set, and apply it again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from maestro_core.consumer.breaker import BreakerPolicy
from maestro_core.models import CadenceState, Hold

Change = Callable[[CadenceState], CadenceState]
"""Pure: it may be called more than once."""


class Gates(Protocol):
    """States by cadence, and the hold over all of them. Deadlines are this process's steady
    seconds. Trouble with the store is told in `problems`, never raised, except by `load`."""

    problems: list[str]
    """What went wrong since the consumer emptied it."""

    @property
    def hold(self) -> Hold | None:
        """The hold over all cadences."""
        ...

    def get(self, cadence: str) -> CadenceState: ...

    def items(self) -> list[tuple[str, CadenceState]]:
        """All that are not plainly closed."""
        ...

    def update(self, cadence: str, change: Change) -> CadenceState:
        """Apply `change` to the newest state and remember it; returns what stands now."""
        ...

    def set_hold(self, hold: Hold | None) -> None: ...

    def flush(self) -> None:
        """Once a pass: make up for what could not be stored, take in what others changed."""
        ...

    def load(self, policy: BreakerPolicy, *, afresh: bool) -> list[str]:
        """What the last owner left; names what is open. Raises OSError or BusError."""
        ...
