"""The start of a schedule that timers look after: what was due before is not made up for."""

from __future__ import annotations

from collections.abc import Iterable

from maestro_core import files
from maestro_core.files import FileSystem
from maestro_core.layout import Layout
from maestro_core.schedule.book import ScheduleBook
from maestro_core.schedule.decide import decide
from maestro_core.settings import Settings
from maestro_core.settings_schedule import zone


def begin(
    layout: Layout, fs: FileSystem, settings: Settings, cadences: Iterable[str], now: float
) -> None:
    """Remember `now` for each cadence whose schedule is new or changed. Raises OSError."""
    book, name = ScheduleBook(layout, fs), settings.schedules.time_zone
    files.ensure_folders(fs, (layout.bus, layout.tmp, layout.schedule))
    with fs.lock(layout.schedule_lock):
        for cadence in cadences:
            schedule = settings.cadences[cadence].schedule or ""
            before = book.read(cadence)
            found = decide(before, schedule, name, now, zone(name), called=False)
            if found.due is None and found.record is not None:
                book.write(cadence, found.record)
