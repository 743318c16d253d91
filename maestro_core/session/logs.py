"""The files of one run under logs/cadence-bus: what went in (prompts), and what came out.

The CLI writes its two log files itself, through descriptors opened for appending, so no
reader can ever hold it up. Owner: the run's Work, from the consumer's thread.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from maestro_core.clock import iso
from maestro_core.files import FILE_MODE, OsFiles

TAIL = 4096
"""Bytes of the end of a log that give a failure its reason."""


class RunLogs:
    """Made by `create`; the descriptors are closed by `release` once the CLI has them."""

    def __init__(self, stem: Path, stdin: Path) -> None:
        self.stdout = stem.with_name(f"{stem.name}.stdout.log")
        self.stderr = stem.with_name(f"{stem.name}.stderr.log")
        self.stdin = stdin
        self.fds: list[int] = []

    @classmethod
    def create(cls, folder: Path, cadence: str, now: float, *, given: Path, suffix: str) -> RunLogs:
        """Fresh empty log files named after the cadence and the wall time.

        What goes in gets the same name, with `suffix`, in the folder `given`.

        Two runs of one millisecond get two names: the later one takes the next free time.

        Raises:
            OSError: the folder cannot be written.
        """
        OsFiles().make_folder(folder)
        while True:
            stamp = iso(now)
            name = f"{stamp[:10]}-{cadence}-{stamp.replace(':', '-').replace('.', '-')}"
            logs = cls(folder / name, given / f"{name}{suffix}")
            try:
                logs._open()
            except FileExistsError:
                now += 0.001
            else:
                return logs

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        try:
            for path in (self.stdout, self.stderr):
                self.fds.append(os.open(path, flags, FILE_MODE))
            self.fds.append(os.open(self.stdout, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC))
        except BaseException:
            self.release()
            raise

    def outputs(self) -> tuple[int, int]:
        """Descriptors for the CLI's stdout and stderr."""
        return self.fds[0], self.fds[1]

    def reader(self) -> int:
        """A descriptor of the caller's own for the CLI's stdout.

        Opened before the run began, which may put something else in its place.
        """
        return os.dup(self.fds[2])

    def supply(self, text: bytes) -> int:
        """Write the CLI's standard input to its file; a descriptor to read it from."""
        OsFiles().make_folder(self.stdin.parent)
        OsFiles().create(self.stdin, text)
        fd = os.open(self.stdin, os.O_RDONLY | os.O_CLOEXEC)
        self.fds.append(fd)
        return fd

    def release(self) -> None:
        """Close our descriptors; the CLI has its own."""
        while self.fds:
            os.close(self.fds.pop())

    def kept(self) -> tuple[str | None, str | None]:
        """Remove what is empty, each file on its own; the paths of what is left."""
        return _keep_full(self.stdout), _keep_full(self.stderr)


def _keep_full(path: Path) -> str | None:
    try:
        if path.lstat().st_size > 0:
            return str(path)
        OsFiles().unlink(path)
    except FileNotFoundError:
        return None
    except OSError:
        return str(path)  # it cannot be removed now; retention will
    return None


def tail(path: Path, size: int = TAIL) -> str:
    """The last bytes of a file as text; empty when there is none.

    A run can put anything in the place of its log: a pipe is not waited on, a link not followed.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            return ""
        return os.pread(fd, size, max(0, info.st_size - size)).decode("utf-8", "replace")
    except OSError:
        return ""  # the disk does not give it back: the exit code has to do
    finally:
        os.close(fd)
