"""A cron expression as the parts that launchd and systemd calendars are made of.

Both fire when the clock on the wall shows a time, so they miss what cron makes up for on the
days when clocks change: `moved_dues` names those moments. A timer that fires once too often
does no harm (see `fire`), one that does not fire loses a due time. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, tzinfo
from itertools import product

from msgspec import Struct

from maestro_core.errors import Refused
from maestro_core.settings_schedule import Cron, cron_fields, dues_after

HOUR, DAY = 3600.0, 86400.0
YEARS = 10
"""How far ahead changes of clocks are looked at."""

ALL_WEEKDAYS = frozenset(range(7))
_WORKDAYS = frozenset(range(1, 6))
_FRIDAY = frozenset({5})


class Inexpressible(Refused):
    """This calendar cannot say that; the consumer's own scheduler can."""

    def __init__(self, schedule: str, why: str) -> None:
        super().__init__(f"{schedule} cannot be a timer: {why}", 'set producer = "consumer" for it')
        self.schedule = schedule
        self.why = why


class Days(Struct, frozen=True):
    """Days that match every part that is not None. Weekdays: 0 is Sunday."""

    weekdays: frozenset[int] | None = None
    days: frozenset[int] | None = None
    from_end: frozenset[int] | None = None
    """1 = the last day of the month."""


class Calendar(Struct, frozen=True):
    """When the wall shows one of `hours` and `minutes` on a day of one of `days`."""

    minutes: frozenset[int]
    hours: frozenset[int]
    months: frozenset[int]
    days: tuple[Days, ...]

    @property
    def every_day(self) -> bool:
        return self.days == (Days(),) and len(self.months) == 12


def calendar(schedule: str) -> Calendar:
    """The expression taken apart. Raises Inexpressible for combinations no calendar has."""
    cron = cron_fields(schedule)
    by_day, by_weekday = list(_days_of_month(cron)), list(_weekdays(cron))
    if not cron.day_and:
        days = [*by_day, *by_weekday]
    else:
        days = [_both(schedule, one, other) for one, other in product(by_day, by_weekday)]
    return Calendar(
        minutes=frozenset(cron.minutes),
        hours=frozenset(cron.hours),
        months=frozenset(cron.months),
        days=tuple(one for one in days if one.days is None or one.days),
    )


def _days_of_month(cron: Cron) -> Iterator[Days]:
    plain = frozenset(day for day in cron.days if day > 0)
    if plain:
        yield Days(days=None if len(plain) == 31 else plain)
    if cron.LAST in cron.days:
        yield Days(from_end=frozenset({1}))
    if cron.LAST_WEEKDAY in cron.days:
        yield Days(_WORKDAYS, None, frozenset({1}))
        yield Days(_FRIDAY, None, frozenset({2, 3}))


def _weekdays(cron: Cron) -> Iterator[Days]:
    plain = frozenset(one % 7 for one in cron.weekdays if isinstance(one, int))
    if plain:
        yield Days(weekdays=None if plain == ALL_WEEKDAYS else plain)
    for one in sorted(item for item in cron.weekdays if isinstance(item, tuple)):
        weekday, which = frozenset({one[0] % 7}), one[1]
        if which == cron.LAST:
            yield Days(weekday, None, frozenset(range(1, 8)))
        else:
            yield Days(weekday, frozenset(range(7 * which - 6, min(7 * which, 31) + 1)))


def _both(schedule: str, one: Days, other: Days) -> Days:
    days = _meet(one.days, other.days)
    from_end = _meet(one.from_end, other.from_end)
    if days is not None and from_end is not None:
        raise Inexpressible(schedule, "it counts days from both ends of the month")
    return Days(_meet(one.weekdays, other.weekdays), days, from_end)


def _meet(one: frozenset[int] | None, other: frozenset[int] | None) -> frozenset[int] | None:
    if one is None or other is None:
        return one if other is None else other
    return one & other


# ---- changes of clocks ---------------------------------------------------------------------


def moved_dues(schedule: str, tz: tzinfo, year: int) -> list[float]:
    """Due times, in YEARS from `year` on, at which no wall shows the time for the first time:
    after a skipped hour, and in the second round of a repeated one. Epoch seconds."""
    cron = cron_fields(schedule)
    found = []
    for change in _changes(tz, year):
        for due in dues_after(schedule, change - 4 * HOUR, tz):
            if due > change + 4 * HOUR:
                break
            wall = datetime.fromtimestamp(due, tz)
            if wall.fold or not _shows(cron, wall):
                found.append(due)
    return found


def _shows(cron: Cron, wall: datetime) -> bool:
    return (
        wall.minute in cron.minutes
        and wall.hour in cron.hours
        and wall.month in cron.months
        and bool(cron.match_day(wall.date()))
    )


def _changes(tz: tzinfo, year: int) -> Iterator[float]:
    """Epoch seconds, to the minute, at which the zone's offset changes."""
    start = datetime(year, 1, 1, tzinfo=UTC).timestamp()
    for day in range(YEARS * 366):
        low, high = start + day * DAY, start + (day + 1) * DAY
        if _offset(tz, low) == _offset(tz, high):
            continue
        before = _offset(tz, low)
        while high - low > 60:
            middle = low + (high - low) // 120 * 60
            low, high = (middle, high) if _offset(tz, middle) == before else (low, middle)
        yield high


def _offset(tz: tzinfo, moment: float) -> object:
    return datetime.fromtimestamp(moment, tz).utcoffset()


def same_minutes(one: tzinfo, other: tzinfo, year: int) -> bool:
    """Whether two zones always differ by whole hours, by what they do in that year."""
    return all(_apart(one, other, year, month) % HOUR == 0 for month in range(1, 13))


def same_times(one: tzinfo, other: tzinfo, year: int) -> bool:
    """Whether two zones always show the same, by what they do until the next year."""
    if one == other:
        return True
    changes: Iterable[float] = [*_changes(one, year), *_changes(other, year)]
    moments = [moment + shift for moment in changes for shift in (-60, 0, 60)]
    return all(_offset(one, moment) == _offset(other, moment) for moment in moments) and all(
        _apart(one, other, year, month) == 0 for month in range(1, 13)
    )


def _apart(one: tzinfo, other: tzinfo, year: int, month: int) -> float:
    moment = datetime(year, month, 1, tzinfo=UTC)
    here, there = moment.astimezone(one).utcoffset(), moment.astimezone(other).utcoffset()
    return (here - there).total_seconds() if here is not None and there is not None else 0.0
