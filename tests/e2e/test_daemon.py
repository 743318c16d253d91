"""Proves the product from the shell: the installed program as a daemon, ticks from a plain
shell script, real children, and every operator command on the way from failure to success.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.e2e.agent import Agent
from tests.e2e.conftest import processes_of
from tests.support import read_json, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def running_log(agent: Agent) -> Path:
    """The stdout file of the one run that is going on."""
    (run,) = wait_until(lambda: agent.beat().get("running"), 20, "a run")
    return Path(run["stdout_path"])


def finish(agent: Agent, name: str) -> None:
    """Create the file that a prompt's `unless` names."""
    path = agent.root / "state" / name
    path.parent.mkdir(exist_ok=True)
    path.touch()


def test_a_tick_from_a_shell_script_is_run_and_its_log_streams(agent: Agent) -> None:
    agent.cadence("talker", "ok", "say: word {n}", seconds=30, repeat=30)
    with agent.daemon():
        agent.drop("from-a-script", "talker")
        log = running_log(agent)
        wait_until(lambda: "word 2" in log.read_text(), 20, "the second word in the log")
        assert agent.where("from-a-script") == "claimed"
        assert agent.runs("talker") == [None]
        agent.cli("cancel", agent.beat()["running"][0]["run_id"])
        wait_until(lambda: agent.where("from-a-script") == "dlq", 20, "the cancelled tick")
    assert "cancelled" in read_json(agent.layout.dlq / "from-a-script.json")["last_error"]


def test_from_failure_to_an_open_circuit_and_back_to_success(agent: Agent) -> None:
    agent.cadence("chaser", "fail", seconds=0, unless="state/fixed", stderr="no invoices")
    with agent.daemon():
        agent.drop("first", "chaser")
        agent.wait_stage("circuit_opened", "chaser")
        wait_until(lambda: agent.where("first") == "dlq", 20, "a dead letter")
        circuit = agent.circuit("chaser")
        assert circuit is not None
        assert circuit["failures"] == 2

        agent.drop("second", "chaser")
        wait_until(lambda: agent.beat()["cadences"]["chaser"]["state"] == "open", 20)
        agent.wait_stage("skipped_circuit_open", "chaser")
        assert agent.where("second") == "inbox"

        finish(agent, "fixed")
        agent.cli("circuit", "close", "chaser")
        assert agent.circuit("chaser") is None
        wait_until(lambda: agent.where("second") is None, 20, "the second tick to be done")

        agent.cli("dlq", "retry", "first")
        wait_until(lambda: agent.where("first") is None, 20, "the dead letter to be done")
        wait_until(lambda: agent.runs("chaser") == ["failed", "failed", "ok", "ok"], 20)
    dead = agent.json("dlq", "list")
    assert "first" not in str(dead)


def test_the_reason_of_a_dead_letter_is_what_the_child_said(agent: Agent) -> None:
    agent.cadence("chaser", "fail", seconds=0, stderr="no invoices", code=7)
    with agent.daemon():
        agent.drop("doomed", "chaser")
        wait_until(lambda: agent.where("doomed") == "dlq", 20, "a dead letter")
    tick = read_json(agent.layout.dlq / "doomed.json")
    assert tick["last_error"] == "exit 7: no invoices"
    assert [failure["exit_code"] for failure in tick["failures"]] == [7, 7]
    assert "no invoices" in agent.cli("dlq", "list")


def test_a_paused_cadence_waits_and_the_others_do_not(agent: Agent) -> None:
    agent.cadence("held", seconds=0)
    agent.cadence("free", seconds=0)
    agent.cli("pause", "held", "--reason", "until tomorrow")
    with agent.daemon():
        agent.drop("a", "held")
        agent.drop("b", "free")
        wait_until(lambda: agent.where("b") is None, 20, "the free one to be done")
        assert agent.where("a") == "inbox"
        agent.cli("resume", "held")
        wait_until(lambda: agent.where("a") is None, 20, "the held one to be done")


def test_an_emergency_stop_ends_what_runs_and_gives_its_attempt_back(agent: Agent) -> None:
    agent.cadence("talker", "ok", "say: word {n}", seconds=60, repeat=60)
    with agent.daemon():
        agent.drop("long", "talker")
        running_log(agent)
        agent.cli("estop", "--kill", "--reason", "drill")
        wait_until(lambda: agent.where("long") == "inbox", 20, "the tick back in the inbox")
        assert read_json(agent.layout.inbox / "long.json")["attempts"] == 0
        agent.cadence("talker", seconds=0)
        agent.cli("estop", "--clear")
        wait_until(lambda: agent.where("long") is None, 20, "the tick to be done")


def test_a_terminated_daemon_puts_its_tick_back_and_says_so(agent: Agent) -> None:
    agent.cadence("talker", "ok", "say: word {n}", seconds=60, repeat=60)
    with agent.daemon() as process:
        agent.drop("long", "talker")
        running_log(agent)
        process.terminate()
        assert process.wait(20) == 0
    assert agent.where("long") == "inbox"
    assert read_json(agent.layout.inbox / "long.json")["attempts"] == 0
    assert agent.beat()["stopped_at"]
    assert agent.beat()["running"] == []
    assert agent.runs("talker") == ["shutdown"]


def test_after_a_kill_the_next_consumer_ends_the_orphan_and_runs_its_tick(agent: Agent) -> None:
    agent.cadence("talker", "ok", "say: word {n}", seconds=60, repeat=60)
    with agent.daemon() as process:
        agent.drop("long", "talker")
        running_log(agent)
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    assert agent.where("long") == "claimed"
    agent.cadence("talker", seconds=0)
    agent.cli("run", "--until-idle")
    assert agent.where("long") is None
    assert processes_of(agent.root) == []
    assert agent.runs("talker")[-1] == "ok"


def test_without_a_consumer_files_are_changed_at_once(agent: Agent) -> None:
    agent.cadence("chaser", "fail", seconds=0, unless="state/fixed")
    agent.cadence("free", seconds=0)
    name = agent.cli("enqueue", "free", "--payload", '{"n": 1}', "--priority", "3").strip()
    assert read_json(agent.layout.inbox / f"{name}.json")["payload"] == {"n": 1}
    agent.cli("run", "--until-idle")
    assert agent.where(name) is None

    agent.cli("circuit", "open", "chaser", "--for", "600")
    assert agent.circuit("chaser") is not None
    agent.drop("waits", "chaser")
    agent.cli("run", "--until-idle")
    assert agent.where("waits") == "inbox"
    finish(agent, "fixed")
    agent.cli("circuit", "close", "chaser")
    agent.cli("run", "--until-idle")
    assert agent.where("waits") is None


def test_a_second_consumer_is_refused_and_the_first_is_named(agent: Agent) -> None:
    with agent.daemon() as process:
        done = agent.attempt("run", "--until-idle")
        assert done.returncode == 1
        assert str(process.pid) in done.stderr


def test_bytes_that_are_no_tick_are_set_aside_with_a_reason(agent: Agent) -> None:
    (agent.layout.inbox / "noise.json").write_text('{"id": "../../etc", "cadence": "x"}')
    agent.cli("run", "--until-idle")
    assert (agent.layout.quarantine / "noise.json").exists()
    assert read_json(agent.layout.quarantine / "noise.json.reason.json")["reason"]
