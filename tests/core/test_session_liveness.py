"""A run that says nothing is told apart: it computes, or it does not."""

from __future__ import annotations

from collections.abc import Callable

from maestro_core.clock import FakeClock
from maestro_core.session.liveness import Liveness
from tests.core.session_kit import Bench, new_bench
from tests.support import wait_until

__all__ = ["new_bench"]


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
