"""Operator commands as data: what may be asked, by whom, and what came of it.

A command is one JSON file control/<id>.json; its outcome is control/acks/<id>.json.
Whoever holds consumer.lock applies it: the consumer, or the asking program itself when
there is no consumer (it takes the lock for that moment).
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

Verb = Literal[
    "dlq_retry", "dlq_discard", "dlq_restore", "dlq_unretry", "withdraw",
    "circuit_close", "circuit_open", "circuit_probe",
    "cancel", "lift_hold",
]  # fmt: skip

PAUSED_ALREADY = "was paused already"
NOT_PAUSED = "was not paused"
"""Details of an outcome that was good before: somebody else had done it."""


class Actor(Struct, frozen=True, omit_defaults=True):
    """Who acts: the login, and for SSH the address; `via` is console or cli."""

    user: str
    via: str
    address: str | None = None
    tty: str | None = None
    pid: int | None = None


class Command(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request. `targets` are tick ids, one cadence name, or one run id, by the verb."""

    id: str
    verb: Verb
    targets: tuple[str, ...]
    at: str
    actor: Actor
    reason: str | None = None
    seconds: float | None = None
    """circuit_open: for how long; None = the setting."""


class Outcome(Struct, frozen=True):
    """What became of one target."""

    target: str
    ok: bool
    detail: str = ""


class Ack(Struct, frozen=True, kw_only=True):
    """The answer to a command. `ok` when every target is; before/after are facts for the audit."""

    id: str
    ok: bool
    at: str
    by_pid: int
    outcomes: tuple[Outcome, ...]
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
