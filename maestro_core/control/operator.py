"""What an operator can do, for the console and the command line alike.

Level state (pause, emergency stop) and new ticks need no consumer; the rest is a command.
Where and how that is done is up to `Acts`: the folders of an agent root, or a fleet. Every act
is noted in operators.jsonl. Read-only is enforced here, below every key and option. Methods
block (disk, network, waiting for the consumer): a console calls them from a worker thread.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from maestro_core.clock import Clock, SystemClock, iso
from maestro_core.control import audit
from maestro_core.control.acts import Acts, FileActs
from maestro_core.control.commands import (
    NOT_PAUSED,
    PAUSED_ALREADY,
    Ack,
    Actor,
    Command,
    Outcome,
    Verb,
)
from maestro_core.errors import Busy, ReadOnly, Refused, UsageError
from maestro_core.journal import Journal
from maestro_core.layout import NAME, Layout
from maestro_core.models import Receipt
from maestro_core.text import well_formed

WAIT_SECONDS = 10.0
"""For the answer of whoever holds the lock."""

PORTION = 500
"""Targets a command: a bulk act must not keep the consumer from its heartbeat."""
_STOP = "emergency-stop"


def current_actor(via: str) -> Actor:
    """The person at this terminal; for SSH with the address they come from."""
    return msgspec.convert(audit.who(via), Actor)


class Operator:
    """Acts on one agent root in one person's name. Safe from any thread.

    `acts` None = on the folders. `redact` masks secrets in what is stored; what in it is no
    UTF-8 is replaced. `on_wait` is told once an act who holds the lock, when that one does not
    answer at once.
    """

    def __init__(
        self,
        layout: Layout,
        *,
        actor: Actor,
        read_only: bool = False,
        clock: Clock | None = None,
        wait_seconds: float | None = None,
        redact: Callable[[str], str] = str,
        on_wait: Callable[[str], None] | None = None,
        acts: Acts | None = None,
    ) -> None:
        self._actor, self._root = actor, layout.root
        self._read_only = read_only
        self._clock = clock or SystemClock()
        journal = Journal(layout, self._clock, redact)
        wait = wait_seconds or WAIT_SECONDS
        self._acts = acts or FileActs(layout, self._clock, journal, wait, on_wait)
        self._mask = redact
        self.trouble: str | None = None
        """Why the last act could not be recorded in operators.jsonl; None = it was."""

    def close(self) -> None:
        """Let go of the bus."""
        self._acts.close()

    def unknown(self, cadence: str) -> str | None:
        """Why nobody would run that cadence; None = somebody would. Raises BusError."""
        return self._acts.unknown(cadence)

    # -- level state and ticks

    def enqueue(
        self,
        cadence: str,
        *,
        source: str = "operator",
        payload: Any = UNSET,
        dedupe_key: str | None = None,
        not_before: str | None = None,
        priority: int = 0,
    ) -> Receipt:
        """Put a tick onto the bus. `not_before` is ISO 8601. Raises UsageError, BusError."""
        from maestro_core.bus.producer import make_document

        self._may_change("enqueue a tick")
        optional = {} if payload is UNSET else {"payload": payload}
        document = make_document(
            cadence,
            source=source,
            now_wall=self._acts.now(),
            dedupe_key=dedupe_key,
            not_before=not_before,
            priority=priority,
            **optional,
        )
        receipt = self._acts.enqueue(document)
        self._record("enqueue", [cadence], after={"id": receipt.id, "fresh": receipt.fresh})
        return receipt

    def pause(self, cadence: str, reason: str | None = None) -> Ack:
        """Hold a cadence until somebody resumes it; survives restarts."""
        self._may_change(f"pause {cadence}")
        _check_name(cadence)
        before = self._acts.pause(cadence, self._note(reason))
        detail = PAUSED_ALREADY if before is not None else "paused"
        return self._done("pause", cadence, detail, reason, {"paused": before}, {"paused": True})

    def resume(self, cadence: str) -> Ack:
        """Let a paused cadence run again."""
        self._may_change(f"resume {cadence}")
        _check_name(cadence)
        before = self._acts.resume(cadence)
        detail = "resumed" if before is not None else NOT_PAUSED
        return self._done("resume", cadence, detail, None, {"paused": before}, {"paused": None})

    def emergency_stop(self, *, kill: bool = False, reason: str | None = None) -> Ack:
        """Nothing is claimed from now on; `kill` also ends what runs."""
        self._may_change("engage the emergency stop")
        note = self._note(reason) | {"kill": kill}
        before = self._acts.engage(note)
        return self._done(
            "estop", _STOP, "engaged", reason, {"emergency_stop": before}, {"emergency_stop": note}
        )

    def clear_emergency_stop(self, *, reason: str | None = None) -> Ack:
        """Let the consumer claim again."""
        self._may_change("clear the emergency stop")
        before = self._acts.clear()
        detail = "cleared" if before is not None else "was not engaged"
        return self._done(
            "estop_clear", _STOP, detail, reason, {"emergency_stop": before},
            {"emergency_stop": None},
        )  # fmt: skip

    # -- commands

    def submit(
        self,
        verb: Verb,
        targets: Sequence[str],
        *,
        reason: str | None = None,
        seconds: float | None = None,
    ) -> Ack:
        """Have a command carried out by whoever holds the lock, here when nobody does.

        Raises:
            ReadOnly: this operator may change nothing.
            UsageError: a target is no name.
            Busy: the lock's holder did not answer in time; the command stays queued.
            BusError: the bus cannot be written.
        """
        self._may_change(verb.replace("_", " "))
        if verb.startswith(("dlq", "circuit")):
            for target in targets:
                _check_name(target, "cadence" if verb.startswith("circuit") else "tick")
        if not targets:
            raise UsageError(f"{verb.replace('_', ' ')}: nothing is named")
        parts = [tuple(targets[at : at + PORTION]) for at in range(0, len(targets), PORTION)]
        acks = [self._submit_portion(verb, part, reason, seconds) for part in parts]
        return acks[0] if len(acks) == 1 else _joined(acks)

    def _submit_portion(
        self, verb: Verb, targets: tuple[str, ...], reason: str | None, seconds: float | None
    ) -> Ack:
        now = self._clock.wall()
        command = Command(
            id=_command_id(now),
            verb=verb,
            targets=targets,
            at=iso(now),
            actor=self._actor,
            reason=self._redact(reason) if reason else None,
            seconds=seconds,
        )
        try:
            ack = self._acts.deliver(command)
        except Busy as error:
            self._record(verb, targets, ok=False, reason=reason, detail=error.message)
            raise
        self._record_ack(command, ack)
        return ack

    # -- the audit

    def _may_change(self, what: str) -> None:
        if self._read_only:
            raise ReadOnly(f"read-only: this session may not {what}", "start without --read-only")
        if not self._root.is_dir():  # moved or taken away: acting would make a hollow one there
            raise Refused(f"the agent root {self._root} is gone: cannot {what}")

    def _redact(self, text: str) -> str:
        return well_formed(self._mask(text))

    def _note(self, reason: str | None) -> dict[str, Any]:
        by = self._actor.user + (f" from {self._actor.address}" if self._actor.address else "")
        note = {"at": iso(self._clock.wall()), "by": by}
        return note | ({"reason": self._redact(reason)} if reason else {})

    def _done(
        self,
        verb: str,
        target: str,
        detail: str,
        reason: str | None,
        before: dict[str, Any],
        after: dict[str, Any],
    ) -> Ack:
        self._record(verb, [target], reason=reason, detail=detail, before=before, after=after)
        now = self._clock.wall()
        return Ack(
            id=_command_id(now),
            ok=True,
            at=iso(now),
            by_pid=os.getpid(),
            outcomes=(Outcome(target, True, detail),),
            before=before,
            after=after,
        )

    def _record_ack(self, command: Command, ack: Ack) -> None:
        failed = [f"{one.target}: {one.detail}" for one in ack.outcomes if not one.ok]
        detail = "; ".join(failed[:5]) + ("; …" if len(failed) > 5 else "") if failed else None
        self._record(
            command.verb,
            command.targets,
            ok=ack.ok,
            reason=command.reason,
            detail=detail,
            before=ack.before,
            after=ack.after,
        )

    def _record(self, verb: str, targets: Sequence[str], *, ok: bool = True, **facts: Any) -> None:
        self.trouble = self._acts.record(
            at=iso(self._clock.wall()),
            actor=msgspec.to_builtins(self._actor),
            verb=verb,
            targets=targets,
            ok=ok,
            redact=self._redact,
            **facts,
        )


def _check_name(name: str, what: str = "cadence") -> None:
    if not NAME.match(name):
        raise UsageError(
            f"{name[:140]!r} is no {what} name",
            "letters, digits, '.', '_' and '-', at most 128, the first a letter or digit",
        )


def _joined(acks: Sequence[Ack]) -> Ack:
    """One answer for the portions of a bulk act."""
    return msgspec.structs.replace(
        acks[-1],
        ok=all(ack.ok for ack in acks),
        outcomes=tuple(one for ack in acks for one in ack.outcomes),
        before={name: fact for ack in acks for name, fact in ack.before.items()},
        after={name: fact for ack in acks for name, fact in ack.after.items()},
    )


def _command_id(now: float) -> str:
    """Sorts by time; no two commands share it."""
    stamp = "".join(one for one in iso(now).lower() if one.isalnum())
    return f"{stamp}-{os.getpid():x}-{os.urandom(4).hex()}"
