"""A run that says nothing is told apart: it computes, or it does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from maestro_core.clock import FakeClock
from maestro_core.session.liveness import Liveness
from maestro_core.session.surroundings import usual_seconds
from tests.core.session_kit import CADENCE, Bench, bench, new_bench
from tests.support import wait_until

__all__ = ["bench", "new_bench"]


def lived(*looks: tuple[float, int, float]) -> Liveness:
    """(time, bytes written, CPU seconds) at each look, from time 0."""
    liveness = Liveness(0.0)
    for look in looks:
        liveness.note(*look)
    return liveness


def test_who_speaks_is_not_silent() -> None:
    assert lived((2, 100, 0.1)).words(100) is None
    assert lived((2, 100, 0.1), (118, 101, 0.1)).words(230) is None


def test_silence_is_told_in_minutes() -> None:
    looks = [(float(t), 100, t * 0.5) for t in range(0, 400, 2)]
    assert lived(*looks).words(121) == "silent for 2 min"
    assert lived(*looks).words(398) == "silent for 6 min"


def test_who_computes_nothing_is_idle() -> None:
    looks = [(float(t), 100, 1.0 + t * 0.005) for t in range(0, 400, 2)]
    assert lived(*looks).words(398) == "silent for 6 min and idle"


def test_a_member_that_ends_is_life() -> None:
    quiet = [(float(t), 100, 5.0) for t in range(0, 300, 2)]
    assert lived(*quiet, (300.0, 100, 1.0)).words(310) == "silent for 5 min"


def test_a_run_says_so_itself(new_bench: Callable[..., Bench]) -> None:
    clock = FakeClock()
    bench = new_bench(clock=clock)
    bench.script("echo $$ > pid; exec sleep 600")
    work = bench.start(timeout=3600)
    wait_until(bench.pid_file)
    for _ in range(130):
        clock.advance(1)
        assert work.poll() is None
    assert work.running().activity == "silent for 2 min and idle"
    work.stop("cancelled", at_once=True)
    bench.finish(work)


def quiet(seconds: int, *, usual: float = 0.0, tools: int = 0) -> Liveness:
    liveness = Liveness(0.0, usual)
    for now in range(0, seconds, 2):
        liveness.note(float(now), 100, 5.0, tools)
    return liveness


def test_who_does_nothing_for_longer_than_is_usual_looks_wedged() -> None:
    assert quiet(400, usual=180).words(400) == (
        "wedged? silent for 6 min and idle, usually done in 3 min"
    )
    assert quiet(400, usual=3600).words(400) == "silent for 6 min and idle"
    assert quiet(250, usual=5).words(250) == "silent for 4 min and idle", "not after minutes"
    assert quiet(400).words(400) == "silent for 6 min and idle", "nobody knows what is usual"
    assert quiet(700).words(700) == "wedged? silent for 11 min and idle"


def test_open_children_are_told() -> None:
    assert quiet(200, tools=1).words(200) == "silent for 3 min and idle, 1 child process open"
    assert quiet(200, tools=3).words(200) == "silent for 3 min and idle, 3 child processes open"


def test_what_is_usual_comes_from_the_cadences_good_runs(bench: Bench) -> None:
    assert usual_seconds(bench.ledger, CADENCE) == 0.0
    assert not bench.run("exit 1").ok
    assert usual_seconds(bench.ledger, CADENCE) == 0.0
    result = bench.run("exit 0")
    assert usual_seconds(bench.ledger, CADENCE) == pytest.approx(result.duration, abs=0.01)
    assert usual_seconds(bench.ledger, "another") == 0.0
