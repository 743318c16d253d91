"""A log view in a real pseudo-terminal, for what only the raw bytes can tell."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from pathlib import Path

PROGRAM = """
import sys
from pathlib import Path
from maestro_tui.widgets.log_view import LogView
from tests.tui.log_support import LogApp
LogApp(LogView(Path(sys.argv[1]))).run()
"""
TREE = Path(__file__).parents[2]


def run_in_pty(path: Path, *, until: bytes, keys: list[str], deadline: float = 30) -> bytes:
    """Everything that the app sent: up to `until`, and after each key until it falls silent."""
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(TREE)
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
        os.execv(sys.executable, [sys.executable, "-c", PROGRAM, str(path)])
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    try:
        received = _read(fd, until, time.monotonic() + deadline)
        assert until in received, received[-2000:]
        for key in keys:
            os.write(fd, key.encode())
            received += _read(fd, None, time.monotonic() + deadline)
        return received
    finally:
        os.kill(pid, signal.SIGKILL)
        os.close(fd)
        os.waitpid(pid, 0)


def _read(fd: int, until: bytes | None, deadline: float) -> bytes:
    """Bytes up to `until`; without it, those that come before a third of a second of silence."""
    received = b""
    while time.monotonic() < deadline and (until is None or until not in received):
        ready = select.select([fd], [], [], 0.3 if until is None else 1.0)[0]
        if not ready and until is None:
            break
        if ready:
            received += os.read(fd, 1 << 16)
    return received
