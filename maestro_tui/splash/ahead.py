"""The first reading of an agent root, by a child while this process imports the console.

Both would fight for one interpreter, and a second core has nothing to do at that time. The
child is forked before any thread runs, touches neither terminal nor agent root, and hands what
it read through a pipe; whatever goes wrong in it, the console reads by itself.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from maestro_core.layout import Layout

if TYPE_CHECKING:
    from maestro_core.observe.snapshot import Snapshot

_PART = 1 << 20
_LONGEST = 30
"""Seconds after which a child that nobody ends any more is ended by the system."""


class Early(NamedTuple):
    """What was read before the console was there."""

    snapshot: Snapshot
    redact: Callable[[str], str]
    """Masks this agent's secrets."""


class ReadAhead:
    """A child that reads. One thread at a time."""

    def __init__(self, pid: int, fd: int) -> None:
        self._pid, self._fd = pid, fd
        self._parts: list[bytes] = []

    def take(self, seconds: float) -> Early | None:
        """What it read, once; waits so long at most. None = not yet, or it could not."""
        deadline = time.monotonic() + seconds
        while self._fd >= 0:
            left = deadline - time.monotonic()
            if not select.select([self._fd], [], [], max(0.0, left))[0]:
                return None
            part = os.read(self._fd, _PART)
            if not part:
                self.close()
                return _unpacked(b"".join(self._parts))
            self._parts.append(part)
        return None

    def close(self) -> None:
        """It is not needed any more. May be called again."""
        if self._fd < 0:
            return
        os.close(self._fd)
        self._fd = -1
        try:
            os.kill(self._pid, signal.SIGKILL)  # it is ours, and was not waited for yet
            os.waitpid(self._pid, 0)
        except (ProcessLookupError, ChildProcessError):
            return


def begin(layout: Layout) -> ReadAhead | None:
    """Start reading; None where no process can be had. The caller has no other thread."""
    receiving, sending = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        os.close(receiving)
        os.close(sending)
        return None
    if pid == 0:
        _child(layout, sending)
    os.close(sending)
    return ReadAhead(pid, receiving)


def _child(layout: Layout, sending: int) -> None:
    """Never returns. Silent: the terminal belongs to the parent, which tells what is wrong."""
    try:
        signal.alarm(_LONGEST)
        with open(sending, "wb") as pipe:
            early = read_early(layout)
            if early is not None:
                pipe.write(pickle.dumps(early, pickle.HIGHEST_PROTOCOL))
    finally:
        os._exit(0)


def read_early(layout: Layout) -> Early | None:
    """Read it now; None for a bus on a server, which the console asks by a line of its own.

    Raises SettingsError when nothing can be said of the bus.
    """
    from maestro_core.bus_setting import bus_of
    from maestro_core.wiring.view import reader_of

    if bus_of(layout).server is not None:
        return None
    reader = reader_of(layout)
    snapshot = reader.read()
    return Early(snapshot, reader.redactor().also(os.environ))


def _unpacked(packed: bytes) -> Early | None:
    """A child that was killed has said half of it, or nothing."""
    try:
        found: Any = pickle.loads(packed)  # noqa: S301 - from our own child, by our own pipe
    except (pickle.UnpicklingError, EOFError):
        return None
    return found if isinstance(found, Early) else None
