"""Keepers in stock: one waits for the next run, so that a run starts at once.

Owner: the consumer's thread. A keeper without a job ends by itself when its leash closes,
so the end of the consumer, of whatever kind, leaves none behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from maestro_core.session import keeper as keeper_module
from maestro_core.session import processes

GIVE_SECONDS = 1.0
"""A keeper that does not take its job by then is stopped or stuck: the run does not start."""


LEAVE_SECONDS = 1.0
"""How long a keeper without a job may take to go."""


class Keeper:
    """A keeper's process and our ends of its two lines."""

    def __init__(self) -> None:
        """Raises OSError when the system has no room for another process."""
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            self._line, leash = socket.socketpair()
            self._line.settimeout(GIVE_SECONDS)
            ours.callback(self._line.close)
            theirs.callback(leash.close)
            self.status, status = os.pipe()
            ours.callback(os.close, self.status)
            theirs.callback(os.close, status)
            head = [sys.executable, "-I", "-S", keeper_module.__file__]
            self.process = subprocess.Popen(
                [*head, str(leash.fileno()), str(status)],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                cwd="/", start_new_session=True, pass_fds=(leash.fileno(), status),
            )  # fmt: skip
            ours.pop_all()  # it lives: our ends stay open
        self.identity = (self.process.pid, processes.start_token(self.process.pid))

    def give(
        self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str],
        files: tuple[int, int, int], grace: float, lease: float = 0.0,
    ) -> None:  # fmt: skip
        """Hand it its job; `lease` 0 = there is none. Raises OSError when it is gone."""
        job = {
            "argv": [_latin(one) for one in argv],
            "cwd": _latin(str(cwd)),
            "env": {_latin(name): _latin(value) for name, value in env.items()},
            "grace": grace,
            "lease": lease,
        }
        data = json.dumps(job).encode()
        socket.send_fds(self._line, [len(data).to_bytes(8, "big")], list(files))
        self._line.sendall(data)

    def order(self, letter: bytes) -> None:
        """One byte over the leash. Raises OSError when it is gone."""
        self._line.send(letter)

    def let_go(self) -> None:
        """Close the leash: without a job it ends, with one it ends the run."""
        self._line.close()


class Stock:
    """At most one keeper in waiting."""

    def __init__(self) -> None:
        self._waiting: Keeper | None = None
        self._left: list[Keeper] = []

    def take(self) -> Keeper:
        """The one in waiting, or a new one. Raises OSError."""
        found, self._waiting = self._waiting, None
        if found is not None and found.process.poll() is None:
            return found
        if found is not None:
            self._discard(found)
        return Keeper()

    def fill(self) -> None:
        """Have one in waiting; without room for it the next run starts its own."""
        self._left = [one for one in self._left if one.process.poll() is None]
        if self._waiting is None:
            try:
                self._waiting = Keeper()
            except OSError:
                return

    def close(self) -> None:
        """Send the one in waiting home."""
        if self._waiting is not None:
            self._discard(self._waiting)
            _see_out(self._waiting.process)
            self._waiting = None

    def _discard(self, keeper: Keeper) -> None:
        keeper.let_go()
        os.close(keeper.status)
        self._left.append(keeper)


def _see_out(process: subprocess.Popen[bytes]) -> None:
    """Wait for its end; one that is stopped or stuck gets no second chance."""
    try:
        process.wait(LEAVE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _latin(text: str) -> str:
    """The bytes of an argument, one character each: JSON has no bytes."""
    return os.fsencode(text).decode("latin-1")
