"""What waits to be told, coalesced: a circuit that opened and closed again is no news, and a
hundred dead letters are one line. Pure; times are given in. Not thread-safe by itself.
"""

from __future__ import annotations

from datetime import datetime, tzinfo

from msgspec import Struct
from msgspec.structs import replace

from maestro_core.notices.notice import Change, Notice

MOST_LINES = 50
"""Notices in one delivery; the rest is counted."""


class _Waiting(Struct):
    state: str | None
    normal: bool
    notice: Notice


class Outbox:
    """`add` what happens, `take` what is to be told."""

    def __init__(self) -> None:
        self._waiting: dict[str, _Waiting] = {}
        self._told: dict[str, str] = {}
        """Key of a change -> the side that people know of; absent = the normal one."""

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, change: Change) -> None:
        if change.normal and not change.notice.text:
            if change.state is not None:
                self._told[change.key] = change.state  # known before: no news
            return
        waiting = self._waiting.get(change.key)
        if change.state is None and waiting is not None:
            count = waiting.notice.count + 1
            waiting.notice = replace(change.notice, count=count)
            return
        if change.state is not None and not self._is_news(change):
            self._waiting.pop(change.key, None)
            return
        self._waiting[change.key] = _Waiting(change.state, change.normal, change.notice)

    def take(self) -> list[Notice]:
        """All that waits, oldest first; people know it from now on."""
        waiting, self._waiting = self._waiting, {}
        for key, one in waiting.items():
            if one.state is None:
                continue
            if one.normal:
                self._told.pop(key, None)
            else:
                self._told[key] = one.state
        notices = sorted((one.notice for one in waiting.values()), key=lambda one: one.at)
        return _shortened(notices)

    def _is_news(self, change: Change) -> bool:
        if change.normal:
            return change.key in self._told
        return self._told.get(change.key) != change.state


def _shortened(notices: list[Notice]) -> list[Notice]:
    if len(notices) <= MOST_LINES:
        return notices
    more = len(notices) - MOST_LINES + 1
    last = notices[-1]
    rest = replace(last, subject="", text=f"and {more} more; see maestro-tui journal", count=more)
    return [*notices[: MOST_LINES - 1], rest]


def quiet_until(quiet_hours: str | None, now: float, tz: tzinfo) -> float | None:
    """When the quiet hours end that `now` (wall epoch seconds) lies in; None = it lies in none.

    `quiet_hours` is `HH:MM-HH:MM` of the clock on the wall and may go over midnight.
    """
    if quiet_hours is None:
        return None
    begin, _, end = quiet_hours.partition("-")
    wall = datetime.fromtimestamp(now, tz)
    time = f"{wall:%H:%M}"
    inside = begin <= time < end if begin <= end else time >= begin or time < end
    if not inside:
        return None
    hour, _, minute = end.partition(":")
    stop = wall.replace(hour=int(hour), minute=int(minute), second=0, microsecond=0, fold=0)
    ahead = stop.timestamp() - now
    return now + (ahead if ahead > 0 else ahead + 86400.0)
