"""Numbers and times as words for people. Pure; `now` is handed in."""

from __future__ import annotations

import time

from maestro_core.clock import iso
from maestro_core.observe.documents import moment

NONE = "-"


def span(seconds: float | None) -> str:
    """`41s`, `3m 12s`, `2h 05m`, `4d 3h`."""
    if seconds is None:
        return NONE
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{seconds:.1f}s" if 0 < seconds < 10 else f"{whole}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02d}m" if hours < 48 else f"{hours // 24}d {hours % 24}h"


def age(then: float | None, now: float) -> str:
    """`3m 12s ago`; for what lies ahead `in 3m 12s`."""
    if then is None:
        return NONE
    return f"{span(now - then)} ago" if then <= now else f"in {span(then - now)}"


def clock_time(then: float | None, now: float) -> str:
    """Local wall-clock time; with the date when it is not today."""
    if then is None:
        return NONE
    there, today = time.localtime(then), time.localtime(now)
    same_day = there[:3] == today[:3]
    return time.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M:%S", there)


def until(then: float | None, now: float) -> str:
    """`until 02:33:04 (in 29m 12s)`."""
    return "" if then is None else f"until {clock_time(then, now)} ({age(then, now)})"


def money(usd: float) -> str:
    """USD; more digits for small sums, `-` for nothing."""
    if not usd:
        return NONE
    return f"${usd:.2f}" if usd >= 0.1 else f"${usd:.4f}"


def tokens(number: int) -> str:
    """`950`, `12.3k`, `4.5M`."""
    for size, unit in ((1_000_000, "M"), (1000, "k")):
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return str(number)


def plural(number: int, word: str, many: str | None = None) -> str:
    return f"{number:,} {word if number == 1 else many or word + 's'}"


def iso_or_none(then: float | None) -> str | None:
    """Epoch seconds as documents have them."""
    return None if then is None else iso(then)


def stored_age(text: str | None, now: float) -> str:
    """The age of an ISO time that stands in a file."""
    return age(moment(text), now)
