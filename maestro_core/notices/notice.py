"""What is worth telling: changes of state and single events, read from the journal's entries. Pure.

A change has two sides (a circuit opens, it closes): telling both within one delivery would be
telling nothing, so the outbox drops the pair. An event (a dead letter) is only ever counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

Kind = Literal[
    "circuit_opened", "circuit_closed", "dead_letter", "auth", "quota", "overload", "budget",
    "hold_lifted", "emergency_stop", "emergency_stop_cleared", "consumer_gone",
    "consumer_crashed", "consumer_stopped", "crash_loop", "settings", "trouble",
    "doctor",
]  # fmt: skip
"""What a notice is about; stable words for programs."""


class Notice(Struct, frozen=True, kw_only=True):
    """One thing to tell."""

    kind: Kind
    subject: str = ""
    """The cadence, where it is about one."""
    text: str
    """One line for people."""
    at: str
    """ISO time."""
    count: int = 1
    """How many alike this stands for."""


class Change(Struct, frozen=True, kw_only=True):
    """`state` is the side of `key` that is on now; None = an event, each one counts."""

    key: str
    state: str | None
    normal: bool = False
    """This side is how things should be: told only after the other side was told."""
    notice: Notice


_HOLDS: dict[str, Kind] = {
    "auth": "auth", "quota": "quota", "overload": "overload", "budget": "budget",
}  # fmt: skip
_HOLD_WORDS = {
    "auth": "the API refused the key or the login",
    "quota": "the usage limit is reached",
    "overload": "the API is overloaded",
    "budget": "the budget is spent",
}
_TOLD_STARTS = (3, 6, 12, 24, 48)
_DEAD = ("poison_tick", "unknown_cadence")
_FAILED = ("subsession_failed", "inline_failed")


def changes(entry: Mapping[str, Any]) -> list[Change]:
    """What a journal entry means for people outside; mostly nothing."""
    stage = str(entry.get("stage"))
    if stage in _DEAD or (stage in _FAILED and entry.get("destination") == "dlq"):
        return [_dead_letter(entry)]
    if stage == "consumer_started":
        return _started(entry)
    if stage == "crash_loop":
        return _crash_loop(entry)
    maker = _MAKERS.get(stage)
    return [maker(entry)] if maker is not None else []


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    return str(value) if value is not None else ""


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


def _change(
    entry: Mapping[str, Any], key: str, state: str | None, kind: Kind, text: str, *,
    normal: bool = False, subject: str = "",
) -> Change:  # fmt: skip
    notice = Notice(kind=kind, subject=subject, text=text, at=_text(entry, "ts"))
    return Change(key=key, state=state, normal=normal, notice=notice)


def _dead_letter(entry: Mapping[str, Any]) -> Change:
    cadence = _text(entry, "cadence")
    text = f"dead letter of {cadence}{_because(_text(entry, 'error'))}"
    return _change(entry, f"dead {cadence}", None, "dead_letter", text, subject=cadence)


def _opened(entry: Mapping[str, Any]) -> Change:
    cadence, until = _text(entry, "cadence"), _text(entry, "open_until")
    by = _text(entry, "by")
    how = f"held open by {by}" if by else f"opened after {_text(entry, 'failures')} failures"
    text = f"circuit of {cadence} {how}, until {until}"
    return _change(entry, f"circuit {cadence}", "open", "circuit_opened", text, subject=cadence)


def _closed(entry: Mapping[str, Any]) -> Change:
    cadence, by = _text(entry, "cadence"), _text(entry, "by")
    text = f"circuit of {cadence} closed{f' by {by}' if by else _because(_text(entry, 'reason'))}"
    return _change(
        entry, f"circuit {cadence}", "closed", "circuit_closed", text, normal=True, subject=cadence
    )


def _hold_set(entry: Mapping[str, Any]) -> Change:
    word = _text(entry, "kind")
    kind: Kind = _HOLDS.get(word, "quota")
    until = _text(entry, "until")
    what = _HOLD_WORDS.get(word, word)
    ends = f", until {until}" if until else ""
    text = f"every cadence waits, {what}{_because(_text(entry, 'reason'))}{ends}"
    return _change(entry, f"hold {word}", "on", kind, text)


def _hold_lifted(entry: Mapping[str, Any]) -> Change:
    word = _text(entry, "kind")
    text = f"cadences run again, {word} hold lifted{_because(_text(entry, 'reason'))}"
    return _change(entry, f"hold {word}", "off", "hold_lifted", text, normal=True)


def _budget_warning(entry: Mapping[str, Any]) -> Change:
    name = _text(entry, "cadence").replace("*", "all cadences")
    spent, limit = _text(entry, "spent_usd"), _text(entry, "warn_usd")
    text = f"{name} spent {spent} USD today (warning at {limit})"
    return _change(entry, f"budget {name}", None, "budget", text, subject=name)


def _budget_hold(entry: Mapping[str, Any]) -> Change:
    name = _text(entry, "cadence").replace("*", "all cadences")
    text = f"{name} held until midnight UTC{_because(_text(entry, 'reason'))}"
    return _change(entry, f"budget hold {name}", None, "budget", text, subject=name)


def _stop(entry: Mapping[str, Any]) -> Change:
    by = f" by {_text(entry, 'by')}" if entry.get("by") else ""
    text = f"emergency stop{by}{_because(_text(entry, 'reason'))}"
    return _change(entry, "stop", "on", "emergency_stop", text)


def _stop_cleared(entry: Mapping[str, Any]) -> Change:
    text = "emergency stop cleared"
    return _change(entry, "stop", "off", "emergency_stop_cleared", text, normal=True)


def _started(entry: Mapping[str, Any]) -> list[Change]:
    """Circuits that were open before are no news; a crash before this start is."""
    restored = entry.get("circuits_restored")
    known = [
        _change(entry, f"circuit {name}", "open", "circuit_opened", "", subject=str(name))
        for name in (restored if isinstance(restored, list) else [])
    ]
    quiet = [Change(key=one.key, state=one.state, normal=True, notice=one.notice) for one in known]
    if not entry.get("crashed") or entry.get("looping"):  # a loop is told by itself
        return quiet
    text = "the consumer had crashed or was killed; it runs again"
    return [*quiet, _change(entry, "crashed", None, "consumer_crashed", text)]


def _stopped(entry: Mapping[str, Any]) -> Change:
    return _change(entry, "stopped", None, "consumer_stopped", "the consumer was stopped")


def _crash_loop(entry: Mapping[str, Any]) -> list[Change]:
    """Told again only when it has become twice as long: each start is another process, which
    knows of no earlier notice, and there are a hundred of them in a night."""
    starts = entry.get("starts")
    if starts not in _TOLD_STARTS:
        return []
    text = (
        f"the consumer keeps ending: {_text(entry, 'starts')} bad ends in a row,"
        f" the next start in {_text(entry, 'wait_seconds')} s"
    )
    return [_change(entry, "loop", None, "crash_loop", text)]


def _gone(entry: Mapping[str, Any]) -> Change:
    text = "the consumer is gone: its service was given up; maestro-tui service restart"
    return _change(entry, "gone", None, "consumer_gone", text)


def _lock_lost(entry: Mapping[str, Any]) -> Change:
    text = "the consumer ends: its lock file was deleted or replaced"
    return _change(entry, "gone", None, "consumer_gone", text)


def _settings(entry: Mapping[str, Any]) -> Change:
    text = f"settings refused, the last good ones stay{_because(_text(entry, 'error'))}"
    return _change(entry, "settings", None, "settings", text)


def _trouble(entry: Mapping[str, Any]) -> Change:
    return _change(entry, "trouble", None, "trouble", f"trouble{_because(_text(entry, 'error'))}")


def _doctor_round(entry: Mapping[str, Any]) -> Change:
    failed = entry.get("failed")
    if not failed:
        text = "the doctor's checks pass again"
        return _change(entry, "doctor", "well", "doctor", text, normal=True)
    text = f"the doctor found {_text(entry, 'error')}"
    return _change(entry, "doctor", str(failed), "doctor", text)


_MAKERS = {
    "circuit_opened": _opened,
    "circuit_closed": _closed,
    "hold_set": _hold_set,
    "hold_lifted": _hold_lifted,
    "budget_warning": _budget_warning,
    "budget_hold": _budget_hold,
    "emergency_stop": _stop,
    "emergency_stop_cleared": _stop_cleared,
    "consumer_stopped": _stopped,
    "service_gone": _gone,
    "lock_lost": _lock_lost,
    "settings_refused": _settings,
    "trouble": _trouble,
    "doctor_round": _doctor_round,
}
