"""What every bus engine promises, by one suite for all of them: order, holds, attempts, the
fence, recovery, dead letters and their way back, dedupe keys, pages."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

from maestro_core.bus.directory import DirectoryEngine
from maestro_core.bus.engine import Engine
from maestro_core.bus.memory import MemoryEngine, Store
from maestro_core.clock import FakeClock, iso
from maestro_core.errors import ClaimLost, Refused, UsageError
from maestro_core.fleet.engine import PostgresEngine
from maestro_core.layout import Layout
from maestro_core.models import Claim, Failure, Tick


class Bench:
    """One kind of engine: `open` starts another one over the same bus, as a restart does."""

    def __init__(self, open_: Callable[[FakeClock], Engine], layout: Layout | None = None) -> None:
        self.layout = layout
        self.clock = FakeClock(time.time())
        self._open = open_
        self.engine = self.open()
        self._number = 0

    def open(self) -> Engine:
        return self._open(self.clock)

    def add(self, cadence: str = "memo", tick_id: str | None = None, **fields: object) -> str:
        self._number += 1
        self.clock.advance(0.01)
        tick_id = tick_id or f"tick-{self._number:03d}"
        receipt = self.engine.enqueue(Tick(id=tick_id, cadence=cadence, **fields))  # type: ignore[arg-type]
        return receipt.id

    def claim(self, *held: str) -> Claim:
        claim = self.engine.claim(held=lambda cadence: cadence in held)
        assert claim is not None
        return claim

    def nothing_to_claim(self, *held: str) -> bool:
        return self.engine.claim(held=lambda cadence: cadence in held) is None

    def failure(self, attempt: int = 1, reason: str = "exit 1: no") -> Failure:
        return Failure(iso(self.clock.wall()), attempt, 1, reason)

    def kill(self, cadence: str = "memo", tick_id: str | None = None, **fields: object) -> str:
        """One more dead letter."""
        tick_id = self.add(cadence, tick_id, **fields)
        claim = self.engine.claim(held=lambda name: name != cadence)
        assert claim is not None
        assert claim.tick.id == tick_id
        self.engine.dead_letter(claim, self.failure())
        return tick_id

    def date_letter(self, tick_id: str) -> None:
        """Give the file the fake clock's time: real file times have a grain of milliseconds."""
        if self.layout:
            now = self.clock.wall()
            os.utime(self.layout.dlq / f"{tick_id}.json", (now, now))

    def where(self, tick_id: str) -> str | None:
        view = self.engine.find(tick_id)
        return view.where if view else None


_SHARED = pytest.param("postgresql", marks=pytest.mark.xdist_group("postgresql"))


@pytest.fixture(params=["directory", "memory", _SHARED])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    if request.param == "postgresql":
        database = request.getfixturevalue("database")
        return Bench(
            lambda clock: PostgresEngine(
                database.link(clock), clock=clock, host="test", per_cadence=0
            )
        )
    if request.param == "memory":
        store = Store()
        return Bench(lambda clock: MemoryEngine(clock=clock, store=store))
    layout = Layout(tmp_path)
    return Bench(lambda clock: DirectoryEngine(layout, clock=clock, owner="test"), layout)


# ---- order ----------------------------------------------------------------------------------


def test_ticks_come_in_the_order_of_their_arrival(bench: Bench) -> None:
    ids = [bench.add() for _ in range(5)]
    assert [bench.claim().tick.id for _ in ids] == ids
    assert bench.nothing_to_claim()


def test_priority_goes_before_age_and_the_id_settles_a_draw(bench: Bench) -> None:
    at = iso(bench.clock.wall())
    for tick_id, priority in (("b", 0), ("a", 0), ("low", -1), ("high", 7)):
        bench.add(tick_id=tick_id, priority=priority, enqueued_at=at)
    assert [bench.claim().tick.id for _ in range(4)] == ["high", "a", "b", "low"]


def test_a_tick_that_names_no_priority_has_that_of_its_cadence(bench: Bench) -> None:
    at = iso(bench.clock.wall())
    for tick_id, cadence, priority in (
        ("first", "plain", 0), ("high", "plain", 7), ("urgent", "alarm", 0),
        ("later", "alarm", 3), ("last", "chore", 0),
    ):  # fmt: skip
        bench.add(cadence, tick_id=tick_id, priority=priority, enqueued_at=at)
    ranks = {"alarm": 5, "chore": -1}

    def claimed() -> str:
        claim = bench.engine.claim(held=lambda _: False, rank=lambda name: ranks.get(name, 0))
        assert claim is not None
        bench.engine.complete(claim)
        return claim.tick.id

    assert [claimed() for _ in range(5)] == ["high", "urgent", "later", "first", "last"]


def test_a_held_cadence_is_passed_over_and_keeps_its_place(bench: Bench) -> None:
    first = bench.add("memo")
    other = bench.add("inbox")
    assert bench.claim("memo").tick.id == other
    assert bench.nothing_to_claim("memo")
    assert bench.claim().tick.id == first


def test_a_tick_waits_for_its_not_before_and_delays_no_other(bench: Bench) -> None:
    due = bench.clock.wall() + 60
    later = bench.add(not_before=iso(due))
    now = bench.add()
    assert bench.claim().tick.id == now
    assert bench.nothing_to_claim()
    assert bench.engine.next_ready_at() == pytest.approx(due, abs=0.001)
    assert bench.engine.ready_cadences() == set()
    bench.clock.advance(61)
    assert bench.engine.ready_cadences() == {"memo"}
    assert bench.claim().tick.id == later
    assert bench.engine.next_ready_at() is None


def test_a_clock_that_goes_back_makes_nothing_run_early(bench: Bench) -> None:
    bench.add(not_before=iso(bench.clock.wall() + 60))
    bench.clock.advance(61)
    assert bench.engine.ready_cadences() == {"memo"}
    bench.clock.jump(-3600)
    assert bench.nothing_to_claim()
    bench.clock.advance(3600)
    assert bench.claim().tick.id == "tick-001"


# ---- attempts and settling ------------------------------------------------------------------


def test_a_claim_spends_an_attempt_and_a_put_back_returns_it(bench: Bench) -> None:
    bench.add()
    claim = bench.claim()
    assert claim.tick.attempts == 1
    bench.engine.put_back(claim)
    assert bench.where(claim.tick.id) == "inbox"
    assert bench.claim().tick.attempts == 1


def test_a_retry_keeps_the_attempt_and_tells_the_failure(bench: Bench) -> None:
    bench.add()
    failure = bench.failure()
    bench.engine.retry(bench.claim(), failure)
    again = bench.claim().tick
    [told] = again.failures  # a shared bus says on which host it was
    assert (again.attempts, again.last_error) == (2, "exit 1: no")
    assert structs.replace(told, host=None) == failure


def test_a_completed_tick_has_left_the_bus(bench: Bench) -> None:
    tick_id = bench.add()
    bench.engine.complete(bench.claim())
    assert bench.where(tick_id) is None
    assert bench.nothing_to_claim()
    assert sum(bench.engine.counts().values()) == 0


def test_failures_are_kept_up_to_a_bound_the_latest_ones(bench: Bench) -> None:
    bench.add()
    for attempt in range(1, 31):
        bench.engine.retry(bench.claim(), bench.failure(attempt, f"exit 1: {'x' * 4000}"))
    tick = bench.claim().tick
    assert tick.attempts == 31
    kept = [one.attempt for one in tick.failures]
    assert 8 <= len(kept) < 14
    assert kept == [*range(31 - len(kept), 31)]


def test_unknown_fields_and_the_payload_survive_every_move(bench: Bench) -> None:
    extra = {"trace": {"a": [1, None]}, "schema": 7}
    tick_id = bench.add(payload={"n": 10**25}, extra=extra, dedupe_key="k", priority=3)
    bench.engine.retry(bench.claim(), bench.failure())
    bench.engine.dead_letter(bench.claim(), bench.failure(2))
    bench.engine.discard_dead([tick_id])
    bench.engine.restore_dead([tick_id])
    bench.engine.retry_dead([tick_id])
    tick = bench.claim().tick
    assert (tick.payload, tick.extra) == ({"n": 10**25}, extra)
    assert (tick.dedupe_key, tick.priority, len(tick.failures)) == ("k", 3, 2)


@pytest.mark.parametrize("verb", ["complete", "put_back", "recovered", "retry", "dead_letter"])
def test_a_claim_can_be_settled_once(bench: Bench, verb: str) -> None:
    bench.add()
    claim = bench.claim()
    bench.engine.complete(claim)
    failure = (bench.failure(),) if verb in ("retry", "dead_letter") else ()
    with pytest.raises(ClaimLost):
        getattr(bench.engine, verb)(claim, *failure)
    assert sum(bench.engine.counts().values()) == 0


# ---- recovery -------------------------------------------------------------------------------


def test_a_dead_consumers_claim_is_taken_over_and_its_own_token_refused(bench: Bench) -> None:
    tick_id = bench.add()
    lost = bench.claim()
    after = bench.open()
    [taken] = after.abandoned()
    assert (taken.tick.id, taken.tick.attempts) == (tick_id, 1)
    with pytest.raises(ClaimLost):
        bench.engine.complete(lost)
    after.recovered(taken)
    again = after.claim(held=lambda _: False)
    assert again is not None
    assert (again.tick.attempts, again.tick.recoveries, again.tick.spent) == (2, 1, 1)


def test_recovering_twice_is_recovering_once(bench: Bench) -> None:
    bench.add()
    bench.claim()
    after = bench.open()
    first = after.abandoned()
    assert after.abandoned() == first
    for claim in first:
        after.recovered(claim)
    assert after.abandoned() == []
    assert bench.open().abandoned() == []
    assert after.counts()["inbox"] == 1


def test_ones_own_claims_are_not_abandoned(bench: Bench) -> None:
    bench.add()
    claim = bench.claim()
    assert bench.engine.abandoned() == []
    bench.engine.complete(claim)


# ---- dead letters ---------------------------------------------------------------------------


def test_a_dead_letter_tells_its_reason_and_comes_back_with_its_past(bench: Bench) -> None:
    tick_id = bench.kill()
    view = bench.engine.find(tick_id)
    assert view is not None
    assert (view.where, view.tick.last_error) == ("dlq", "exit 1: no")
    assert [r.ok for r in bench.engine.retry_dead([tick_id])] == [True]
    tick = bench.claim().tick
    assert (tick.id, tick.attempts, len(tick.failures)) == (tick_id, 1, 1)


def test_a_discarded_letter_can_be_restored(bench: Bench) -> None:
    tick_id = bench.kill()
    assert bench.engine.discard_dead([tick_id])[0].ok
    assert bench.where(tick_id) == "trash"
    assert bench.engine.restore_dead([tick_id])[0].ok
    assert bench.where(tick_id) == "dlq"


def test_acts_on_what_is_not_there_are_refused_one_by_one(bench: Bench) -> None:
    tick_id = bench.kill()
    results = bench.engine.retry_dead(["nothing", tick_id, "../inbox/x"])
    assert [(r.id, r.ok) for r in results] == [
        ("nothing", False), (tick_id, True), ("../inbox/x", False),
    ]  # fmt: skip
    assert all(r.detail for r in results if not r.ok)
    assert not bench.engine.restore_dead([tick_id])[0].ok
    assert not bench.engine.discard_dead([tick_id])[0].ok


def test_a_restore_never_covers_another_letter(bench: Bench) -> None:
    tick_id = bench.kill()
    bench.engine.discard_dead([tick_id])
    bench.kill(tick_id=tick_id, payload="the second")
    assert not bench.engine.restore_dead([tick_id])[0].ok
    [view] = bench.engine.page("dlq")
    assert view.tick.payload == "the second"


def test_many_letters_come_back_at_once(bench: Bench) -> None:
    ids = [bench.kill() for _ in range(300)]
    assert all(result.ok for result in bench.engine.retry_dead(ids))
    assert bench.engine.counts()["inbox"] == 300
    assert bench.engine.counts()["dlq"] == 0
    assert bench.claim().tick.id == ids[0]


# ---- producers ------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["inbox", "claimed", "dlq"])
def test_an_id_that_is_on_the_bus_is_not_taken_twice(bench: Bench, place: str) -> None:
    tick_id = bench.add() if place != "dlq" else bench.kill()
    if place == "claimed":
        bench.claim()
    with pytest.raises(FileExistsError):
        bench.add(tick_id=tick_id)


@pytest.mark.parametrize("bad", ["", "../x", "a/b", "-a", ".a", "a b", "ä", "x" * 129, "a\n"])
def test_what_is_no_name_is_refused(bench: Bench, bad: str) -> None:
    with pytest.raises(UsageError):
        bench.engine.enqueue(Tick(id=bad, cadence="memo"))
    with pytest.raises(UsageError):
        bench.engine.enqueue(Tick(id="fine", cadence=bad))


@pytest.mark.parametrize(
    "fields",
    [{"payload": "x" * (1 << 20)}, {"payload": float("nan")}, {"not_before": "soon"},
     {"payload": "\ud800"}, {"attempts": -1}],
)  # fmt: skip
def test_a_tick_that_no_reader_would_take_is_refused(
    bench: Bench, fields: dict[str, object]
) -> None:
    with pytest.raises(Refused):
        bench.add(**fields)
    assert bench.engine.counts()["inbox"] == 0


def test_a_dedupe_key_holds_until_its_tick_is_done(bench: Bench) -> None:
    first = bench.add(dedupe_key="day")
    second = bench.engine.enqueue(Tick(id="second", cadence="memo", dedupe_key="day"))
    assert (second.id, second.fresh) == (first, False)
    claim = bench.claim()
    assert not bench.engine.enqueue(Tick(id="third", cadence="memo", dedupe_key="day")).fresh
    bench.engine.complete(claim)
    assert bench.engine.enqueue(Tick(id="fourth", cadence="memo", dedupe_key="day")).fresh


def test_a_dead_letter_stays_dead_while_its_key_is_taken_again(bench: Bench) -> None:
    dead = bench.kill(dedupe_key="day")
    live = bench.add(dedupe_key="day")
    [result] = bench.engine.retry_dead([dead])
    assert not result.ok
    assert live in result.detail
    bench.engine.complete(bench.claim())
    assert bench.engine.retry_dead([dead])[0].ok
    assert not bench.engine.enqueue(Tick(id="more", cadence="memo", dedupe_key="day")).fresh


# ---- what is where --------------------------------------------------------------------------


def test_counts_and_waiting_tell_what_is_where(bench: Bench) -> None:
    bench.kill("memo")
    bench.engine.discard_dead([bench.kill("memo")])
    bench.add("inbox")
    bench.claim()
    bench.add("inbox")
    bench.add("inbox")
    bench.add("memo")
    assert bench.engine.counts() == {
        "inbox": 3, "claimed": 1, "dlq": 1, "trash": 1, "quarantine": 0,
    }  # fmt: skip
    assert bench.engine.waiting() == {"inbox": 2, "memo": 1}
    assert bench.engine.ready_cadences() == {"inbox", "memo"}


def test_pages_of_the_inbox_are_in_claim_order(bench: Bench) -> None:
    ids = [bench.add("a" if n % 2 else "b") for n in range(10)]
    page = bench.engine.page
    assert [v.tick.id for v in page("inbox", limit=3)] == ids[:3]
    assert [v.tick.id for v in page("inbox", limit=3, offset=8)] == ids[8:]
    assert [v.tick.id for v in page("inbox", cadence="a", limit=2, offset=1)] == [ids[3], ids[5]]
    bench.claim()
    assert [v.tick.id for v in page("claimed")] == ids[:1]
    assert page("claimed", cadence="none") == []


def test_pages_of_dead_letters_are_newest_first(bench: Bench) -> None:
    ids = []
    for number in range(6):
        ids.append(bench.kill("a" if number % 2 else "b"))
        bench.date_letter(ids[-1])
    page = bench.engine.page
    newest = ids[::-1]
    assert [v.tick.id for v in page("dlq", limit=4)] == newest[:4]
    assert [v.tick.id for v in page("dlq", cadence="a", limit=2, offset=1)] == newest[2:5:2]
    bench.engine.discard_dead(ids[:1])
    assert [v.tick.id for v in page("dlq")] == newest[:5]
    assert [v.tick.id for v in page("trash")] == ids[:1]


def test_old_trash_is_cleared_and_young_kept(bench: Bench) -> None:
    tick_id = bench.kill()
    bench.engine.discard_dead([tick_id])
    now = bench.clock.wall()
    assert bench.engine.housekeep(now - 60)["trash"] == 0
    assert bench.engine.housekeep(now + 60)["trash"] == 1
    assert bench.where(tick_id) is None
