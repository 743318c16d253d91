"""What each setting may be: one table of ranges beside the types of `settings_types`.

A rule's `allowed` completes the sentence "it must be …". Pure data and small tests.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from maestro_core.layout import NAME
from maestro_core.settings_schedule import schedule_problem, zone_problem
from maestro_core.settings_types import FOLDERS

DAY = 86400.0
_MANAGED = ("-p", "--print", "--input-format")


class Rule(NamedTuple):
    """`holds` is asked only for values of the right type."""

    allowed: str
    holds: Callable[[Any], bool]
    secret: bool = False
    """What stands there is not shown, also where it is wrong."""


def _number(low: float, high: float) -> Rule:
    return Rule(
        f"a number from {low:.12g} to {high:.12g}",
        lambda value: math.isfinite(value) and low <= value <= high,
    )


def _over_zero(high: float) -> Rule:
    return Rule(
        f"a number over 0 and at most {high:.12g}",
        lambda value: math.isfinite(value) and 0 < value <= high,
    )


def _whole(low: int, high: int) -> Rule:
    return Rule(f"a whole number from {low} to {high}", lambda value: low <= value <= high)


def _list_of(rule: Rule) -> Rule:
    return Rule(
        f"a list with at least one item, each {rule.allowed}",
        lambda values: len(values) > 0 and all(map(rule.holds, values)),
    )


def _is_model(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9][\w.:/@\[\]-]*", name) is not None


def _is_glob(pattern: str) -> bool:
    parts = pattern.split("/")
    stays = not pattern.startswith(("/", "~")) and ".." not in parts and "\0" not in pattern
    return bool(pattern.strip()) and stays and all("**" not in p or p == "**" for p in parts)


def _is_argv(words: tuple[str, ...]) -> bool:
    return len(words) > 0 and bool(words[0].strip()) and not any("\0" in word for word in words)


def _are_args(words: tuple[str, ...]) -> bool:
    return not any("\0" in word or word.split("=")[0] in _MANAGED for word in words)


def _is_webhook(url: str) -> bool:
    return re.fullmatch(r"https?://[^\s/?#@]+(?:[/?][^\s]*)?", url) is not None


def is_bus(address: str) -> bool:
    """A server, or the word for folders. A password belongs before the @ if anywhere."""
    server = re.fullmatch(r"postgres(?:ql)?://[^\s/?#]*/[^\s?#/]+(?:\?[^\s#]*)?", address)
    return address == FOLDERS or (server is not None and "password=" not in address)


def _is_open_bus(address: str) -> bool:
    user = address.partition("://")[2].partition("/")[0].rpartition("@")[0]
    return is_bus(address) and ":" not in user


def _is_span(text: str) -> bool:
    return re.fullmatch(r"(?:[01]\d|2[0-3]):[0-5]\d-(?:[01]\d|2[0-3]):[0-5]\d", text) is not None


_DURATION = _over_zero(7 * DAY)
_MONEY = _number(0, 1_000_000)
_FLAG = Rule("true or false", lambda _: True)
_PRODUCER = Rule('"timer" or "consumer"', lambda _: True)
_COMMAND = Rule('a list of words, the program first, as in ["bin/check", "--quick"]', _is_argv)

RULES: dict[str, dict[str, Rule]] = {
    "consumer": {
        "poll_seconds": _over_zero(3600),
        "max_attempts": _whole(1, 100),
        "backoff_seconds": _list_of(_number(0, 7 * DAY)),
        "circuit_threshold": _whole(1, 1000),
        "circuit_open_seconds": _DURATION,
        "probe": _FLAG,
        "max_concurrent": _whole(1, 64),
        "timeout_seconds": _DURATION,
        "kill_grace_seconds": _number(0, 3600),
        "log_retention_days": _whole(1, 3650),
        "log_cap_mb": _over_zero(1_000_000),
        "api_retry_cap": _whole(0, 100),
        "daily_warn_usd": _MONEY,
        "daily_hold_usd": _MONEY,
    },
    "cadence": {
        "mode": Rule('"inline", "guarded" or "escalate"', lambda _: True),
        "guard": Rule('{ files = "GLOB" } or { command = ["…"] }', lambda _: True),
        "handler": Rule(
            '"heartbeat", "housekeeping", "doctor" or { command = ["…"] }', lambda _: True
        ),
        "schedule": Rule(
            'a cron expression of five fields, as in "*/5 * * * *"',
            lambda text: schedule_problem(text) is None,
        ),
        "producer": _PRODUCER,
        "priority": _whole(-1000, 1000),
        "timeout_seconds": _DURATION,
        "model": Rule("the name of a model, without blanks", _is_model),
        "max_turns": _whole(1, 10_000),
        "permission_mode": Rule("one word, as the claude CLI lists them", str.isalpha),
        "args": Rule(
            "a list of words, without " + ", ".join(_MANAGED) + ", which the consumer sets",
            _are_args,
        ),
        "daily_warn_usd": _MONEY,
        "daily_hold_usd": _MONEY,
    },
    "guard": {
        "files": Rule('a glob below the agent root, as in "state/inbox/*.md"', _is_glob),
        "command": _COMMAND,
    },
    "handler": {"command": _COMMAND},
    "schedules": {
        "time_zone": Rule(
            'the name of a time zone, as in "Europe/Berlin"',
            lambda name: zone_problem(name) is None,
        ),
        "producer": _PRODUCER,
    },
    "notices": {
        "command": _COMMAND,
        "webhook": Rule(
            "an address that begins with https:// or http://", _is_webhook, secret=True
        ),
        "quiet_hours": Rule('two times of the day, as in "22:00-07:00"', _is_span),
        "min_interval": _number(0, DAY),
    },
    "metrics": {"port": _whole(1, 65535)},
    "bus": {
        "url": Rule(
            'an address without a password, as in "postgresql://user@host:5432/database", or'
            f' "{FOLDERS}"',
            _is_open_bus,
            secret=True,
        ),
        "host": Rule(
            "a name of letters, digits, . _ -, at most 128",
            lambda name: NAME.match(name) is not None,
        ),
        "per_cadence": _whole(0, 64),
        "lease_seconds": _number(3, 3600),
    },
}
"""Section -> key -> rule; the keys are those of the structs (kept by a test)."""

PERMISSION_MODES = frozenset({
    "acceptEdits", "auto", "bypassPermissions", "default", "dontAsk", "manual", "plan",
})  # fmt: skip
"""Known to the CLI today; another word is a warning, since a newer CLI may know it."""
