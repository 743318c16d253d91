"""What a distributed engine adds to the contract: leases on the server's clock, fenced settles,
one run of a cadence over all consumers, hosts that cannot run a cadence."""

from __future__ import annotations

import pytest

from maestro_core.clock import FakeClock, iso
from maestro_core.errors import ClaimLost
from maestro_core.fleet.engine import PostgresEngine
from maestro_core.models import Claim, Tick
from tests.fleet.server import Database

pytestmark = pytest.mark.xdist_group("postgresql")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def consumer(database: Database, clock: FakeClock, host: str, **options: object) -> PostgresEngine:
    return PostgresEngine(database.link(clock), clock=clock, host=host, lease=60, **options)  # type: ignore[arg-type]


def take(engine: PostgresEngine) -> Claim:
    claim = engine.claim(held=lambda _: False)
    assert claim is not None
    return claim


def test_another_host_takes_over_only_after_the_lease(database: Database, clock: FakeClock) -> None:
    one, two = consumer(database, clock, "one"), consumer(database, clock, "two")
    one.enqueue(Tick(id="a", cadence="memo"))
    lost = take(one)
    assert one.owner(lost.token) == "one"
    clock.advance(59)
    assert two.abandoned() == []
    assert one.heartbeat([lost]) == []
    clock.advance(59)
    assert two.abandoned() == []
    clock.advance(2)
    [taken] = two.abandoned()
    assert one.heartbeat([lost]) == [lost]
    with pytest.raises(ClaimLost):
        one.complete(lost)
    two.recovered(taken)
    again = take(two).tick
    assert (again.attempts, again.recoveries) == (2, 1)


def test_a_cadence_runs_once_over_the_whole_fleet(database: Database, clock: FakeClock) -> None:
    one, two = consumer(database, clock, "one"), consumer(database, clock, "two")
    for tick_id, cadence in (("a", "memo"), ("b", "memo"), ("c", "inbox")):
        one.enqueue(Tick(id=tick_id, cadence=cadence))
    first = take(one)
    assert take(two).tick.id == "c"
    assert two.claim(held=lambda _: False) is None
    one.complete(first)
    assert take(two).tick.id == "b"


def test_a_tick_goes_only_to_a_host_that_can_run_it(database: Database, clock: FakeClock) -> None:
    mini = consumer(database, clock, "mini", runs_here=lambda cadence: cadence == "inbox")
    mini.enqueue(Tick(id="a", cadence="memo"))
    assert mini.claim(held=lambda _: False) is None
    assert take(consumer(database, clock, "big")).tick.id == "a"


def test_a_tick_that_comes_late_with_an_older_time_goes_before_the_younger(
    database: Database, clock: FakeClock
) -> None:
    one = consumer(database, clock, "one", per_cadence=0)
    at = iso(clock.wall())
    for tick_id in ("m", "z", "a", "q"):
        one.enqueue(Tick(id=tick_id, cadence="memo", enqueued_at=at))
    one.enqueue(Tick(id="old", cadence="memo", enqueued_at=iso(clock.wall() - 5)))
    assert [take(one).tick.id for _ in range(5)] == ["old", "a", "m", "q", "z"]
