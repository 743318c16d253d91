"""What `maestro-tui run --service` does around the consumer: wait for its turn, slow down after
crashes, remember its starts, and tell systemd all the while that it lives.

Runs in the consumer's thread; `stop` may be called from any thread or signal handler.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from maestro_core.clock import Clock, SystemClock
from maestro_core.errors import BusAway, Busy
from maestro_core.files import FileSystem, OsFiles
from maestro_core.journal import Journal
from maestro_core.layout import Layout
from maestro_core.service.notify import Notifier
from maestro_core.service.starts import LOOP, StartBook, delay

LOOK_AGAIN = 5.0
"""Seconds between two tries to become the consumer."""
MOST_SAID = 300
_STEP = 1.0


class Supervision:
    """`run` once."""

    def __init__(
        self, layout: Layout, notifier: Notifier, *, clock: Clock | None = None,
        fs: FileSystem | None = None, journal: Journal | None = None,
    ) -> None:  # fmt: skip
        self._notifier = notifier
        self._clock = clock or SystemClock()
        self._book = StartBook(layout, fs or OsFiles(), self._clock)
        self._journal = journal or Journal(layout, self._clock)
        self._stopped = threading.Event()
        self.looping = False
        """Whether this start follows a crash loop."""

    def stop(self) -> None:
        self._stopped.set()

    def run(self, work: Callable[[], int]) -> int:
        """Carry out `work` as the consumer; its exit code. Raises what it raises, but Busy."""
        try:
            self._slow_down(self._begin())
            code = self._when_free(work)
        except BaseException as error:
            self._end(f"{type(error).__name__}: {error}"[:MOST_SAID])
            raise
        self._end(None if code == 0 else f"exit {code}")
        return code

    def _begin(self) -> int:
        try:
            return self._book.begin()
        except OSError as error:  # a full disk must not keep the consumer from saying so itself
            self._journal.write("error", "trouble", error=f"cannot note the start: {error}")
            return 0

    def _end(self, error: str | None) -> None:
        try:
            self._book.end(error)
        except OSError as trouble:
            self._journal.write("error", "trouble", error=f"cannot note the end: {trouble}")

    def _slow_down(self, bad: int) -> None:
        seconds = delay(bad)
        self.looping = bad >= LOOP
        if self.looping:
            self._journal.write("error", "crash_loop", starts=bad, wait_seconds=seconds)
        if seconds:
            said = f"{bad} bad ends in a row, the next start in {seconds:.0f} s"
            self._wait(seconds, said)

    def _when_free(self, work: Callable[[], int]) -> int:
        said = ""
        while not self._stopped.is_set():
            try:
                return work()
            except (Busy, BusAway) as error:
                stage = "waiting_for_lock" if isinstance(error, Busy) else "waiting_for_bus"
                if error.message != said:
                    said = error.message
                    self._journal.write("info", stage, reason=said)
                self._wait(LOOK_AGAIN, f"waiting: {said}")
        return 0

    def _wait(self, seconds: float, status: str) -> None:
        self._notifier.ready()
        self._notifier.status(status)
        left = seconds
        while left > 0 and not self._stopped.wait(min(_STEP, left)):
            self._notifier.alive()
            left -= _STEP
