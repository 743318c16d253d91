"""Ticks on their way onto a server: any dedupe key, any number of producers, a long queue."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from maestro_core.clock import FakeClock
from maestro_core.fleet import waiting
from maestro_core.fleet.engine import PostgresEngine
from maestro_core.models import Receipt, Tick
from tests.fleet.server import Database

pytestmark = pytest.mark.xdist_group("postgresql")


class SlowClock(FakeClock):
    """Each look at it takes a second."""

    def awake(self) -> float:
        self.advance(1.0)
        return super().awake()


@pytest.mark.parametrize("key", ["", "with a \0 in it", "ä" * 9000, "".join(map(chr, range(9000)))])
def test_any_text_is_a_dedupe_key(database: Database, key: str) -> None:
    engine = PostgresEngine(database.link())
    assert engine.enqueue(Tick(id="a", cadence="memo", dedupe_key=key)).fresh
    assert engine.enqueue(Tick(id="b", cadence="memo", dedupe_key=key)) == Receipt("a", False)
    assert engine.enqueue(Tick(id="c", cadence="memo", dedupe_key=key + "x")).fresh
    claim = engine.claim(held=lambda _: False)
    assert claim is not None
    assert claim.tick.dedupe_key == key


def test_producers_that_meet_at_one_millisecond_all_get_in(database: Database) -> None:
    def produce(number: int) -> None:
        engine = PostgresEngine(database.link())
        for n in range(10):  # the later ones have the older time
            at = f"2026-01-02T00:00:00.000{99 - n * 9 - number:02d}0Z"
            engine.enqueue(Tick(id=f"{number}-{n}", cadence="memo", enqueued_at=at))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(produce, range(4)))
    found = PostgresEngine(database.link()).page("inbox")
    times = [view.tick.enqueued_at or "" for view in found]
    assert (len(times), times) == (40, sorted(times))


def test_a_long_queue_is_counted_now_and_then_and_its_cadences_are_always_known(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "EXACT", 3)
    producer = PostgresEngine(database.link())
    clock = SlowClock()
    count = waiting.WaitingCount(database.link(), clock)
    producer.enqueue_many([Tick(id=f"a{n}", cadence="a") for n in range(3)])
    assert count.read() == {"a": 3}
    producer.enqueue(Tick(id="a3", cadence="a"))
    assert count.read() == {"a": 4}
    producer.enqueue_many([Tick(id="a4", cadence="a"), Tick(id="b", cadence="b")])
    assert count.read() == {"a": 4, "b": 1}
    clock.advance(120)
    assert count.read() == {"a": 5, "b": 1}


def test_many_that_come_late_into_one_millisecond_stay_in_order_and_within_its_numbers(
    database: Database,
) -> None:
    engine = PostgresEngine(database.link())
    at, next_at = "2026-01-02T00:00:00.000Z", "2026-01-02T00:00:00.001Z"
    engine.enqueue(Tick(id="next", cadence="memo", enqueued_at=next_at))
    names = [f"t{n * 7 % 1500:04}" for n in range(1500)]
    for start in range(0, 1500, 300):
        batch = names[start : start + 300]
        engine.enqueue_many([Tick(id=one, cadence="memo", enqueued_at=at) for one in batch])
    found = [view.tick.id for view in engine.page("inbox", limit=2000)]
    assert found == [*sorted(names), "next"]
    [row] = engine.link.rows(
        "SELECT max(id) - min(id) AS taken FROM pgqueuer WHERE headers ->> 'id' <> 'next'"
    )
    assert row["taken"] < 10_000  # each batch moves those after it once
