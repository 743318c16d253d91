"""Keeps a log within its cap although somebody else writes it: head and tail stay.

While the run writes, the middle of the file is given back to the disk (a hole: offsets stay,
nothing is lost at the end, and the writer never notices). After the run the file is made
small: head, one line that says what is missing, tail. Where a file system knows no holes,
the tail is moved up in place; the writer appends, so it goes on behind it.
`check` belongs to the listening thread, `compact` to the consumer's once that one is done.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import sys
import threading
from pathlib import Path

from maestro_core.files import OsFiles

HEAD_SHARE = 4
"""One part in this many of the cap is the head's."""
BLOCK = 4096
COPY = 1 << 20
SLOW, FAST = 0.5, 0.02
"""Seconds between two looks at a file that hardly grows, or grows fast."""

_AS_IT_IS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Never through a link, and never waiting on a pipe."""

_KEEP_SIZE, _PUNCH = 0x01, 0x02
_F_PUNCHHOLE = 99


class LogCap:
    """The cap of one file, in bytes; 0 = none."""

    def __init__(self, path: Path, cap: int) -> None:
        self.path = path
        self.lock = threading.Lock()
        """Held while offsets change; whoever reads by offset holds it too."""
        self.total = 0
        """How much was written at the last look."""
        self.hole_end = 0
        """Below this offset, and above the head, the file has nothing (any more)."""
        self.moved = 0
        """By how many bytes the tail was moved up, where there are no holes."""
        self._cap = cap
        self.head = _down(cap // HEAD_SHARE)
        """Where the part ends that always stays."""
        self._punched = False
        self._compacted = False
        self._pause = SLOW

    @property
    def capped(self) -> bool:
        """Whether anything was left out."""
        return self._punched or self.moved > 0

    def fits(self) -> bool:
        """Whether the file is within its cap, to everybody who reads it."""
        return self._cap == 0 or (self._size() or 0) <= self._cap

    def _size(self) -> int | None:
        """None where its run took it away, or put something else there: nothing to cap."""
        try:
            info = self.path.lstat()
        except OSError:
            return None
        return info.st_size if stat.S_ISREG(info.st_mode) else None

    def pause(self) -> float:
        """Seconds until it should be looked at again."""
        return self._pause

    def check(self) -> None:
        """Give back what is over the cap."""
        if self._compacted:
            return
        if (size := self._size()) is None:
            return
        grown, self.total = size + self.moved - self.total, size + self.moved
        self._pause = FAST if self._cap and grown > self._cap // 64 else SLOW
        if self._cap and size - max(self.hole_end, self.head) > self._cap - self.head:
            with self.lock:
                self._shrink(size)

    def _shrink(self, size: int) -> None:
        """Leave half the tail's share, so that this is not needed at every look."""
        begin = max(self.hole_end, self.head)
        end = _down(size - (self._cap - self.head) // 2)
        fd = os.open(self.path, os.O_RDWR | _AS_IT_IS)
        try:
            if not self.moved and punch(fd, begin, end - begin):
                self.hole_end, self._punched = end, True
            else:
                self._move_up(fd, end)
        finally:
            os.close(fd)

    def _move_up(self, fd: int, start: int) -> None:
        """Put the tail behind the head, and cut off where it was.

        The writer goes on meanwhile: what it adds is fetched until nothing new has come.
        What it writes between that last look and the cut, microseconds later, is lost.
        """
        note = _note(start - self.head + self.moved)
        os.pwrite(fd, note, self.head)
        source, target = start, self.head + len(note)
        while (data := os.pread(fd, COPY, source)) and target < self._cap:
            os.pwrite(fd, data, target)
            source, target = source + len(data), target + len(data)
        os.ftruncate(fd, target)
        self.hole_end = self.head + len(note)
        self.moved += start - self.hole_end

    def compact(self) -> None:
        """Make the file of a run that has ended as small as it should look."""
        if not self._punched or self._compacted:
            return
        self._compacted = True
        temp = self.path.with_name(f".{self.path.name}.tmp")
        fs = OsFiles()
        source = os.open(self.path, os.O_RDONLY | _AS_IT_IS)
        try:
            fs.create(temp, b"")
            target = os.open(temp, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            try:
                _copy(source, target, 0, self.head)
                os.write(target, _note(self.hole_end - self.head))
                _copy(source, target, self.hole_end, os.fstat(source).st_size)
            finally:
                os.close(target)
            fs.rename(temp, self.path)
        finally:
            os.close(source)


def punch(fd: int, start: int, length: int) -> bool:
    """Give a range of a file back to the disk; False where the file system cannot."""
    if length <= 0:
        return True
    if sys.platform == "darwin":
        import fcntl

        try:
            fcntl.fcntl(fd, _F_PUNCHHOLE, struct.pack("=IIqq", 0, 0, start, length))
        except OSError:
            return False
        return True
    libc = ctypes.CDLL(None, use_errno=True)
    fallocate = getattr(libc, "fallocate64", None) or libc.fallocate
    fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    while fallocate(fd, _PUNCH | _KEEP_SIZE, start, length) != 0:
        if ctypes.get_errno() != errno.EINTR:
            return False
    return True


def _copy(source: int, target: int, start: int, end: int) -> None:
    while start < end and (data := os.pread(source, min(COPY, end - start), start)):
        os.write(target, data)
        start += len(data)


def _note(missing: int) -> bytes:
    return f"\n[maestro: {missing} bytes left out here, the log is over its cap]\n".encode()


def _down(offset: int) -> int:
    return offset // BLOCK * BLOCK
