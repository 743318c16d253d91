"""The consumer's side of operator commands: control/<id>.json in, control/acks/<id>.json out.

A command is applied at most once for each ack: the ack is durable before the command's file
goes, and a command whose ack is already there is only cleared away. What is no command goes
to quarantine with a reason; a file that may still be being written waits.

Who waits for what was no command gets an ack that refuses it.
Called from the thread that holds consumer.lock.
"""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import msgspec

from maestro_core import files
from maestro_core.clock import Clock, iso, parse_iso
from maestro_core.control.commands import Ack, Command, Outcome
from maestro_core.files import FileSystem
from maestro_core.layout import NAME, Layout

COMMAND_LIMIT = 32 << 20
"""Bytes; a bulk act names every one of its targets."""

YOUNG = 5.0
"""Seconds for which a file that makes no sense may still be being written."""

LONGEST = 366 * 86400.0
"""Seconds; nothing is held open for longer than a year."""

KEEP_ACKS = 86400.0
_PRUNE_EVERY = 3600.0
_AT_ONCE = 64
_PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EINTR})


class Mailbox:
    """See the module docstring. Raises OSError for trouble with the disk itself."""

    def __init__(self, layout: Layout, fs: FileSystem, clock: Clock) -> None:
        self._layout = layout
        self._fs = fs
        self._clock = clock
        self._next_prune = 0.0
        self._put_away = 0

    def pending(self) -> list[Command]:
        """Commands not applied yet, oldest first; at most 64 files a call are dealt with."""
        try:
            names = sorted(name for name in self._fs.names(self._layout.control) if _ours(name))
        except FileNotFoundError:
            return []
        commands: list[Command] = []
        self._put_away = 0
        for name in names:
            if len(commands) + self._put_away >= _AT_ONCE:
                break
            if (command := self._take(name)) is not None:
                commands.append(command)
        return sorted(commands, key=lambda one: (parse_iso(one.at), one.id))

    def acknowledge(self, ack: Ack) -> None:
        """Store the outcome, then remove the command. The ack is on disk when this returns."""
        path = self._store(ack)
        files.remove(self._fs, self._layout.control / f"{ack.id}.json")
        if self._clock.steady() >= self._next_prune:
            self._next_prune = self._clock.steady() + _PRUNE_EVERY
            self.prune(self._fs.modified(path) - KEEP_ACKS)  # the file system's own clock

    def _store(self, ack: Ack) -> Path:
        path = self._layout.acks / f"{ack.id}.json"
        files.ensure_folders(self._fs, (self._layout.control, self._layout.acks))
        files.replace(self._fs, self._layout.tmp, path, encode(ack))
        return path

    def prune(self, older_than: float) -> int:
        """Drop acks from before that wall time; how many there were."""
        dropped = 0
        for name in self._fs.names(self._layout.acks):
            path = self._layout.acks / name
            try:
                if self._fs.modified(path) < older_than:
                    self._fs.unlink(path)
                    dropped += 1
            except OSError:
                continue  # gone already, or no file: the next round looks again
        return dropped

    def _take(self, name: str) -> Command | None:
        """The command in that file, or None once it is dealt with or has to wait."""
        path = self._layout.control / name
        try:
            command = decode(name, self._fs.read(path, COMMAND_LIMIT))
            if not self._is_answered(command.id):
                return command
            files.remove(self._fs, path)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno in _PASSING:
                raise
            self._set_aside(path, error.strerror or str(error))
        except ValueError as error:
            if not self._is_young(path):
                self._set_aside(path, str(error))
        return None

    def _is_answered(self, command_id: str) -> bool:
        return self._fs.exists(self._layout.acks / f"{command_id}.json")

    def _is_young(self, path: Path) -> bool:
        try:
            return abs(self._clock.wall() - self._fs.modified(path)) < YOUNG
        except FileNotFoundError:
            return True

    def _set_aside(self, path: Path, reason: str) -> None:
        """Move what is no command to quarantine, as it is, with the reason beside it."""
        self._put_away += 1
        self._fs.make_folder(self._layout.quarantine)
        target = self._layout.quarantine / path.name
        if self._fs.exists(target):
            target = target.with_name(f"{path.name[:200]}.{files.temp_name()}")
        try:
            self._fs.rename(path, target)
        except FileNotFoundError:
            return
        at, reason = iso(self._clock.wall()), f"not an operator command: {reason}"
        note = {"at": at, "from": f"control/{path.name}", "reason": reason}
        beside = target.with_name(f"{target.name[:200]}.reason.json")
        files.replace(self._fs, self._layout.tmp, beside, _json(note))
        command_id = path.name.removesuffix(".json")
        if NAME.match(command_id) and not self._is_answered(command_id):
            self._store(refusal(command_id, at, reason))  # somebody may be waiting for it


def refusal(command_id: str, at: str, reason: str) -> Ack:
    """The answer to what was no command."""
    outcome = Outcome(command_id, False, reason)
    return Ack(id=command_id, ok=False, at=at, by_pid=os.getpid(), outcomes=(outcome,))


def encode(document: Command | Ack) -> bytes:
    """A command or an ack as it stands in its file."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def decode(name: str, data: bytes) -> Command:
    """The command in a file of that name. Raises ValueError with what is wrong."""
    if len(data) > COMMAND_LIMIT:
        raise ValueError(f"larger than {COMMAND_LIMIT >> 20} MiB")
    try:
        command = msgspec.json.decode(data, type=Command)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    if not NAME.match(command.id) or f"{command.id}.json" != name:
        raise ValueError(f"its id is {command.id[:64]!r}, which is not its file's name")
    if not command.targets and command.verb != "lift_hold":
        raise ValueError("it names no target")
    if command.seconds is not None and not 0 < command.seconds < LONGEST:
        raise ValueError("its seconds are out of range")
    parse_iso(command.at)
    return command


def _ours(name: str) -> bool:
    return name.endswith(".json") and not name.startswith(".")


def _json(document: dict[str, str]) -> bytes:
    return (json.dumps(document, indent=2) + "\n").encode()
