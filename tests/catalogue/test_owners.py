"""Rows 19, 21 to 26, 31, 38 and 39 with the installed program: consumers that are started
together, stopped and continued, killed by their own work, told to end twice, left without a
reader, and a bus that is moved away under one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from maestro_core.clock import FakeClock, iso, parse_iso
from maestro_core.consumer.driver import Driver
from maestro_core.consumer.ownership import Ownership
from maestro_core.errors import Busy
from maestro_core.layout import Layout
from maestro_core.observe.reader import SnapshotReader
from maestro_core.session import processes
from maestro_core.session.ledger import Ledger
from tests.catalogue.kit import PIDS, PROJECT, in_namespace, linux_only, names, scene
from tests.core.consumer_kit import OK, Kit, always
from tests.e2e.agent import PROGRAM, Agent
from tests.e2e.conftest import processes_of
from tests.support import read_json, wait_until, write_json, write_tick

SLEEPS = "echo begun; echo $$ > pid; exec sleep 600"
DEAF = "trap '' TERM; echo $$ > pid; while :; do sleep 0.1; done"
KILLS_ITS_CONSUMER = "kill -9 $(ps -o ppid= -p $PPID); exec sleep 600"
"""Its parent keeps the run, and the parent of that is the consumer."""


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    """An agent root with one cadence, `memo`; nothing of it is left afterwards."""
    agent = Agent(tmp_path / "agent")
    agent.cadence("memo")
    yield agent
    wait_until(lambda: not processes_of(agent.root), 15, "the end of every process")


def works_by(agent: Agent, body: str) -> None:
    """The CLI is this script from now on."""
    (agent.root / "bin" / "claude").write_text(f"#!/bin/sh\n{body}\n")


def pid_of_the_run(agent: Agent) -> int:
    path = agent.root / "pid"
    return int(wait_until(lambda: path.exists() and path.read_text().strip(), what="a run"))


# ---- row 19: the ground goes ---------------------------------------------------------------

INLINE = '[consumer]\npoll_seconds = 0.2\n[cadence.beat]\nmode = "inline"\nhandler = "heartbeat"\n'


@pytest.mark.parametrize("way", ["deleted", "replaced", "moved aside"])
def test_an_inbox_that_goes_under_a_running_consumer_is_made_again(
    agent_root: Layout, way: str
) -> None:
    write_json(agent_root.cadences_toml, {})
    agent_root.cadences_toml.write_text(INLINE)
    driver = Driver(agent_root, mode="daemon")
    thread = threading.Thread(target=driver.run)
    thread.start()
    try:
        wait_until(agent_root.consumer_json.exists)
        if way == "moved aside":
            agent_root.inbox.rename(agent_root.root / "aside")
        else:
            agent_root.inbox.rmdir()
        if way == "replaced":
            agent_root.inbox.mkdir()
        wait_until(agent_root.inbox.is_dir, what="the inbox")
        write_tick(agent_root.bus, "t1", "beat").rename(agent_root.inbox / "t1.json")
        wait_until(lambda: read_json(agent_root.consumer_json)["stats"]["inline"], what="the tick")
    finally:
        driver.stop()
        thread.join(20)
    assert not thread.is_alive()
    assert names(agent_root.inbox) == []


def test_a_bus_that_is_moved_away_ends_its_consumer_and_its_run(agent: Agent) -> None:
    works_by(agent, SLEEPS)
    with agent.daemon() as process:
        agent.drop("t1", "memo")
        pid_of_the_run(agent)
        agent.layout.bus.rename(agent.root / "moved")
        assert process.wait(30) == 1
        assert "deleted or replaced under this consumer" in (process.communicate()[0] or "")
    assert processes_of(agent.root) == []
    kept = [folder for folder in ("inbox", "claimed") if names(agent.root / "moved" / folder)]
    assert len(kept) == 1, "the tick went with its bus"


# ---- row 21: two at once -------------------------------------------------------------------


def test_of_many_who_want_the_lock_at_one_moment_one_gets_it(agent_root: Layout) -> None:
    assert scene("race_for_the_lock", agent_root) == {"winners": [1] * 20}


IMPATIENT = """
import sys
from maestro_core.consumer import driver
from maestro_core.errors import Busy
from maestro_core.layout import Layout
driver.LOCK_WAIT = 0.3
try:
    driver.Driver(Layout(sys.argv[1]), mode="daemon").run()
except Busy as refusal:
    sys.exit(str(refusal))
"""


def test_of_two_consumers_started_together_one_works_and_one_names_it(agent: Agent) -> None:
    both = [
        subprocess.Popen(
            [sys.executable, "-c", IMPATIENT, agent.root], env=agent.env, cwd=PROJECT,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    try:
        loser = wait_until(lambda: next((o for o in both if o.poll() is not None), None), 20)
        winner = next(one for one in both if one is not loser)
        assert loser.returncode == 1
        assert f"pid {winner.pid}" in (loser.communicate()[1] or "")
        wait_until(lambda: agent.beat().get("pid") == winner.pid)
        assert winner.poll() is None
    finally:
        for one in both:
            one.kill()
            one.communicate(timeout=20)


def test_two_engines_on_one_inbox_never_claim_the_same_tick(agent_root: Layout) -> None:
    seen = scene("race_for_ticks", agent_root)
    assert len(seen["claimed"]) == 120
    assert len(set(seen["claimed"])) == 120
    assert seen["failed"] == 0


# ---- row 22: a pid that is used again ------------------------------------------------------


@linux_only
def test_a_stranger_with_the_pid_of_a_run_is_not_ended(agent_root: Layout) -> None:
    seen = scene("used_again", agent_root, prefix=in_namespace(*PIDS))
    if seen["same pid"] is None:
        pytest.skip("this system does not let a pid be chosen")
    assert seen == {"same pid": True, "signalled": False, "lives": True, "locked": False}


def test_a_beat_from_the_future_keeps_nobody_out(agent_root: Layout) -> None:
    """No lock file, and a pid that lives but was never this consumer's: the clock was set back."""
    with subprocess.Popen(["sleep", "600"]) as stranger:
        for ahead, refused in ((3600.0, False), (-3600.0, False), (0.0, True)):
            agent_root.consumer_lock.unlink(missing_ok=True)
            beat = {"pid": stranger.pid, "beat_at": iso(time.time() + ahead)}
            write_json(agent_root.consumer_json, beat)
            try:
                Ownership.acquire(agent_root, what="test").release()
                assert not refused
            except Busy:
                assert refused
        stranger.kill()


# ---- rows 23 and 24: children that live on -------------------------------------------------


@linux_only
def test_the_lock_is_free_while_children_of_a_killed_consumer_live(agent: Agent) -> None:
    works_by(agent, SLEEPS)
    with agent.daemon() as process:
        agent.drop("t1", "memo")
        run = pid_of_the_run(agent)
        keeper, token = Ledger.open(agent.layout.ledger, read_only=True).open_rows()[0].processes[0]
        assert processes.send(keeper, token, signal.SIGSTOP), "it would end the run at once"
        process.kill()
        process.wait()
        # a child caught between fork and exec holds the lock for that instant
        Ownership.acquire(agent.layout, what="test", wait=5.0).release()
        assert processes.start_token(run) is not None
        works_by(agent, "echo done")
        agent.cli("run", "--until-idle")
        assert processes.start_token(run) is None, "ended before its tick ran again"
    assert agent.where("t1") is None


# ---- row 25: poison ------------------------------------------------------------------------


def test_a_tick_that_kills_its_consumer_is_given_up_after_three(agent: Agent) -> None:
    works_by(agent, KILLS_ITS_CONSUMER)
    agent.drop("deadly", "memo")
    for _ in range(3):
        assert agent.attempt("run", "--until-idle").returncode == -signal.SIGKILL
    assert agent.attempt("run", "--until-idle").returncode == 0
    dead = read_json(agent.layout.dlq / "deadly.json")
    assert dead["last_error"].startswith("poison: its consumer died 3 times")
    assert dead["attempts"] == 3


# ---- rows 26 and 31: stopped, and continued ------------------------------------------------


def test_a_consumer_that_is_stopped_keeps_its_place_and_goes_on(agent: Agent) -> None:
    works_by(agent, SLEEPS)
    with agent.daemon() as process:
        agent.drop("t1", "memo")
        run = pid_of_the_run(agent)
        process.send_signal(signal.SIGSTOP)
        try:
            later = FakeClock(parse_iso(agent.beat()["beat_at"]) + 11)
            view = SnapshotReader(agent.layout, later).read().consumer
            assert view.word == "stale"
            with pytest.raises(Busy, match=f"pid {process.pid}"):
                Ownership.acquire(agent.layout, what="test")
            before = agent.beat()["beat_at"]
        finally:
            process.send_signal(signal.SIGCONT)
        wait_until(lambda: agent.beat()["beat_at"] > before, what="the next beat")
        assert processes.start_token(run) is not None, "no time-out fired for the pause"
        assert agent.where("t1") == "claimed"


def test_a_consumer_that_wakes_up_after_its_place_was_taken_settles_nothing(agent: Agent) -> None:
    """Its lock was deleted and its beat is old: the next one ends its run and does the work."""
    works_by(agent, SLEEPS)
    with agent.daemon() as process:
        agent.drop("t1", "memo")
        run = pid_of_the_run(agent)
        process.send_signal(signal.SIGSTOP)
        try:
            agent.layout.consumer_lock.unlink()
            old = agent.beat() | {"beat_at": iso(parse_iso(agent.beat()["beat_at"]) - 60)}
            write_json(agent.layout.consumer_json, old)
            works_by(agent, 'echo "$MAESTRO_TICK_ID" >> done; echo fine')
            agent.cli("run", "--until-idle")
            assert processes.start_token(run) is None
        finally:
            process.send_signal(signal.SIGCONT)
        assert process.wait(30) == 1
    assert (agent.root / "done").read_text() == "t1\n"
    assert agent.where("t1") is None
    assert {"lock_lost", "claim_lost"} <= set(agent.stages())


# ---- row 38: nobody reads ------------------------------------------------------------------


def test_a_consumer_whose_output_nobody_reads_works_on(agent: Agent) -> None:
    works_by(agent, "echo fine")
    read, write = os.pipe()
    os.close(read)
    process = subprocess.Popen(
        [PROGRAM, "--root", agent.root, "run"], env=agent.env, cwd="/",
        stdin=subprocess.DEVNULL, stdout=write, stderr=write,
    )  # fmt: skip
    os.close(write)
    try:
        wait_until(lambda: agent.beat().get("pid") == process.pid)
        agent.drop("t1", "memo")
        wait_until(lambda: agent.beat()["stats"]["escalated"] == 1, what="the run")
    finally:
        process.terminate()
        assert process.wait(20) == 0


# ---- row 39: told to end -------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_second_signal_skips_the_grace(agent: Agent, number: int) -> None:
    agent.settings("[consumer]\nkill_grace_seconds = 600\n")
    works_by(agent, DEAF)
    with agent.daemon() as process:
        agent.drop("t1", "memo")
        run = pid_of_the_run(agent)
        process.send_signal(number)
        agent.wait_stage("consumer_stopping")
        assert processes.start_token(run) is not None
        process.send_signal(number)
        assert process.wait(20) == 0
    assert processes.start_token(run) is None
    assert read_json(agent.layout.inbox / "t1.json")["attempts"] == 0


@pytest.mark.parametrize("moment", range(16))
def test_a_stop_at_any_moment_leaves_what_is_not_done_unspent(tmp_path: Path, moment: int) -> None:
    """A history of two cadences and five ticks, stopped at each half second of it."""
    kit = Kit(tmp_path, always(OK, 1.2)).start()
    ids = set(kit.drop("memo", 3) + kit.drop("mail", 2))
    kit.run_for(moment / 2)
    kit.stop()
    waiting = set(kit.names("inbox"))
    assert kit.names("claimed") == kit.names("dlq") == []
    assert kit.stats.escalated == len(ids - waiting)
    assert {kit.tick("inbox", one)["attempts"] for one in waiting} <= {0}
    kit.restart(crash=False)
    kit.run_for(60)
    assert kit.names("inbox") == []
