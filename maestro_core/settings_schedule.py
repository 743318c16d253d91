"""Cron expressions of five fields, by cronsim: is it one, and when is it due.

A schedule means local time (of this machine, or of the zone that the settings name), with
Debian cron's rules on the two days when clocks change: see docs/schedules.md. Pure but for
the lookup of the machine's zone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

LOCALTIME = Path("/etc/localtime")
_DAY = 86400.0

Cron = CronSim
"""A parsed expression, for annotations elsewhere."""


@lru_cache(maxsize=256)
def schedule_problem(schedule: str) -> str | None:
    """What is wrong with a cron expression; None when it is one that comes round."""
    if len(schedule.split()) != 5:
        return "it has not five fields"
    try:
        next(CronSim(schedule, datetime(2024, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        return str(error).lower()
    except StopIteration:
        return "it never comes round"
    return None


def next_due(schedule: str, now: float, tz: tzinfo | None = None) -> float | None:
    """Epoch seconds of the first time after `now` (epoch seconds); None if there is none.

    `tz` None = this machine's zone.
    """
    return next(dues_after(schedule, now, tz), None)


def dues_after(schedule: str, after: float, tz: tzinfo | None = None) -> Iterator[float]:
    """Epoch seconds of every due time after `after`, each once and in order."""
    if schedule_problem(schedule):
        return
    place = tz or local_zone()
    if any(field.startswith("*") for field in schedule.split()[:2]):
        yield from _by_real_time(schedule, after, place)
        return
    last = after
    for moment in CronSim(schedule, datetime.fromtimestamp(after, place)):
        # In a repeated hour a fixed time is found once more, in the past; two times in a
        # skipped hour are one moment.
        if (due := moment.timestamp()) > last:
            last = due
            yield due


def _by_real_time(schedule: str, after: float, tz: tzinfo) -> Iterator[float]:
    """What goes on by real time, clock changes or not: from change to change as if clocks never
    changed. The library alone takes every change for one of a whole hour."""
    start, offset = after, _offset(tz, after)
    while True:
        change = None
        for moment in CronSim(schedule, datetime.fromtimestamp(start, timezone(offset))):
            due = moment.timestamp()
            if (change := _change(tz, offset, start, due)) is not None:
                break
            yield due
            start = due
        if change is None:
            return
        start, offset = change - 1, _offset(tz, change)


def _change(tz: tzinfo, offset: timedelta, start: float, end: float) -> float | None:
    """The first minute in (start, end] at which the offset from UTC is another one."""
    low = start
    while low < end:
        high = min(low + _DAY, end)
        if _offset(tz, high) != offset:
            break
        low = high
    else:
        return None
    first, last = low // 60, high // 60
    while last - first > 1:
        middle = (first + last) // 2
        first, last = (middle, last) if _offset(tz, middle * 60) == offset else (first, middle)
    return last * 60


def _offset(tz: tzinfo, moment: float) -> timedelta:
    return datetime.fromtimestamp(moment, tz).utcoffset() or timedelta()


def cron_fields(schedule: str) -> Cron:
    """The parsed expression, for translations: `minutes`, `hours`, `days`, `months`, `weekdays`
    (0 and 7 are Sunday), and `day_and`: days and weekdays must both match, else either does."""
    return CronSim(schedule, datetime(2024, 1, 1, tzinfo=UTC))


@lru_cache(maxsize=64)
def zone_problem(name: str) -> str | None:
    """What is wrong with the name of a time zone; None when it is known here."""
    try:
        ZoneInfo(name)
    except (ValueError, KeyError, OSError):
        return f"no time zone {name!r} is known"
    return None


def zone(name: str | None) -> tzinfo:
    """The zone of that name; None, or a name that is not known here = this machine's."""
    return ZoneInfo(name) if name is not None and zone_problem(name) is None else local_zone()


def local_zone() -> tzinfo:
    """What this process takes for local time: $TZ, else the machine's zone, each with its
    daylight-saving rules; for a $TZ that names no zone today's offset from UTC."""
    name = _zone_of_process()
    if not name:
        return machine_zone()
    try:
        return ZoneInfo(name)
    except (ValueError, KeyError, OSError):
        return datetime.now().astimezone().tzinfo or UTC


def foreign_zone() -> str | None:
    """The zone that $TZ names where it is another one than the machine's: launchd and systemd do
    not know of it."""
    name = _zone_of_process()
    return name if name and name != _linked_zone() and zone_problem(name) is None else None


def machine_zone() -> tzinfo:
    """The machine's own zone, whatever $TZ says here."""
    try:
        return ZoneInfo(_linked_zone())
    except (ValueError, KeyError, OSError):
        return _copied_zone()


def _zone_of_process() -> str:
    return os.environ.get("TZ", "").removeprefix(":")


def _linked_zone() -> str:
    """/etc/localtime is a link into a zoneinfo folder on macOS and on most Linux systems."""
    try:
        target = str(LOCALTIME.readlink())
    except OSError:
        return ""
    return target.partition("zoneinfo/")[2]


def _copied_zone() -> tzinfo:
    """Elsewhere it is a copy of such a file; without one the machine's time is UTC."""
    try:
        with LOCALTIME.open("rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError):
        return UTC
