"""Cron expressions as OnCalendar= lines of a systemd timer. Pure.

Where clocks change, systemd leaves out times in a skipped hour and the second round of a
repeated one; lines in UTC make up for both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo

from maestro_core.schedule.calendar import Calendar, Days, calendar, moved_dues

_NAMES = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")


def on_calendar(schedule: str, tz: tzinfo, zone: str | None, year: int) -> list[str]:
    """The lines, in order.

    Args:
        zone: name to write behind each; None = the machine's own.
        year: changes of clocks are looked at from here on.

    Raises:
        Inexpressible: it counts days from both ends of the month.
    """
    parts = calendar(schedule)
    suffix = f" {zone}" if zone else ""
    lines = [line + suffix for days in parts.days for line in _lines(parts, days)]
    return lines + _moved(moved_dues(schedule, tz, year))


def _lines(parts: Calendar, days: Days) -> list[str]:
    weekdays = f"{_weekday_names(days.weekdays)} " if days.weekdays is not None else ""
    month = _numbers(parts.months, 1, 12)
    hour, minute = _numbers(parts.hours, 0, 23), _numbers(parts.minutes, 0, 59)
    if days.from_end is not None:
        ends = [f"*-{month}~{day:02d}" for day in sorted(days.from_end)]
    else:
        ends = [f"*-{month}-{_numbers(days.days or frozenset(range(1, 32)), 1, 31)}"]
    return [f"{weekdays}{end} {hour}:{minute}:00" for end in ends]


def _weekday_names(weekdays: Iterable[int]) -> str:
    """Monday first, since systemd's week begins there."""
    ordered = sorted(weekdays, key=lambda day: (day - 1) % 7)
    return ",".join(_NAMES[day] for day in ordered)


def _numbers(values: Iterable[int], low: int, high: int) -> str:
    """`*`, `00/5`, `09..17` or `01,15`."""
    ordered = sorted(values)
    if ordered == list(range(low, high + 1)):
        return "*"
    first, last = ordered[0], ordered[-1]
    if len(ordered) > 2:
        step = ordered[1] - first
        if step > 1 and ordered == list(range(first, high + 1, step)):
            return f"{first:02d}/{step}"
        if ordered == list(range(first, last + 1)):
            return f"{first:02d}..{last:02d}"
    return ",".join(f"{one:02d}" for one in ordered)


def _moved(dues: Iterable[float]) -> list[str]:
    """Each on its weekday of its month: changes of clocks keep to those, not to dates."""
    minutes: defaultdict[tuple[int, int, int], set[int]] = defaultdict(set)
    for due in dues:
        moment = datetime.fromtimestamp(due, UTC)
        minutes[moment.month, moment.isoweekday() % 7, moment.hour].add(moment.minute)
    return [
        f"{_NAMES[weekday]} *-{month:02d}-* {hour:02d}:{_numbers(found, 0, 59)}:00 UTC"
        for (month, weekday, hour), found in sorted(minutes.items())
    ]
