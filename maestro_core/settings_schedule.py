"""Cron expressions of five fields, by cronsim: is it one, and when is it due next.

A schedule means the machine's local time, as cron and launchd do, daylight saving included.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError


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
    if schedule_problem(schedule):
        return None
    start = datetime.fromtimestamp(now, tz or local_zone())
    try:
        return next(CronSim(schedule, start)).timestamp()
    except StopIteration:
        return None


def local_zone() -> tzinfo:
    """This machine's zone with its daylight-saving rules, else today's offset from UTC."""
    name = os.environ.get("TZ", "").removeprefix(":") or _linked_zone()
    try:
        return ZoneInfo(name)
    except (ValueError, KeyError, OSError):
        return datetime.now().astimezone().tzinfo or UTC


def _linked_zone() -> str:
    """/etc/localtime is a link into a zoneinfo folder on macOS and on most Linux systems."""
    try:
        target = str(Path("/etc/localtime").readlink())
    except OSError:
        return ""
    return target.partition("zoneinfo/")[2]
