"""Gates, markers and commands that all consumers share: compare-and-set, nothing lost."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from maestro_core.clock import FakeClock, SystemClock
from maestro_core.control.commands import Ack, Actor, Command
from maestro_core.fleet.connect import Link
from maestro_core.fleet.gates import FLEET, FleetCircuits, GateRows
from maestro_core.fleet.mailbox import FleetMailbox
from maestro_core.fleet.markers import FleetMarkers
from maestro_core.models import CadenceState
from tests.fleet.server import Database

pytestmark = pytest.mark.xdist_group("postgresql")


def test_failures_counted_by_many_consumers_at_once_are_all_counted(database: Database) -> None:
    def count(_: int) -> None:
        clock = SystemClock()
        circuits = FleetCircuits(database.link(clock), clock)
        for _ in range(5):
            circuits.update("memo", lambda old: CadenceState(failures=old.failures + 1))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(4)))
    clock = SystemClock()
    [(name, state)] = FleetCircuits(database.link(clock), clock).items()
    assert (name, state.failures) == ("memo", 20)


def test_a_deadline_is_the_same_moment_on_machines_whose_clocks_differ(
    database: Database,
) -> None:
    here, ahead = FakeClock(time.time()), FakeClock(time.time() + 3600)
    one, two = Link(database.target(), here), Link(database.target(), ahead)
    FleetCircuits(one, here).update("memo", lambda _: CadenceState(3, 0.0, here.steady() + 600))
    [(_, seen)] = FleetCircuits(two, ahead).items()
    one.close()
    two.close()
    assert seen.open_until - ahead.steady() == pytest.approx(600, abs=60)


def test_an_old_revision_changes_nothing(database: Database) -> None:
    rows = GateRows(database.link())
    first = rows.get(FLEET, "x")
    assert rows.put(first, {"a": 1}) is not None
    assert rows.put(first, {"a": 2}) is None
    assert rows.get(FLEET, "x").document == {"a": 1}


def test_pauses_and_the_stop_are_seen_by_all_and_taken_back(database: Database) -> None:
    one, two = FleetMarkers(database.link()), FleetMarkers(database.link())
    assert one.pause("memo", {"by": "ops"}) is None
    assert two.notes() == {"memo": {"by": "ops"}}
    assert two.resume("memo") == {"by": "ops"}
    assert one.paused() == frozenset()
    assert two.engage({"kill": True}) is None
    assert one.stop() == {"kill": True}
    assert one.clear() == {"kill": True}
    assert two.stop() is None


def test_a_command_reaches_its_host_and_is_answered_once(database: Database) -> None:
    here, other = FleetMailbox(database.link(), "one"), FleetMailbox(database.link(), "two")
    actor = Actor("ops", "cli")
    command = Command(id="c1", verb="cancel", targets=("run",), at="2026-01-01", actor=actor)
    here.send(command)
    assert other.pending() == []
    assert here.pending() == [command]
    here.acknowledge(Ack(id="c1", ok=True, at="2026-01-01", by_pid=1, outcomes=()))
    here.acknowledge(Ack(id="c1", ok=False, at="2026-01-01", by_pid=2, outcomes=()))
    assert here.pending() == []
    ack = other.ack_of("c1")
    assert ack is not None
    assert ack.ok


def test_a_command_of_a_newer_program_is_refused_and_keeps_no_other_waiting(
    database: Database,
) -> None:
    link = database.link()
    box, actor = FleetMailbox(link, "one"), Actor("ops", "cli")
    for name, document in (("a", b'{"id": "a", "verb": "dance"}'), ("b", b"\xff")):
        link.execute(
            "INSERT INTO maestro_commands (id, host, document) VALUES ($1, 'one', $2)",
            name,
            document,
        )
    box.send(Command(id="c", verb="cancel", targets=("r",), at="2026-01-01T00:00:00Z", actor=actor))
    assert [one.id for one in box.pending()] == ["c"]
    refused = box.ack_of("a")
    assert refused is not None
    assert (refused.ok, "of this version" in refused.outcomes[0].detail) == (False, True)
    assert [one.id for one in box.pending()] == ["c"]
