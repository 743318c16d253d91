"""The consumer's own scheduler: enqueues the cadences with producer = "consumer".

Owner: the consumer's thread, once a pass. Between two due times a pass compares numbers only.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from maestro_core.files import FileSystem
from maestro_core.layout import Layout
from maestro_core.schedule.book import ScheduleBook
from maestro_core.schedule.decide import Record
from maestro_core.schedule.produce import Outlet, Produced, look
from maestro_core.settings import Settings
from maestro_core.settings_schedule import next_due, zone

SOURCE = "schedule"
_BACK = 1.0
"""Seconds by which the wall clock must go back before everything is looked at anew."""


class _Known(Struct, frozen=True):
    schedule: str
    zone: str | None
    next_at: float
    """Wall epoch seconds; inf = never again."""


class Scheduler:
    """`run` once a pass; `due_in` says when there is something to do."""

    def __init__(self, layout: Layout, fs: FileSystem, outlet: Outlet) -> None:
        self._outlet = outlet
        self._book = ScheduleBook(layout, fs)
        self._known: dict[str, _Known] = {}
        self._unwritten: dict[str, Record] = {}
        self._last = 0.0

    def due_in(self) -> float | None:
        """Seconds until the next due time; None = there is none, or it is due already."""
        if not self._known:
            return None
        left = min(known.next_at for known in self._known.values()) - self._outlet.now()
        return left if 0 < left < float("inf") else None

    def run(self, settings: Settings) -> Iterator[Produced]:
        """Enqueue what is due, yielding each. Raises OSError or BusError: try again later."""
        now = self._outlet.now()
        if now < self._last - _BACK:
            self._known.clear()
        self._last = now
        ours = {name for name in settings.cadences if settings.producer(name) == "consumer"}
        for name in self._known.keys() - ours:
            del self._known[name]
        for name in sorted(ours):
            if self._is_time(settings, name, now):
                produced = self._look(settings, name, now)
                self._remember(settings, name, now)
                if produced is not None:
                    yield produced

    def _is_time(self, settings: Settings, cadence: str, now: float) -> bool:
        known = self._known.get(cadence)
        if known is None or cadence in self._unwritten or now >= known.next_at:
            return True
        asked = (settings.cadences[cadence].schedule, settings.schedules.time_zone)
        return (known.schedule, known.zone) != asked

    def _look(self, settings: Settings, cadence: str, now: float) -> Produced | None:
        """What could not be written last time counts, and is written first."""
        if (owed := self._unwritten.get(cadence)) is not None:
            self._book.write(cadence, owed)
            del self._unwritten[cadence]
        found = look(
            self._outlet, settings, cadence,
            before=self._book.read(cadence), source=SOURCE, now=now, called=False,
        )  # fmt: skip
        if found.record is not None:
            self._unwritten[cadence] = found.record
            self._book.write(cadence, found.record)
            del self._unwritten[cadence]
        return found.produced

    def _remember(self, settings: Settings, cadence: str, now: float) -> None:
        schedule, name = settings.cadences[cadence].schedule or "", settings.schedules.time_zone
        due = next_due(schedule, now, zone(name))
        self._known[cadence] = _Known(schedule, name, float("inf") if due is None else due)
