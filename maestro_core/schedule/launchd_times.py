"""Cron expressions as StartCalendarInterval or StartInterval of a launchd job. Pure.

launchd knows the machine's time alone, no last day of a month and no list of values: every
combination is a dictionary of its own. Its Day and Weekday are never put into one, because
they are alternatives there.
"""

from __future__ import annotations

from datetime import datetime, tzinfo
from itertools import product

from maestro_core.schedule.calendar import (
    Calendar,
    Days,
    Inexpressible,
    calendar,
    moved_dues,
    same_minutes,
    same_times,
)

MOST = 1000
"""Dictionaries in one job."""

Interval = dict[str, int]


def launchd_times(
    schedule: str, tz: tzinfo, machine: tzinfo, year: int
) -> dict[str, int | list[Interval]]:
    """The keys of the plist that say when.

    Args:
        tz: the zone that the schedule means; `machine` is what launchd goes by.
        year: changes of clocks are looked at from here on.

    Raises:
        Inexpressible: with the reason.
    """
    parts = calendar(schedule)
    hourly = parts.every_day and len(parts.hours) == 24
    if not (same_times(tz, machine, year) or (hourly and same_minutes(tz, machine, year))):
        raise Inexpressible(schedule, f"launchd goes by this machine's time, not by {tz}")
    if hourly and len(parts.minutes) == 60:
        return {"StartInterval": 60}
    found = [one for days in parts.days for one in _intervals(schedule, parts, days)]
    found += [one for one in _moved(schedule, machine, year) if one not in found and not hourly]
    if len(found) > MOST:
        raise Inexpressible(schedule, f"launchd would need {len(found)} entries for it")
    return {"StartCalendarInterval": found}


def _intervals(schedule: str, parts: Calendar, days: Days) -> list[Interval]:
    if days.from_end is not None or (days.days is not None and days.weekdays is not None):
        raise Inexpressible(schedule, "launchd knows plain days of the month or of the week only")
    ranges = {
        "Month": sorted(parts.months) if len(parts.months) < 12 else [],
        "Day": sorted(days.days or ()),
        "Weekday": sorted(days.weekdays or ()),
        "Hour": sorted(parts.hours) if len(parts.hours) < 24 else [],
        "Minute": sorted(parts.minutes) if len(parts.minutes) < 60 else [],
    }
    given = {name: values for name, values in ranges.items() if values}
    return [dict(zip(given, values, strict=True)) for values in product(*given.values())]


def _moved(schedule: str, tz: tzinfo, year: int) -> list[Interval]:
    """What is made up for after a skipped hour. The second round of a repeated hour has no
    time of its own on the wall, so nothing can be written for it."""
    walls = [datetime.fromtimestamp(due, tz) for due in moved_dues(schedule, tz, year)]
    keys = {
        (wall.month, wall.isoweekday() % 7, wall.hour, wall.minute)
        for wall in walls
        if not wall.fold
    }
    names = ("Month", "Weekday", "Hour", "Minute")
    return [dict(zip(names, key, strict=True)) for key in sorted(keys)]
