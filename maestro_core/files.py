"""The one way to the disk: every write of the bus goes through a `FileSystem`.

`OsFiles` is the real one; tests put an in-memory disk behind the same primitives and stop
the program at each of them. The recipes below (`write_new`, `replace`, `publish`) are the
only places that combine primitives into something durable: temp file on the same file
system, flush, rename or link, flush the folder.

Imported by `enqueue`, so it stays free of slow imports.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path
from typing import Protocol

FILE_MODE = 0o600
FOLDER_MODE = 0o700


class FileSystem(Protocol):
    """Primitive operations; each is one step at which a machine may stop."""

    def read(self, path: Path, limit: int) -> bytes:
        """At most `limit`+1 bytes of a regular file; never follows a link or waits on a FIFO."""
        ...

    def create(self, path: Path, data: bytes) -> None:
        """A new file with all of `data`, not yet flushed. FileExistsError if it exists."""
        ...

    def flush(self, path: Path) -> None:
        """The file's bytes are on the disk when this returns."""
        ...

    def flush_folder(self, path: Path) -> None:
        """The folder's names are on the disk when this returns."""
        ...

    def rename(self, source: Path, target: Path) -> None: ...
    def link(self, source: Path, target: Path) -> None: ...
    def unlink(self, path: Path) -> None: ...
    def names(self, folder: Path) -> list[str]: ...
    def exists(self, path: Path) -> bool: ...
    def modified(self, path: Path) -> float:
        """Modification time in epoch seconds, of a link itself."""
        ...

    def make_folder(self, path: Path) -> None: ...


class OsFiles:
    """The real disk. Stateless; safe from any thread."""

    def read(self, path: Path, limit: int) -> bytes:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            info = os.fstat(fd)
            if not stat.S_ISREG(info.st_mode):
                raise OSError(errno.EINVAL, "not a regular file", str(path))
            parts, left = [], limit + 1
            while left > 0 and (part := os.read(fd, min(left, 1 << 20))):
                parts.append(part)
                left -= len(part)
            return b"".join(parts)
        finally:
            os.close(fd)

    def create(self, path: Path, data: bytes) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
        finally:
            os.close(fd)

    def flush(self, path: Path) -> None:
        _flush_path(path, os.O_RDONLY)

    def flush_folder(self, path: Path) -> None:
        _flush_path(path, os.O_RDONLY | os.O_DIRECTORY)

    def rename(self, source: Path, target: Path) -> None:
        os.rename(source, target)

    def link(self, source: Path, target: Path) -> None:
        os.link(source, target, follow_symlinks=False)

    def unlink(self, path: Path) -> None:
        os.unlink(path)

    def names(self, folder: Path) -> list[str]:
        return os.listdir(folder)

    def exists(self, path: Path) -> bool:
        return os.path.lexists(path)

    def modified(self, path: Path) -> float:
        return os.lstat(path).st_mtime

    def make_folder(self, path: Path) -> None:
        os.makedirs(path, FOLDER_MODE, exist_ok=True)


def _flush_path(path: Path, flags: int) -> None:
    fd = os.open(path, flags | os.O_CLOEXEC)
    try:
        flush_fd(fd)
    finally:
        os.close(fd)


def flush_fd(fd: int) -> None:
    """Flush to the platter. macOS needs F_FULLFSYNC, which some volumes refuse."""
    if sys.platform == "darwin":  # not run on Linux; tested with a fake fcntl
        import fcntl

        try:
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTSUP, errno.EINVAL, errno.ENOTTY):
                raise
    os.fsync(fd)


_counter = 0


def temp_name() -> str:
    """A name that no other writer on this machine uses: pid, counter, random."""
    global _counter
    _counter += 1
    return f"{os.getpid():x}-{_counter:x}-{os.urandom(4).hex()}"


def write_new(fs: FileSystem, tmp: Path, data: bytes) -> Path:
    """A flushed temp file in the folder `tmp`; nothing is left behind on an error."""
    path = tmp / temp_name()
    try:
        fs.create(path, data)
        fs.flush(path)
    except OSError:
        _forget(fs, path)
        raise
    return path


def replace(fs: FileSystem, tmp: Path, path: Path, data: bytes) -> None:
    """Put `data` at `path`, whole and durable: readers see the old or the new, never a mix."""
    temp = write_new(fs, tmp, data)
    try:
        fs.rename(temp, path)
    except OSError:
        _forget(fs, temp)
        raise
    fs.flush_folder(path.parent)


def publish(fs: FileSystem, tmp: Path, path: Path, data: bytes) -> None:
    """Like `replace`, but never over something that exists: FileExistsError instead."""
    temp = write_new(fs, tmp, data)
    try:
        fs.link(temp, path)
    finally:
        _forget(fs, temp)
    fs.flush_folder(path.parent)


def remove(fs: FileSystem, path: Path) -> bool:
    """Unlink durably; False when it was not there."""
    try:
        fs.unlink(path)
    except FileNotFoundError:
        return False
    fs.flush_folder(path.parent)
    return True


def _forget(fs: FileSystem, path: Path) -> None:
    try:
        fs.unlink(path)
    except OSError:
        pass  # a stray temp file is harmless; housekeeping removes it by age
