"""Measures the log viewer in a running console under a pseudo-terminal, beside other tools.

    python bench/log_view.py open  [--size 1e9]     tail of a large file: time and memory
    python bench/log_view.py flood [--seconds 30]   10,000 lines/s followed: CPU, keys, bytes
    python bench/log_view.py four  [--seconds 30]   four logs at once, 2,500 lines/s each
    python bench/log_view.py slow  [--link 40000]   the flood over a line of so many bytes/s
    python bench/log_view.py search [--size 1e9]    a text that is not there: time, keys meanwhile

Each line is one tool; all of one command run one after the other on the same file, so only
figures of the same run may be set side by side. `--only` chooses tools.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from log_pty import Terminal

from maestro_core.layout import Layout

LINE = b"2026-11-24T02:03:04.567Z INFO worker-%04d request %08d handled in %03d ms, state kept\n"
END = b"THE-END-OF-THIS-LOG"
APPS = ("console", "ours", "Log", "RichLog")
PLAIN = {
    "tail -f": ["tail", "-n", "50", "-f"],
    "less +F": ["less", "+F"],
    "lnav": ["lnav"],
    "toolong": ["tl"],
}


def lines(first: int, count: int) -> bytes:
    return b"".join(LINE % (n % 9973, n, n % 997) for n in range(first, first + count))


def large_file(folder: Path, size: int) -> Path:
    """The same file for every tool of a run."""
    path, part = folder / "large.log", lines(0, 100_000)
    if path.exists():
        return path
    with path.open("wb") as file:
        while file.tell() < size:
            file.write(part)
        file.write(END + b"\n")
    return path


def mark(number: int) -> bytes:
    """What log_apps shows after so many keys."""
    text = b"K%06d" % number
    return text.translate(bytes.maketrans(b"0123456789K", b"abcdefghijZ")) if number % 2 else text


def app(kind: str, paths: list[Path]) -> list[str]:
    return [sys.executable, str(Path(__file__).with_name("log_apps.py")), kind, *map(str, paths)]


def plain_command(tool: str, path: Path) -> list[str] | None:
    command = PLAIN[tool]
    return [*command, str(path)] if shutil.which(command[0]) else None


# ---- open ---------------------------------------------------------------------------------


def open_app(kind: str, path: Path, patience: float) -> str:
    with Terminal(app(kind, [path])) as terminal:
        terminal.pump(20, mark(0))
        terminal.pump(1.0)
        before = terminal.memory()
        terminal.press("o")
        seen = terminal.pump(patience, END)
        at_tail = terminal.memory() - before
        worst, key = at_tail, []
        for number in range(1, 31):
            terminal.press("x")
            took = terminal.pump(patience, mark(number))
            key.append(took if took is not None else patience)
            if took is None:
                break
            terminal.pump(0.1)
            worst = max(worst, terminal.memory() - before)
        return (
            f"tail after {shown(seen)}, +{at_tail:.0f} MB, {worst:.0f} MB at most in 3 s more; "
            f"keys meanwhile {1000 * statistics.median(key):.0f} ms median, "
            f"{1000 * max(key):.0f} ms worst"
        )


def open_plain(command: list[str], patience: float) -> str:
    with Terminal(command) as terminal:
        seen = terminal.pump(patience, END)
        return f"tail after {shown(seen)} (with its start), {terminal.memory():.0f} MB in all"


def shown(seconds: float | None) -> str:
    return "more than the patience" if seconds is None else f"{seconds * 1000:.0f} ms"


# ---- search -------------------------------------------------------------------------------


def search_app(path: Path, patience: float) -> str:
    """In the console: keys are pressed until the answer is there."""
    with Terminal(app("console", [path])) as terminal:
        terminal.pump(20, mark(0))
        terminal.press("o")
        terminal.pump(patience, END)
        terminal.pump(2.0)
        before = terminal.memory()
        terminal.press("/")
        terminal.pump(0.5)
        terminal.press("unseen")
        terminal.pump(0.2)
        terminal.press("\r")
        begun, key, worst = time.monotonic(), [], 0.0
        terminal.pump(0.03)  # until then the line that was typed takes the keys
        while time.monotonic() - begun < patience:
            terminal.press("x")
            key.append(terminal.pump(patience, mark(len(key) + 1)) or patience)
            worst = max(worst, terminal.memory() - before)
            if b"no 'unseen' in" in terminal.tail:
                break
            terminal.pump(0.02)
        return (
            f"{time.monotonic() - begun:.2f} s for {path.stat().st_size / 1e9:.2f} GB, "
            f"{len(key)} keys meanwhile {1000 * statistics.median(key):.0f} ms median, "
            f"{1000 * max(key):.0f} ms worst, +{worst:.0f} MB"
        )


# ---- flood --------------------------------------------------------------------------------


def write_flood(paths: list[Path], rate: int, seconds: float) -> None:
    """Appends `rate` lines a second to each file, in a hundred parts a second."""
    files = [path.open("ab", buffering=0) for path in paths]
    begun, number = time.monotonic(), 0
    while (now := time.monotonic() - begun) < seconds:
        due = int(now * rate) - number
        if due > 0:
            part = lines(number, due)
            for file in files:
                file.write(part)
            number += due
        time.sleep(0.01)


def flood_app(kind: str, paths: list[Path], rate: int, seconds: float, link: float = 0) -> str:
    with Terminal(app(kind, paths), link) as terminal:
        terminal.pump(30, mark(0))
        terminal.pump(3.0 if link else 0.1)
        terminal.press("o")
        terminal.pump(1.0)
        writer = multiprocessing.Process(target=write_flood, args=(paths, rate, seconds))
        writer.start()
        terminal.pump(1.0)
        cpu, received, begun = terminal.cpu(), terminal.received, time.monotonic()
        key, number = [], 0
        while time.monotonic() - begun < seconds - 2:
            number += 1
            terminal.press("x")
            took = terminal.pump(10, mark(number))
            key.append(took if took is not None else 10.0)
            terminal.pump(0.15 + 0.017 * (number % 7))
        spent = time.monotonic() - begun
        cpu, received = terminal.cpu() - cpu, terminal.received - received
        writer.terminate()
        writer.join()
        key.sort()
        return (
            f"CPU {100 * cpu / spent:5.1f}%  key {1000 * statistics.median(key):6.1f} ms median "
            f"{1000 * key[int(len(key) * 0.95)]:7.1f} ms p95 ({len(key)} keys)  "
            f"{received / spent / 1000:6.1f} kB/s  {terminal.memory():5.0f} MB"
        )


def flood_plain(command: list[str], paths: list[Path], rate: int, seconds: float) -> str:
    with Terminal(command) as terminal:
        terminal.pump(1.0)
        writer = multiprocessing.Process(target=write_flood, args=(paths, rate, seconds))
        writer.start()
        terminal.pump(1.0)
        cpu, received, begun = terminal.cpu(), terminal.received, time.monotonic()
        terminal.pump(seconds - 2)
        spent = time.monotonic() - begun
        cpu, received = terminal.cpu() - cpu, terminal.received - received
        writer.terminate()
        writer.join()
        return (
            f"CPU {100 * cpu / spent:5.1f}%  {received / spent / 1000:6.1f} kB/s  "
            f"{terminal.memory():5.0f} MB"
        )


def fresh(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"run-{number}.stdout.log" for number in range(count)]
    for path in paths:
        path.write_bytes(lines(0, 200))
    return paths


def measure(what: str, tool: str, folder: Path, given: argparse.Namespace) -> str:
    if what == "search":
        return search_app(large_file(folder, int(given.size)), given.patience)
    if what == "open":
        path = large_file(folder, int(given.size))
        command = plain_command(tool, path) if tool in PLAIN else None
        if command:
            return open_plain(command, given.patience)
        return open_app(tool, path, given.patience) if tool in APPS else "absent"
    paths = fresh(folder, 4 if what == "four" else 1)
    rate = given.rate // len(paths)
    if tool in APPS:
        link = given.link if what == "slow" else 0
        return flood_app(tool, paths, rate, given.seconds, link)
    command = plain_command(tool, paths[0])
    return flood_plain(command, paths, rate, given.seconds) if command else "absent"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["open", "flood", "four", "slow", "search"])
    parser.add_argument("--size", type=float, default=1e9)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--rate", type=int, default=10_000)
    parser.add_argument("--link", type=float, default=40_000)
    parser.add_argument("--patience", type=float, default=60)
    parser.add_argument("--only", nargs="*", default=[*APPS, *PLAIN])
    given = parser.parse_args()
    tools = {"search": ["console"], "slow": [tool for tool in given.only if tool in APPS]}
    load = os.getloadavg()[0]
    print(f"{given.what}: load {load:.1f} before, {os.cpu_count()} cores, 160x50", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "agent", "logs", "cadence-bus", "subsessions")
        for one in Layout(folder.parents[2]).folders():
            one.mkdir(parents=True, exist_ok=True)
        for tool in tools.get(given.what, given.only):
            print(f"  {tool:8} {measure(given.what, tool, folder, given)}", flush=True)


if __name__ == "__main__":
    main()
