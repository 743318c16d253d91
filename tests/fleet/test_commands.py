"""Section 7 of the contract against a server: every acting command from the shell, with the
consumers on other machines (processes with agent roots of their own) or absent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from maestro_core.models import Tick
from tests.fleet.kit import Fleet, Mini
from tests.fleet.server import Database, Server
from tests.support import read_json, wait_until

pytestmark = [pytest.mark.xdist_group("postgresql"), pytest.mark.e2e, pytest.mark.slow]

PATIENCE = 60.0


@pytest.fixture
def fleet(database: Database, tmp_path: Path) -> Fleet:
    return Fleet(database, tmp_path)


@pytest.fixture
def desk(fleet: Fleet) -> Mini:
    """An agent root that runs no consumer: a person sits there."""
    return fleet.host("desk", "memo")


def test_install_and_status(server: Server, fleet: Fleet, desk: Mini, tmp_path: Path) -> None:
    bare = Mini(tmp_path / "bare", server.url())
    refused = bare.attempt("bus", "status")
    assert refused.returncode == 1
    assert "bus install" in refused.stdout
    assert "bus install" in bare.attempt("pause", "memo").stderr
    assert json.loads(bare.attempt("bus", "status", "--json").stdout)["schema"] == 0
    assert "nothing to do" in desk.cli("bus", "install")
    found = desk.json("bus", "status")
    assert (found["problem"], found["hosts"], found["here"]) == (None, [], "desk")
    assert found["counts"]["inbox"] == 0
    assert bare.attempt("--read-only", "bus", "install").returncode == 1


def test_a_database_role_that_may_only_read(server: Server, fleet: Fleet, desk: Mini) -> None:
    fleet.rows("SELECT 1")
    server.admin("DROP ROLE IF EXISTS looker", "CREATE ROLE looker LOGIN")
    fleet.engine.link.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO looker")
    desk.env["MAESTRO_BUS"] = fleet.database.url.replace("maestro@", "looker@")
    assert desk.json("bus", "status")["problem"] is None
    refused = desk.attempt("pause", "memo")
    assert (refused.returncode, "the database role may not do that" in refused.stderr) == (1, True)
    fleet.engine.link.execute("DROP OWNED BY looker")


def test_the_doctor_looks_at_the_server(fleet: Fleet, desk: Mini) -> None:
    def said() -> str:
        checks = json.loads(desk.attempt("doctor", "bus.server", "--json").stdout)
        [one] = checks["findings"]
        return f"{one['status']}: {one['detail']}"

    assert said().startswith("ok: postgresql://maestro@127.0.0.1")
    desk.env["MAESTRO_BUS"] = "postgresql://127.0.0.1:1/none"
    assert "cannot be reached" in said()
    desk.env["MAESTRO_BUS"] = "folders"
    assert said().startswith("skip")


def test_a_status_without_the_server_counts_nothing(desk: Mini) -> None:
    desk.cadence("memo")
    desk.env["MAESTRO_BUS"] = "postgresql://127.0.0.1:1/none"
    status = desk.attempt("status")
    assert (status.returncode, "cannot be reached" in status.stderr) == (1, True)
    assert "STALE      nothing is known" in status.stdout
    counted = ("waiting", "0 hosts", "closed", "cost today")
    assert not any(word in status.stdout for word in counted)


@pytest.mark.parametrize("words", [("status",), ("cadences",), ("explain", "memo")])
def test_a_document_without_the_server_says_in_error_that_nothing_is_known(
    desk: Mini, words: tuple[str, ...]
) -> None:
    desk.cadence("memo")
    desk.env["MAESTRO_BUS"] = "postgresql://127.0.0.1:1/none"
    done = desk.attempt(*words, "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, "cannot be reached" in told["error"]) == (1, True)
    empty = ("counts", "cost_today_usd", "cadences", "running", "waiting")
    assert not any(told.get(name) for name in empty)


def test_acts_need_no_consumer(fleet: Fleet, desk: Mini) -> None:
    made = desk.attempt("enqueue", "memo", "--dedupe-key", "k", "--priority", "2")
    tick_id = made.stdout.strip()
    assert fleet.where(tick_id) == "inbox"
    assert "no host of the fleet has a cadence memo" in made.stderr
    again = desk.json("enqueue", "memo", "--dedupe-key", "k")
    assert (again["id"], again["fresh"]) == (tick_id, False)
    assert desk.names(desk.layout.inbox) == []

    desk.cli("pause", "memo", "--reason", "holidays")
    assert fleet.gate("pause:memo")["note"]["reason"] == "holidays"
    desk.cli("resume", "memo")
    assert fleet.gate("pause:memo") == {}

    desk.cli("circuit", "open", "memo", "--for", "10m")
    assert fleet.gate("cadence:memo")["forced"]
    desk.cli("circuit", "close", "memo")
    assert fleet.gate("cadence:memo") == {}
    assert "nothing to probe" in desk.attempt("circuit", "probe", "memo").stderr

    desk.cli("estop", "--reason", "fire")
    assert fleet.gate("stop")["note"]["reason"] == "fire"
    assert "cleared" in desk.cli("estop", "--clear")
    assert fleet.gate("stop") == {}

    assert "no such run" in desk.attempt("cancel", "nobody").stderr
    assert "no hold is on" in desk.attempt("hold", "lift").stderr
    verbs = [row["document"]["verb"] for row in fleet.rows("SELECT * FROM maestro_audit")]
    assert verbs == [one["verb"] for one in desk.operators()]
    assert verbs.count("pause") == 1


def test_a_read_only_session_changes_nothing(fleet: Fleet, desk: Mini) -> None:
    for words in (["pause", "memo"], ["enqueue", "memo"], ["estop"], ["circuit", "open", "memo"]):
        done = desk.attempt("--read-only", *words)
        assert (done.returncode, "read-only" in done.stderr) == (1, True), words
    assert fleet.rows("SELECT * FROM maestro_gates") == []
    assert fleet.counts() == (0, 0, 0)


def test_dead_letters_go_back_to_the_trash_and_out_of_it(fleet: Fleet, desk: Mini) -> None:
    one = fleet.host("one", "memo")
    one.cadence("memo", "fail", seconds=0, unless="state/fixed", stderr="no invoices")
    fleet.engine.enqueue(Tick(id="first", cadence="memo"))
    with one.daemon():
        wait_until(lambda: fleet.where("first") == "dlq", PATIENCE, "a dead letter")
        view = fleet.engine.find("first")
        assert view is not None
        assert view.tick.last_error == "exit 1: no invoices"
        wait_until(lambda: fleet.gate("cadence:memo").get("open_until"), PATIENCE, "a circuit")
        desk.cli("dlq", "discard", "first")
        assert fleet.where("first") == "trash"
        desk.cli("dlq", "restore", "first")
        (one.root / "state/fixed").touch()
        desk.cli("dlq", "retry", "first")
        assert "there is no such tick" in desk.attempt("dlq", "discard", "absent").stderr
        desk.cli("circuit", "close", "memo")
        wait_until(lambda: fleet.where("first") is None, PATIENCE, "the letter to be done")


def test_a_run_on_another_host_is_cancelled_and_the_answer_comes_back(
    fleet: Fleet, desk: Mini
) -> None:
    far = fleet.host("far", "talk")
    far.cadence("talk", "ok", "say: word {n}", seconds=60, repeat=60)
    fleet.engine.enqueue(Tick(id="t1", cadence="talk"))
    with far.daemon():
        wait_until(lambda: far.beat().get("running"), PATIENCE, "a run")
        wait_until(
            lambda: fleet.rows("SELECT * FROM maestro_tails"), PATIENCE, "the end of its output"
        )
        wait_until(
            lambda: "being ended" in desk.attempt("cancel", "talk").stdout, PATIENCE, "an answer"
        )
        wait_until(lambda: fleet.where("t1") == "dlq", PATIENCE, "the cancelled tick")
    gone = desk.attempt("cancel", "talk")
    assert (gone.returncode, "no such run" in gone.stderr) == (1, True)


def test_a_host_that_does_not_answer_is_named(fleet: Fleet, desk: Mini) -> None:
    far = fleet.host("far", "talk")
    far.cadence("talk", "ok", seconds=60)
    fleet.engine.enqueue(Tick(id="t1", cadence="talk"))
    with far.daemon() as process:
        sql = "SELECT 1 FROM maestro_hosts WHERE position('t1' in convert_from(beat, 'UTF8')) > 0"
        wait_until(lambda: fleet.rows(sql), PATIENCE, "the run in its heartbeat")
        process.kill()
        process.wait()
        late = desk.attempt("cancel", "talk")
    assert late.returncode == 1
    assert "no answer within" in late.stderr
    assert "on far" in late.stderr


def test_an_emergency_stop_with_kill_ends_the_runs_of_every_host(fleet: Fleet, desk: Mini) -> None:
    minis = [fleet.host("one", "talk"), fleet.host("two", "chess")]
    for mini, cadence in zip(minis, ("talk", "chess"), strict=True):
        mini.cadence(cadence, "ok", seconds=60)
        fleet.engine.enqueue(Tick(id=cadence, cadence=cadence))
    with minis[0].daemon(), minis[1].daemon():
        wait_until(lambda: fleet.counts() == (0, 2, 0), PATIENCE, "both to run")
        desk.cli("estop", "--kill", "--reason", "fire")
        wait_until(lambda: fleet.counts() == (2, 0, 0), PATIENCE, "both to wait again")
        desk.cli("estop", "--clear")
        wait_until(lambda: fleet.counts() == (0, 2, 0), PATIENCE, "both to run again")
    view = fleet.engine.find("talk")
    assert view is not None
    assert (view.where, view.tick.attempts) == ("inbox", 0), "no attempt was spent"


def test_until_idle_ends_when_this_host_can_claim_nothing(fleet: Fleet) -> None:
    one = fleet.host("one", "memo", "mail")
    for cadence in ("memo", "mail", "chess"):
        fleet.engine.enqueue(Tick(id=cadence, cadence=cadence))
    one.cli("pause", "mail")
    one.cli("run", "--until-idle")
    assert [fleet.where(one) for one in ("memo", "mail", "chess")] == [None, "inbox", "inbox"]
    assert read_json(one.layout.consumer_json)["stopped_at"]
    assert fleet.rows("SELECT place FROM maestro_hosts")[0]["place"] == ""


def test_a_name_that_another_root_has_is_refused(fleet: Fleet, tmp_path: Path) -> None:
    one = fleet.host("one", "memo")
    (tmp_path / "copy").mkdir()
    twin = Mini(tmp_path / "copy" / "one", fleet.database.url)
    with one.daemon():
        refused = twin.attempt("run", "--until-idle")
    assert refused.returncode == 1
    assert "works on this bus as 'one'" in refused.stderr
    assert twin.attempt("run", "--until-idle").returncode == 0, "a clean stop frees the name"
