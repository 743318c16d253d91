"""The bytes of a log that somebody else writes, whatever happens to the file meanwhile.

`FileBytes` holds one descriptor and looks at the path now and then: growth, truncation,
rotation and deletion are told as facts and never raised. Owner: the log viewer and `tail`;
one thread calls `refresh`, any thread may read through `reader()`.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

Change = Literal["same", "grown", "restarted"]
"""What a look at the file found; after "restarted" every position from before is void."""

State = Literal["waiting", "live", "deleted", "unreadable"]
"""waiting: not there yet; deleted: gone, what was open is still shown."""

Reader = Callable[[int, int], bytes]
"""(offset, count) -> at most `count` bytes; fewer at the end or after trouble."""

WITNESS = 64
"""So many bytes at both ends of the known content tell whether it was written anew."""


class ByteSource(Protocol):
    """Bytes that grow at the end. `size` changes in `refresh` alone."""

    @property
    def size(self) -> int: ...
    @property
    def state(self) -> State: ...
    @property
    def trouble(self) -> str | None: ...

    def refresh(self) -> Change: ...
    def read(self, offset: int, count: int) -> bytes: ...
    def reader(self) -> Reader:
        """A way to read this generation from any thread, also after a restart."""
        ...


class _Handle:
    """A descriptor, closed when its last user drops it: no read ever meets another file."""

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __del__(self) -> None:
        os.close(self.fd)

    def read(self, offset: int, count: int) -> bytes:
        try:
            return os.pread(self.fd, count, offset) if count > 0 else b""
        except OSError:
            return b""  # a disk fault shows as missing text; `refresh` names it


class FileBytes:
    """One file as a `ByteSource`. Making it touches no disk; the first `refresh` opens."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.state: State = "waiting"
        self.trouble: str | None = None
        self._handle: _Handle | None = None
        self._seen: tuple[int, int] = (-1, -1)
        self._witnesses: tuple[bytes, bytes] = (b"", b"")

    def refresh(self) -> Change:
        """Look at the file; never raises, never blocks on a FIFO."""
        try:
            return self._look()
        except OSError as error:
            self.trouble = error.strerror or str(error)
            if self._handle is None:
                self.state = "waiting" if error.errno == errno.ENOENT else "unreadable"
            return "same"

    def read(self, offset: int, count: int) -> bytes:
        if self._handle is None:
            return b""
        return self._handle.read(offset, min(count, self.size - offset))

    def reader(self) -> Reader:
        return self._handle.read if self._handle is not None else _nothing

    def _look(self) -> Change:
        named = self._named()
        if self._handle is None:
            return self._open()
        info = os.fstat(self._handle.fd)
        if named is not None and not os.path.samestat(named, info):
            return self._open()
        self.state = "live" if named is not None else "deleted"
        self.trouble = None
        if (info.st_size, info.st_mtime_ns) == self._seen:
            return "same"
        return self._accept(info)

    def _named(self) -> os.stat_result | None:
        try:
            return os.stat(self.path)
        except FileNotFoundError:
            return None

    def _open(self) -> Change:
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        handle = _Handle(os.open(self.path, flags))
        info = os.fstat(handle.fd)
        if not stat.S_ISREG(info.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        again = self._handle is not None
        self._handle, self.state, self.trouble = handle, "live", None
        if again:
            return self._restart(info)
        return self._accept(info)

    def _accept(self, info: os.stat_result) -> Change:
        """Take over a new size, or find that the content was written anew."""
        if info.st_size < self.size or not self._still_there():
            return self._restart(info)
        grown = info.st_size > self.size
        self._remember(info)
        return "grown" if grown else "same"

    def _restart(self, info: os.stat_result) -> Change:
        self._remember(info)
        return "restarted"

    def _remember(self, info: os.stat_result) -> None:
        self.size = info.st_size
        self._seen = (info.st_size, info.st_mtime_ns)
        self._witnesses = self._ends()

    def _ends(self) -> tuple[bytes, bytes]:
        return self.read(0, WITNESS), self.read(max(0, self.size - WITNESS), WITNESS)

    def _still_there(self) -> bool:
        """Whether both ends of what we know still read the same (a copy-and-truncate does not)."""
        return self._ends() == self._witnesses


class NoBytes:
    """Stands where there is no file."""

    size = 0
    state: State = "waiting"
    trouble: str | None = None

    def refresh(self) -> Change:
        return "same"

    def read(self, offset: int, count: int) -> bytes:
        return _nothing(offset, count)

    def reader(self) -> Reader:
        return _nothing


def _nothing(_offset: int, _count: int) -> bytes:
    return b""
