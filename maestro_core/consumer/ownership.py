"""Being the one that may move ticks: an flock on consumer.lock, held for a lifetime.

The kernel frees it at any death, and O_CLOEXEC keeps children from inheriting it. The
file's text only tells people who holds it; the lock itself decides.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import time
from contextlib import suppress
from typing import Any

from maestro_core.clock import iso, parse_iso
from maestro_core.errors import BusError, Busy
from maestro_core.files import FILE_MODE, OsFiles
from maestro_core.layout import Layout

FRESH_BEAT = 10.0
_BEAT_LIMIT = 8 << 20
_RETRY_PAUSE = 0.05


class Ownership:
    """Held until `release` or the end of the process."""

    def __init__(self, layout: Layout, fd: int) -> None:
        self._layout = layout
        self._fd = fd

    @classmethod
    def acquire(cls, layout: Layout, *, what: str, wait: float = 0.0) -> Ownership:
        """Take the lock, trying for `wait` seconds. `what` is shown to others ("daemon").

        Raises:
            Busy: another process holds it; the message names it.
            BusError: the lock file cannot be used on this file system.
        """
        OsFiles().make_folder(layout.bus)
        deadline = time.monotonic() + wait
        while True:
            fd = _try_lock(layout)
            if fd is not None:
                with suppress(OSError):  # a full disk: the lock holds without its text
                    _describe(fd, what)
                return cls(layout, fd)
            if time.monotonic() >= deadline:
                raise Busy(f"another consumer works on this agent root: {holder(layout)}")
            time.sleep(_RETRY_PAUSE)

    def still_ours(self) -> bool:
        """False when the lock file was deleted or replaced: someone else could lock a new one."""
        return _same_file(self._fd, self._layout)

    def release(self) -> None:
        if self._fd >= 0:
            try:
                with suppress(OSError):  # the text may stay: the lock is what counts
                    os.ftruncate(self._fd, 0)
            finally:
                os.close(self._fd)
                self._fd = -1


def holder(layout: Layout) -> str:
    """Who holds the lock, as far as its text tells: "daemon, pid 4242, since …"."""
    try:
        note = json.loads(OsFiles().read(layout.consumer_lock, 4096))
        return f"{note['what']}, pid {note['pid']} on {note['host']}, since {note['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "it left no name"


def is_locked(layout: Layout) -> bool:
    """Whether somebody holds the lock now."""
    try:
        fd = os.open(layout.consumer_lock, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def _try_lock(layout: Layout) -> int | None:
    """The locked descriptor, or None when another process has it."""
    path = layout.consumer_lock
    existed = path.exists()
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        fd = os.open(path, flags, FILE_MODE)
    except OSError as error:
        raise BusError(f"cannot open the lock {path}: {error.strerror}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return None
        raise BusError(
            f"{path} cannot be locked: {error.strerror}",
            "the agent root must be on a local file system with working locks",
        ) from error
    if not _same_file(fd, layout):
        os.close(fd)
        return None
    if not existed and _owner_without_lock_file(layout):
        os.unlink(path)  # or the next one would take our file for the owner's
        os.close(fd)
        return None
    return fd


def _same_file(fd: int, layout: Layout) -> bool:
    try:
        there = os.stat(layout.consumer_lock, follow_symlinks=False)
    except OSError:
        return False
    ours = os.fstat(fd)
    return (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)


def _owner_without_lock_file(layout: Layout) -> bool:
    """A consumer whose lock file was deleted under it still beats: it is to be respected."""
    try:
        beat: dict[str, Any] = json.loads(OsFiles().read(layout.consumer_json, _BEAT_LIMIT))
        # From the future is not fresh: the clock was set back, and a live one beats by the new.
        fresh = abs(time.time() - parse_iso(beat["beat_at"])) < FRESH_BEAT
        return fresh and not beat.get("stopped_at") and _lives(int(beat["pid"]))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _lives(pid: int) -> bool:
    if pid == os.getpid():
        return False
    from maestro_core.session.processes import start_token

    return start_token(pid) is not None


def _describe(fd: int, what: str) -> None:
    since = iso(time.time())
    note = {"pid": os.getpid(), "what": what, "host": socket.gethostname(), "since": since}
    os.ftruncate(fd, 0)
    os.pwrite(fd, (json.dumps(note) + "\n").encode(), 0)
