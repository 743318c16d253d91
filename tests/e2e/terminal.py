"""A real pseudo-terminal with a program in it, and a screen to read what it shows.

`Terminal` owns the process and a thread that feeds the screen. Every wait has a deadline
and shows the screen when it fails.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import pyte

PROGRAM = Path(sys.executable).with_name("maestro-tui")
"""The program as it is installed beside this Python."""

PATIENCE = 60.0
"""Seconds for one thing to appear: two cores may be shared by a whole test run."""

# Takes the terminal on stdin as its own, as a login shell's is, then becomes the program.
_CHILD = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
_KEYS = {
    "enter": "\r", "escape": "\x1b", "tab": "\t", "space": " ", "backspace": "\x7f",
    "up": "\x1b[A", "down": "\x1b[B", "right": "\x1b[C", "left": "\x1b[D",
    "home": "\x1b[H", "end": "\x1b[F", "pageup": "\x1b[5~", "pagedown": "\x1b[6~",
}  # fmt: skip
_LEFT = b"\x1b[?1049l"
_MODE = re.compile(rb"\x1b\[\?([0-9;]+)([hl])")
# What the screen cannot parse: private reports and queries, kitty's keyboard, strings.
_FOREIGN = re.compile(
    rb"\x1b\[[<>=][0-9;]*[a-zA-Z]|\x1b\[\?[0-9;]*\$?[a-gi-km-z]|\x1b[\]P_^].*?(?:\x07|\x1b\\)",
    re.DOTALL,
)
_UNFINISHED = re.compile(rb"\x1b(?:\[[<>=?]?[0-9;]*\$?|[\]P_^][^\x07\x1b]*\x1b?)?\Z")


class Terminal:
    """A program in a terminal of its own. A context manager: at its end the program is gone."""

    def __init__(
        self, argv: Sequence[str | os.PathLike[str]], *, env: Mapping[str, str],
        cwd: Path | None = None, columns: int = 120, rows: int = 36,
    ) -> None:  # fmt: skip
        self.screen = pyte.Screen(columns, rows)
        self.modes: set[int] = set()
        """Private modes that are on: 1049 alternate screen, 1000-1006 mouse, 2004 paste …"""
        self.hidden: set[int] = set()
        """Private modes that were turned off last: 25 is the cursor."""
        self._stream = pyte.ByteStream(self.screen)
        self._rest = b""
        self.received = 0
        """Bytes that the program has written so far."""
        self._changed = threading.Condition()
        self._gone = False
        self._master, slave = pty.openpty()
        self._quit, self._quitter = os.pipe()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.attributes_before = termios.tcgetattr(slave)
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-E", "-c", _CHILD, *map(os.fspath, argv)],
            stdin=slave, stdout=slave, stderr=slave, close_fds=True, start_new_session=True,
            cwd=cwd, env={**env, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
        )  # fmt: skip
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.hang_up()

    # ---- what it shows ------------------------------------------------------------------

    def text(self) -> str:
        """The screen, a line each."""
        with self._changed:
            return "\n".join(line.rstrip() for line in self.screen.display)

    def wait_for(self, pattern: str, timeout: float = PATIENCE) -> re.Match[str]:
        """The first match of a regular expression on the screen."""
        return self.wait_until(lambda text: re.search(pattern, text), timeout, pattern)

    def wait_gone(self, pattern: str, timeout: float = PATIENCE) -> None:
        """Until the screen matches no more."""
        self.wait_until(lambda text: not re.search(pattern, text), timeout, f"no {pattern}")

    def wait_until(
        self, condition: Callable[[str], Any], timeout: float = PATIENCE, what: str = ""
    ) -> Any:
        """The first true value of `condition(screen)`; looked at after every output."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                text = "\n".join(line.rstrip() for line in self.screen.display)
                if value := condition(text):
                    return value
                left = deadline - time.monotonic()
                if left <= 0 or self._gone:
                    state = "the program has ended" if self._gone else f"not in {timeout:g} s"
                    raise AssertionError(f"{state}: {what or condition}\n{text}")
                self._changed.wait(min(left, 0.5))

    # ---- what a person does -------------------------------------------------------------

    def press(self, *keys: str) -> None:
        """Keys by name (enter, ctrl+x, down) or as the character that they type."""
        for key in keys:
            os.write(self._master, _bytes_of(key))

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def hang_up(self) -> None:
        """The line drops: nobody is there to read any more."""
        if self._master < 0:
            return
        os.write(self._quitter, b".")  # a thread that still reads would keep the line open
        self._reader.join()
        for fd in (self._master, self._quit, self._quitter):
            os.close(fd)
        self._master = -1

    def resize(self, columns: int, rows: int) -> None:
        """The window is made larger or smaller; the program hears of it by SIGWINCH."""
        with self._changed:
            self.screen.resize(rows, columns)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait_exit(self, timeout: float = PATIENCE) -> int:
        """Its exit code; all that it printed has been read."""
        code = self.process.wait(timeout)
        self._reader.join(5)
        return code

    def attributes(self) -> list[Any]:
        """The terminal's line settings, as the next shell would find them."""
        return termios.tcgetattr(self._master)

    # ---- the reader's thread ------------------------------------------------------------

    def _read(self) -> None:
        while True:
            ready, _, _ = select.select([self._master, self._quit], [], [])
            try:
                data = b"" if self._quit in ready else os.read(self._master, 65536)
            except OSError:  # EIO: the last program has closed the other side
                data = b""
            with self._changed:
                if data:
                    self._feed(data)
                else:
                    self._gone = True
                self._changed.notify_all()
            if not data:
                return

    def _feed(self, data: bytes) -> None:
        self.received += len(data)
        data = self._rest + data
        cut = _UNFINISHED.search(data)
        self._rest = data[cut.start() :] if cut else b""
        data = data[: cut.start()] if cut else data
        for numbers, way in _MODE.findall(data):
            for number in map(int, filter(None, numbers.split(b";"))):
                (self.modes.add if way == b"h" else self.modes.discard)(number)
                (self.hidden.discard if way == b"h" else self.hidden.add)(number)
        # The screen has no alternate buffer: leaving it is a cleared screen here.
        self._stream.feed(_FOREIGN.sub(b"", data.replace(_LEFT, _LEFT + b"\x1b[2J\x1b[H")))


def _bytes_of(key: str) -> bytes:
    if key.startswith("ctrl+") and len(key) == 6:
        return bytes([ord(key[5]) & 0x1F])
    return _KEYS.get(key, key).encode()
