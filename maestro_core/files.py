"""The one way to the disk: every write of the bus goes through a `FileSystem`.

`OsFiles` is the real one; tests put an in-memory disk behind the same primitives and stop
the program at each of them. The recipes below (`write_new`, `replace`, `publish`, `remove`)
are the only places that combine primitives into something durable: temp file on the same
file system, flush, rename or link, flush the folder.

Imported by `enqueue`, so it stays free of slow imports (typing costs 6 ms).
"""

# Paths are strings here: a pathlib.Path costs as much as the system call that it names.
# ruff: noqa: PTH102, PTH104, PTH120

from __future__ import annotations

import errno
import os
import stat
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager
    from typing import Any, Protocol

    StrPath = str | os.PathLike[str]
else:
    Protocol = object

FILE_MODE = 0o600
FOLDER_MODE = 0o700

LOCK_SECONDS = 5.0
"""A lock is held for milliseconds; who waits longer waits for a program that hangs, and the
consumer, which waits too, would hang with it."""

_COARSEST_TIME = 2.5
"""Seconds; FAT keeps times to 2 s."""

NO_LINKS = frozenset({errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS,
                      errno.EMLINK})  # fmt: skip
"""What link() says where hard links are not to be had: exFAT, some shares, another's file."""


class FileSystem(Protocol):
    """Primitive operations; each is one step at which a machine may stop."""

    def read(self, path: StrPath, limit: int) -> bytes:
        """At most `limit`+1 bytes of a regular file; never follows a link or waits on a FIFO."""

    def create(self, path: StrPath, data: bytes) -> None:
        """A new file with all of `data`, not yet flushed. FileExistsError if it exists."""

    def flush(self, path: StrPath) -> None:
        """The file's bytes are on the disk when this returns."""

    def flush_folder(self, path: StrPath) -> None:
        """The folder's names are on the disk when this returns."""

    def rename(self, source: StrPath, target: StrPath) -> None: ...
    def link(self, source: StrPath, target: StrPath) -> None:
        """A second name for a file. FileExistsError if `target` exists."""

    def unlink(self, path: StrPath) -> None: ...
    def names(self, folder: StrPath) -> list[str]: ...
    def exists(self, path: StrPath) -> bool: ...
    def modified(self, path: StrPath) -> float:
        """Modification time in epoch seconds, of a link itself."""

    def settled(self, folder: StrPath) -> int | None:
        """A stamp of the folder's names that any later change alters; None when it may not,
        because the last change is so recent that the next could bear the same time."""

    def device(self, path: StrPath) -> int:
        """The file system that a path is on."""

    def room(self, path: StrPath) -> tuple[int, int]:
        """Free bytes and free inodes of the file system; -1 inodes where it counts none."""

    def make_folder(self, path: StrPath) -> None:
        """With its parents; a folder that exists is fine. NotADirectoryError for anything else
        that has its name: FileExistsError would be taken for a tick's."""

    def lock(self, path: StrPath, *, wait: bool = True) -> AbstractContextManager[object]:
        """Held by one process at a time while the context lasts. Waits for it, at most
        LOCK_SECONDS (then OSError, ETIMEDOUT: its holder hangs), or raises BlockingIOError
        where it is held and `wait` is False."""


class OsFiles:
    """The real disk. Stateless; safe from any thread."""

    def read(self, path: StrPath, limit: int) -> bytes:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            info = os.fstat(fd)
            if not stat.S_ISREG(info.st_mode):
                raise OSError(errno.EINVAL, "not a regular file", str(path))
            return _read_all(fd, min(info.st_size, limit) + 1, limit + 1)
        finally:
            os.close(fd)

    def create(self, path: StrPath, data: bytes) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
        finally:
            os.close(fd)

    def flush(self, path: StrPath) -> None:
        _flush_path(path, os.O_RDONLY)

    def flush_folder(self, path: StrPath) -> None:
        _flush_path(path, os.O_RDONLY | os.O_DIRECTORY)

    def rename(self, source: StrPath, target: StrPath) -> None:
        os.rename(source, target)

    def link(self, source: StrPath, target: StrPath) -> None:
        os.link(source, target, follow_symlinks=False)

    def unlink(self, path: StrPath) -> None:
        os.unlink(path)

    def names(self, folder: StrPath) -> list[str]:
        return os.listdir(folder)

    def exists(self, path: StrPath) -> bool:
        return os.path.lexists(path)

    def modified(self, path: StrPath) -> float:
        return os.lstat(path).st_mtime

    def settled(self, folder: StrPath) -> int | None:
        changed = os.stat(folder).st_mtime_ns
        return changed if time.time() - changed / 1e9 > _COARSEST_TIME else None

    def device(self, path: StrPath) -> int:
        return os.stat(path).st_dev

    def room(self, path: StrPath) -> tuple[int, int]:
        info = os.statvfs(path)
        return info.f_bavail * info.f_frsize, info.f_favail if info.f_files else -1

    def make_folder(self, path: StrPath) -> None:
        try:
            os.mkdir(path, FOLDER_MODE)
        except FileNotFoundError:
            self.make_folder(os.path.dirname(path))
            self.make_folder(path)
        except FileExistsError:
            if not os.path.isdir(path):
                what = "it is no folder, and one belongs there"
                raise NotADirectoryError(errno.ENOTDIR, what, str(path)) from None

    def lock(self, path: StrPath, *, wait: bool = True) -> FileLock:
        return FileLock(path, wait=wait)


class FileLock:
    """An advisory lock (flock) that dies with its process; children do not inherit it."""

    def __init__(self, path: StrPath, *, wait: bool = True) -> None:
        self._path = path
        self._wait = wait
        self._fd = -1

    def __enter__(self) -> FileLock:
        import fcntl  # here: most commands never lock

        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
        until, pause = time.monotonic() + LOCK_SECONDS, 0.0005
        try:
            while not _locked(fd, fcntl):
                if not self._wait:
                    raise BlockingIOError(errno.EAGAIN, "it is locked", str(self._path))
                if time.monotonic() >= until:
                    why = f"another program has held this lock for over {LOCK_SECONDS:g} s"
                    raise OSError(errno.ETIMEDOUT, why, str(self._path))
                time.sleep(pause)
                pause = min(2 * pause, 0.02)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def _locked(fd: int, fcntl: Any) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_all(fd: int, size: int, most: int) -> bytes:
    """Up to `most` bytes; one call where the file is as long as `size`-1 says."""
    data = os.read(fd, size)
    if len(data) < size or size >= most:
        return data
    parts, left = [data], most - len(data)
    while left > 0 and (part := os.read(fd, min(left, 1 << 16))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _flush_path(path: StrPath, flags: int) -> None:
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


def write_new(fs: FileSystem, tmp: StrPath, data: bytes) -> str:
    """A flushed temp file in the folder `tmp`; nothing is left behind on an error."""
    path = f"{os.fspath(tmp)}/{temp_name()}"
    try:
        fs.create(path, data)
        fs.flush(path)
    except FileExistsError:
        raise  # it is another writer's
    except OSError:
        forget(fs, path)
        raise
    return path


def replace(fs: FileSystem, tmp: StrPath, path: StrPath, data: bytes) -> None:
    """Put `data` at `path`, whole and durable: readers see the old or the new, never a mix."""
    temp = write_new(fs, tmp, data)
    try:
        fs.rename(temp, path)
    except OSError:
        forget(fs, temp)
        raise
    fs.flush_folder(os.path.dirname(path))


def publish(fs: FileSystem, tmp: StrPath, path: StrPath, data: bytes) -> None:
    """Like `replace`, but never over something that exists: FileExistsError instead."""
    place(fs, tmp, path, data)
    fs.flush_folder(os.path.dirname(path))


def place(fs: FileSystem, tmp: StrPath, path: StrPath, data: bytes) -> None:
    """`publish` without its last flush, for a batch: the caller flushes the folder once."""
    temp = write_new(fs, tmp, data)
    try:
        give_name(fs, temp, path)
    finally:
        forget(fs, temp)


def give_name(fs: FileSystem, source: StrPath, path: StrPath) -> bool:
    """A second name for `source`; False where only a rename was possible (the first is gone).

    Raises FileExistsError when `path` exists.
    """
    try:
        fs.link(source, path)
        return True
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
    if fs.exists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    fs.rename(source, path)
    return False


def ensure_folders(fs: FileSystem, folders: Iterable[StrPath]) -> None:
    """These exist, durably, given parents first. Flushed even if they are there: whoever made
    them may have been stopped before that."""
    parents: dict[str, None] = {}
    for folder in folders:
        fs.make_folder(folder)
        parents[os.path.dirname(folder)] = None
    for parent in parents:
        fs.flush_folder(parent)


def remove(fs: FileSystem, path: StrPath) -> bool:
    """Unlink durably; False when it was not there."""
    try:
        fs.unlink(path)
    except FileNotFoundError:
        return False
    fs.flush_folder(os.path.dirname(path))
    return True


def forget(fs: FileSystem, path: StrPath) -> None:
    """Unlink a temp file, if it is there and can be."""
    try:
        fs.unlink(path)
    except OSError:
        pass  # a stray temp file is harmless; housekeeping removes it by age
