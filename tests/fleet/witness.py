"""A `claude` that tells a common log when it begins and ends, and whether it is not alone.

At its begin it looks at every earlier run of the same tick or cadence that has not ended: one
whose process is still alive is an overlap, whichever consumer started it.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from maestro_core.demo.agent import install_stand_in
from tests.fleet.kit import Mini

_PROGRAM = """
import fcntl, os, subprocess, sys, time

log, stand_in, host = sys.argv[1:4]
tick, cadence, own = os.environ["MAESTRO_TICK_ID"], os.environ["MAESTRO_CADENCE"], os.getpid()

def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False

def others(lines):
    open_ = {}
    for line in lines:
        word, pid, *names = line.split()
        open_[pid] = names
        if word == "end":
            del open_[pid]
    return [pid for pid, names in open_.items()
            if (names[0] == tick or names[1] == cadence) and alive(pid)]

with open(log, "a+") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    file.seek(0)
    words = ["overlap" if others(file.read().splitlines()) else "begin"]
    file.write(f"{words[0]} {own} {tick} {cadence} {host}\\n")
code = subprocess.call([stand_in, *sys.argv[4:]])
with open(log, "a") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    file.write(f"end {own} {tick} {cadence} {host}\\n")
sys.exit(code)
"""


class Witness:
    """The common log of all hosts of a test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.log = folder / "witness.log"
        self.log.touch()
        (folder / "witness.py").write_text(_PROGRAM)

    def watch(self, mini: Mini) -> None:
        """That host's runs are told of."""
        words = [
            sys.executable, "-I", "-S", str(self._folder / "witness.py"), str(self.log),
            str(install_stand_in(mini.layout)), mini.root.name,
        ]  # fmt: skip
        shim = mini.root / "claude-witness"
        shim.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        shim.chmod(0o755)
        text = mini.layout.env_file.read_text().splitlines()
        kept = [line for line in text if not line.startswith("MAESTRO_CLAUDE_BIN=")]
        mini.layout.env_file.write_text("\n".join([*kept, f"MAESTRO_CLAUDE_BIN={shim}", ""]))

    def lines(self, *words: str) -> list[list[str]]:
        """[word, pid, tick, cadence, host] of each line that begins with one of the words."""
        found = [line.split() for line in self.log.read_text().splitlines()]
        return [line for line in found if line[0] in words]

    def begun(self) -> dict[str, int]:
        """Tick -> how often it began."""
        counts: dict[str, int] = {}
        for _, _, tick, _, _ in self.lines("begin", "overlap"):
            counts[tick] = counts.get(tick, 0) + 1
        return counts

    def overlaps(self) -> list[list[str]]:
        return self.lines("overlap")
