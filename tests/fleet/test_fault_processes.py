"""Faults that hit real consumer processes: each an agent root of its own, one server, and a
witness in place of `claude` that tells when two runs of a tick or a cadence are alive at once."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from maestro_core.errors import BusError
from maestro_core.models import Tick
from tests.fleet.kit import LEASE, Fleet, Mini
from tests.fleet.network import HERE, Cable, Unusable
from tests.fleet.proxy import Line
from tests.fleet.server import Database
from tests.fleet.witness import Witness
from tests.support import wait_until

pytestmark = [
    pytest.mark.xdist_group("postgresql"), pytest.mark.e2e, pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the witness reads /proc"),
]  # fmt: skip

PATIENCE = 90.0
CADENCES = ("memo", "mail", "chess")


class Ground:
    """A server, hosts over lines that can be cut, and the witness."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.fleet = Fleet(database, folder)
        self.witness = Witness(folder)
        self._folder = folder
        self._stack = ExitStack()

    def line(self, address: str = "127.0.0.1") -> Line:
        line = Line(self.database.server.port, address)
        self._stack.callback(line.close)
        return line

    def cable(self) -> Cable:
        """Skips the test, and says why, where there can be none."""
        try:
            cable = Cable()
        except Unusable as error:
            pytest.skip(f"no network of its own for a host: {error}")
        self._stack.callback(cable.remove)
        return cable

    def host(
        self, name: str, line: Line | None = None, *, seconds: float = 0,
        address: str = "127.0.0.1", lease: int = LEASE,
    ) -> Mini:  # fmt: skip
        url = self.database.server.url(self.database.name, line.port if line else None)
        mini = Mini(self._folder / name, url.replace("127.0.0.1", address), lease=lease)
        for cadence in CADENCES:
            mini.cadence(
                cadence, "ok", "say: {n}", seconds=seconds, repeat=max(1, int(seconds * 4))
            )
        self.witness.watch(mini)
        return mini

    def close(self) -> None:
        self._stack.close()

    def enqueue(self, count: int) -> list[str]:
        ids = [f"{CADENCES[number % 3]}-{number}" for number in range(count)]
        for tick_id in ids:
            self.fleet.engine.enqueue(Tick(id=tick_id, cadence=tick_id.partition("-")[0]))
        return ids

    def wait(self, condition: Callable[[], object], what: str) -> None:
        wait_until(condition, PATIENCE, what)

    def begun_on(self, host: str) -> list[str]:
        return [line[2] for line in self.witness.lines("begin", "overlap") if line[4] == host]

    def check(self, ids: list[str]) -> None:
        """The invariants, once the queue is empty."""
        self.wait(self._is_empty, "an empty queue, and no dead letter")
        assert self.witness.overlaps() == []
        assert set(self.witness.begun()) == set(ids)
        assert self.fleet.rows("SELECT 1 FROM maestro_gates WHERE name LIKE 'cadence:%'"
                               " AND document <> '{}'") == []  # fmt: skip

    def _is_empty(self) -> bool:
        try:
            return self.fleet.counts() == (0, 0, 0)
        except BusError:
            return False  # the server was restarted since the last look


@pytest.fixture
def ground(database: Database, tmp_path: Path) -> Iterator[Ground]:
    one = Ground(database, tmp_path)
    yield one
    one.close()


def test_the_server_is_restarted_under_load(ground: Ground) -> None:
    ids = ground.enqueue(12)
    # a lease that no restart outlasts: a run whose lease is over is ended and begins again
    one, two = (ground.host(name, seconds=0.5, lease=30) for name in ("one", "two"))
    with one.daemon(), two.daemon():
        for done in (2, 6):
            ground.wait(lambda done=done: len(ground.witness.lines("end")) >= done, "some runs")  # type: ignore[misc]
            ground.database.server.stop(signal.SIGINT)
            ground.database.server.start()
        ground.check(ids)
    assert all(count == 1 for count in ground.witness.begun().values())


@pytest.mark.parametrize("fault", [pytest.param("cut", marks=pytest.mark.long), "stall"])
def test_a_line_that_is_lost_for_a_while_is_outlived_by_what_runs(
    ground: Ground, fault: str
) -> None:
    """The run goes on, and is settled when the server hears again: it is not run twice."""
    line = ground.line()
    [tick_id] = ground.enqueue(1)
    with ground.host("lost", line, seconds=2).daemon():
        ground.wait(lambda: ground.witness.begun(), "its run")
        getattr(line, fault)()
        ground.wait(lambda: ground.witness.lines("end"), "its end, unheard")
        line.mend()
        ground.check([tick_id])
    assert ground.witness.begun() == {tick_id: 1}
    assert ground.fleet.runs() == [("lost", "memo", tick_id)]


def test_a_failure_that_the_server_does_not_hear_of_counts_once_and_for_all_hosts(
    ground: Ground,
) -> None:
    line = ground.line()
    lost, other = ground.host("lost", line), ground.host("other")
    lost.cadence("memo", "fail", seconds=1, stderr="no route")
    [tick_id] = ground.enqueue(1)
    with lost.daemon():
        ground.wait(lambda: ground.witness.begun(), "its run")
        line.cut()
        ground.wait(lambda: ground.witness.lines("end"), "its failure, unheard")
        line.mend()
        ground.wait(lambda: ground.fleet.where(tick_id) == "dlq", "a dead letter")
        ground.wait(lambda: ground.fleet.gate("cadence:memo").get("open_until"), "its circuit")
        with other.daemon():
            ground.fleet.engine.enqueue(Tick(id="memo-next", cadence="memo"))
            ground.wait(lambda: state_of(other, "memo") == "open", "the circuit on the other host")
    [letter] = ground.fleet.engine.page("dlq")
    assert [failure.attempt for failure in letter.tick.failures] == [1, 2]
    assert ground.fleet.gate("cadence:memo")["failures"] == 2
    assert ground.witness.begun() == {tick_id: 2}


def state_of(mini: Mini, cadence: str) -> str | None:
    """How a host's own heartbeat shows a cadence."""
    found: str | None = mini.beat().get("cadences", {}).get(cadence, {}).get("state")
    return found


@pytest.mark.parametrize("fault", [pytest.param("cut", marks=pytest.mark.long), "stall"])
def test_a_host_that_is_cut_off_for_longer_ends_its_run_before_another_begins_it(
    ground: Ground, fault: str
) -> None:
    line = ground.line()
    lost, other = ground.host("lost", line, seconds=60), ground.host("other", seconds=0.2)
    [tick_id] = ground.enqueue(1)
    with lost.daemon():
        ground.wait(lambda: ground.witness.begun(), "its run")
        getattr(line, fault)()
        with other.daemon():
            ground.wait(lambda: ground.begun_on("other"), "its run elsewhere")
            line.mend()
            ground.check([tick_id])
    assert ground.witness.begun() == {tick_id: 2}


def test_a_host_whose_cable_is_pulled_ends_its_run_and_comes_back(ground: Ground) -> None:
    """A network of its own: packets are lost without a word, as with a switch that dies."""
    cable = ground.cable()
    lost = ground.host("lost", ground.line(HERE), seconds=60, address=HERE)
    lost.before = cable.words
    other = ground.host("other", seconds=0.2)
    [tick_id] = ground.enqueue(1)
    with lost.daemon():
        ground.wait(lambda: ground.begun_on("lost"), "its run")
        cable.pull()
        with other.daemon():
            ground.wait(lambda: ground.begun_on("other"), "its run elsewhere")
            ground.check([tick_id])
        lost.cadence("memo", "ok", seconds=0)
        cable.plug()
        ground.fleet.engine.enqueue(Tick(id="memo-back", cadence="memo"))
        ground.check([tick_id, "memo-back"])
    assert ground.begun_on("lost") == [tick_id, "memo-back"]


def test_a_consumer_that_is_killed_leaves_its_tick_to_another_after_the_lease(
    ground: Ground,
) -> None:
    gone, other = ground.host("gone", seconds=60), ground.host("other", seconds=0.2)
    ids = ground.enqueue(3)
    with gone.daemon() as process:
        ground.wait(lambda: ground.begun_on("gone"), "its run")
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        with other.daemon():
            ground.check(ids)
    [first] = ground.begun_on("gone")
    assert ground.witness.begun()[first] == 2


def test_a_consumer_that_is_stopped_and_continued_has_lost_its_run(ground: Ground) -> None:
    """It cannot end its run itself: the run's keeper does, when nobody renews the lease."""
    frozen, other = ground.host("frozen", seconds=60), ground.host("other", seconds=0.2)
    [tick_id] = ground.enqueue(1)
    with frozen.daemon() as process:
        ground.wait(lambda: ground.begun_on("frozen"), "its run")
        process.send_signal(signal.SIGSTOP)
        try:
            with other.daemon():
                ground.wait(lambda: ground.begun_on("other"), "its run elsewhere")
                process.send_signal(signal.SIGCONT)
                ground.check([tick_id])
        finally:
            process.send_signal(signal.SIGCONT)
        frozen.wait_stage("claim_lost")
    assert ground.witness.begun() == {tick_id: 2}


def test_a_consumer_that_was_stopped_for_long_and_is_alone_runs_its_tick_again_unspent(
    ground: Ground,
) -> None:
    """Its run was ended for nothing that the tick or the cadence did."""
    alone = ground.host("alone", seconds=60)
    [tick_id] = ground.enqueue(1)
    with alone.daemon() as process:
        ground.wait(lambda: ground.witness.begun(), "its run")
        [run] = alone.beat()["running"]
        process.send_signal(signal.SIGSTOP)
        try:
            ground.wait(lambda: not alive(run["pid"]), "the end of its run")
            alone.cadence("memo", "ok", seconds=0)
        finally:
            process.send_signal(signal.SIGCONT)
        ground.check([tick_id])
    assert ground.witness.begun() == {tick_id: 2}
    attempts = {line["attempt"] for line in alone.journal() if line["stage"] == "subsession_spawn"}
    assert attempts == {1}


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_two_that_race_for_the_same_ticks_run_each_once(ground: Ground) -> None:
    ids = ground.enqueue(12)
    with ground.host("one").daemon(), ground.host("two").daemon():
        ground.check(ids)
    assert all(count == 1 for count in ground.witness.begun().values())
