"""Reads a run's stdout log while it grows, a bounded piece at a time, into a transcript.

Owner: the consumer's thread; `has_grown` may be asked from any.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from maestro_core.session.logcap import LogCap
from maestro_core.session.transcript import Transcript

PIECE = 2 << 20
"""Bytes that one look takes in at most."""
KEPT_STEPS = 50
"""The runner needs the facts; whoever wants all steps reads the log."""

_UNAUTHORISED = 401


class Output:
    """The stdout of one run."""

    def __init__(self, fd: int, cap: LogCap) -> None:
        """`fd` is open for reading, and is closed by `close`."""
        self.transcript = Transcript(keep=KEPT_STEPS)
        self._fd = fd
        self._cap = cap
        self._offset = 0
        self._moved = 0
        self._unreadable = False
        self.fault: str | None = None
        """What the reader stumbled over last, in output that nobody had thought of."""

    def read(self, now: float) -> None:
        """Take in what is new, past what the cap has taken out of the file."""
        with self._cap.lock:
            data = self._next()
        if data:
            with self._tolerated():
                self.transcript.feed(data, now)

    @contextmanager
    def _tolerated(self) -> Iterator[None]:
        """What the reader cannot take in is lost to the verdict; it never ends the consumer."""
        try:
            yield
        except Exception as error:
            self.fault = f"{type(error).__name__}: {error}"

    def _next(self) -> bytes:
        cap = self._cap
        self._offset, self._moved = self._place(), cap.moved
        if self._offset < 0 or cap.head <= self._offset < cap.hole_end:
            self._offset = cap.hole_end
            self.transcript.lines.gap(cap.hole_end)
        try:
            data = os.pread(self._fd, PIECE, self._offset)
        except OSError:  # the disk does not give it back: the exit code has to do
            self._unreadable = True
            return b""
        self._offset += len(data)
        return data

    def _place(self) -> int:
        """Where the unread part begins, now that the cap may have moved it up."""
        return self._offset - (self._cap.moved - self._moved)

    def finish(self, now: float) -> None:
        """There will be no more."""
        with self._tolerated():
            self.transcript.close(now)

    def behind(self) -> bool:
        """Whether there is more to read."""
        with self._cap.lock:
            return not self._unreadable and os.fstat(self._fd).st_size > self._place()

    def has_grown(self) -> bool:
        """The same, from any thread; False once it is closed."""
        try:
            return self.behind()
        except OSError:
            return False

    def close(self) -> None:
        os.close(self._fd)
        self._fd = -1

    def reason_to_end(self, retry_cap: int) -> Literal["auth", "retries"] | None:
        """Whether waiting on is of no use: a refused key, or retry after retry."""
        retry = self.transcript.retry
        if retry is None:
            return None
        if retry.status == _UNAUTHORISED:
            return "auth"
        return "retries" if retry.attempt > retry_cap else None
