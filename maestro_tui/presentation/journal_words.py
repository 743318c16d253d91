"""What a journal entry says, in words for one line; the whole entry is one key away. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from maestro_tui.presentation import times
from maestro_tui.presentation.cells import data, money, plural
from maestro_tui.presentation.reasons import gist

Entry = dict[str, Any]

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")
_SHOWN_APART = frozenset({"ts", "level", "stage", "cadence", "verb", "targets", "actor", "ok"})
_FIRST = ("reason", "detail", "error", "message", "note")
"""Fields that say it in words: they come first, without their name."""
_DETAILS_ALONE = frozenset({
    "tick_id", "run_id", "id", "bin", "stdout", "stderr", "stdout_path", "stderr_path", "host",
    "root", "login", "acted_at",
})  # fmt: skip
"""Fields that only a program wants: they stand in the details."""


def summary(entry: Entry) -> str:
    """What an entry says beyond its time, level, stage and cadence: `attempt 2 · took 5.7s`."""
    words = [operator_words(entry) if entry.get("stage") == "operator" else _targets(entry)]
    said = [gist(_shown(entry[name])) for name in _FIRST if entry.get(name)]
    words += said
    left_out = {*_SHOWN_APART, *_FIRST, *_DETAILS_ALONE}
    if any(one.startswith("exit ") for one in said):  # the reason of a run begins with its code
        left_out.add("exit_code")
    words += [_field(name, value) for name, value in entry.items() if name not in left_out]
    about = next((entry[name] for name in ("tick_id", "id", "run_id") if entry.get(name)), "")
    return data(" · ".join(filter(None, words)) or str(about), 1000)


def _field(name: str, value: Any) -> str:
    """One field in words; nothing where it says nothing, or too much for a line."""
    if value in (None, False, "", []) or isinstance(value, dict):
        return ""
    words = _WORDS.get(name)
    if words is not None and isinstance(value, int | float) and not isinstance(value, bool):
        return words(value)
    if name in _UNTIL and isinstance(value, str):
        return f"until {_shown(value)}"
    if name == "destination":
        return _DESTINATIONS.get(str(value), f"to {_shown(value)}")
    label = name.replace("_", " ")
    return label if value is True else f"{label} {_shown(value)}"


_WORDS: Mapping[str, Callable[[Any], str]] = {
    "attempt": lambda n: f"attempt {n}",
    "exit_code": lambda n: f"exit {n}" if n else "",
    "duration_ms": lambda n: f"took {_seconds(n / 1000)}" if n else "",
    "seconds": lambda n: f"took {_seconds(n)}",
    "cost_usd": lambda n: money(n) if n else "",
    "waiting": lambda n: plural(n, "tick waits", "ticks wait"),
    "failures": lambda n: f"{plural(n, 'failure')} in a row",
    "active_subsessions": lambda n: f"{plural(n, 'run goes', 'runs go')} on already",
    "recovered": lambda n: f"{plural(n, 'tick')} put back" if n else "",
    "pid": lambda n: f"pid {n}",
}
_DESTINATIONS = {
    "dlq": "to the dead letters", "retry": "will be tried again", "put_back": "put back",
}  # fmt: skip
"""Where the tick of a failed run went."""
_UNTIL = frozenset({"retry_at", "open_until", "until"})


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f}s" if seconds < 10 else times.timer(seconds)


def _shown(value: Any) -> str:
    """Text as it is, a time as a clock shows it, names in a row, anything else as JSON."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(value)
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False, default=str)
    at = times.moment(value) if _TIME.match(value) else None
    return value if at is None else times.face(at, at)


def operator_words(entry: Entry) -> str:
    """`ops from 10.0.0.7: dlq_retry a, b and 3 more`."""
    actor = entry.get("actor")
    actor = actor if isinstance(actor, dict) else {}
    address = f" from {actor['address']}" if actor.get("address") else ""
    place = f" on {entry['host']}" if entry.get("host") else ""
    who = f"{actor.get('user', 'somebody')}{address}{place}"
    return f"{who}: {entry.get('verb')} {_targets(entry)}"


def _targets(entry: Entry) -> str:
    """What an act was done to: the first three, and how many more."""
    targets = entry.get("targets")
    names = [str(one) for one in targets] if isinstance(targets, list) else []
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"
