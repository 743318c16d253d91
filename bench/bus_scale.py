"""How the bus scales, against a naive queue and against the bare disk, all in one run.

    python bench/bus_scale.py [--folder DIR] [--most 100000] [--rounds 20]

DIR has to be on the disk that is meant: by default .benchmarks/ in the project, since /tmp is
often memory. The two sides of every comparison take turns, so that other work on the
machine hits both. Each line says what survives a power cut once the call has returned.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from maestro_core.bus.directory import DirectoryEngine
from maestro_core.doctor.checks.machine import kind_of, linux_mounts
from maestro_core.files import OsFiles
from maestro_core.layout import Layout
from maestro_core.models import Tick

PROJECT = Path(__file__).resolve().parents[1]
PAYLOAD = {"note": "n" * 200}
START = "2026-01-01T00:00:00.000Z"
BATCH = 40
numbers = count()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=PROJECT / ".benchmarks")
    parser.add_argument("--most", type=int, default=100_000, help="ticks of the largest inbox")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--start", choices=("time", "memory"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.start:
        print(json.dumps(start(options.folder, options.start)))
        return
    options.folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.folder, prefix=".bus-scale-") as folder:
        home = Path(folder)
        print(f"{sys.platform}, {file_system(home)}, {os.cpu_count()} processors")
        enqueue(home, options.rounds)
        against_naive(home, min(10_000, options.most), options.rounds)
        flat(home, 1000, options.most, options.rounds)
        held(home, min(10_000, options.most), options.rounds)
        first_claim(home, options.most)


# ---- the figures -----------------------------------------------------------------------------


def enqueue(home: Path, rounds: int) -> None:
    title("enqueue, both sides: power cut survived")
    root = home / "enqueue"
    engine = DirectoryEngine(Layout(root))
    bare = BareDisk(home / "bare")
    sides: dict[str, Callable[[], object]] = {
        "bare create+write+flush+rename+flush folder": lambda: bare.put(document("memo")),
        "enqueue": lambda: engine.enqueue(tick("memo")),
    }
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name in shuffled(sides, number):
            found = rate(sides[name], BATCH)
            if number:  # the first one fills caches
                rates[name].append(found)
    tell(rates)
    ratio(rates, "enqueue", "bare create+write+flush+rename+flush folder", 0.85)


def against_naive(home: Path, waiting: int, rounds: int) -> None:
    title(
        f"claim+complete, {waiting:,} waiting; engine: power cut survived, naive: kills lose ticks"
    )
    fill(home / "engine", waiting)
    fill(home / "naive", waiting)
    engine, naive = opened(home / "engine"), NaiveQueue(home / "naive")
    whole, lazy = "naive: list and parse all", "naive: list all, parse the first by name"
    rates: dict[str, list[float]] = {whole: [], lazy: [], "engine": []}
    for _ in range(min(rounds, 5)):
        rates[whole].append(rate(lambda: naive.work(naive.best()), 2))
        rates[lazy].append(rate(lambda: naive.work(naive.first()), 10))
        rates["engine"].append(rate(lambda: work(engine), BATCH))
    tell(rates)
    ratio(rates, "engine", whole, 10)
    ratio(rates, "engine", lazy)


def flat(home: Path, few: int, many: int, rounds: int) -> None:
    title("claim+complete by the number waiting: power cut survived")
    roots = {f"{waiting:,} waiting": (home / f"flat{waiting}", waiting) for waiting in (few, many)}
    for root, waiting in roots.values():
        fill(root, waiting)
    engines = {name: opened(root) for name, (root, _) in roots.items()}
    rates: dict[str, list[float]] = {name: [] for name in roots}
    looks: dict[str, list[float]] = {name: [] for name in roots}
    for number in range(rounds):
        for name in shuffled(roots, number):
            root, waiting = roots[name]
            rates[name].append(rate(partial(work, engines[name]), BATCH))
            fill(root, waiting - len(engines[name].inbox))
            looks[name].append(1000 / rate(engines[name].refresh, 1))
    tell(rates)
    ratio(rates, f"{many:,} waiting", f"{few:,} waiting", 0.6)
    for name, found in looks.items():
        line(f"{name}, ms of a look after arrivals", statistics.median(found))


def held(home: Path, waiting: int, rounds: int) -> None:
    title(f"one claim of another cadence behind {waiting:,} held ticks")
    tallies, sides = {}, {}
    for ahead in (0, waiting):
        root = home / f"held{ahead}"
        fill(root, ahead, "held")
        fill(root, (rounds + 1) * BATCH, "memo", START.replace("01-01", "02-01"))
        tallies[ahead] = CountedCalls()
        sides[ahead] = opened(root, tallies[ahead])
        one_claim(sides[ahead])
        tallies[ahead].calls.clear()
    times: dict[int, list[float]] = {0: [], waiting: []}
    for number in range(rounds):
        for ahead in shuffled(times, number):
            times[ahead] += [one_claim(sides[ahead]) for _ in range(BATCH)]
    for ahead, taken in times.items():
        line(f"{ahead:,} held ticks ahead, ms a claim", statistics.median(taken))
    line(
        "they cost, ms a claim", statistics.median(times[waiting]) - statistics.median(times[0]), 1
    )
    extra = tallies[waiting].calls - tallies[0].calls
    line("calls of the disk more than without them, in all", sum(extra.values()), 0)
    line("calls of each claim", sum(tallies[0].calls.values()) / len(times[0]))


def first_claim(home: Path, waiting: int) -> None:
    title(f"start with {waiting:,} waiting (names cached by the system)")
    root = home / f"flat{waiting}"
    found = [child(root, "time") for _ in range(3)]
    line("first claim durable, s after the engine is opened", middle(found, "first"), 0.5)
    line("the whole inbox read, s", middle(found, "whole"))
    line("index, MB more of the process (RSS)", middle(found, "rss") / 1e6, 40)
    line("index, MB by tracemalloc", child(root, "memory")["traced"] / 1e6, 40)


# ---- the sides -------------------------------------------------------------------------------


class BareDisk:
    """What a durable new file costs at least."""

    def __init__(self, folder: Path) -> None:
        self._tmp, self._new = folder / "tmp", folder / "new"
        for one in (self._tmp, self._new):
            one.mkdir(parents=True)

    def put(self, data: bytes) -> None:
        name = f"{next(numbers):08d}.json"
        fd = os.open(self._tmp / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(fd, data)
        os.fsync(fd)
        os.close(fd)
        os.rename(self._tmp / name, self._new / name)
        fd = os.open(self._new, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)


class NaiveQueue:
    """The folder is listed and parsed at each claim; nothing is flushed."""

    def __init__(self, root: Path) -> None:
        self._layout = Layout(root)
        self._layout.claimed.mkdir(exist_ok=True)

    def best(self) -> dict[str, Any]:
        """The first in order of all that wait."""
        ticks = [self._parse(name) for name in os.listdir(self._layout.inbox)]
        return min(ticks, key=lambda one: (-one.get("priority", 0), one["enqueued_at"], one["id"]))

    def first(self) -> dict[str, Any]:
        """The first by name: no priorities, and a name has to begin with its time."""
        return self._parse(min(os.listdir(self._layout.inbox)))

    def work(self, tick: dict[str, Any]) -> None:
        name = f"{tick['id']}.json"
        os.rename(self._layout.inbox / name, self._layout.claimed / name)
        tick["attempts"] += 1
        (self._layout.claimed / name).write_text(json.dumps(tick), encoding="utf-8")
        os.unlink(self._layout.claimed / name)

    def _parse(self, name: str) -> dict[str, Any]:
        with open(self._layout.inbox / name, encoding="utf-8") as file:
            found: dict[str, Any] = json.load(file)
        return found


class CountedCalls(OsFiles):
    """The real disk; every call that it is asked for is counted by name."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("_") and name != "calls":
            self.calls[name] += 1
        return super().__getattribute__(name)


def opened(root: Path, fs: OsFiles | None = None) -> DirectoryEngine:
    """An engine that has read its whole inbox."""
    engine = DirectoryEngine(Layout(root), fs=fs, owner="bench")
    engine.abandoned()
    engine.refresh()
    while engine.inbox.unread:
        engine.refresh()
    return engine


def work(engine: DirectoryEngine) -> None:
    claim = engine.claim(held=lambda _: False)
    assert claim is not None
    engine.complete(claim)


def one_claim(engine: DirectoryEngine) -> float:
    """Milliseconds of one claim; its end is not measured."""
    start = time.perf_counter()
    claim = engine.claim(held=lambda cadence: cadence == "held")
    took = 1000 * (time.perf_counter() - start)
    assert claim is not None
    engine.complete(claim)
    return took


def start(root: Path, what: str) -> dict[str, float]:
    """In a process of its own: a consumer's first steps with the bus."""
    import tracemalloc

    if what == "memory":
        tracemalloc.start()
    before, begin = resident(), time.perf_counter()
    engine = DirectoryEngine(Layout(root), owner="bench")
    engine.abandoned()
    engine.refresh()
    claim = engine.claim(held=lambda _: False)
    first = time.perf_counter() - begin
    assert claim is not None
    engine.put_back(claim)
    while engine.inbox.unread:
        engine.refresh()
    whole = time.perf_counter() - begin
    traced = tracemalloc.get_traced_memory()[0] if what == "memory" else 0
    return {"first": first, "whole": whole, "rss": resident() - before, "traced": traced}


def child(root: Path, what: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--folder", str(root), "--start", what]
    env = os.environ | {"PYTHONPATH": str(PROJECT)}
    found: dict[str, float] = json.loads(subprocess.check_output(command, env=env))
    return found


def resident() -> int:
    """Bytes of this process in memory now."""
    import psutil

    return int(psutil.Process().memory_info().rss)


# ---- ticks -----------------------------------------------------------------------------------


def tick(cadence: str) -> Tick:
    return Tick(id=f"{next(numbers):08d}", cadence=cadence, source="bench", payload=PAYLOAD)


def document(cadence: str, at: str = START) -> bytes:
    found = {"id": f"{next(numbers):08d}", "cadence": cadence, "source": "bench",
             "enqueued_at": at, "attempts": 0, "payload": PAYLOAD}  # fmt: skip
    return json.dumps(found, indent=2).encode() + b"\n"


def fill(root: Path, many: int, cadence: str = "memo", at: str = START) -> None:
    """Waiting ticks, not flushed one by one: that is not what is measured."""
    inbox = Layout(root).inbox
    inbox.mkdir(parents=True, exist_ok=True)
    for _ in range(many):
        data = document(cadence, at)
        name = json.loads(data)["id"]
        (inbox / f".{name}").write_bytes(data)
        (inbox / f".{name}").rename(inbox / f"{name}.json")
    os.sync()


# ---- measuring and telling -------------------------------------------------------------------


def rate(act: Callable[[], object], times: int) -> float:
    """Acts a second."""
    start = time.perf_counter()
    for _ in range(times):
        act()
    return times / (time.perf_counter() - start)


def shuffled(sides: Iterable[Any], seed: int) -> list[Any]:
    found = list(sides)
    random.Random(seed).shuffle(found)
    return found


def tell(rates: dict[str, list[float]]) -> None:
    for name, found in rates.items():
        line(f"{name}, a second", statistics.median(found))


def ratio(rates: dict[str, list[float]], one: str, other: str, goal: float | None = None) -> None:
    """The median of the rounds' own ratios: what slowed a round down hit both."""
    pairs = zip(rates[one], rates[other], strict=True)
    line(
        f"ratio to {other[:44]}",
        statistics.median(a / b for a, b in pairs),
        goal,
    )


def middle(found: list[dict[str, float]], name: str) -> float:
    return statistics.median(one[name] for one in found)


def title(text: str) -> None:
    print(f"\n{text}")


def line(name: str, value: float, goal: float | None = None) -> None:
    wanted = "" if goal is None else f"   goal {goal:g}"
    print(f"  {name:58} {value:10.2f}{wanted}", flush=True)


def file_system(folder: Path) -> str:
    """Its kind, and whether an ext4 has a journal, where the system tells."""
    if not sys.platform.startswith("linux"):
        return "file system as mount(8) says"
    kind = kind_of(folder, linux_mounts(Path("/proc/self/mountinfo").read_text())) or "?"
    if kind != "ext4":
        return kind
    device = os.stat(folder).st_dev
    name = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve().name
    journals = Path("/proc/fs/jbd2")
    there = journals.is_dir() and any(one.name.startswith(f"{name}-") for one in journals.iterdir())
    return f"ext4 {'with' if there else 'without'} a journal"


if __name__ == "__main__":
    main()
