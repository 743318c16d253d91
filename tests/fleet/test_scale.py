"""A hundred thousand ticks on the server: claims stay quick, nobody is passed over, letters are
paged and retried. `make faults` runs it; it takes a minute."""

from __future__ import annotations

import time

import pytest

from maestro_core.fleet.engine import PostgresEngine
from maestro_core.models import Tick
from tests.fleet.crew import Hand, Record, at_work
from tests.fleet.server import Database
from tests.support import wait_until

pytestmark = [pytest.mark.xdist_group("postgresql"), pytest.mark.long, pytest.mark.timeout(900)]

MANY = 100_000


@pytest.fixture
def engine(database: Database) -> PostgresEngine:
    engine = PostgresEngine(database.link(), host="producer")
    for start in range(0, MANY, 1000):
        engine.enqueue_many(
            [Tick(id=f"t{number:06d}", cadence=f"c{number % 50:02d}", payload="x" * 100)
             for number in range(start, start + 1000)]
        )  # fmt: skip
    return engine


def test_a_hundred_thousand_waiting_ticks_are_claimed_as_quickly_as_a_few(
    database: Database, engine: PostgresEngine
) -> None:
    record = Record()
    hands = [Hand(database.target(), f"host{number}", record) for number in range(4)]
    with at_work(*hands):
        wait_until(lambda: len(record.settled) >= 1000, 300, "a thousand runs")
    waits = sorted(one for hand in hands for one in hand.waits)
    assert record.overlaps == []
    assert waits[len(waits) // 2] < 0.5, "half of all claims, in seconds, on a busy machine"
    held = {f"c{number:02d}" for number in range(49)}
    began = time.monotonic()
    claim = engine.claim(held=lambda cadence: cadence in held)
    assert claim is not None
    assert claim.tick.cadence == "c49", "98 of 100 that wait are held, and delay it not"
    assert time.monotonic() - began < 5


def test_a_hundred_thousand_dead_letters_are_paged_and_retried(engine: PostgresEngine) -> None:
    engine.link.execute("UPDATE pgqueuer SET status = 'failed'")
    seen = [
        view.tick.id
        for offset in range(0, MANY, 20_000)
        for view in engine.page("dlq", limit=20_000, offset=offset)
    ]
    assert len(set(seen)) == MANY
    began = time.monotonic()
    assert len(engine.page("dlq", limit=100, offset=MANY - 100)) == 100
    assert time.monotonic() - began < 5
    assert all(result.ok for result in engine.retry_dead(seen))
    assert (engine.counts()["dlq"], engine.counts()["inbox"]) == (0, MANY)
