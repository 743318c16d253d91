"""Consumers as real processes while their server or they themselves are gone: what runs is
finished and settled later, nothing runs twice at once, and each says what is wrong."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from maestro_core.models import Tick
from tests.e2e.terminal import PROGRAM
from tests.fleet.kit import Fleet, Mini
from tests.fleet.server import Database, Server
from tests.support import wait_until

pytestmark = [pytest.mark.xdist_group("postgresql"), pytest.mark.e2e, pytest.mark.slow]

PATIENCE = 60.0


@pytest.fixture
def fleet(database: Database, tmp_path: Path) -> Fleet:
    return Fleet(database, tmp_path)


@pytest.fixture
def running(server: Server, database: Database) -> Iterator[Server]:
    """The server, which runs again at the end whatever the test did to it."""
    assert database.server is server, "its teardown comes after ours"
    yield server
    if server._process is None:
        server.start()


def test_a_run_goes_on_while_the_server_is_away_and_is_settled_later(
    running: Server, fleet: Fleet
) -> None:
    one = fleet.host("one", "memo", lease=120)
    one.cadence("memo", "ok", seconds=3)
    fleet.engine.enqueue(Tick(id="a", cadence="memo"))
    with one.daemon() as process:
        wait_until(lambda: one.beat().get("running"), PATIENCE, "a run")
        running.stop(signal.SIGQUIT)
        wait_until(lambda: "cannot be reached" in (one.beat().get("trouble") or ""), PATIENCE)
        wait_until(lambda: one.runs("memo") == ["ok"], PATIENCE, "the run to end meanwhile")
        assert process.poll() is None
        running.start()
        wait_until(lambda: fleet.settled("a"), PATIENCE, "the tick to be settled")
        wait_until(lambda: one.beat().get("trouble") is None, PATIENCE, "the trouble to be over")
        wait_until(lambda: len(fleet.runs()) == 1, PATIENCE, "the run to be told of")
        fleet.engine.enqueue(Tick(id="b", cadence="memo"))
        wait_until(lambda: fleet.settled("b"), PATIENCE, "the next tick")
    assert one.runs("memo") == ["ok", "ok"]


def test_a_silent_bus_ends_what_runs_before_the_lease_is_over(
    running: Server, fleet: Fleet
) -> None:
    one = fleet.host("one")
    one.cadence("memo", "ok", seconds=300)
    fleet.engine.enqueue(Tick(id="a", cadence="memo"))
    with one.daemon():
        wait_until(lambda: one.beat().get("running"), PATIENCE, "a run")
        running.stop(signal.SIGQUIT)
        wait_until(lambda: one.runs("memo") == ["lease"], PATIENCE, "the run to be ended")
        wait_until(lambda: not one.beat()["running"], PATIENCE, "the heartbeat to say so")
        one.cadence("memo", "ok", seconds=0)
        running.start()
        wait_until(lambda: fleet.settled("a"), PATIENCE, "the tick to run again")
    assert one.runs("memo") == ["lease", "ok"]


def test_the_tick_of_a_killed_consumer_runs_elsewhere_after_its_lease(fleet: Fleet) -> None:
    one, two = fleet.host("one"), fleet.host("two", "memo")
    one.cadence("memo", "ok", seconds=300)
    fleet.engine.enqueue(Tick(id="a", cadence="memo"))
    with one.daemon() as process:
        wait_until(lambda: one.beat().get("running"), PATIENCE, "a run")
        with two.daemon():
            process.kill()
            process.wait()
            two.wait_stage("recovered", "memo")
            wait_until(lambda: ("two", "memo", "a") in fleet.runs(), PATIENCE, "it to run there")
    [row] = [line for line in two.journal() if line["stage"] == "recovered"]
    assert (row["attempt"], row["recoveries"]) == (1, 1)


def test_a_consumer_that_comes_back_takes_its_own_claims_over_at_once(fleet: Fleet) -> None:
    one = fleet.host("one", lease=600)
    one.cadence("memo", "ok", seconds=300)
    fleet.engine.enqueue(Tick(id="a", cadence="memo"))
    with one.daemon() as process:
        wait_until(lambda: one.beat().get("running"), PATIENCE, "a run")
        process.kill()
        process.wait()
    one.cadence("memo", "ok", seconds=0)
    with one.daemon():
        wait_until(lambda: fleet.settled("a"), PATIENCE, "the tick to run again")
        wait_until(lambda: len(fleet.runs()) == 2, PATIENCE, "both runs to be told of")
    assert one.runs("memo") == ["orphaned", "ok"]


def test_a_frozen_consumer_is_fenced_when_it_thaws(fleet: Fleet) -> None:
    one, two = fleet.host("one"), fleet.host("two", "memo")
    one.cadence("memo", "ok", seconds=300)
    fleet.engine.enqueue(Tick(id="a", cadence="memo"))
    with one.daemon() as process:
        wait_until(lambda: one.beat().get("running"), PATIENCE, "a run")
        process.send_signal(signal.SIGSTOP)
        try:
            with two.daemon():
                wait_until(lambda: fleet.settled("a"), PATIENCE, "it to run elsewhere")
        finally:
            process.send_signal(signal.SIGCONT)
        wait_until(lambda: one.runs("memo") == ["lease"], PATIENCE, "its run to be ended")
    assert [host for host, _, _ in fleet.runs()].count("two") == 1
    assert fleet.counts() == (0, 0, 0)


def test_a_consumer_that_is_told_to_end_does_not_wait_for_its_server(
    running: Server, fleet: Fleet
) -> None:
    one = fleet.host("one", lease=600)
    one.cadence("memo", "ok", seconds=300)
    fleet.engine.enqueue(Tick(id="a", cadence="memo"))
    with one.daemon() as process:
        wait_until(lambda: one.beat().get("running"), PATIENCE, "a run")
        running.stop(signal.SIGQUIT)
        process.terminate()
        assert process.wait(60) == 0
    one.wait_stage("left_behind", "memo")
    late = one.attempt("pause", "memo")
    assert (late.returncode, "cannot be reached" in late.stderr) == (1, True)
    one.cadence("memo", "ok", seconds=0)
    with service(one) as started:
        one.wait_stage("waiting_for_bus")
        assert started.poll() is None
        running.start()
        wait_until(lambda: fleet.settled("a"), PATIENCE, "it to run again")
    assert one.runs("memo") == ["shutdown", "ok"]


@contextmanager
def service(mini: Mini) -> Iterator[subprocess.Popen[bytes]]:
    """As launchd or systemd have it started; the server may be away."""
    words = [PROGRAM, "--root", mini.root, "run", "--service"]
    started = subprocess.Popen(words, env=mini.env, stdin=subprocess.DEVNULL)
    try:
        yield started
    finally:
        started.terminate()
        started.wait(60)
