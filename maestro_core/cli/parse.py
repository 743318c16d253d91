"""Words of the command line -> values: durations, times, counts. Raises UsageError."""

from __future__ import annotations

import re

from maestro_core.errors import UsageError

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[smhd])+\Z|\d+(?:\.\d+)?\Z")
LONGEST = 366 * 86400.0


def duration(word: str) -> float:
    """`90s`, `30m`, `1h30m`, `2d` or plain seconds -> seconds, more than 0, at most a year."""
    if not _DURATION.match(word):
        raise UsageError(f"{word!r} is no duration", "for example 90s, 30m, 2h or 1d")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(word))
    if not 0 < seconds <= LONGEST:
        raise UsageError(f"{word!r} is out of range", "more than 0 and at most 366d")
    return seconds


def point_in_time(word: str, now: float) -> float:
    """ISO 8601 (UTC unless it names a zone) or `+30m` from `now` -> wall epoch seconds."""
    if word.startswith("+"):
        return now + duration(word[1:])
    from maestro_core.clock import parse_iso

    try:
        return parse_iso(word)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"{word!r} is no time", "ISO 8601 like 2026-11-24T02:03:04Z, or +30m"
        ) from error


def count(word: str) -> int:
    """A whole number from 1 up, for argparse."""
    number = int(word)
    if number < 1:
        raise ValueError(word)
    return number


count.__name__ = "number from 1 up"
