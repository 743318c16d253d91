"""Faults of the server, of the line and of whole consumers, by the engine's verbs: each tick runs
at least once, never two at once, no cadence twice at once, no dead letter is lost."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from maestro_core.clock import FakeClock, iso
from maestro_core.errors import BusError, ClaimLost
from maestro_core.fleet.connect import Link
from maestro_core.fleet.engine import PostgresEngine
from maestro_core.models import Claim, Failure, Tick
from tests.fleet.crew import Hand, Record, at_work
from tests.fleet.proxy import Line
from tests.fleet.server import Database
from tests.support import wait_until

pytestmark = pytest.mark.xdist_group("postgresql")

PATIENCE = 90.0


@pytest.fixture
def line(database: Database) -> Iterator[Line]:
    one = Line(database.server.port)
    yield one
    one.close()


@pytest.fixture
def record() -> Record:
    return Record()


def fill(database: Database, count: int, cadences: int) -> PostgresEngine:
    engine = PostgresEngine(database.link(), host="producer")
    for start in range(0, count, 1000):
        engine.enqueue_many(
            [
                Tick(id=f"t{number:06d}", cadence=f"c{number % cadences:02d}")
                for number in range(start, min(count, start + 1000))
            ]
        )
    return engine


def emptied(engine: PostgresEngine) -> bool:
    try:
        found = engine.counts()
    except BusError:
        return False
    return found["inbox"] == found["claimed"] == 0


def bury(engine: PostgresEngine, count: int) -> set[str]:
    """Dead letters, which no fault may lose."""
    for number in range(count):
        engine.enqueue(Tick(id=f"dead{number}", cadence="dead"))
        claim = engine.claim(held=lambda name: name != "dead")
        assert claim is not None
        engine.dead_letter(claim, Failure(iso(time.time()), 1, 1, "exit 1: no"))
    return {f"dead{number}" for number in range(count)}


def check(record: Record, engine: PostgresEngine, ticks: int, dead: set[str]) -> None:
    """The invariants."""
    assert record.overlaps == []
    assert len(record.ran) == ticks
    assert all(count == 1 for count in record.settled.values()), "settled twice"
    assert {view.tick.id for view in engine.page("dlq")} == dead


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["restart", "crash"])
def test_a_server_that_is_restarted_under_load(
    database: Database, record: Record, how: signal.Signals
) -> None:
    engine = fill(database, 150, 6)
    dead = bury(engine, 3)
    hands = [Hand(database.target(), f"host{n}", record, seconds=0.01) for n in range(3)]
    with at_work(*hands):
        for done in (30, 80):
            wait_until(lambda done=done: len(record.settled) >= done, PATIENCE, "some work")  # type: ignore[misc]
            database.server.stop(how)
            database.server.start()
        wait_until(lambda: emptied(engine), PATIENCE, "the end of the queue")
    check(record, engine, 150, dead)


@pytest.mark.long
@pytest.mark.parametrize("fault", ["cut", "stall", "stall_answers"])
def test_a_line_that_is_lost_for_less_than_the_lease_costs_nobody_a_run(
    database: Database, line: Line, record: Record, fault: str
) -> None:
    """What ran goes on and is settled afterwards; nobody else has it meanwhile."""
    engine = fill(database, 30, 30)
    lost = Hand(database.target(line.port), "lost", record, seconds=0.3, lease=6)
    other = Hand(database.target(), "other", record, seconds=0.3, lease=6)
    with at_work(lost, other):
        wait_until(lambda: len(record.ran) >= 4, PATIENCE, "work on both")
        getattr(line, fault)()
        wait_until(lambda: len(record.settled) >= 10, PATIENCE, "work on the other one")
        line.mend()
        wait_until(lambda: emptied(engine), PATIENCE, "the end of the queue")
    check(record, engine, 30, set())
    assert all(count == 1 for count in record.ran.values())


@pytest.mark.long
def test_a_line_that_is_lost_for_longer_ends_the_run_before_another_host_begins_it(
    database: Database, line: Line, record: Record
) -> None:
    engine = fill(database, 1, 1)
    lost = Hand(database.target(line.port), "lost", record, seconds=60, lease=8)
    with at_work(lost):
        wait_until(lambda: record.ran, PATIENCE, "its run")
        line.stall()
        with at_work(Hand(database.target(), "other", record, seconds=0.1, lease=8)):
            wait_until(lambda: record.settled, PATIENCE, "its run elsewhere")
        line.mend()
        wait_until(lambda: emptied(engine), PATIENCE, "its end")
        lost.ended.set()
    check(record, engine, 1, set())
    assert record.ran == {"t000000": 2}


@pytest.mark.long
def test_the_ticks_of_a_consumer_that_is_gone_run_elsewhere_after_the_lease(
    database: Database, record: Record
) -> None:
    engine = fill(database, 6, 2)
    gone = Hand(database.target(), "gone", record, seconds=60, lease=1.5)
    other = Hand(database.target(), "other", record, seconds=0.02, lease=1.5)
    with at_work(gone):
        wait_until(lambda: record.ran, PATIENCE, "its run")
        gone.dead.set()
        with at_work(other):
            wait_until(lambda: emptied(engine), PATIENCE, "the end of the queue")
    check(record, engine, 6, set())
    assert sorted(record.ran.values()) == [1, 1, 1, 1, 1, 2]


def test_fifty_consumers_in_one_run(database: Database, record: Record) -> None:
    engine = fill(database, 300, 40)
    hands = [Hand(database.target(), f"host{n}", record, seconds=0.02) for n in range(50)]
    with at_work(*hands):
        wait_until(lambda: emptied(engine), PATIENCE, "the end of the queue")
    check(record, engine, 300, set())
    assert all(count == 1 for count in record.ran.values())


def test_clocks_that_differ_by_an_hour_change_nothing(database: Database) -> None:
    """Leases, not_before and the order of arrival go by the server's clock."""
    early, late = FakeClock(time.time() - 3600), FakeClock(time.time() + 3600)
    one, two = (
        PostgresEngine(Link(database.target(), clock), clock=clock, host=host, lease=60)
        for clock, host in ((early, "early"), (late, "late"))
    )
    one.enqueue(Tick(id="first", cadence="memo"))
    two.enqueue(Tick(id="second", cadence="memo"))
    now = one.link.now()
    assert now == pytest.approx(two.link.now(), abs=30)
    two.enqueue(Tick(id="later", cadence="mail", not_before=iso(now + 600)))
    claim = two.claim(held=lambda _: False)
    assert claim is not None
    assert claim.tick.id == "first", "not by the producers' clocks"
    assert one.abandoned() == []
    assert one.heartbeat([claim]) == []
    assert one.claim(held=lambda _: False) is None
    two.complete(claim)
    ready = two.next_ready_at()
    assert ready is not None
    assert ready - late.wall() == pytest.approx(600, abs=60)
    for engine in (one, two):
        engine.close()


def test_a_slow_settle_and_a_take_over_at_once_agree(database: Database) -> None:
    """Exactly one of the two has the claim."""
    slow, quick = (PostgresEngine(database.link(), host=host) for host in ("slow", "quick"))
    with ThreadPoolExecutor(1) as pool:
        for number in range(20):
            slow.enqueue(Tick(id=f"a{number}", cadence=f"c{number}"))
            claim = slow.claim(held=lambda _: False)
            assert claim is not None
            quick.link.execute("UPDATE pgqueuer SET heartbeat = now() - interval '1 hour'")
            lost = pool.submit(settles, slow, claim)
            taken = quick.abandoned()
            assert bool(taken) != lost.result()
            for one in taken:
                quick.complete(one)
    assert emptied(quick)


def settles(engine: PostgresEngine, claim: Claim) -> bool:
    try:
        engine.complete(claim)
    except ClaimLost:
        return False
    return True
