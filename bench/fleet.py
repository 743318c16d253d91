"""Ticks a second and claim latency of one consumer on a real server with durable commits, beside
bare PgQueuer (its claim and its settle, no fence, no gates) on the same rows.

Usage: PYTHONPATH=. python bench/fleet.py [WAITING ...]     default 1000 10000
"""

from __future__ import annotations

import shutil
import statistics
import sys
import time
import uuid
from collections.abc import Callable
from datetime import timedelta

from pgqueuer.adapters.persistence.qb import QueryQueueBuilder

from maestro_core.clock import SystemClock
from maestro_core.fleet import schema
from maestro_core.fleet.connect import Link, parse
from maestro_core.fleet.engine import PostgresEngine
from maestro_core.models import Tick
from tests.fleet.server import Server, started

CADENCES = [f"cadence-{number:02d}" for number in range(20)]
CLAIMS = 400


def filled(server: Server, name: str, waiting: int) -> Link:
    server.admin(f"CREATE DATABASE {name}")
    link = Link(parse(server.url(name), {}), SystemClock())
    schema.install(link)
    engine = PostgresEngine(link, host="bench")
    for start in range(0, waiting, 1000):
        ids = range(start, min(start + 1000, waiting))
        engine.enqueue_many(
            [Tick(id=f"t{n:07d}", cadence=CADENCES[n % 20], payload="x" * 200) for n in ids]
        )
    link.execute("ANALYZE pgqueuer")
    return link


def ours(link: Link) -> Callable[[], float]:
    engine = PostgresEngine(link, host="bench")

    def one() -> float:
        began = time.perf_counter()
        claim = engine.claim(held=lambda _: False)
        took = time.perf_counter() - began
        assert claim is not None
        engine.complete(claim)
        return took

    return one


def bare(link: Link) -> Callable[[], float]:
    builder, settle = QueryQueueBuilder(), QueryQueueBuilder().build_log_job_query()

    def one() -> float:
        began = time.perf_counter()
        query = builder.build_dequeue_query(
            batch_size=1, entrypoints=CADENCES, concurrency_limits=[1] * 20,
            queue_manager_id=uuid.uuid4(), global_concurrency_limit=None,
            heartbeat_timeout=timedelta(days=1),
        )  # fmt: skip
        [row] = link.rows(query.sql, *query.args)
        took = time.perf_counter() - began
        link.execute(settle, [row["id"]], ["successful"], [None])
        return took

    return one


def measure(server: Server, waiting: int) -> None:
    for kind, make in (("bare PgQueuer", bare), ("this engine", ours)):
        link = filled(server, f"bench_{uuid.uuid4().hex[:8]}", waiting)
        one = make(link)
        one()
        began = time.perf_counter()
        took = sorted(one() for _ in range(CLAIMS))
        rate = CLAIMS / (time.perf_counter() - began)
        p50, p99 = statistics.median(took) * 1e3, took[int(CLAIMS * 0.99)] * 1e3
        print(f"{waiting:>7} waiting  {kind:<14} {rate:6.0f} ticks/s  {p50:5.1f} / {p99:5.1f} ms")
        link.close()


def main() -> None:
    server, home = started({"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"})
    try:
        for waiting in [int(one) for one in sys.argv[1:]] or [1000, 10_000]:
            measure(server, waiting)
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
