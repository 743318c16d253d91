"""The consumer's end of a run's processes: starts the keeper, gives it orders, hears it.

A thread of its own listens to the keeper and wakes the consumer; everything else is called
from the consumer's thread and never waits (but for the start, which takes as long as the
system needs for a process).
"""

from __future__ import annotations

import errno
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from maestro_core.session import processes
from maestro_core.session.spare import Keeper

START_SECONDS = 1.0
"""How long `start` waits to learn the CLI's pid; the run goes on without it."""
ABANDON_SECONDS = 1.0


class Child:
    """A keeper and its CLI. Attributes are set by the listening thread."""

    def __init__(self, keeper: Keeper) -> None:
        self.pid: int | None = None
        self.token: str | None = None
        self.refused: int | None = None
        """errno with which the system refused to start the CLI."""
        self.wait_status: int | None = None
        self.lapsed = False
        """The keeper ends it: nobody has renewed its lease."""
        self.silent = False
        """The keeper has closed its line: it is gone, or about to be."""
        self.keeper: tuple[int, str | None] = keeper.identity
        """Its pid and start token."""
        self._keeper = keeper
        self._status = keeper.status
        self._closed = threading.Event()
        self._rest = b""

    def start(
        self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str],
        files: tuple[int, int, int], grace: float, lease: float = 0.0,
    ) -> None:  # fmt: skip
        """Raises OSError when the keeper cannot take the job."""
        self._keeper.give(argv, cwd=cwd, env=env, files=files, grace=grace, lease=lease)
        self._hear_first()

    def listen(self, on_news: Callable[[bool], None], pause: Callable[[], float]) -> None:
        """Begin the listening thread.

        It calls `on_news(True)` when the keeper has spoken or is gone, and `on_news(False)`
        after each `pause()` seconds without a word. Raises OSError when the system has no
        room for a thread.
        """
        arguments = (on_news, pause)
        thread = threading.Thread(
            target=self._listen, args=arguments, name="maestro-run", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:
            raise OSError(errno.EAGAIN, f"no room for another thread ({error})") from error

    def hear_out(self, seconds: float) -> bool:
        """Instead of `listen`: wait until it has said all and is gone; False = time is up."""
        until = time.monotonic() + seconds
        while not self.silent and _readable(self._status, max(0.0, until - time.monotonic())):
            self._hear(os.read(self._status, 4096))
        return self.silent

    def abandon(self) -> None:
        """While nobody listens: end the keeper and all that it started, within seconds.

        A tick whose run did not come about may be tried again at once, so nothing of the
        first try may be left then.
        """
        family = processes.Family(self.keeper, (self.pid or 0, self.token))
        family.look()
        self.order(b"K")
        self._wait_gone(ABANDON_SECONDS)
        family.kill()
        self._wait_gone(ABANDON_SECONDS)
        family.kill()
        self.close()
        os.close(self._status)

    def _wait_gone(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self.gone() and time.monotonic() < until:
            time.sleep(0.005)

    def order(self, letter: bytes) -> None:
        """b"T" = TERM the CLI, b"K" = KILL all of it, b"L" = the claim is kept. Nothing happens
        to a keeper that is gone."""
        try:
            self._keeper.order(letter)
        except OSError:
            pass  # it is gone; what it left is found by the look at the family

    def kill_keeper(self) -> None:
        """For a keeper that does not obey."""
        processes.send(*self.keeper, signal.SIGKILL)

    def gone(self) -> bool:
        """Whether the keeper has ended; its exit is collected here."""
        return self._keeper.process.poll() is not None

    @property
    def keeper_code(self) -> int | None:
        """Exit code of the keeper (negative: signal), once it is gone."""
        return self._keeper.process.returncode

    def close(self) -> None:
        """Give everything back, once it is gone."""
        self._closed.set()
        self._keeper.let_go()

    # ---- what the keeper says -----------------------------------------------------------

    def _hear_first(self) -> None:
        """Wait for its first word, so that the CLI's pid is known from the start."""
        if _readable(self._status, START_SECONDS):
            self._hear(os.read(self._status, 4096))

    def _listen(self, on_news: Callable[[bool], None], pause: Callable[[], float]) -> None:
        try:
            while not self.silent:
                if ready := _readable(self._status, pause()):
                    self._hear(os.read(self._status, 4096))
                on_news(ready)
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
            elif word == b"lapsed":
                self.lapsed = True
            elif word == b"refused":
                self.refused = int(value)
            elif word == b"ended":
                self.wait_status = int(value)


@contextmanager
def abandoned_on_error(child: Child) -> Iterator[None]:
    """Nothing of a run that did not come about is left behind."""
    try:
        yield
    except BaseException:
        child.abandon()
        raise


def _readable(fd: int, seconds: float) -> bool:
    """Whether there is something to read by then. Unlike select, whatever the fd's number."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(int(seconds * 1000)))
