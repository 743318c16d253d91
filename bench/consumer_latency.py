"""From a rename into inbox/ to a running child, and what an idle consumer costs.

    python bench/consumer_latency.py [--runs 40] [--held 20000]

The child is a shell script that writes the time it began at. Baseline in the same run: a
bare Popen of the same script. Prints medians and the 95th percentile in milliseconds.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CLAUDE = '#!/bin/sh\ndate +%s%N > "$AGENT_ROOT/began.$MAESTRO_TICK_ID"\n'
TOML = "[consumer]\npoll_seconds = 5\n"
PAUSE = 0.02


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--held", type=int, default=20_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = lay_out(Path(folder))
        report("bare Popen of the same script", [bare(root, n) for n in range(options.runs)])
        with consumer(root) as process:
            report("idle", [drop(root, f"a{n}") for n in range(options.runs)])
            print(f"{'idle consumer, % of a core over 10 s':44} {idle_cpu(process.pid, 10):9.2f}")
        hold(root, options.held)
        with consumer(root) as process:
            drop(root, "warm")
            times = [drop(root, f"b{n}") for n in range(options.runs)]
            report(f"behind {options.held:,} held ticks", times)
            name = "idle behind them, % of a core over 10 s"
            print(f"{name:44} {idle_cpu(process.pid, 10):9.2f}")


class consumer:
    """`maestro-tui run` for a while."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __enter__(self) -> subprocess.Popen[bytes]:
        beat = self._root / "state/cadence-bus/consumer.json"
        beat.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "maestro_tui", "--root", str(self._root), "run"],
            env=os.environ | {"MAESTRO_CLAUDE_BIN": str(self._root / "claude")},
            stdout=subprocess.DEVNULL,
        )
        while not beat.exists():
            time.sleep(PAUSE)
        time.sleep(1)
        return self._process

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait()


def lay_out(root: Path) -> Path:
    bus = "state/cadence-bus"
    for folder in (f"{bus}/inbox", f"{bus}/paused", "schedules/triggers", "config"):
        (root / folder).mkdir(parents=True)
    (root / "config/cadences.toml").write_text(TOML)
    (root / "schedules/triggers/quick.md").write_text("go\n")
    (root / "schedules/triggers/held.md").write_text("go\n")
    claude = root / "claude"
    claude.write_text(CLAUDE)
    claude.chmod(0o755)
    return root


def hold(root: Path, count: int) -> None:
    (root / "state/cadence-bus/paused/held.json").write_text("{}\n")
    for number in range(count):
        tick = {"id": f"h{number}", "cadence": "held", "enqueued_at": "2026-01-01T00:00:00.000Z"}
        (root / f"state/cadence-bus/inbox/h{number}.json").write_text(json.dumps(tick))


def began(root: Path, tick_id: str) -> int:
    path = root / f"began.{tick_id}"
    while not (path.exists() and (text := path.read_text())):
        time.sleep(0.001)
    return int(text)


def bare(root: Path, number: int) -> float:
    env = os.environ | {"AGENT_ROOT": str(root), "MAESTRO_TICK_ID": f"bare{number}"}
    start = time.time_ns()
    subprocess.Popen([root / "claude"], env=env).wait()
    return (began(root, f"bare{number}") - start) / 1e6


def drop(root: Path, tick_id: str) -> float:
    """Milliseconds from the rename to the child's first act; then waits until it is settled."""
    bus = root / "state/cadence-bus"
    temp = bus / f"{tick_id}.tmp"
    temp.write_text(json.dumps({"id": tick_id, "cadence": "quick"}))
    start = time.time_ns()
    temp.rename(bus / "inbox" / f"{tick_id}.json")
    took = (began(root, tick_id) - start) / 1e6
    while (bus / "claimed" / f"{tick_id}.json").exists():
        time.sleep(PAUSE)
    time.sleep(0.05)
    return took


def idle_cpu(pid: int, seconds: float) -> float:
    def used() -> float:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before = used()
    time.sleep(seconds)
    return 100 * (used() - before) / seconds


def report(name: str, times: list[float]) -> None:
    worst = statistics.quantiles(times, n=20)[-1]
    print(f"{name:44} {statistics.median(times):9.1f} median {worst:9.1f} p95 ms")


if __name__ == "__main__":
    main()
