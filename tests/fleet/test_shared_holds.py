"""What consumers of a fleet share and what is each one's own; and what goes on without a server.
Real processes, a stand-in `claude`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from maestro_core.models import Tick
from tests.fleet.kit import Fleet
from tests.fleet.server import Database
from tests.support import wait_until, write_json

pytestmark = [pytest.mark.xdist_group("postgresql"), pytest.mark.e2e, pytest.mark.slow]

PATIENCE = 60.0


@pytest.fixture
def fleet(database: Database, tmp_path: Path) -> Fleet:
    return Fleet(database, tmp_path)


def test_a_circuit_that_one_host_opened_holds_the_cadence_on_all(fleet: Fleet) -> None:
    one, two = fleet.host("one"), fleet.host("two")
    one.cadence("memo", "fail", seconds=0)
    fleet.engine.enqueue(Tick(id="a", cadence="memo"))
    with one.daemon():
        one.wait_stage("circuit_opened", "memo")
    two.cadence("memo", "ok", seconds=0)
    fleet.engine.enqueue(Tick(id="b", cadence="memo"))
    with two.daemon():
        two.wait_stage("skipped_circuit_open", "memo")
        assert fleet.where("b") == "inbox"
        two.cli("circuit", "close", "memo")
        wait_until(lambda: fleet.where("b") is None, PATIENCE, "the closed circuit to let it run")
    with one.daemon():
        one.cli("circuit", "open", "memo")
    with one.daemon():  # after a clean stop
        assert fleet.gate("cadence:memo")["forced"]


def test_a_refused_key_holds_one_host_and_a_usage_limit_all_of_them(fleet: Fleet) -> None:
    one, two = fleet.host("one"), fleet.host("two", "mail")
    one.cadence("memo", "refused", seconds=0)
    fleet.engine.enqueue(Tick(id="a", cadence="memo"))
    with one.daemon(), two.daemon():
        one.wait_stage("hold_set")
        assert fleet.gate("hold", "one")["kind"] == "auth"
        fleet.engine.enqueue(Tick(id="b", cadence="mail"))
        wait_until(lambda: fleet.where("b") is None, PATIENCE, "the other host to work on")
        two.cadence("mail", "quota", seconds=0)
        fleet.engine.enqueue(Tick(id="c", cadence="mail"))
        two.wait_stage("hold_set")
        assert fleet.gate("hold")["kind"] == "quota"
        lifted = two.cli("hold", "lift")
        assert "quota hold lifted" in lifted
        assert "auth hold lifted on one" in lifted


def test_a_due_time_is_enqueued_once_over_the_fleet(fleet: Fleet) -> None:
    schedule = '[cadence.beat]\nmode = "inline"\nhandler = "heartbeat"\n'
    schedule += 'schedule = "* * * * *"\nproducer = "consumer"\n'
    minis = [fleet.host(name) for name in ("one", "two", "three")]
    for mini in minis:
        mini.more(schedule)
    with minis[0].daemon(), minis[1].daemon(), minis[2].daemon():
        sql = "SELECT job_id FROM pgqueuer_log WHERE status = 'successful'"
        wait_until(lambda: fleet.rows(sql), 100, "the first due time")
        wait_until(  # at the next minute, where the first one struck while some still started
            lambda: sum(len(one.stages("beat")) for one in minis) >= 3, 80, "all to have looked"
        )
    made = [line for mini in minis for line in mini.journal() if line["stage"] == "scheduled"]
    ids = {line["id"] for line in made}
    assert len(fleet.rows(sql)) == len(ids), "each once"


def test_this_hosts_own_files_count_beside_the_fleets(fleet: Fleet) -> None:
    one = fleet.host("one", "memo", "mail")
    one.cadence("memo", "ok", seconds=60)
    write_json(one.layout.paused / "mail.json", {"by": "somebody here"})
    for cadence in ("memo", "mail"):
        fleet.engine.enqueue(Tick(id=cadence, cadence=cadence))
    with one.daemon():
        wait_until(lambda: one.beat().get("running"), PATIENCE, "a run")
        assert one.beat()["cadences"]["mail"]["state"] == "paused"
        command = {
            "id": "by-hand", "verb": "cancel", "targets": [one.beat()["running"][0]["run_id"]],
            "at": "2026-01-01T00:00:00.000Z", "actor": {"user": "me", "via": "file"},
        }  # fmt: skip
        write_json(one.layout.control / "by-hand.json", command)
        wait_until((one.layout.acks / "by-hand.json").exists, PATIENCE, "an answer here")
        wait_until(lambda: fleet.where("memo") == "dlq", PATIENCE, "the cancelled tick")
        one.layout.emergency_stop.write_text(json.dumps({"by": "me", "kill": False}))
        (one.layout.paused / "mail.json").unlink()
        one.wait_stage("emergency_stop")
        assert fleet.where("mail") == "inbox"
        one.cli("estop", "--clear")
        wait_until(lambda: fleet.where("mail") is None, PATIENCE, "the stop to be over")


def test_a_file_that_is_dropped_into_a_hosts_inbox_reaches_the_fleet(fleet: Fleet) -> None:
    one, two = fleet.host("one"), fleet.host("two", "memo")
    with one.daemon(), two.daemon():
        one.drop("from-a-script", "memo")
        wait_until(
            lambda: ("two", "memo", "from-a-script") in fleet.runs(), PATIENCE, "it to run on two"
        )
        (one.layout.inbox / "odd.json").write_text("{}")
        wait_until((one.layout.quarantine / "odd.json").exists, PATIENCE, "what is no tick")
    assert one.names(one.layout.inbox) == []
