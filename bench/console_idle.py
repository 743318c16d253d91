"""What the console costs when nothing happens but time: CPU, memory and bytes on the wire.

    PYTHONPATH=. python bench/console_idle.py [--seconds 20] [--cadences 20]

The installed program in a real pseudo-terminal of 120x36, with that many open circuits, each
with its countdown, once with the consumer in it and once attached to a daemon. Also prints
how long it takes from exec to the first board.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import psutil

from maestro_core.clock import iso
from maestro_core.layout import Layout
from tests.e2e.terminal import PROGRAM, Terminal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--cadences", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        layout = agent_root(Path(folder), options.cadences)
        for title, words in (("consumer inside", ()), ("watching alone", ("--attach",))):
            report(title, layout, words, options.seconds)


def agent_root(folder: Path, cadences: int) -> Layout:
    """Every cadence is held by its circuit for the next hour."""
    layout = Layout(folder / "agent")
    for part in (layout.inbox, layout.triggers, layout.cadences_toml.parent):
        part.mkdir(parents=True)
    names = [f"cadence-{number:02}" for number in range(cadences)]
    text = "[consumer]\ncircuit_open_seconds = 3600\n"
    layout.cadences_toml.write_text(text + "".join(f"[cadence.{name}]\n" for name in names))
    until = iso(time.time() + 3600)
    circuits = {name: {"failures": 3, "open_until": until, "forced": True} for name in names}
    document = {"generated": iso(time.time()), "open": circuits}
    layout.circuit_open.write_text(json.dumps(document))
    return layout


def report(title: str, layout: Layout, words: tuple[str, ...], seconds: float) -> None:
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    begun = time.perf_counter()
    with Terminal([PROGRAM, "--root", layout.root, *words], env=environ) as terminal:
        terminal.wait_for("1 Board")  # the first frame has no tabs
        terminal.wait_for("OPEN")
        started = time.perf_counter() - begun
        time.sleep(3)
        process = psutil.Process(terminal.process.pid)
        before, bytes_before = cpu_seconds(process), terminal.received
        time.sleep(seconds)
        cpu = cpu_seconds(process) - before
        wire = terminal.received - bytes_before
        memory = process.memory_info().rss / (1 << 20)
        terminal.press("q")
        terminal.wait_exit()
    print(
        f"{title}: board after {started * 1000:.0f} ms, CPU {cpu / seconds * 100:.2f} % of a core,"
    )
    print(f"  {wire / seconds:.0f} bytes a second on the wire, {memory:.0f} MiB")


def cpu_seconds(process: psutil.Process) -> float:
    """By the scheduler's account where it can be read: the usual one counts in ticks of 10 ms,
    and who works a moment each second is there at all of them or at none."""
    tasks = Path(f"/proc/{process.pid}/task")
    try:
        return (
            sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e9
        )
    except OSError:
        return sum(process.cpu_times()[:2])


if __name__ == "__main__":
    sys.exit(main())
