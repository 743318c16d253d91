"""Durations, ages, countdowns and clock times as an operator reads them. Pure.

Times are wall epoch seconds; the clock face is the local time of whoever looks.
"""

from __future__ import annotations

import time

from maestro_core.clock import parse_iso

MINUTE, HOUR, DAY = 60, 3600, 86400


def moment(text: str | None) -> float | None:
    """Epoch seconds of an ISO time from a file; None if there is none or it is no time."""
    if not text:
        return None
    try:
        return parse_iso(text)
    except (ValueError, OverflowError):
        return None


def short(seconds: float) -> str:
    """`42s`, `4m`, `1h05`, `3d`: for ages and usual durations, at most five characters."""
    whole = max(0, int(seconds))
    if 0 < seconds < 1:
        return "<1s"
    if whole < MINUTE:
        return f"{whole}s"
    if whole < 10 * MINUTE and whole % MINUTE:
        return f"{whole // MINUTE}m{whole % MINUTE:02d}"
    if whole < HOUR:
        return f"{whole // MINUTE}m"
    if whole < DAY:
        return f"{whole // HOUR}h{whole % HOUR // MINUTE:02d}"
    return f"{whole // DAY}d"


def timer(seconds: float) -> str:
    """`42s`, `17m 05s`, `1h 02m`, `2d 3h`: a countdown or a stopwatch, never like a clock."""
    whole = max(0, int(seconds))
    if whole < MINUTE:
        return f"{whole}s"
    if whole < HOUR:
        return f"{whole // MINUTE}m {whole % MINUTE:02d}s"
    if whole < DAY:
        return f"{whole // HOUR}h {whole % HOUR // MINUTE:02d}m"
    return f"{whole // DAY}d {whole % DAY // HOUR}h"


def left(until: float, now: float) -> str:
    """Time left, rounded up, so that a countdown ends at 0s exactly when its time has come."""
    return timer(-((now - until) // 1))


def face(at: float, now: float) -> str:
    """Clock time: `02:31:05` within the hour, `02:31` today, `Tue 02:31`, `12 Mar` later."""
    try:
        then, today = time.localtime(at), time.localtime(now)
    except (OverflowError, ValueError, OSError):
        return "?"
    if abs(at - now) < HOUR:
        return time.strftime("%H:%M:%S", then)
    if (then.tm_year, then.tm_yday) == (today.tm_year, today.tm_yday):
        return time.strftime("%H:%M", then)
    if abs(at - now) < 6 * DAY:
        return time.strftime("%a %H:%M", then)
    return time.strftime("%d %b", then)


def ago(at: float | None, now: float) -> str:
    """`4m ago`, `just now`, or `` when unknown."""
    if at is None:
        return ""
    return "just now" if now - at < 1 else f"{short(now - at)} ago"


def stamp(at: float | None) -> str:
    """The whole local time with its zone, for details."""
    if at is None:
        return "unknown"
    return time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(at)).rstrip()
