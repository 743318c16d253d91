"""The way out to the terminal, for Textual's writer thread: it never raises and never hangs.

A terminal that is gone takes everything; one that has stopped reading is waited for, but not
once the console wants to leave.
"""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable

LOOK = 0.1
"""Seconds between two looks at the clock while the terminal takes nothing."""


class Outlet:
    """A text file as far as the writer thread needs one. `on_gone` is called from that thread."""

    def __init__(self, on_gone: Callable[[], object]) -> None:
        self._fd = _own_descriptor(terminal_descriptor())
        self._on_gone = on_gone
        self._deadline: float | None = None
        self.gone = False
        """Nothing arrives any more: the line was cut, or leaving took too long."""

    def write(self, text: str) -> int:
        data = memoryview(text.encode("utf-8", "replace"))
        while data and not self.gone:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:
                self._wait()
            except InterruptedError:
                continue
            except OSError:
                self.gone = True
                self._on_gone()
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""

    def fileno(self) -> int:
        return self._fd

    def hurry(self, seconds: float) -> None:
        """Whatever the terminal has not taken by then is dropped."""
        self._deadline = time.monotonic() + seconds

    def start_again(self) -> None:
        """The terminal is ours again, with all the time it needs."""
        self._deadline = None
        self.gone = False

    def _wait(self) -> None:
        if self._deadline is not None and time.monotonic() > self._deadline:
            self.gone = True
            return
        select.select([], [self._fd], [], LOOK)


def terminal_descriptor() -> int:
    """Standard error as Textual has it, unless that is no terminal and standard output is."""
    for stream in (sys.__stderr__, sys.__stdout__):
        if stream is not None and stream.isatty():
            return stream.fileno()
    return sys.__stderr__.fileno() if sys.__stderr__ is not None else 2


def _own_descriptor(fd: int) -> int:
    """The same terminal, opened anew: not blocking must stay our own affair, not the shell's."""
    try:
        own = os.open(os.ttyname(fd), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        return os.dup(fd)
    if os.fstat(own).st_rdev == os.fstat(fd).st_rdev:
        return own
    os.close(own)
    return os.dup(fd)
