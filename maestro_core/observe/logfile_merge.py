"""stdout and stderr of one run as one log, in the order in which they were seen to arrive.

The files carry no times, so the order of what was written before anybody looked is not
known: it stands as stdout, then stderr, each under a heading that says so. From the first
look on, whole lines are taken in the order of arrival (between two looks: stdout first).
A small list of pieces is kept, never the text. A half line waits until it is ended, or
until it has rested for a second.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from maestro_core.observe.logfile import LogFile
from maestro_core.observe.logfile_bytes import Change, FileBytes, Reader, State

Origin = Literal["stdout", "stderr", "heading"]
ORIGINS: tuple[Origin, ...] = ("stdout", "stderr", "heading")
HEADING = 2

REST = 1.0
"""Seconds after which a line without its newline is shown."""


class _Pieces:
    """Pieces of the streams, one after the other: an address space that only grows."""

    def __init__(self) -> None:
        self.size = 0
        self.readers: tuple[Reader, ...] = ()
        self._headings = b""
        self._starts = array("Q")
        self._streams = array("B")
        self._offsets = array("Q")

    def add(self, stream: int, offset: int, count: int) -> None:
        if self._starts and self._streams[-1] == stream and self._end() == offset:
            self.size += count
            return
        self._streams.append(stream)
        self._offsets.append(offset)
        self._starts.append(self.size)  # last: a reading thread looks here first
        self.size += count

    def _end(self) -> int:
        """Where in its stream the last piece ends."""
        return self._offsets[-1] + self.size - self._starts[-1]

    def add_text(self, text: str) -> None:
        data = text.encode()
        offset = len(self._headings)
        self._headings += data
        self.add(HEADING, offset, len(data))

    def origin(self, offset: int) -> Origin:
        return ORIGINS[self._streams[bisect_right(self._starts, offset) - 1]]

    def read(self, offset: int, count: int) -> bytes:
        parts: list[bytes] = []
        count = min(count, self.size - offset)
        number = bisect_right(self._starts, offset) - 1
        while count > 0 and 0 <= number < len(self._starts):
            part = self._read_piece(number, offset, count)
            if not part:
                break
            parts.append(part)
            offset, count, number = offset + len(part), count - len(part), number + 1
        return b"".join(parts)

    def _read_piece(self, number: int, offset: int, count: int) -> bytes:
        last = number + 1 >= len(self._starts)
        stop = self.size if last else self._starts[number + 1]
        skip = offset - self._starts[number]
        start, count = self._offsets[number] + skip, min(count, stop - offset)
        if self._streams[number] == HEADING:
            return self._headings[start : start + count]
        return self.readers[self._streams[number]](start, count)


class _Stream:
    """One of the two files and how much of it was taken."""

    def __init__(self, path: Path) -> None:
        self.file = FileBytes(path)
        self.lines = LogFile(self.file)
        self.taken = 0
        self._seen = 0
        self._since = 0.0

    def whole_lines(self) -> int:
        """Bytes from `taken` on that are whole lines."""
        size = self.file.size
        if size <= self.taken:
            return 0
        last = self.lines.line_at(self.lines.line_start(size - 1))
        end = size if last is None or not last.partial else last.start
        return max(0, end - self.taken)

    def rested(self, now: float) -> bool:
        """Whether the half line at its end has not grown for a while."""
        if self._seen != self.file.size:
            self._seen, self._since = self.file.size, now
        return self.taken < self.file.size and now - self._since >= REST


class MergedBytes:
    """The `ByteSource` of a merged log; `origin` tells where a line comes from."""

    def __init__(self, stdout: Path, stderr: Path, awake: Callable[[], float]) -> None:
        self.trouble: str | None = None
        self._streams = (_Stream(stdout), _Stream(stderr))
        self._awake = awake
        self._pieces = _Pieces()
        self._begun = False

    @property
    def size(self) -> int:
        return self._pieces.size

    @property
    def state(self) -> State:
        states = [stream.file.state for stream in self._streams]
        order: tuple[State, ...] = ("live", "deleted", "unreadable")
        return next((state for state in order if state in states), "waiting")

    def read(self, offset: int, count: int) -> bytes:
        return self._pieces.read(offset, count)

    def reader(self) -> Reader:
        return self._pieces.read

    def origin(self, offset: int) -> Origin:
        """Which stream the line that starts there came from."""
        return self._pieces.origin(offset)

    def refresh(self) -> Change:
        """Look at both files and take what came."""
        changes = [stream.lines.refresh() for stream in self._streams]
        troubles = (s.file.trouble for s in self._streams if s.file.state != "waiting")
        self.trouble = next(filter(None, troubles), None)
        known = self.size
        if "restarted" in changes:
            self._restart()
        self._pieces.readers = tuple(stream.file.reader() for stream in self._streams)
        if not self._begun:
            self._begin()
        self._take(self._awake())
        if "restarted" in changes:
            return "restarted"
        return "grown" if self.size > known else "same"

    def _restart(self) -> None:
        self._pieces = _Pieces()
        self._begun = False
        for stream in self._streams:
            stream.taken = 0

    def _begin(self) -> None:
        """What is there already, one file after the other."""
        self._begun = True
        if not any(stream.file.size for stream in self._streams):
            return  # watched from the beginning: nothing to explain
        for name, stream in zip(ORIGINS, self._streams, strict=False):
            if stream.file.size:
                self._pieces.add_text(f"── {name}, as it was when this view was opened ──\n")
                self._take_lines(stream)
        self._pieces.add_text("── from here on both, in the order in which they arrived ──\n")

    def _take(self, now: float) -> None:
        for stream in self._streams:
            self._take_lines(stream)
            if stream.rested(now):
                self._take_bytes(stream, stream.file.size - stream.taken)
                self._pieces.add_text("\n")

    def _take_lines(self, stream: _Stream) -> None:
        count = stream.whole_lines()
        if count:
            self._take_bytes(stream, count)

    def _take_bytes(self, stream: _Stream, count: int) -> None:
        self._pieces.add(self._streams.index(stream), stream.taken, count)
        stream.taken += count
