"""Proves that operators' acts work with a consumer and without one, are recorded with who, why,
before and after, wait for an answer without hanging, and are refused in a read-only session."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from maestro_core.clock import SystemClock, iso, parse_iso
from maestro_core.consumer.ownership import Ownership
from maestro_core.control.commands import Ack, Actor, Command, Outcome
from maestro_core.control.mailbox import Mailbox
from maestro_core.control.operator import PORTION, Operator, current_actor
from maestro_core.errors import BusError, Busy, ReadOnly, Refused, UsageError
from maestro_core.files import OsFiles
from maestro_core.journal import read_journal
from maestro_core.layout import Layout
from tests.support import read_json, wait_until, write_json, write_tick

ACTOR = Actor(user="ops", via="cli", address="192.0.2.7")


@pytest.fixture
def operator(agent_root: Layout) -> Operator:
    return Operator(agent_root, actor=ACTOR, wait_seconds=20)


def acts(layout: Layout) -> list[dict[str, Any]]:
    return [json.loads(line) for line in layout.operators_log.read_text().splitlines()]


def answer(command: Command) -> Ack:
    outcomes = tuple(Outcome(one, True, "by the consumer") for one in command.targets)
    return Ack(id=command.id, ok=True, at=iso(time.time()), by_pid=1, outcomes=outcomes)


@contextmanager
def consumer(layout: Layout, *, answers: bool = True) -> Iterator[list[Command]]:
    """Somebody who holds the lock and, if `answers`, looks into the mailbox like a consumer."""
    owner = Ownership.acquire(layout, what="daemon")
    seen: list[Command] = []
    ended = threading.Event()

    def work() -> None:
        mailbox = Mailbox(layout, OsFiles(), SystemClock())
        while answers and not ended.wait(0.005):
            for command in mailbox.pending():
                seen.append(command)
                mailbox.acknowledge(answer(command))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()
        owner.release()


# ---- without a consumer --------------------------------------------------------------------


def test_a_dead_letter_is_brought_back_by_changing_files(
    agent_root: Layout, operator: Operator
) -> None:
    failure = {"at": "2026-11-24T02:03:04Z", "attempt": 2, "exit_code": 1, "reason": "exit 1"}
    write_tick(agent_root.dlq, "t1", attempts=2, failures=[failure], last_error="exit 1")
    ack = operator.submit("dlq_retry", ["t1"], reason="mended")
    assert ack.ok
    tick = read_json(agent_root.inbox / "t1.json")
    assert tick["attempts"] == 0
    assert tick["failures"][0]["reason"] == "exit 1"
    (act,) = acts(agent_root)
    assert (act["verb"], act["targets"], act["reason"]) == ("dlq_retry", ["t1"], "mended")
    assert act["actor"] == {"user": "ops", "via": "cli", "address": "192.0.2.7"}
    assert (act["before"], act["after"]) == ({"t1": "dlq"}, {"t1": "inbox"})


def test_discard_and_restore_are_each_others_undo(agent_root: Layout, operator: Operator) -> None:
    write_tick(agent_root.dlq, "t1", last_error="exit 1")
    before = read_json(agent_root.dlq / "t1.json")
    assert operator.submit("dlq_discard", ["t1"]).ok
    assert (agent_root.trash / "t1.json").exists()
    assert operator.submit("dlq_restore", ["t1"]).ok
    assert read_json(agent_root.dlq / "t1.json") == before


def test_a_circuit_is_opened_and_closed_in_its_file(agent_root: Layout, operator: Operator) -> None:
    assert operator.submit("circuit_open", ["memo"], seconds=90).ok
    assert "memo" in read_json(agent_root.circuit_open)["open"]
    assert operator.submit("circuit_close", ["memo"]).ok
    assert not agent_root.circuit_open.exists()


def test_the_journal_names_what_operators_do_to_circuits_like_what_the_breaker_does(
    agent_root: Layout, operator: Operator
) -> None:
    operator.submit("circuit_open", ["memo"], seconds=90)
    until = read_json(agent_root.circuit_open)["open"]["memo"]["open_until"]
    operator.submit("circuit_probe", ["memo"])
    operator.submit("circuit_close", ["memo"])
    operator.submit("circuit_close", ["memo"])
    entries = [one for one in read_journal(agent_root, limit=20) if "cadence" in one]
    stages = ["circuit_opened", "circuit_half_open", "circuit_closed"]
    assert [one["stage"] for one in entries] == stages
    assert {(one["cadence"], one["reason"], one["by"]) for one in entries} == {
        ("memo", "operator", "ops")
    }
    assert abs(parse_iso(entries[0]["open_until"]) - parse_iso(until)) < 0.1


def test_what_cannot_be_done_is_told_by_target(agent_root: Layout, operator: Operator) -> None:
    write_tick(agent_root.dlq, "t1")
    ack = operator.submit("dlq_retry", ["t1", "gone"])
    assert not ack.ok
    assert [(one.target, one.ok) for one in ack.outcomes] == [("t1", True), ("gone", False)]
    (act,) = acts(agent_root)
    assert act["ok"] is False
    assert "gone" in act["detail"]


def test_the_lock_is_free_again_after_an_act(agent_root: Layout, operator: Operator) -> None:
    operator.submit("circuit_open", ["memo"])
    Ownership.acquire(agent_root, what="daemon").release()


def test_commands_that_no_consumer_came_to_are_carried_out_first(
    agent_root: Layout, operator: Operator
) -> None:
    older = {
        "id": "older", "verb": "circuit_open", "targets": ["memo"], "seconds": 600,
        "at": "2026-11-24T02:03:04Z", "actor": {"user": "ops", "via": "cli"},
    }  # fmt: skip
    write_json(agent_root.control / "older.json", older)
    operator.submit("circuit_close", ["memo"])
    assert not agent_root.circuit_open.exists()
    assert read_json(agent_root.acks / "older.json")["ok"] is True
    assert not (agent_root.control / "older.json").exists()


def test_two_operators_at_once_both_succeed(agent_root: Layout) -> None:
    for number in range(20):
        write_tick(agent_root.dlq, f"t{number}")
    acks: list[Ack] = []

    def retry(numbers: range) -> None:
        mine = Operator(agent_root, actor=ACTOR, wait_seconds=30)
        acks.extend(mine.submit("dlq_retry", [f"t{number}"]) for number in numbers)

    threads = [threading.Thread(target=retry, args=(range(n, 20, 2),)) for n in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [ack.ok for ack in acks] == [True] * 20
    assert len(os.listdir(agent_root.inbox)) == 20


def test_a_bulk_act_goes_in_portions_and_comes_back_as_one_answer(
    agent_root: Layout, operator: Operator
) -> None:
    ids = [f"t{number:04}" for number in range(PORTION + 3)]
    with consumer(agent_root) as seen:
        ack = operator.submit("dlq_retry", ids)
    assert [len(command.targets) for command in seen] == [PORTION, 3]
    assert [one.target for one in ack.outcomes] == ids


# ---- with one ------------------------------------------------------------------------------


def test_a_live_consumer_is_asked_and_its_answer_comes_back(
    agent_root: Layout, operator: Operator
) -> None:
    with consumer(agent_root) as seen:
        ack = operator.submit("cancel", ["run-1"], reason="runs away")
    assert ack.outcomes == (Outcome("run-1", True, "by the consumer"),)
    assert [(one.verb, one.targets, one.reason) for one in seen] == [
        ("cancel", ("run-1",), "runs away")
    ]
    assert seen[0].actor == ACTOR
    assert os.listdir(agent_root.control) == ["acks"]


def test_an_answer_comes_within_a_tenth_of_a_second(agent_root: Layout, operator: Operator) -> None:
    with consumer(agent_root):
        took = []
        for _ in range(5):
            begun = time.monotonic()
            operator.submit("circuit_close", ["memo"])
            took.append(time.monotonic() - begun)
    assert min(took) < 0.1


def test_a_silent_consumer_is_named_and_the_command_stays_queued(agent_root: Layout) -> None:
    hasty = Operator(agent_root, actor=ACTOR, wait_seconds=0.05)
    with consumer(agent_root, answers=False), pytest.raises(Busy) as caught:
        hasty.submit("circuit_close", ["memo"])
    assert str(os.getpid()) in caught.value.message
    assert "stays queued" in caught.value.hint
    (name,) = [one for one in os.listdir(agent_root.control) if one != "acks"]
    assert name in caught.value.hint
    assert acts(agent_root)[-1]["ok"] is False


def test_a_consumer_that_goes_away_leaves_the_command_to_the_operator(
    agent_root: Layout, operator: Operator
) -> None:
    owner = Ownership.acquire(agent_root, what="daemon")

    def leave() -> None:
        wait_until(lambda: len(os.listdir(agent_root.control)) > 1)
        owner.release()

    thread = threading.Thread(target=leave)
    thread.start()
    ack = operator.submit("circuit_open", ["memo"])
    thread.join()
    assert ack.ok
    assert "memo" in read_json(agent_root.circuit_open)["open"]
    assert os.listdir(agent_root.control) == ["acks"]


def test_an_answer_that_makes_no_sense_is_an_error_and_no_hang(
    agent_root: Layout, operator: Operator
) -> None:
    owner = Ownership.acquire(agent_root, what="daemon")

    def spoil() -> None:
        def names() -> list[str]:
            return [name for name in os.listdir(agent_root.control) if name != "acks"]

        (name,) = wait_until(names)
        (agent_root.acks / name).write_bytes(b"{")

    thread = threading.Thread(target=spoil)
    thread.start()
    with pytest.raises(BusError, match="cannot be read"):
        operator.submit("circuit_open", ["memo"])
    thread.join()
    owner.release()


# ---- plain files ---------------------------------------------------------------------------


def test_pause_and_resume_need_no_consumer_and_no_lock(
    agent_root: Layout, operator: Operator
) -> None:
    with consumer(agent_root, answers=False):
        ack = operator.pause("memo", "until tomorrow")
        marker = read_json(agent_root.paused / "memo.json")
        assert ack.outcomes == (Outcome("memo", True, "paused"),)
        assert (marker["by"], marker["reason"]) == ("ops from 192.0.2.7", "until tomorrow")
        assert operator.pause("memo").outcomes[0].detail == "was paused already"
        assert operator.resume("memo").outcomes[0].detail == "resumed"
        assert operator.resume("memo").outcomes[0].detail == "was not paused"
    assert [act["verb"] for act in acts(agent_root)] == ["pause", "pause", "resume", "resume"]
    assert acts(agent_root)[2]["before"]["paused"]["by"] == "ops from 192.0.2.7"


def test_the_emergency_stop_says_who_when_why_and_whether_to_kill(
    agent_root: Layout, operator: Operator
) -> None:
    operator.emergency_stop(kill=True, reason="runs away")
    marker = read_json(agent_root.emergency_stop)
    assert marker["kill"] is True
    assert marker["reason"] == "runs away"
    assert marker["at"].endswith("Z")
    assert operator.clear_emergency_stop().outcomes[0].detail == "cleared"
    assert not agent_root.emergency_stop.exists()
    assert operator.clear_emergency_stop().outcomes[0].detail == "was not engaged"


def test_enqueue_drops_a_tick_and_is_recorded(agent_root: Layout, operator: Operator) -> None:
    first = operator.enqueue("memo", payload={"n": 1}, dedupe_key="once", priority=3)
    tick = read_json(agent_root.inbox / f"{first.id}.json")
    assert (tick["cadence"], tick["payload"], tick["priority"]) == ("memo", {"n": 1}, 3)
    second = operator.enqueue("memo", dedupe_key="once")
    assert (second.id, second.fresh) == (first.id, False)
    assert [act["after"]["fresh"] for act in acts(agent_root)] == [True, False]


@pytest.mark.parametrize("name", ["", "../x", "a/b", "-x", ".x", "x" * 129, "a\nb", "a\0b", "é"])
def test_names_that_are_none_are_refused_before_anything_is_touched(
    agent_root: Layout, operator: Operator, name: str
) -> None:
    for act in (
        lambda: operator.pause(name),
        lambda: operator.resume(name),
        lambda: operator.enqueue(name),
        lambda: operator.submit("circuit_open", [name]),
        lambda: operator.submit("dlq_retry", [name]),
    ):
        with pytest.raises(UsageError):
            act()
    assert not agent_root.operators_log.exists()
    assert os.listdir(agent_root.paused) == []


def test_secrets_in_a_reason_are_masked_wherever_it_is_stored(agent_root: Layout) -> None:
    careful = Operator(agent_root, actor=ACTOR, redact=lambda text: text.replace("hunter2", "***"))
    careful.pause("memo", "key hunter2")
    careful.emergency_stop(reason="key hunter2")
    with consumer(agent_root) as seen:
        careful.submit("circuit_close", ["memo"], reason="key hunter2")
    stored = [path.read_text() for path in agent_root.root.rglob("*") if path.is_file()]
    assert "hunter2" not in "".join(stored)
    assert seen[0].reason == "key ***"


def test_a_log_that_cannot_be_written_stops_no_act_and_is_told(
    agent_root: Layout, operator: Operator
) -> None:
    agent_root.operators_log.mkdir()
    assert operator.emergency_stop().ok
    assert operator.trouble is not None
    assert agent_root.emergency_stop.exists()


# ---- read-only -----------------------------------------------------------------------------


def _tree(root: Path) -> dict[str, bytes | None]:
    return {str(p): p.read_bytes() if p.is_file() else None for p in sorted(root.rglob("*"))}


READ_ONLY_ACTS: dict[str, Callable[[Operator], object]] = {
    "enqueue": lambda one: one.enqueue("memo"),
    "pause": lambda one: one.pause("memo"),
    "resume": lambda one: one.resume("memo"),
    "estop": lambda one: one.emergency_stop(kill=True),
    "estop clear": lambda one: one.clear_emergency_stop(),
    "dlq_retry": lambda one: one.submit("dlq_retry", ["t1"]),
    "circuit_open": lambda one: one.submit("circuit_open", ["memo"]),
    "cancel": lambda one: one.submit("cancel", ["run"]),
    "lift_hold": lambda one: one.submit("lift_hold", ["*"]),
}


@pytest.mark.parametrize("act", READ_ONLY_ACTS)
def test_a_read_only_operator_can_change_nothing(agent_root: Layout, act: str) -> None:
    write_tick(agent_root.dlq, "t1")
    operator = Operator(agent_root, actor=ACTOR, read_only=True)
    before = _tree(agent_root.root)
    with pytest.raises(ReadOnly):
        READ_ONLY_ACTS[act](operator)
    assert _tree(agent_root.root) == before


def test_every_public_act_is_covered_by_the_read_only_test() -> None:
    public = {name for name in vars(Operator) if not name.startswith("_")} - {"close", "unknown"}
    assert public == {
        "enqueue", "pause", "resume", "emergency_stop", "clear_emergency_stop", "submit",
    }  # fmt: skip


def test_the_current_actor_is_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.9 5 10.0.0.1 22")
    actor = current_actor("console")
    assert (actor.via, actor.address, actor.pid) == ("console", "192.0.2.9", os.getpid())
    assert actor.user


def test_somebody_who_waits_is_told_for_whom(
    agent_root: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maestro_core.control.delivery.TELL_AFTER", 0.02)
    told: list[str] = []
    patient = Operator(agent_root, actor=ACTOR, wait_seconds=0.3, on_wait=told.append)
    with consumer(agent_root, answers=False), pytest.raises(Busy):
        patient.submit("circuit_close", ["memo"])
    assert len(told) == 1
    assert f"daemon, pid {os.getpid()}" in told[0]


def test_what_is_carried_out_here_stands_in_the_journal_too(
    agent_root: Layout, operator: Operator
) -> None:
    operator.submit("circuit_open", ["memo"], reason="too loud")
    entry, _its_circuit = read_journal(agent_root, limit=5)
    assert (entry["stage"], entry["targets"], entry["by"]) == ("circuit_open", ["memo"], "ops")


def test_an_act_makes_no_hollow_root_where_the_agent_was(
    agent_root: Layout, operator: Operator, tmp_path: Path
) -> None:
    """A console is still open on a root that was moved: it must be possible to move it back."""
    write_tick(agent_root.dlq, "dead", "memo", last_error="exit 1: no")
    agent_root.root.rename(tmp_path / "moved")
    every: list[Callable[[], object]] = [
        lambda: operator.enqueue("memo"),
        lambda: operator.pause("memo"),
        lambda: operator.resume("memo"),
        lambda: operator.emergency_stop(),
        lambda: operator.clear_emergency_stop(),
        lambda: operator.submit("dlq_retry", ["dead"]),
    ]
    for act in every:
        with pytest.raises(Refused, match="is gone"):
            act()
    assert not agent_root.root.exists()
