"""The consumer's end of a run's processes: starts the keeper, gives it orders, hears it.

A thread of its own listens to the keeper and wakes the consumer; everything else is called
from the consumer's thread and never waits (but for the start, which takes as long as the
system needs for a process).
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from maestro_core.session import keeper as keeper_module
from maestro_core.session import processes

START_SECONDS = 5.0
"""How long `start` waits to learn the CLI's pid; the run goes on without it."""


class Child:
    """A keeper and its CLI. Attributes are set by the listening thread."""

    def __init__(self) -> None:
        self.pid: int | None = None
        self.token: str | None = None
        self.refused: int | None = None
        """errno with which the system refused to start the CLI."""
        self.wait_status: int | None = None
        self.silent = False
        """The keeper has closed its line: it is gone, or about to be."""
        self.keeper: tuple[int, str | None] = (0, None)
        """Its pid and start token."""
        self._closed = threading.Event()
        self._rest = b""

    def start(
        self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str],
        files: tuple[int, int, int], grace: float,
    ) -> None:  # fmt: skip
        """Raises OSError when the system has no room for another process."""
        with contextlib.ExitStack() as ours:
            leash, self._leash = _pipe(ours)
            self._status, status = _pipe(ours, write_is_theirs=True)
            head = [sys.executable, "-I", "-S", keeper_module.__file__]
            self._keeper = subprocess.Popen(
                [*head, str(leash), str(status), str(grace), *argv],
                stdin=files[0], stdout=files[1], stderr=files[2],
                cwd=cwd, env=dict(env), start_new_session=True, pass_fds=(leash, status),
            )  # fmt: skip
        self.keeper = (self._keeper.pid, processes.start_token(self._keeper.pid))
        self._hear_first()

    def listen(self, on_news: Callable[[bool], None], pause: Callable[[], float]) -> None:
        """Begin the listening thread.

        It calls `on_news(True)` when the keeper has spoken or is gone, and `on_news(False)`
        after each `pause()` seconds without a word.
        """
        arguments = (on_news, pause)
        threading.Thread(
            target=self._listen, args=arguments, name="maestro-run", daemon=True
        ).start()

    def order(self, letter: bytes) -> None:
        """b"T" = TERM the CLI, b"K" = KILL all of it. Nothing happens to a keeper that is gone."""
        try:
            os.write(self._leash, letter)
        except OSError:
            pass  # it is gone; what it left is found by the look at the family

    def kill_keeper(self) -> None:
        """For a keeper that does not obey."""
        processes.send(*self.keeper, signal.SIGKILL)

    def gone(self) -> bool:
        """Whether the keeper has ended; its exit is collected here."""
        return self._keeper.poll() is not None

    @property
    def keeper_code(self) -> int | None:
        """Exit code of the keeper (negative: signal), once it is gone."""
        return self._keeper.returncode

    def close(self) -> None:
        """Give everything back, once it is gone."""
        self._closed.set()
        if self._leash >= 0:
            os.close(self._leash)
            self._leash = -1

    # ---- what the keeper says -----------------------------------------------------------

    def _hear_first(self) -> None:
        """Wait for its first word, so that the CLI's pid is known from the start."""
        ready, _, _ = select.select([self._status], [], [], START_SECONDS)
        if ready:
            self._hear(os.read(self._status, 4096))

    def _listen(self, on_news: Callable[[bool], None], pause: Callable[[], float]) -> None:
        try:
            while not self.silent:
                ready, _, _ = select.select([self._status], [], [], pause())
                if ready:
                    self._hear(os.read(self._status, 4096))
                on_news(bool(ready))
        finally:
            os.close(self._status)
        while not self._closed.wait(pause()):
            on_news(True)

    def _hear(self, data: bytes) -> None:
        self.silent = data == b""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            word, _, value = line.partition(b" ")
            if word == b"started":
                self.pid = int(value)
                self.token = processes.start_token(self.pid)
            elif word == b"refused":
                self.refused = int(value)
            elif word == b"ended":
                self.wait_status = int(value)


def _pipe(ours: contextlib.ExitStack, *, write_is_theirs: bool = False) -> tuple[int, int]:
    """A pipe of which the keeper's end is closed here when the block is left.

    After an error both ends are.
    """
    read, write = os.pipe()
    theirs, kept = (write, read) if write_is_theirs else (read, write)
    ours.callback(os.close, theirs)
    ours.push(lambda kind, *_: os.close(kept) if kind else None)
    return read, write
