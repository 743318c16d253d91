"""The order in memory against a list that is sorted anew each time, for any mixture of
arrivals, departures, holds and clocks that go both ways."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from maestro_core.bus.codec import Key
from maestro_core.bus.index import Waiting

CADENCES = ("a", "b", "c")
keys = st.builds(
    Key,
    priority=st.integers(-2, 2),
    at=st.integers(0, 3).map(float),
    id=st.sampled_from([f"t{n}" for n in range(8)]),
    cadence=st.sampled_from(CADENCES),
    ready_at=st.sampled_from([0.0, 0.0, 5.0, 10.0]),
)
steps = st.one_of(
    st.tuples(st.just("add"), keys),
    st.tuples(st.just("drop"), st.sampled_from([f"t{n}" for n in range(8)])),
    st.tuples(st.just("take"), st.sets(st.sampled_from(CADENCES))),
    st.tuples(st.just("clock"), st.integers(0, 12).map(float)),
)


Ranks = dict[str, int]


def expected(model: dict[str, Key], held: set[str], now: float, ranks: Ranks) -> Key | None:
    ready = [k for k in model.values() if k.cadence not in held and k.ready_at <= now]
    return min(
        ready, default=None, key=lambda k: k._replace(priority=k.priority or -ranks[k.cadence])
    )


@given(st.lists(steps, max_size=40), st.fixed_dictionaries({c: st.integers(-1, 1) for c in "abc"}))
def test_the_index_agrees_with_a_sorted_list(
    history: list[tuple[str, object]], ranks: Ranks
) -> None:
    index, model, now = Waiting(), {}, 0.0
    for step, what in history:
        if step == "add":
            assert isinstance(what, Key)
            index.add(what)
            model[what.id] = what
        elif step == "drop":
            assert index.discard(str(what)) == (model.pop(str(what), None) is not None)
        elif step == "clock":
            assert isinstance(what, float)
            now = what
        else:
            assert isinstance(what, set)
            best = index.best(lambda name, held=what: name in held, now, ranks.__getitem__)
            assert best == expected(model, what, now, ranks)
            if best is not None:
                index.discard(best.id)
                del model[best.id]
        check(index, model, now)


def check(index: Waiting, model: dict[str, Key], now: float) -> None:
    assert len(index) == len(model)
    counts = {name: sum(k.cadence == name for k in model.values()) for name in CADENCES}
    assert index.by_cadence() == {name: n for name, n in counts.items() if n}
    assert index.ready(now) == {k.cadence for k in model.values() if k.ready_at <= now}
    ahead = [k.ready_at for k in model.values() if k.ready_at > now]
    assert index.next_ready_at(now) == min(ahead, default=None)
    assert index.page(None, 3, 1) == sorted(model.values())[1:4]
    assert index.page("a", 9, 0) == sorted(k for k in model.values() if k.cadence == "a")


def test_a_clock_that_goes_back_makes_a_tick_wait_again_under_one_that_does_not() -> None:
    index = Waiting()
    index.add(Key(0, 0.0, "t0", "a", 0.0))
    index.add(Key(0, 0.0, "t1", "a", 5.0))
    assert index.next_ready_at(5.0) is None
    assert index.next_ready_at(0.0) == 5.0
    index.discard("t0")
    assert index.ready(0.0) == set()
    assert index.ready(5.0) == {"a"}


def test_what_is_gone_takes_no_room_for_ever() -> None:
    index = Waiting()
    for number in range(20_000):
        index.add(Key(0, float(number), "same", "a", 0.0))
        index.add(Key(0, 0.0, "first", "a", 0.0))
    assert sum(map(len, index._ready.values())) < 200


def test_a_hundred_thousand_ticks_fit_into_forty_megabytes() -> None:
    tracemalloc.start()
    try:
        index = Waiting()
        for number in range(100_000):
            tick_id = f"20261124t020304567z-inbox-processor-{number:08x}"
            index.add(Key(0, float(number), tick_id, "inbox-processor", 0.0))
        assert tracemalloc.get_traced_memory()[0] < 40e6
    finally:
        tracemalloc.stop()
