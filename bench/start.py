"""How long it takes until something is there: the console beside a minimal Textual app.

    PYTHONPATH=. python bench/start.py [--runs 9] [--cadences 50] [--ticks 10000]

The installed program in a real pseudo-terminal of 120x36 and the smallest Textual app, by
turns, medians. `ours` is the first text on the terminal, `live` the first frame with what
only the agent root can give (all ticks counted), drawn after Textual took the terminal,
`key` how long a key that is pressed then takes. Then `enqueue` beside `node -e 0`.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import re
import select
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from console_idle import agent_root

from maestro_core.layout import Layout

ROWS, COLUMNS = 36, 120
PROGRAM = Path(sys.executable).with_name("maestro-tui")
MINIMAL = """
from textual.app import App
from textual.widgets import Static
class Minimal(App):
    BINDINGS = [("x", "more", "")]
    def compose(self):
        yield Static("a minimal app")
    def action_more(self):
        self.query_one(Static).update("it answered")
Minimal().run()
"""
TAKEN = b"\x1b[?2004h"
"""Textual has taken the terminal: it alone asks for bracketed paste."""
_ESCAPES = re.compile(rb"\x1b(?:\[[0-9;?<>=$]*[a-zA-Z]|[\]P_^][^\x07\x1b]*(?:\x07|\x1b\\)|[()].|.)")


class Times(NamedTuple):
    """Milliseconds since exec; `key` since the key was pressed."""

    ours: float
    live: float
    key: float


class Run:
    """One start in a terminal that answers reports at once."""

    def __init__(self, argv: Sequence[str]) -> None:
        self.data = b""
        environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.begun = time.perf_counter()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
            os.execve(argv[0], argv, environ | {"TERM": "xterm-256color"})

    def now(self) -> float:
        return (time.perf_counter() - self.begun) * 1000

    def read(self, seconds: float) -> None:
        if not select.select([self.fd], [], [], seconds)[0]:
            raise SystemExit(f"nothing came: {self.data[-500:]!r}")
        data = os.read(self.fd, 1 << 16)
        asked = (self.data[-3:] + data).count(b"\x1b[6n")
        self.data += data
        for _ in range(asked):
            os.write(self.fd, b"\x1b[2;1R")

    def text_came(self) -> float:
        while not _ESCAPES.sub(b"", self.data).strip():
            self.read(20)
        return self.now()

    def came(self, marker: bytes, since: int) -> float:
        while marker not in self.data[since:]:
            self.read(20)
        return self.now()

    def close(self) -> None:
        os.kill(self.pid, 15)
        try:
            while os.read(self.fd, 1 << 16):
                pass
        except OSError:
            pass
        os.close(self.fd)
        os.waitpid(self.pid, 0)


def measure(argv: Sequence[str], marker: bytes, key: bytes, answer: bytes) -> Times:
    run = Run(argv)
    try:
        ours = run.text_came()
        run.came(TAKEN, 0)
        live = run.came(marker, run.data.index(TAKEN))
        size, pressed = len(run.data), run.now()
        os.write(run.fd, key)
        return Times(ours, live, run.came(answer, size) - pressed)
    finally:
        run.close()


def filled(folder: Path, cadences: int, ticks: int) -> Layout:
    """An agent root with that many ticks waiting for cadences whose circuits are open."""
    layout = agent_root(folder, cadences)
    for number in range(ticks):
        name, cadence = f"tick-{number:06}", f"cadence-{number % cadences:02}"
        text = f'{{"id": "{name}", "cadence": "{cadence}", "source": "bench", "attempts": 0}}\n'
        (layout.inbox / f"{name}.json").write_text(text)
    return layout


def table(title: str, runs: Sequence[Times], base: Times | None = None) -> Times:
    middle = Times(*(statistics.median(values) for values in zip(*runs, strict=True)))
    ratio = f"  live {middle.live / base.live:.2f}x" if base else ""
    print(
        f"{title:22} ours {middle.ours:5.0f} ms  live {middle.live:5.0f} ms"
        f"  key {middle.key:5.0f} ms{ratio}", flush=True
    )  # fmt: skip
    return middle


def command_ms(argv: Sequence[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - begun) * 1000


def commands(layout: Layout, runs: int) -> None:
    """`enqueue` beside `node -e 0`, by turns."""
    node = shutil.which("node")
    enqueue = [str(PROGRAM), "--root", str(layout.root), "enqueue", "cadence-00"]
    ours, theirs = [], []
    for _ in range(runs * 2):
        ours.append(command_ms(enqueue))
        if node:
            theirs.append(command_ms([node, "-e", "0"]))
    mine = statistics.median(ours)
    beside = f", node {statistics.median(theirs):.0f} ms = " if theirs else ""
    ratio = f"{mine / statistics.median(theirs):.2f}x" if theirs else ""
    print(f"enqueue {mine:.0f} ms{beside}{ratio}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--cadences", type=int, default=50)
    parser.add_argument("--ticks", type=int, default=10_000)
    given = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, {COLUMNS}x{ROWS}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        layout = filled(Path(folder), given.cadences, given.ticks)
        waiting = f"{given.ticks:,}".encode()
        console = [str(PROGRAM), "--root", str(layout.root)]
        ways = {
            "minimal Textual app": ([sys.executable, "-c", MINIMAL], b"minimal", b"x", b"answered"),
            "console": (console, waiting, b"?", b"Keys"),
            "console, --attach": ([*console, "--attach"], waiting, b"?", b"Keys"),
        }
        runs: dict[str, list[Times]] = {title: [] for title in ways}
        for number in range(given.runs + 1):
            for title, way in ways.items():
                times = measure(*way)
                if number:  # the first warms the caches of bytes and files
                    runs[title].append(times)
        base = table("minimal Textual app", runs["minimal Textual app"])
        for title in list(ways)[1:]:
            table(title, runs[title], base)
        commands(layout, given.runs)


if __name__ == "__main__":
    main()
