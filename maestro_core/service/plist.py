"""launchd property lists: made by plistlib, and checked against what launchd documents. Pure."""

from __future__ import annotations

import plistlib
from typing import Any

ALLOWED: dict[str, type | tuple[type, ...]] = {
    "Label": str,
    "ProgramArguments": list,
    "EnvironmentVariables": dict,
    "WorkingDirectory": str,
    "StandardOutPath": str,
    "StandardErrorPath": str,
    "RunAtLoad": bool,
    "KeepAlive": (bool, dict),
    "ThrottleInterval": int,
    "ExitTimeOut": int,
    "ProcessType": str,
    "StartInterval": int,
    "StartCalendarInterval": (dict, list),
}
"""Key -> type, as launchd.plist(5) has them; those that we use."""

_RANGES = {"Month": (1, 12), "Day": (1, 31), "Weekday": (0, 7), "Hour": (0, 23), "Minute": (0, 59)}


def encode_plist(document: dict[str, Any]) -> bytes:
    """The file's bytes. ValueError when launchd would not understand the document."""
    problems = plist_problems(document)
    if problems:
        raise ValueError("; ".join(problems))
    return plistlib.dumps(document, fmt=plistlib.FMT_XML, sort_keys=True)


def decode_plist(data: bytes) -> dict[str, Any] | None:
    """None for anything that is no property list with a dictionary in it."""
    try:
        document = plistlib.loads(data)
    except Exception:  # plistlib lets errors of its XML and binary readers through
        return None
    return document if isinstance(document, dict) else None


def plist_problems(document: dict[str, Any]) -> list[str]:
    """What launchd would ignore or refuse, one line each."""
    found = []
    for key, value in document.items():
        allowed = ALLOWED.get(key)
        if allowed is None:
            found.append(f"{key} is no key that we use")
        elif not isinstance(value, allowed) or (allowed is int and isinstance(value, bool)):
            found.append(f"{key} has the type {type(value).__name__}")
    for key in ("Label", "ProgramArguments"):
        if not document.get(key):
            found.append(f"{key} is missing")
    found += [f"{word!r} is no text" for word in _words(document) if not isinstance(word, str)]
    intervals = document.get("StartCalendarInterval", [])
    for interval in intervals if isinstance(intervals, list) else [intervals]:
        found += _interval_problems(interval)
    return found


def _words(document: dict[str, Any]) -> list[Any]:
    environment = document.get("EnvironmentVariables", {})
    pairs = [*environment.keys(), *environment.values()] if isinstance(environment, dict) else []
    arguments = document.get("ProgramArguments", [])
    return [*(arguments if isinstance(arguments, list) else []), *pairs]


def _interval_problems(interval: Any) -> list[str]:
    if not isinstance(interval, dict) or not interval:
        return [f"{interval!r} is no calendar interval"]
    found = []
    for name, value in interval.items():
        low, high = _RANGES.get(name, (1, 0))
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            found.append(f"{name} = {value!r} is no part of a calendar interval")
    if {"Day", "Weekday"} <= interval.keys():
        found.append("Day and Weekday together are alternatives to launchd")
    return found
