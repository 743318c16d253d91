"""Starts a program for a check: a time limit, no terminal, no input, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

_MOST = 64 << 10
_PAUSE = 0.01


class Ran(Struct, frozen=True):
    """`code` None = it was ended because its time was up."""

    code: int | None
    out: str
    err: str

    def said(self) -> str:
        """Its first words, for a finding: stderr, else stdout, on one line."""
        return " ".join((self.err.strip() or self.out.strip()).split())[:300]


def run_program(
    argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, timeout: float, given: str = ""
) -> Ran:
    """Run to the end or to the time limit, then end its whole group.

    Output goes to files, so a child that it leaves behind cannot keep us waiting on a pipe.

    Raises:
        OSError: it could not be started.
    """
    with (
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        tempfile.TemporaryFile() as stdin,
    ):
        stdin.write(given.encode())
        stdin.seek(0)
        child = subprocess.Popen(
            list(argv), stdin=stdin, stdout=out, stderr=err, cwd=cwd, env=dict(env),
            start_new_session=True,
        )  # fmt: skip
        try:
            in_time = _ended(child.pid, timeout)
        finally:
            _end_group(child.pid)
            code = child.wait()
        return Ran(code if in_time else None, _text(out.fileno()), _text(err.fileno()))


def _ended(pid: int, timeout: float) -> bool:
    """Wait for its end without reaping it: until then its group's number is nobody else's."""
    deadline = time.monotonic() + timeout
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
        if time.monotonic() >= deadline:
            return False
        time.sleep(_PAUSE)
    return True


def _end_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # nothing alive is left of the group (macOS then says EPERM)


def _text(fd: int) -> str:
    return os.pread(fd, _MOST, 0).decode("utf-8", "replace")
