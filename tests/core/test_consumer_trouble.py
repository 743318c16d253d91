"""Nothing that the bus or the disk refuses ends the consumer: it is said, and made up for."""

from __future__ import annotations

import errno
import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from maestro_core.bus.producer import disk_error
from maestro_core.clock import FakeClock, iso
from maestro_core.consumer.budgets import TALLY_AGAIN, Budgets
from maestro_core.errors import BusError, ClaimLost
from maestro_core.files import OsFiles
from maestro_core.models import RunResult
from maestro_core.settings import CadenceSettings, Guard, Settings
from tests.core.consumer_kit import FAIL, OK, Kit, QuickDisk, always

GUARDED = {"memo": CadenceSettings(mode="guarded", guard=Guard(command=("check",)))}


class Refusing:
    """Takes the place of a function and raises while it has an error."""

    def __init__(self, function: Any) -> None:
        self.function = function
        self.error: Exception | None = None
        self.calls = 0

    def __call__(self, *args: Any, **named: Any) -> Any:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return self.function(*args, **named)


def refusing(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> Refusing:
    stand_in = Refusing(getattr(owner, name))
    monkeypatch.setattr(owner, name, stand_in)
    return stand_in


@pytest.mark.parametrize("error", [BusError("gone"), OSError(5, "Input/output error")])
@pytest.mark.parametrize("verb", ["waiting", "rejected", "refresh", "claim"])
def test_a_bus_that_refuses_is_trouble_and_not_a_dead_consumer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str, error: Exception
) -> None:
    kit = Kit(tmp_path).start()
    stand_in = refusing(monkeypatch, kit.engine, verb)
    stand_in.error = error
    kit.drop("memo")
    kit.run_for(10)
    assert kit.consumer.trouble is not None
    stand_in.error = None
    kit.run_for(10)
    assert kit.consumer.trouble is None
    assert kit.names("inbox") == []
    assert kit.stages().count("trouble") < 5


PORTS = {
    "engine": ["refresh", "rejected", "claim", "complete", "retry", "put_back", "heartbeat",
               "waiting", "ready_cadences", "next_ready_at"],
    "markers": ["paused", "emergency_stop"],
    "mailbox": ["pending", "acknowledge"],
}  # fmt: skip


class FailsOnce:
    """Counts the calls of all ports together; one of them raises."""

    def __init__(self, number: int, error: Exception) -> None:
        self.number = number
        self.error = error
        self.calls = 0

    def around(self, function: Any) -> Any:
        def call(*args: Any, **named: Any) -> Any:
            self.calls += 1
            if self.calls == self.number:
                raise self.error
            return function(*args, **named)

        return call


@pytest.mark.parametrize("error", [BusError("gone"), OSError(5, "Input/output error")])
def test_whichever_call_fails_once_the_consumer_lives_and_the_work_is_done(
    tmp_path: Path, error: Exception
) -> None:
    """A bus over a network can be gone between any two calls."""
    for number in itertools.count(1):
        fault = FailsOnce(number, error)
        kit = Kit(tmp_path / str(number), max_attempts=1).start()
        with pytest.MonkeyPatch.context() as patch:
            for port, verbs in PORTS.items():
                owner = getattr(kit.consumer.ports, port)
                for verb in verbs:
                    patch.setattr(owner, verb, fault.around(getattr(owner, verb)))
            kit.drop("memo")
            kit.run_for(30)
        kit.run_for(30)
        assert (kit.names("inbox"), kit.names("claimed"), kit.stats.escalated) == ([], [], 1)
        if fault.calls < number:
            return


def test_trouble_that_names_another_file_and_number_each_time_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        error = OSError(errno.ENOSPC, "No space left", f"{kit.layout.tmp}/{next(count)}")
        raise disk_error(f"cannot claim ({next(count)} bytes left)", error) from error

    count = itertools.count()
    kit = Kit(tmp_path).start()
    monkeypatch.setattr(kit.engine, "claim", refuse)
    kit.drop("memo")
    kit.run_for(60)
    assert f"No space left: {kit.layout.tmp}" in (kit.consumer.trouble or "")
    assert not (kit.consumer.trouble or "").endswith(tuple("0123456789"))
    assert kit.stages().count("trouble") == 1
    assert next(count) > 20


def test_a_producer_that_hangs_with_the_lock_of_the_keys_is_the_act_s_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maestro_core.files.LOCK_SECONDS", 0.05)
    kit = Kit(tmp_path, script=always(FAIL)).start()
    [tick_id] = kit.drop("memo")
    kit.run_for(300)
    assert kit.names("dlq") == [tick_id]
    with OsFiles().lock(kit.layout.dedupe_lock):
        [told] = kit.engine.retry_dead([tick_id])
    assert not told.ok and "another program has held this lock" in told.detail
    assert kit.names("dlq") == [tick_id]
    assert kit.engine.retry_dead([tick_id])[0].ok


def test_cadences_that_ticks_alone_have_named_do_not_pile_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maestro_core.consumer.loop.RECENT_CADENCES", 5)
    kit = Kit(tmp_path).start()
    for number in range(40):
        kit.drop(f"somebody-{number}")
    kit.run_for(600)
    assert kit.stats.escalated == 40
    assert len(kit.beat()["cadences"]) == 5


def test_whether_it_is_idle_is_not_known_while_the_bus_cannot_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit = Kit(tmp_path).start()
    stand_in = refusing(monkeypatch, kit.engine, "ready_cadences")
    stand_in.error = BusError("gone")
    assert not kit.consumer.is_idle()
    assert "gone" in (kit.consumer.trouble or "")
    stand_in.error = None
    assert kit.consumer.is_idle()
    assert kit.consumer.trouble is None


def test_trouble_of_a_look_is_shown_until_a_look_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit = Kit(tmp_path, poll_seconds=30).start()
    stand_in = refusing(monkeypatch, kit.engine, "refresh")
    stand_in.error = OSError(5, "Input/output error")
    kit.consumer.look()
    stand_in.error = None
    kit.consumer.step()
    assert kit.beat()["trouble"] == "cannot read the bus: Input/output error"
    kit.clock.advance(31)
    kit.consumer.step()
    assert kit.beat()["trouble"] is None


def test_a_file_that_is_ripe_is_a_reason_to_look_and_never_to_spin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit = Kit(tmp_path, poll_seconds=3600).start()
    looks = refusing(monkeypatch, kit.engine, "refresh")
    kit.consumer.step()
    assert looks.calls == 0
    monkeypatch.setattr(kit.engine, "next_ready_at", kit.clock.wall)
    kit.consumer.step()
    assert looks.calls == 1
    looks.error = OSError(5, "Input/output error")
    kit.consumer.look()
    pauses = [kit.consumer.step() for _ in range(3)]
    assert min(pauses) >= 0.2


def test_a_claim_that_is_lost_while_its_guard_asks_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit = Kit(tmp_path, cadences=GUARDED).start()
    kit.jobs.code = 1
    kit.drop("memo")
    with monkeypatch.context() as patched:
        patched.setattr(kit.consumer, "_land", lambda: None)
        kit.consumer.step()
    assert len(kit.consumer.flights) == 1
    stand_in = refusing(monkeypatch, kit.engine, "put_back")
    stand_in.error = ClaimLost("the claim is no longer ours")
    (kit.layout.paused / "memo.json").write_text("{}")
    kit.consumer.step()
    kit.consumer.step()
    kit.consumer.step()
    assert kit.stages().count("claim_lost") == 1
    assert not len(kit.consumer.flights)
    assert kit.consumer.trouble is None


@pytest.mark.parametrize("code", [0, 1])
def test_what_is_held_while_its_guard_asks_goes_back_unspent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    kit = Kit(tmp_path, cadences=GUARDED).start()
    kit.jobs.code = code
    [tick_id] = kit.drop("memo")
    with monkeypatch.context() as patched:
        patched.setattr(kit.consumer, "_land", lambda: None)
        kit.consumer.step()
    assert kit.names("claimed") == [tick_id]
    (kit.layout.paused / "memo.json").write_text("{}")
    kit.run_for(5)
    assert kit.tick("inbox", tick_id)["attempts"] == 0
    assert kit.launcher.starts == []
    assert kit.stats.last_decision == "put_back"


@pytest.mark.parametrize("result", [OK, FAIL])
def test_a_circuit_forced_open_outlives_the_run_that_was_going_on(
    tmp_path: Path, result: RunResult
) -> None:
    kit = Kit(tmp_path, always(result, 10), max_attempts=1, circuit_threshold=1).start()
    kit.drop("memo", 2)
    kit.run_for(1)
    assert kit.command("circuit_open", "memo", seconds=7200)
    opened = json.loads(kit.layout.circuit_open.read_text())["open"]["memo"]
    kit.run_for(3600)
    assert len(kit.launcher.starts) == 1
    now = json.loads(kit.layout.circuit_open.read_text())["open"]["memo"]
    assert (now["open_until"], now["forced"]) == (opened["open_until"], True)
    assert not {"circuit_closed", "circuit_opened"} & set(kit.stages())


def test_what_spends_no_attempt_is_no_failure_in_the_numbers(tmp_path: Path) -> None:
    quota = RunResult(outcome="quota", exit_code=1, failure_class="quota", reason="later")
    kit = Kit(tmp_path, always(quota)).start()
    kit.drop("memo")
    kit.run_for(5)
    assert (kit.stats.spawn_failures, kit.stats.last_decision) == (0, "put_back")


# ---- operators' commands -------------------------------------------------------------------


def order(kit: Kit, command_id: str, verb: str, *targets: str, **fields: Any) -> None:
    document = {
        "id": command_id, "verb": verb, "targets": targets, "at": iso(kit.clock.wall()),
        "actor": {"user": "ops", "via": "cli"},
    }  # fmt: skip
    (kit.layout.control / f"{command_id}.json").write_text(json.dumps(document | fields))


class NoAcks(QuickDisk):
    """A disk that refuses answers to operators while `refusing` is set."""

    refusing = False

    def rename(self, source: Any, target: Any) -> None:
        if self.refusing and "acks" in str(target):
            raise OSError(28, "No space left on device")
        super().rename(source, target)


def test_a_command_whose_answer_cannot_be_stored_is_not_applied_again(tmp_path: Path) -> None:
    disk = NoAcks()
    kit = Kit(tmp_path, fs=disk).start()
    disk.refusing = True
    order(kit, "c1", "circuit_open", "memo", seconds=60)
    kit.run_for(600)
    assert "cannot answer a command" in (kit.consumer.trouble or "")
    disk.refusing = False
    kit.run_for(10)
    assert json.loads((kit.layout.acks / "c1.json").read_text())["ok"]
    assert not (kit.layout.control / "c1.json").exists()
    assert kit.stages().count("circuit_open") == 1
    assert not kit.layout.circuit_open.exists()


def test_trouble_with_one_command_keeps_no_other_one_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit = Kit(tmp_path).start()
    stand_in = refusing(monkeypatch, kit.engine, "discard_dead")
    stand_in.error = BusError("the dead letters cannot be read")
    order(kit, "c1", "dlq_discard", "t1")
    order(kit, "c2", "circuit_open", "memo")
    kit.run_for(1)
    assert [path.stem for path in kit.layout.acks.glob("*.json")] == ["c2"]
    stand_in.error = None
    kit.run_for(1)
    assert (kit.layout.acks / "c1.json").exists()


# ---- budgets -------------------------------------------------------------------------------


def test_a_ledger_in_trouble_is_asked_again_and_forgets_no_spending() -> None:
    clock = FakeClock()
    answers: list[dict[str, float] | None] = [None, None, {"memo": 5.0, "other": 1.0}]
    asked: list[str] = []

    def tally(since: str) -> dict[str, float] | None:
        asked.append(since)
        return answers[len(asked) - 1]

    budgets = Budgets(clock, tally)
    budgets.refresh()
    budgets.add("memo", 2.0)
    budgets.add("new", 4.0)
    budgets.refresh()
    assert (len(asked), budgets.total()) == (1, 6.0)
    for _ in range(3):
        clock.advance(TALLY_AGAIN)
        budgets.refresh()
    assert (len(asked), budgets.total()) == (3, 10.0)
    settings = Settings(cadences={"memo": CadenceSettings(daily_hold_usd=5.0)})
    assert budgets.over("memo", settings) is not None
