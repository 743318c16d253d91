"""A journal that listens to itself: entries that mean a change for people are told outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from maestro_core.clock import Clock, iso
from maestro_core.journal import Journal
from maestro_core.layout import Layout
from maestro_core.notices.notice import Change, changes


class NotingJournal(Journal):
    """Writes as a Journal does, then hands every change to `tell`, which must not block."""

    def __init__(
        self, layout: Layout, clock: Clock, redact: Callable[[str], str] = str, *,
        tell: Callable[[Change], None],
    ) -> None:  # fmt: skip
        super().__init__(layout, clock, redact)
        self._tell = tell
        self._now = clock

    def write(self, level: str, stage: str, **fields: Any) -> None:
        super().write(level, stage, **fields)
        entry = {"ts": iso(self._now.wall()), "level": level, "stage": stage, **fields}
        for change in changes(entry):
            self._tell(change)
