"""The gates of consumers over one server: scopes, compare-and-set, and what is owed to a server
that was away."""

from __future__ import annotations

import signal
import time

import pytest

from maestro_core.clock import FakeClock
from maestro_core.consumer.breaker import BreakerPolicy, after_failure, after_success
from maestro_core.errors import BusError
from maestro_core.fleet.gates import FLEET, GateBoard
from maestro_core.fleet.shared_gates import SharedGates
from maestro_core.models import Hold
from tests.fleet.server import Database
from tests.support import wait_until

pytestmark = pytest.mark.xdist_group("postgresql")

POLICY = BreakerPolicy(threshold=2)


class Host:
    """One consumer's gates; `look` is a pass."""

    def __init__(self, database: Database, name: str, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock(time.time())
        self.link = database.link(clock)
        self.board = GateBoard(self.link, FLEET, name)
        self.gates = SharedGates(self.link, self.clock, name, self.board)
        self.opened = self.gates.load(POLICY, afresh=False)

    def look(self) -> None:
        self.board.read()
        self.gates.flush()

    def fail(self, cadence: str) -> int:
        now = self.clock.steady()
        return self.gates.update(cadence, lambda one: after_failure(one, now, POLICY)).failures


def hold(host: Host, kind: str, seconds: float) -> Hold:
    now = host.clock.steady()
    return Hold(kind, now + seconds, now, f"{kind} here")  # type: ignore[arg-type]


def test_failures_on_two_hosts_open_one_circuit(database: Database) -> None:
    one, two = Host(database, "one"), Host(database, "two")
    assert one.fail("memo") == 1
    assert two.fail("memo") == 2, "counted on what the other one stored, not on what was read"
    one.look()
    assert one.gates.get("memo").open_until > one.clock.steady()
    assert Host(database, "three").opened == ["memo"], "a start forgets nothing of the fleet"
    one.gates.update("memo", lambda state: after_success(state, one.clock.steady()))
    two.look()
    assert two.gates.items() == []


def test_holds_by_scope(database: Database) -> None:
    one, two = Host(database, "one"), Host(database, "two")
    one.gates.set_hold(hold(one, "auth", 60))
    two.look()
    assert two.gates.hold is None
    two.gates.set_hold(hold(two, "quota", 600))
    two.gates.set_hold(hold(two, "quota", 300))
    one.look()
    assert one.gates.hold is not None
    assert one.gates.hold.kind == "quota"
    left = one.gates.hold.until - one.clock.steady()
    assert left == pytest.approx(600, abs=10), "a longer one is not cut by a shorter one"
    one.gates.set_hold(None)
    assert one.gates.hold is not None
    assert one.gates.hold.kind == "auth", "the other one is still on"
    two.look()
    assert two.gates.hold is None
    again = Host(database, "one")
    assert again.gates.hold is not None
    again.gates.load(POLICY, afresh=True)
    assert again.gates.hold is None, "this host's own goes with a clean start"


def test_a_hold_that_was_set_anew_is_not_lifted_by_who_saw_the_old_one(database: Database) -> None:
    clock = FakeClock(time.time())
    one, two = Host(database, "one", clock), Host(database, "two", clock)
    one.gates.set_hold(hold(one, "quota", 60))
    two.look()
    clock.advance(30)
    one.gates.set_hold(hold(one, "quota", 600))
    two.gates.set_hold(None)
    two.look()
    assert two.gates.hold is not None


def test_what_happens_while_the_server_is_away_is_owed_in_order(database: Database) -> None:
    one, two = Host(database, "one"), Host(database, "two")
    one.fail("memo")
    database.server.stop(signal.SIGQUIT)
    try:
        assert one.fail("memo") == 2, "counts here at once"
        assert one.fail("mail") == 1
        one.gates.set_hold(hold(one, "quota", 600))
        assert one.gates.problems
    finally:
        database.server.start()

    def paid() -> bool:
        one.gates.problems.clear()
        one.gates.flush()
        return not one.gates.problems

    wait_until(paid, 20, "the server to hear of it")
    wait_until(lambda: Host(database, "three").opened == ["memo"], 20)
    wait_until(lambda: not _looked(two), 20)
    assert {name: state.failures for name, state in two.gates.items()} == {"memo": 2, "mail": 1}
    assert two.gates.hold is not None


def _looked(host: Host) -> bool:
    """True as long as the look fails: its own connection has to come back first."""
    try:
        host.look()
    except BusError:
        return True
    return bool(host.gates.problems)
