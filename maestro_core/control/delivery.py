"""Brings a command to whoever holds consumer.lock, and the answer back.

When nobody holds it, the command is carried out here and now, after older ones that no
consumer came to. Else it lies in control/ until the holder's ack appears; a holder that goes
away meanwhile leaves the lock free, and then it is carried out here. Blocks; any thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import msgspec

from maestro_core import files
from maestro_core.bus.producer import disk_error
from maestro_core.clock import Clock
from maestro_core.consumer.ownership import Ownership, holder
from maestro_core.control import told
from maestro_core.control.apply import apply_offline
from maestro_core.control.commands import Ack, Command
from maestro_core.control.mailbox import Mailbox, encode
from maestro_core.errors import BusError, Busy
from maestro_core.journal import Journal
from maestro_core.layout import Layout

ACK_LIMIT = 64 << 20
TELL_AFTER = 1.0
_SHORTEST_LOOK, _LONGEST_LOOK = 0.005, 0.1


class Delivery:
    """See the module docstring.

    Args:
        journal: what is carried out here is noted there, as a consumer would.
        wait_seconds: bounds the waiting for a holder's ack.
        on_wait: told once, with the holder's name, when it does not answer at once.
    """

    def __init__(
        self,
        layout: Layout,
        clock: Clock,
        journal: Journal,
        wait_seconds: float,
        on_wait: Callable[[str], None] | None = None,
    ) -> None:
        self._layout = layout
        self._clock = clock
        self._journal = journal
        self._wait_seconds = wait_seconds
        self._on_wait = on_wait
        self._fs = files.OsFiles()

    def deliver(self, command: Command) -> Ack:
        """The outcome of the command.

        Raises:
            Busy: the lock's holder did not answer in time; the command stays queued.
            BusError: the bus cannot be read or written.
        """
        try:
            return self._apply_here(command) or self._ask(command)
        except OSError as error:
            raise disk_error("the command cannot be carried out", error) from error

    def _apply_here(self, command: Command) -> Ack | None:
        """The outcome when the lock is free; None when somebody else holds it."""
        owner = self._own_for_a_moment(command)
        if owner is None:
            return None
        try:
            self._apply_queued()
            return self._apply(command)
        finally:
            owner.release()

    def _ask(self, command: Command) -> Ack:
        """Leave the command for the lock's holder, and look for its ack again and again."""
        path = self._layout.control / f"{command.id}.json"
        folders = (self._layout.bus, self._layout.tmp, self._layout.control)
        files.ensure_folders(self._fs, folders)
        files.publish(self._fs, self._layout.tmp, path, encode(command))
        begun, look = time.monotonic(), _SHORTEST_LOOK
        pause, told = threading.Event(), False
        while (ack := self._read_ack(command)) is None:
            waited = time.monotonic() - begun
            if look >= _LONGEST_LOOK and (ack := self._answer_ourselves(command)) is not None:
                break
            if waited > self._wait_seconds:
                raise self._unanswered(command)
            if waited > TELL_AFTER and not told and self._on_wait is not None:
                told = True
                self._on_wait(holder(self._layout))
            pause.wait(look)
            look = min(look * 2, _LONGEST_LOOK)
        return ack

    def _answer_ourselves(self, command: Command) -> Ack | None:
        """Be the holder for a moment, if nobody is."""
        owner = self._own_for_a_moment(command)
        if owner is None:
            return None
        try:
            self._apply_queued()
            return self._read_ack(command)
        finally:
            owner.release()

    def _own_for_a_moment(self, command: Command) -> Ownership | None:
        try:
            return Ownership.acquire(self._layout, what=f"operator command {command.verb}")
        except Busy:
            return None

    def _apply_queued(self) -> None:
        mailbox = Mailbox(self._layout, self._fs, self._clock)
        for queued in mailbox.pending():
            mailbox.acknowledge(self._apply(queued))

    def _apply(self, command: Command) -> Ack:
        ack = apply_offline(self._layout, command, self._clock)
        told.tell(self._journal, command, ack)
        return ack

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
        return Busy(
            f"no answer within {self._wait_seconds:g} s from {holder(self._layout)}",
            f"the request stays queued as control/{command.id}.json and is carried out as soon"
            " as a consumer looks; remove that file to withdraw it",
        )
