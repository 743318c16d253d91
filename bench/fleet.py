"""Ticks a second and claim latency on a real server with durable commits: this engine beside bare
PgQueuer (its claim and its settle on the same rows: no fence, no gates, no connection that comes
back), and beside the folders.

Consumers are processes with a connection each; every one claims and completes its share of the
same number of ticks, and the clock runs from the moment when all are ready until the last is
done. Both kinds work on copies of one filled database, in turn, as often as there are rounds;
the ratio is the median of the rounds' own ratios, so that a busy minute hits both.

Usage: PYTHONPATH=. python bench/fleet.py [--waiting 1000,10000] [--consumers 1,4] [--rounds 3]
       The whole: --waiting 1000,10000,100000 --consumers 1,4,16 --rounds 5
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import NamedTuple

import psycopg
from pgqueuer.adapters.persistence.qb import QueryQueueBuilder
from psycopg.rows import dict_row

from maestro_core.bus.directory import DirectoryEngine
from maestro_core.bus.engine import Engine
from maestro_core.clock import SystemClock
from maestro_core.fleet import schema
from maestro_core.fleet.connect import Link, parse
from maestro_core.fleet.engine import PostgresEngine
from maestro_core.layout import Layout
from maestro_core.models import Tick
from tests.fleet.server import Server, started
from tests.support import write_tick

CADENCES = [f"cadence-{number:02d}" for number in range(20)]
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
MOST_CLAIMS = 1000
"""At most so many are claimed, and never more than half of what waits."""

One = Callable[[], float | None]
"""Claims and completes one tick: the seconds of the claim; None when there was none to have."""


class Figures(NamedTuple):
    """Of one run; latencies in milliseconds."""

    rate: float
    p50: float
    p99: float

    def __str__(self) -> str:
        return f"{self.rate:7.0f} ticks/s  {self.p50:6.1f} / {self.p99:6.1f} ms"


# ---- one consumer --------------------------------------------------------------------------


def ours(url: str) -> One:
    return by_engine(PostgresEngine(Link(parse(url, {}), SystemClock()), host=uuid.uuid4().hex))


def folders(root: str) -> One:
    engine = DirectoryEngine(Layout(root))
    engine.refresh()
    return by_engine(engine)


def by_engine(engine: Engine) -> One:
    def one() -> float | None:
        began = time.perf_counter()
        claim = engine.claim(held=lambda _: False)
        took = time.perf_counter() - began
        if claim is None:
            return None
        engine.complete(claim)
        return took

    return one


def bare(url: str) -> One:
    """PgQueuer's statements by themselves."""
    connection = psycopg.connect(
        url, autocommit=True, row_factory=dict_row, cursor_factory=psycopg.RawCursor
    )
    builder = QueryQueueBuilder()
    settle = builder.build_log_job_query()

    def one() -> float | None:
        began = time.perf_counter()
        query = builder.build_dequeue_query(
            batch_size=1, entrypoints=CADENCES, concurrency_limits=[1] * len(CADENCES),
            queue_manager_id=uuid.uuid4(), global_concurrency_limit=None,
            heartbeat_timeout=timedelta(days=1),
        )  # fmt: skip
        try:
            found = connection.execute(query.sql, query.args).fetchall()
        except (psycopg.errors.UniqueViolation, psycopg.errors.DeadlockDetected):
            return None  # another one took the slot
        took = time.perf_counter() - began
        if not found:
            return None
        connection.execute(settle, ([found[0]["id"]], ["successful"], [None]))
        return took

    return one


KINDS: dict[str, Callable[[str], One]] = {"bare": bare, "ours": ours, "folders": folders}


def work(kind: str, where: str, count: int, ready: Barrier, told: Results) -> None:
    """A consumer's process: `count` ticks, then its times."""
    one, took = KINDS[kind](where), []
    ready.wait()
    began = time.monotonic()
    while len(took) < count:
        if (seconds := one()) is not None:
            took.append(seconds)
    told.put((began, time.monotonic(), took))


Results = multiprocessing.Queue  # type: ignore[type-arg]


def run(kind: str, where: str, consumers: int, claims: int) -> Figures:
    context = multiprocessing.get_context("spawn")
    ready, told = context.Barrier(consumers), context.Queue()
    share = claims // consumers
    crew = [
        context.Process(target=work, args=(kind, where, share, ready, told))
        for _ in range(consumers)
    ]
    for one in crew:
        one.start()
    found = [told.get(timeout=900) for _ in crew]
    for one in crew:
        one.join()
    took = sorted(seconds for _, _, each in found for seconds in each)
    wall = max(end for _, end, _ in found) - min(begin for begin, _, _ in found)
    p50, p99 = statistics.median(took), took[int(len(took) * 0.99)]
    return Figures(len(took) / wall, p50 * 1e3, p99 * 1e3)


# ---- what waits ----------------------------------------------------------------------------


def fill_server(server: Server, name: str, waiting: int) -> None:
    server.admin(f"CREATE DATABASE {name}")
    link = Link(parse(server.url(name), {}), SystemClock(), patience=None)
    schema.install(link)
    engine = PostgresEngine(link, host="bench")
    for start in range(0, waiting, 1000):
        ids = range(start, min(start + 1000, waiting))
        engine.enqueue_many(
            [Tick(id=f"t{n:07d}", cadence=CADENCES[n % 20], payload="x" * 200) for n in ids]
        )
    link.execute("VACUUM ANALYZE pgqueuer")
    link.close()


def fill_folders(root: Path, waiting: int) -> None:
    for number in range(waiting):
        write_tick(Layout(root).inbox, f"t{number:07d}", CADENCES[number % 20], payload="x" * 200)


def copied(server: Server, name: str) -> str:
    """A fresh copy of a filled database; its address."""
    copy = f"copy_{uuid.uuid4().hex[:8]}"
    server.admin(f"CREATE DATABASE {copy} TEMPLATE {name}", "CHECKPOINT")
    return server.url(copy)


def measure_server(server: Server, waiting: int, crews: list[int], rounds: int) -> None:
    name = f"filled_{waiting}"
    fill_server(server, name, waiting)
    claims = min(MOST_CLAIMS, waiting // 2)
    for consumers in crews:
        found: dict[str, list[Figures]] = {"bare": [], "ours": []}
        for number in range(rounds):
            order = ("bare", "ours") if number % 2 == 0 else ("ours", "bare")
            for kind in order:
                url = copied(server, name)
                found[kind].append(run(kind, url, consumers, claims))
                server.admin(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")
        ratio = statistics.median(
            mine.rate / theirs.rate
            for mine, theirs in zip(found["ours"], found["bare"], strict=True)
        )
        head = f"{waiting:>7,} waiting {consumers:>3} consumers"
        print(f"{head}  bare PgQueuer  {median(found['bare'])}")
        print(f"{head}  this engine    {median(found['ours'])}   {ratio:.2f} of bare", flush=True)


def measure_turns(server: Server, waiting: int) -> None:
    """One process, one tick of each kind in turn: what else the machine does hits both alike."""
    one = {kind: KINDS[kind](copied(server, f"filled_{waiting}")) for kind in ("bare", "ours")}
    took: dict[str, list[float]] = {"bare": [], "ours": []}
    for number in range(min(MOST_CLAIMS, waiting // 2) + 1):
        for kind in ("bare", "ours") if number % 2 else ("ours", "bare"):
            began = time.perf_counter()
            one[kind]()
            took[kind].append(time.perf_counter() - began)
    bare_, ours_ = (statistics.median(took[kind][1:]) * 1e3 for kind in ("bare", "ours"))
    print(
        f"{waiting:>7,} waiting, in turns: a tick {bare_:.2f} ms bare, {ours_:.2f} ms by this"
        f" engine   {bare_ / ours_:.2f} of bare", flush=True,
    )  # fmt: skip


def measure_folders(waiting: int, rounds: int) -> None:
    """One consumer: consumer.lock lets no second one in."""
    found = []
    for _ in range(rounds):
        root = Path(tempfile.mkdtemp(prefix="bench-fleet-"))
        try:
            fill_folders(root, waiting)
            found.append(run("folders", str(root), 1, min(MOST_CLAIMS, waiting // 2)))
        finally:
            shutil.rmtree(root)
    print(f"{waiting:>7,} waiting   1 consumer   folders        {median(found)}", flush=True)


def median(found: list[Figures]) -> Figures:
    return Figures(*(statistics.median(column) for column in zip(*found, strict=True)))


def numbers(text: str) -> list[int]:
    return [int(one) for one in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--waiting", type=numbers, default=[1000, 10_000])
    parser.add_argument("--consumers", type=numbers, default=[1, 4])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    server, home = started(DURABLE)
    try:
        print(f"medians of {options.rounds}; claim latency as p50 / p99")
        for waiting in options.waiting:
            measure_server(server, waiting, options.consumers, options.rounds)
            measure_turns(server, waiting)
            measure_folders(waiting, options.rounds)
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
