"""Which due time is to be enqueued now, if any: one at most, however long nobody looked.

Pure: the record of a cadence and `now` come in, a decision comes out. All times are wall
epoch seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo

from msgspec import Struct
from msgspec.structs import replace

from maestro_core.settings_schedule import dues_after

HOUR, DAY = 3600.0, 86400.0
_WINDOWS = (HOUR, DAY, 32 * DAY, 367 * DAY, 3000 * DAY)
"""How far back the latest due time is looked for; the last one finds a 29 February."""

EARLY = 1.0
"""A timer that fires this much before the due time means that due time."""

FRESH = 15 * 60.0
"""A timer's first call ever counts for a due time of at most this age."""

SET_BACK = HOUR
"""A record that lies further ahead than this was written by a clock that was wrong."""


class Record(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is remembered of a cadence's schedule: due times up to `until` are dealt with."""

    schedule: str
    zone: str | None = None
    until: float
    due: float | None = None
    """The last due time that was enqueued."""
    tick_id: str | None = None
    """Its tick."""
    source: str | None = None
    covered: int = 0
    """Due times since then for which that tick, still waiting, stands too."""


class Decision(Struct, frozen=True):
    """`due` None = nothing to enqueue. `record` None = leave what is remembered as it is."""

    due: float | None
    record: Record | None


def decide(
    before: Record | None, schedule: str, zone: str | None, now: float, tz: tzinfo, *,
    called: bool,
) -> Decision:  # fmt: skip
    """What to do at `now`.

    Args:
        called: a timer says that it is time; otherwise the consumer looks by itself, and a
            schedule that it has not seen before begins now.
    """
    known = _known_until(before, schedule, zone, now, called=called)
    horizon = now + EARLY if called else now
    due = latest_due(schedule, known, horizon, tz)
    if due is None and before is not None and known == before.until:
        return Decision(None, None)
    after = before or Record(schedule=schedule, zone=zone, until=now)
    until = max(now, due or now)
    return Decision(due, replace(after, schedule=schedule, zone=zone, until=until))


def _known_until(
    before: Record | None, schedule: str, zone: str | None, now: float, *, called: bool
) -> float:
    """Up to when due times are dealt with."""
    begin = now - FRESH if called else now
    if before is None:
        return begin
    if before.until > now + SET_BACK:
        return begin
    if (before.schedule, before.zone) != (schedule, zone):
        return max(begin, before.due or begin)
    return before.until


def latest_due(schedule: str, after: float, until: float, tz: tzinfo) -> float | None:
    """The last due time with `after` < due <= `until`; None if there is none."""
    for window in _WINDOWS:
        start = max(after, until - window)
        found = None
        for due in _up_to(schedule, start, until, tz):
            found = due
        if found is not None or start <= after:
            return found
    return None


def _up_to(schedule: str, after: float, until: float, tz: tzinfo) -> Iterator[float]:
    for due in dues_after(schedule, after, tz):
        if due > until:
            return
        yield due
