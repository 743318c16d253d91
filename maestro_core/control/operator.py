"""What an operator can do, for the console and the command line alike.

Level state (pause, emergency stop) and new ticks are plain files and need no consumer. The
rest is a command: applied here and now when nobody holds consumer.lock, else left in
control/ and waited for. Every act is one line in operators.jsonl. Read-only is enforced here,
below every key and option. Methods block (disk, waiting for the consumer): call them from a
worker thread of a console.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from maestro_core import files
from maestro_core.clock import Clock, SystemClock, iso
from maestro_core.consumer.ownership import Ownership, holder
from maestro_core.control import audit, markers
from maestro_core.control.apply import apply_offline
from maestro_core.control.commands import Ack, Actor, Command, Outcome, Verb
from maestro_core.control.mailbox import Mailbox, encode
from maestro_core.errors import BusError, Busy, ReadOnly, UsageError
from maestro_core.layout import NAME, Layout
from maestro_core.models import Receipt

ACK_LIMIT = 64 << 20
_STOP = "emergency-stop"
_SHORTEST_POLL, _LONGEST_POLL = 0.005, 0.1


def current_actor(via: str) -> Actor:
    """The person at this terminal; for SSH with the address they come from."""
    return msgspec.convert(audit.who(via), Actor)


class Operator:
    """Acts on one agent root in one person's name. Safe from any thread."""

    def __init__(
        self,
        layout: Layout,
        *,
        actor: Actor,
        read_only: bool = False,
        clock: Clock | None = None,
        wait_seconds: float = 10.0,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._layout = layout
        self._actor = actor
        self._read_only = read_only
        self._clock = clock or SystemClock()
        self._wait_seconds = wait_seconds
        self._redact = redact
        self._fs = files.OsFiles()
        self.trouble: str | None = None
        """Why the last act could not be recorded in operators.jsonl; None = it was."""

    # -- plain files

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
        """Drop a tick into the inbox. `not_before` is ISO 8601. Raises UsageError, BusError."""
        from maestro_core.bus.producer import make_document, publish_tick

        self._may_change("enqueue a tick")
        optional = {} if payload is UNSET else {"payload": payload}
        document = make_document(
            cadence,
            source=source,
            now_wall=self._clock.wall(),
            dedupe_key=dedupe_key,
            not_before=not_before,
            priority=priority,
            **optional,
        )
        tick_id, fresh = publish_tick(self._layout, document)
        self._record("enqueue", [cadence], after={"id": tick_id, "fresh": fresh})
        return Receipt(tick_id, fresh)

    def pause(self, cadence: str, reason: str | None = None) -> Ack:
        """Hold a cadence until somebody resumes it; survives restarts."""
        self._may_change(f"pause {cadence}")
        _check_name(cadence)
        before = markers.pause(self._layout, self._fs, cadence, self._note(reason))
        detail = "was paused already" if before is not None else "paused"
        return self._done("pause", cadence, detail, reason, {"paused": before}, {"paused": True})

    def resume(self, cadence: str) -> Ack:
        """Let a paused cadence run again."""
        self._may_change(f"resume {cadence}")
        _check_name(cadence)
        before = markers.resume(self._layout, self._fs, cadence)
        detail = "resumed" if before is not None else "was not paused"
        return self._done("resume", cadence, detail, None, {"paused": before}, {"paused": None})

    def emergency_stop(self, *, kill: bool = False, reason: str | None = None) -> Ack:
        """Nothing is claimed from now on; `kill` also ends what runs."""
        self._may_change("engage the emergency stop")
        note = self._note(reason) | {"kill": kill}
        before = markers.engage(self._layout, self._fs, note)
        return self._done(
            "estop", _STOP, "engaged", reason, {"emergency_stop": before}, {"emergency_stop": note}
        )

    def clear_emergency_stop(self) -> Ack:
        """Let the consumer claim again."""
        self._may_change("clear the emergency stop")
        before = markers.clear(self._layout, self._fs)
        detail = "cleared" if before is not None else "was not engaged"
        return self._done(
            "estop_clear", _STOP, detail, None, {"emergency_stop": before}, {"emergency_stop": None}
        )

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
        command = Command(
            id=_command_id(self._clock.wall()),
            verb=verb,
            targets=tuple(targets),
            at=iso(self._clock.wall()),
            actor=self._actor,
            reason=reason,
            seconds=seconds,
        )
        try:
            ack = self._apply_here(command) or self._ask(command)
        except OSError as error:
            raise BusError(f"the command could not be stored: {error}") from error
        self._record_ack(command, ack)
        return ack

    def _apply_here(self, command: Command) -> Ack | None:
        """The outcome when the lock is free; None when somebody else holds it."""
        try:
            owner = Ownership.acquire(self._layout, what=f"operator command {command.verb}")
        except Busy:
            return None
        try:
            self._apply_older()
            return apply_offline(self._layout, command, self._clock)
        finally:
            owner.release()

    def _apply_older(self) -> None:
        """Commands that a consumer never came to, before the new one."""
        mailbox = Mailbox(self._layout, self._fs, self._clock)
        for command in mailbox.pending():
            mailbox.acknowledge(apply_offline(self._layout, command, self._clock))

    def _ask(self, command: Command) -> Ack:
        """Leave the command for the lock's holder and wait for its ack.

        A holder that goes away meanwhile leaves the lock free: then it is applied here.
        """
        path = self._layout.control / f"{command.id}.json"
        for folder in (self._layout.control, self._layout.tmp):
            self._fs.make_folder(folder)
        files.publish(self._fs, self._layout.tmp, path, encode(command))
        deadline = time.monotonic() + self._wait_seconds
        pause, look = threading.Event(), _SHORTEST_POLL
        while True:
            if (ack := self._read_ack(command)) is not None:
                return ack
            if look >= _LONGEST_POLL and (ack := self._apply_queued(command)) is not None:
                return ack
            if time.monotonic() > deadline:
                raise self._unanswered(command)
            pause.wait(look)
            look = min(look * 2, _LONGEST_POLL)

    def _apply_queued(self, command: Command) -> Ack | None:
        """Be the holder for a moment, if nobody is, and answer ourselves."""
        try:
            owner = Ownership.acquire(self._layout, what=f"operator command {command.verb}")
        except Busy:
            return None
        try:
            self._apply_older()
            return self._read_ack(command)
        finally:
            owner.release()

    def _read_ack(self, command: Command) -> Ack | None:
        try:
            data = self._fs.read(self._layout.acks / f"{command.id}.json", ACK_LIMIT)
        except FileNotFoundError:
            return None
        try:
            return msgspec.json.decode(data, type=Ack)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise BusError(f"the answer to {command.id} cannot be read: {error}") from error

    def _unanswered(self, command: Command) -> Busy:
        message = f"no answer within {self._wait_seconds:g} s from {holder(self._layout)}"
        self._record(command.verb, command.targets, ok=False, reason=command.reason, detail=message)
        return Busy(
            message,
            f"the request stays queued as control/{command.id}.json and is carried out as soon"
            " as a consumer looks; remove that file to withdraw it",
        )

    # -- the audit

    def _may_change(self, what: str) -> None:
        if self._read_only:
            raise ReadOnly(f"read-only: this session may not {what}", "start without --read-only")

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
        self.trouble = audit.record(
            self._layout,
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


def _command_id(now: float) -> str:
    """Sorts by time; no two commands share it."""
    stamp = "".join(one for one in iso(now).lower() if one.isalnum())
    return f"{stamp}-{os.getpid():x}-{os.urandom(4).hex()}"
