"""One visual language: the glyph, the word and the style of every state and outcome.

State is never colour alone: each has its own glyph and word. Glyphs are one cell wide.
"""

from __future__ import annotations

from typing import NamedTuple

from maestro_core.observe.snapshot import CadenceView, ConsumerView


class Look(NamedTuple):
    """How something is shown."""

    glyph: str
    word: str
    style: str


RUNNING = Look("▸", "running", "run")
MAYBE_RUNNING = Look("◌", "running?", "warn")
IDLE = Look("○", "idle", "muted")
WAITING = Look("◦", "waiting", "text")
NO_PROMPT = Look("△", "no prompt", "warn")
NO_HOST = Look("△", "no host", "warn")

UNKNOWN = Look("?", "not known", "warn")

STATES: dict[str, Look] = {
    "unknown": UNKNOWN,
    "closed": IDLE,
    "backoff": Look("◔", "back-off", "warn"),
    "open": Look("■", "OPEN", "bad"),
    "half_open": Look("◐", "half-open", "probe"),
    "paused": Look("‖", "paused", "hold"),
    "quota": Look("◷", "quota wait", "hold"),
}

HOLDS: dict[str, Look] = {
    "quota": Look("◷", "quota wait", "hold"),
    "overload": Look("◷", "overloaded", "hold"),
    "auth": Look("⊘", "auth refused", "bad"),
    "budget": Look("◷", "budget spent", "hold"),
}

OUTCOMES: dict[str, Look] = {
    "ok": Look("✓", "ok", "ok"),
    "failed": Look("×", "failed", "bad"),
    "timeout": Look("×", "timeout", "bad"),
    "cancelled": Look("⊘", "cancelled", "hold"),
    "shutdown": Look("↩", "put back", "muted"),
    "emergency_stop": Look("↩", "stopped", "muted"),
    "lease": Look("↩", "lease over", "warn"),
    "orphaned": Look("↩", "orphaned", "warn"),
    "quota": Look("◷", "quota", "hold"),
    "overload": Look("◷", "overload", "hold"),
    "auth": Look("⊘", "auth", "bad"),
}

CONSUMERS: dict[str, Look] = {
    "live": Look("●", "consumer", "ok"),
    "stale": Look("◌", "STALE", "warn"),
    "stopped": Look("○", "stopped", "muted"),
    "crashed": Look("×", "crashed", "bad"),
    "none": Look("○", "no consumer", "warn"),
}

CHECKS: dict[str, Look] = {
    "ok": Look("✓", "ok", "ok"),
    "warn": Look("△", "warn", "warn"),
    "fail": Look("×", "FAIL", "bad"),
    "skip": Look("·", "skip", "muted"),
    "running": Look("◌", "checking", "run"),
}

LEVELS: dict[str, Look] = {
    "debug": Look("·", "debug", "faint"),
    "info": Look("·", "info", "muted"),
    "warn": Look("△", "warn", "warn"),
    "warning": Look("△", "warn", "warn"),
    "error": Look("×", "error", "bad"),
}


def outcome_look(outcome: str | None) -> Look:
    """The look of a run's outcome; None is a run that goes on; unknown words count as failed."""
    if outcome is None:
        return RUNNING
    return OUTCOMES.get(outcome) or Look("×", outcome.replace("_", " "), "bad")


def cadence_look(view: CadenceView, consumer: ConsumerView) -> Look:
    """What a cadence is doing, in one word. A run shown by a dead heartbeat is not claimed."""
    if view.running is not None:
        return RUNNING if consumer.word == "live" else MAYBE_RUNNING
    if view.state == "quota" and consumer.hold is not None:
        return HOLDS.get(consumer.hold.kind, STATES["quota"])
    if view.state != "closed":
        return STATES[view.state]
    if not view.prompt_exists and view.mode == "elsewhere":
        return NO_HOST
    if not view.prompt_exists and view.mode in ("escalate", "unregistered"):
        return NO_PROMPT
    return WAITING if view.waiting else IDLE


ATTENTION = ("bad", "probe", "warn", "hold", "run", "text", "muted")
"""Styles in the order in which a person should look at them."""


def trouble(view: CadenceView, consumer: ConsumerView) -> int:
    """As `attention`, but what runs, waits or idles is all the same: it changes too often."""
    return min(attention(view, consumer), ATTENTION.index("run"))


def attention(view: CadenceView, consumer: ConsumerView) -> int:
    """Smaller = look here first."""
    return ATTENTION.index(cadence_look(view, consumer).style)
