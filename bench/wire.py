"""What the console is like over a slow line: a real sshd on loopback behind a relay.

    PYTHONPATH=. python bench/wire.py [--seconds 20] [--only LINE ...] [--ways wire stock ...]

The real console, 160x50, with a log open to which 10,000 lines a second are written (`flood`),
or with twenty countdowns (`idle`). A key is timed from when it is typed into the ssh client
until its effect comes out of it. `bytes` are what the terminal was sent, `line` what the line
carried with the encryption. LINE: 1M (1 Mbit/s), 320k; both with a round trip of 40 ms; none.
"""

from __future__ import annotations

import argparse
import fcntl
import multiprocessing
import os
import pty
import random
import select
import shlex
import statistics
import struct
import sys
import tempfile
import termios
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

from console_idle import agent_root
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Static

from maestro_core.layout import Layout
from maestro_tui.app import MaestroApp
from maestro_tui.backend import RootBackend
from maestro_tui.screens.log_screen import LogOverlay
from maestro_tui.terminal import TerminalDriver
from tests.e2e.ssh_line import Line, Sshd

ROWS, COLUMNS = 50, 160
LINES = {"1M": 1e6, "320k": 320e3, "none": 0.0}
DELAY = 0.02
"""Seconds each way."""
CHANCE = random.Random(7)
WORDS = ["ab", "cde", "fghi", "jklmn", "0", "12", "345", "6789"]
LINES_OF_LOG = [" ".join(CHANCE.choices(WORDS, k=30))[:100] + "\n" for _ in range(5000)]
TREE = Path(__file__).parents[1]


# ---- the console ----------------------------------------------------------------------------


class Console(MaestroApp):
    """The console; `x` turns the letters in its first row, `o` opens the log."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "bump", priority=True),
        Binding("o", "show", priority=True),
    ]
    CSS = MaestroApp.CSS + "#keys { dock: top; height: 1; width: 8; }"

    def __init__(self, root: Path, way: str) -> None:
        super().__init__(RootBackend(Layout(root)), driver_class=TerminalDriver)
        self.count, self.log_file = 0, root / "flood.log"
        self.wire_way = {"wire": "on", "stock": "off"}.get(way, way)

    def action_bump(self) -> None:
        self.count += 1
        self.screen.query_one("#keys", Static).update(mark(self.count), layout=False)

    async def action_show(self) -> None:
        overlay: Screen[Any] = LogOverlay(self.log_file, "flooded")
        await self.push_screen(overlay)
        await overlay.mount(Static(mark(0), id="keys"))

    def compose(self) -> ComposeResult:
        yield from ()


def mark(number: int) -> str:
    """Seven letters that all change, so that any way of sending them sends them together."""
    return chr(ord("A") + number % 26) * 7


# ---- the terminal ---------------------------------------------------------------------------


class Terminal:
    """A terminal that answers reports at once."""

    def __init__(self, argv: list[str]) -> None:
        self.received = 0
        self.tail = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm-256color")
            os.execvp(argv[0], argv)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))

    def press(self, key: str) -> None:
        os.write(self.fd, key.encode())

    def pump(self, seconds: float, until: bytes | None = None) -> float | None:
        """Seconds until these bytes came; None when they did not."""
        self.tail = b""
        begun = time.monotonic()
        while (left := begun + seconds - time.monotonic()) > 0:
            if not select.select([self.fd], [], [], left)[0]:
                break
            try:
                data = os.read(self.fd, 1 << 16)
            except OSError:
                break
            self.received += len(data)
            before, self.tail = self.tail[-8:], (self.tail + data)[-(1 << 16) :]
            for _ in range((before[-3:] + data).count(b"\x1b[6n")):
                os.write(self.fd, b"\x1b[2;1R")
            if until is not None and until in self.tail:
                return time.monotonic() - begun
        return None

    def close(self) -> None:
        os.kill(self.pid, 9)
        os.close(self.fd)
        os.waitpid(self.pid, 0)


# ---- measuring ------------------------------------------------------------------------------


def write_flood(path: Path, rate: int, seconds: float) -> None:
    begun, number = time.monotonic(), 0
    os.nice(5)
    with path.open("a") as file:
        while (now := time.monotonic() - begun) < seconds:
            due = int(now * rate)
            file.write("".join(LINES_OF_LOG[n % 5000] for n in range(number, due)))
            file.flush()
            number = due
            time.sleep(0.01)


def keys(terminal: Terminal, seconds: float) -> list[float]:
    """Milliseconds a key, sorted; a key that was not answered counts ten seconds."""
    took, number, end = [], 0, time.monotonic() + seconds
    while time.monotonic() < end:
        number += 1
        terminal.press("x")
        found = terminal.pump(10.0, mark(number).encode())
        took.append(1000 * (10.0 if found is None else found))
        terminal.pump(0.2 + 0.017 * (number % 9))
    return sorted(took)


def flood(terminal: Terminal, line: Line | None, root: Path, seconds: float) -> str:
    terminal.press("o")
    terminal.pump(5.0, mark(0).encode())
    writer = multiprocessing.Process(target=write_flood, args=(root / "flood.log", 10_000, 9e9))
    writer.start()
    terminal.pump(4.0)
    before, carried, begun = terminal.received, line.down if line else 0, time.monotonic()
    took = keys(terminal, seconds)
    spent = time.monotonic() - begun
    sent, carried = terminal.received - before, (line.down if line else 0) - carried
    writer.terminate()
    writer.join()
    return (
        f"key median {statistics.median(took):6.0f} ms, p95 {took[int(len(took) * 0.95)]:6.0f}, "
        f"worst {took[-1]:6.0f} ({len(took)} keys); {sent / spent / 1000:5.1f} kB/s bytes, "
        f"{carried / spent / 1000:5.1f} kB/s line"
    )


def idle(terminal: Terminal, line: Line | None, _root: Path, seconds: float) -> str:
    terminal.pump(6.0)
    before, carried, begun = terminal.received, line.down if line else 0, time.monotonic()
    terminal.pump(seconds)
    end = time.monotonic()
    while time.monotonic() - begun < seconds:
        terminal.pump(seconds - (time.monotonic() - begun))
        end = time.monotonic()
    spent = end - begun
    sent, carried = terminal.received - before, (line.down if line else 0) - carried
    return f"{sent / spent:6.0f} B/s bytes, {carried / spent:6.0f} B/s line"


def measure(what: str, name: str, way: str, seconds: float, sshd: Sshd, folder: Path) -> str:
    layout = agent_root(folder, 20)
    root = layout.root
    (root / "flood.log").write_text("")
    words = [sys.executable, str(Path(__file__).resolve()), "--child", way, str(root)]
    command = f"cd {TREE} && PYTHONPATH=.:bench TERM=xterm-256color {shlex.join(words)}"
    with ExitStack() as stack:
        line = None
        if LINES[name]:
            line = stack.enter_context(Line(sshd.port, LINES[name], DELAY))
        terminal = Terminal(sshd.command([command], line.port if line else sshd.port))
        stack.callback(terminal.close)
        if terminal.pump(30.0, b"cadence-00") is None:
            return f"did not start: {terminal.tail[-300:]!r}"
        terminal.pump(2.0)
        return {"flood": flood, "idle": idle}[what](terminal, line, root, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", nargs=2)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--only", nargs="*", default=list(LINES))
    parser.add_argument("--ways", nargs="*", default=["wire", "eco", "stock"])
    parser.add_argument("--what", nargs="*", default=["flood", "idle"])
    given = parser.parse_args()
    if given.child:
        Console(Path(given.child[1]), given.child[0]).run()
        return
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, {COLUMNS}x{ROWS}", flush=True)
    with tempfile.TemporaryDirectory() as name, Sshd(Path(name, "sshd")) as sshd:
        for what in given.what:
            for line in given.only:
                for way in given.ways:
                    with tempfile.TemporaryDirectory() as folder:
                        said = measure(what, line, way, given.seconds, sshd, Path(folder))
                    print(f"{what:5} {line:5} {way:5}  {said}", flush=True)


if __name__ == "__main__":
    main()
