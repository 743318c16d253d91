"""A program in a pseudo-terminal of 160x50, and what it sends: bytes, moments, CPU, memory."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import termios
import time
from dataclasses import dataclass

import psutil

ROWS, COLUMNS = 50, 160
ASK, REPORT = b"\x1b[6n", b"\x1b[2;1R"
"""The question for the cursor's place, with which the console paces itself, and its answer."""


@dataclass
class Terminal:
    """One child. `pump` reads what it sends until a mark is seen or the time is over."""

    command: list[str]
    link: float = 0.0
    """Bytes a second that are taken from it; 0 = as many as it gives."""
    received: int = 0
    tail: bytes = b""
    pid: int = 0
    fd: int = -1

    def __enter__(self) -> Terminal:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
            os.execvp(self.command[0], self.command)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.process = psutil.Process(self.pid)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        os.close(self.fd)
        os.waitpid(self.pid, 0)

    def press(self, key: str) -> None:
        os.write(self.fd, key.encode())

    def pump(self, seconds: float, mark: bytes | None = None) -> float | None:
        """Seconds until `mark` came; None when it did not within `seconds`."""
        begun = time.monotonic()
        while (left := begun + seconds - time.monotonic()) > 0:
            if not select.select([self.fd], [], [], left)[0]:
                break
            try:
                data = os.read(self.fd, 512 if self.link else 1 << 16)
            except OSError:
                break
            self.received += len(data)
            os.write(self.fd, REPORT * data.count(ASK))
            if self.link:
                time.sleep(len(data) / self.link)
            self.tail = (self.tail + data)[-(1 << 17) :]
            if mark is not None and mark in self.tail:
                return time.monotonic() - begun
        return None

    def cpu(self) -> float:
        times = self.process.cpu_times()
        return times.user + times.system

    def memory(self) -> float:
        """Resident megabytes."""
        return self.process.memory_info().rss / 1e6
