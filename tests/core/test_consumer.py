"""The rules of the consumer as histories on a fake clock with real files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from maestro_core.journal import read_journal
from maestro_core.models import RunResult
from maestro_core.session.api import RunSpec
from maestro_core.settings import CadenceSettings, Guard, Handler
from tests.core.consumer_kit import FAIL, OK, FullDisk, Kit, always

DAY = 86400.0
NO_WAIT: dict[str, Any] = {"backoff_seconds": (0.0,)}


def test_a_tick_is_run_and_leaves_the_bus(tmp_path: Path) -> None:
    kit = Kit(tmp_path).start()
    [tick_id] = kit.drop("memo")
    kit.run_for(0.5)
    assert kit.names("claimed") == [tick_id]
    assert [run["tick_id"] for run in kit.beat()["running"]] == [tick_id]
    kit.run_for(5)
    assert kit.names("inbox") == kit.names("claimed") == kit.names("dlq") == []
    assert (kit.stats.ticks, kit.stats.escalated, kit.stats.last_decision) == (1, 1, "escalated")


def test_a_failing_tick_is_tried_twice_and_then_dead_lettered_with_its_reason(
    tmp_path: Path,
) -> None:
    kit = Kit(tmp_path, always(FAIL), circuit_threshold=999, **NO_WAIT).start()
    [tick_id] = kit.drop("memo")
    kit.run_for(60)
    dead = kit.tick("dlq", tick_id)
    assert dead["attempts"] == 2
    assert dead["last_error"] == "exit 1: boom"
    assert [one["attempt"] for one in dead["failures"]] == [1, 2]
    assert (kit.stats.retries, kit.stats.dlq, kit.stats.spawn_failures) == (1, 1, 2)
    assert len(kit.launcher.starts) == 2


def test_three_failures_open_the_circuit_and_nothing_of_it_is_spawned(tmp_path: Path) -> None:
    kit = Kit(tmp_path, always(FAIL), max_attempts=1, circuit_open_seconds=60, **NO_WAIT).start()
    kit.drop("memo", 5)
    kit.run_for(30)
    assert len(kit.launcher.starts) == 3
    assert len(kit.names("inbox")) == 2
    assert kit.stats.skipped_circuit_open == 2
    opened = json.loads(kit.layout.circuit_open.read_text())["open"]["memo"]
    assert opened["failures"] == 3
    beat = kit.beat()["cadences"]["memo"]
    assert (beat["state"], beat["open_until"]) == ("open", opened["open_until"])
    assert kit.stages().count("circuit_opened") == 1
    assert kit.stages().count("skipped_circuit_open") == 1


def test_held_ticks_keep_their_attempts_and_their_files(tmp_path: Path) -> None:
    kit = Kit(tmp_path, always(FAIL), max_attempts=1, **NO_WAIT).start()
    kit.drop("memo", 4)
    kit.run_for(10)
    [held] = kit.names("inbox")
    before = (kit.layout.inbox / f"{held}.json").stat()
    kit.run_for(300)
    after = (kit.layout.inbox / f"{held}.json").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert kit.tick("inbox", held)["attempts"] == 0


def test_back_off_holds_the_next_spawn_and_then_lets_it_go(tmp_path: Path) -> None:
    kit = Kit(tmp_path, always(FAIL), max_attempts=1, circuit_threshold=99).start()
    kit.drop("memo", 3)
    kit.run_for(25)
    assert len(kit.launcher.starts) == 1
    assert kit.stats.skipped_backoff == 2
    assert kit.beat()["cadences"]["memo"]["state"] == "backoff"
    kit.run_for(10)
    assert len(kit.launcher.starts) == 2
    kit.run_for(100)
    assert len(kit.launcher.starts) == 2
    kit.run_for(30)
    assert len(kit.launcher.starts) == 3


def test_a_held_cadence_never_delays_another_one(tmp_path: Path) -> None:
    def script(spec: RunSpec) -> tuple[float, RunResult]:
        return (1.0, FAIL if spec.tick.cadence == "memo" else OK)

    kit = Kit(tmp_path, script, max_attempts=1, circuit_threshold=1).start()
    kit.drop("memo", 40)
    kit.run_for(5)
    kit.drop("mail", 3)
    kit.run_for(10)
    assert kit.launcher.cadences() == ["memo", "mail", "mail", "mail"]


def test_success_clears_what_the_breaker_remembers(tmp_path: Path) -> None:
    results = [FAIL, FAIL, OK, FAIL, FAIL]
    kit = Kit(tmp_path, lambda _spec: (1.0, results.pop(0)), max_attempts=1, **NO_WAIT).start()
    kit.drop("memo", 5)
    kit.run_for(60)
    assert len(kit.launcher.starts) == 5
    assert not kit.layout.circuit_open.exists()
    assert kit.consumer.gates.get("memo").failures == 2


def test_after_the_open_time_one_probe_runs_and_closes_or_reopens(tmp_path: Path) -> None:
    results = [FAIL, FAIL, FAIL, OK, OK]
    kit = Kit(
        tmp_path, lambda _spec: (1.0, results.pop(0)), max_attempts=1, circuit_threshold=2,
        circuit_open_seconds=100, **NO_WAIT,
    ).start()  # fmt: skip
    kit.drop("memo", 5)
    kit.run_for(20)
    assert len(kit.launcher.starts) == 2
    kit.run_for(100)
    assert len(kit.launcher.starts) == 3, "one probe, which fails"
    assert kit.beat()["cadences"]["memo"]["state"] == "open"
    kit.run_for(100)
    assert len(kit.launcher.starts) == 5, "the second probe closes the circuit"
    assert not kit.layout.circuit_open.exists()
    stages = kit.stages()
    assert stages.count("circuit_opened") == 2
    assert stages.count("circuit_half_open") == 2
    assert stages.count("circuit_closed") == 1


def test_without_probe_the_circuit_just_closes(tmp_path: Path) -> None:
    kit = Kit(
        tmp_path, always(FAIL), max_attempts=1, circuit_threshold=1, circuit_open_seconds=50,
        probe=False, **NO_WAIT,
    ).start()  # fmt: skip
    kit.drop("memo", 1)
    kit.run_for(60)
    assert "circuit_closed" in kit.stages()
    assert kit.beat()["cadences"]["memo"] == {
        "state": "closed", "failures": 0, "next_allowed_at": None, "open_until": None,
        "reason": None,
    }  # fmt: skip


def test_one_sub_session_at_a_time_and_the_others_wait_unclaimed(tmp_path: Path) -> None:
    kit = Kit(tmp_path, always(OK, 10)).start()
    kit.drop("memo")
    kit.drop("mail")
    kit.run_for(5)
    assert len(kit.names("claimed")) == len(kit.names("inbox")) == 1
    kit.run_for(20)
    assert kit.stats.escalated == 2


def test_with_two_slots_two_cadences_run_and_one_cadence_never_twice(tmp_path: Path) -> None:
    kit = Kit(tmp_path, always(OK, 10), max_concurrent=2).start()
    kit.drop("memo", 2)
    kit.drop("mail")
    kit.run_for(5)
    assert sorted(kit.launcher.cadences()) == ["mail", "memo"]


def test_at_most_one_sub_session_starts_in_a_pass(tmp_path: Path) -> None:
    kit = Kit(tmp_path, always(OK, 10), max_concurrent=5)
    for cadence in ("a", "b", "c"):
        kit.drop(cadence)
    kit.start()
    kit.consumer.step()
    assert len(kit.launcher.starts) == 1
    kit.consumer.step()
    assert len(kit.launcher.starts) == 2


def test_a_cadence_of_higher_priority_goes_first_without_its_ticks_saying_so(
    tmp_path: Path,
) -> None:
    kit = Kit(tmp_path, cadences={"urgent": CadenceSettings(priority=9)})
    for cadence in ("memo", "urgent"):
        kit.drop(cadence)
    kit.drop("mail", priority=10)
    kit.start()
    kit.run_for(10)
    assert kit.launcher.cadences() == ["mail", "urgent", "memo"]


def test_sixteen_inline_ticks_a_pass_while_a_sub_session_runs(tmp_path: Path) -> None:
    inline = CadenceSettings(mode="inline", handler="heartbeat")
    kit = Kit(tmp_path, always(OK, 1000), cadences={"beat": inline}).start()
    kit.drop("memo")
    kit.run_for(1)
    kit.drop("beat", 20)
    kit.consumer.look()
    kit.consumer.step()
    assert kit.stats.inline == 16
    kit.consumer.step()
    assert kit.stats.inline == 20


def test_what_a_pass_leaves_of_many_inline_ticks_does_not_wait_for_the_next_look(
    tmp_path: Path,
) -> None:
    inline = CadenceSettings(mode="inline", handler="heartbeat")
    kit = Kit(tmp_path, cadences={"beat": inline}).start()
    kit.drop("beat", 40)
    kit.consumer.look()
    pauses = [kit.consumer.step() for _ in range(3)]
    assert kit.stats.inline == 40
    assert max(pauses[:2]) <= 0.01
    assert pauses[2] > 0.1


def test_an_unregistered_cadence_without_a_prompt_is_dead_lettered_at_once(tmp_path: Path) -> None:
    kit = Kit(tmp_path).start()
    [tick_id] = kit.drop("ghost")
    kit.layout.prompt("ghost").unlink()
    kit.run_for(1)
    assert "unknown cadence" in kit.tick("dlq", tick_id)["last_error"]
    assert kit.launcher.starts == []


def test_an_emergency_stop_claims_nothing_and_ticks_stay(tmp_path: Path) -> None:
    kit = Kit(tmp_path).start()
    kit.layout.emergency_stop.touch()
    kit.drop("memo", 3)
    kit.run_for(600)
    assert len(kit.names("inbox")) == 3
    assert kit.launcher.starts == []
    assert kit.stats.skipped_emergency_stop == 3
    kit.layout.emergency_stop.unlink()
    kit.run_for(30)
    assert kit.stats.escalated == 3
    assert kit.stages().count("emergency_stop") == kit.stages().count("emergency_stop_cleared") == 1


def test_an_emergency_stop_lets_the_running_one_finish_unless_it_says_kill(tmp_path: Path) -> None:
    kit = Kit(tmp_path, always(OK, 60)).start()
    [tick_id] = kit.drop("memo")
    kit.run_for(5)
    kit.layout.emergency_stop.write_text('{"reason": "look"}')
    kit.run_for(5)
    assert kit.names("claimed") == [tick_id]
    kit.layout.emergency_stop.write_text('{"kill": true}')
    kit.run_for(5)
    assert kit.names("inbox") == [tick_id]
    assert kit.tick("inbox", tick_id)["attempts"] == 0


def test_a_paused_cadence_waits_and_survives_a_restart(tmp_path: Path) -> None:
    kit = Kit(tmp_path).start()
    (kit.layout.paused / "memo.json").write_text("{}")
    kit.drop("memo")
    kit.run_for(DAY)
    kit.restart(crash=False)
    kit.run_for(60)
    assert kit.launcher.starts == []
    assert kit.beat()["cadences"]["memo"]["state"] == "paused"
    (kit.layout.paused / "memo.json").unlink()
    kit.run_for(5)
    assert kit.stats.escalated == 1


GUARDED = {"mail": CadenceSettings(mode="guarded", guard=Guard(files="state/inbox/*.md"))}


def test_a_guard_without_a_match_completes_the_tick_inline(tmp_path: Path) -> None:
    kit = Kit(tmp_path, cadences=GUARDED).start()
    kit.drop("mail")
    kit.run_for(1)
    assert (kit.stats.inline, kit.launcher.starts, kit.names("inbox")) == (1, [], [])


def test_a_guard_with_a_match_escalates(tmp_path: Path) -> None:
    kit = Kit(tmp_path, cadences=GUARDED).start()
    (tmp_path / "state" / "inbox").mkdir()
    (tmp_path / "state" / "inbox" / "letter.md").touch()
    kit.drop("mail")
    kit.run_for(5)
    assert (kit.stats.inline, kit.stats.escalated) == (0, 1)


def test_a_guard_that_escalates_without_a_free_slot_is_put_back_once_unspent(
    tmp_path: Path,
) -> None:
    kit = Kit(tmp_path, always(OK, 100), cadences=GUARDED).start()
    (tmp_path / "state" / "inbox").mkdir()
    (tmp_path / "state" / "inbox" / "letter.md").touch()
    kit.drop("memo")
    kit.run_for(1)
    [tick_id] = kit.drop("mail")
    kit.run_for(50)
    assert kit.tick("inbox", tick_id)["attempts"] == 0
    assert kit.stages().count("deferred") == 1
    assert kit.stats.ticks == 2
    kit.run_for(200)
    assert kit.stats.escalated == 2


@pytest.mark.parametrize(("code", "inline", "escalated"), [(0, 0, 1), (1, 1, 0)])
def test_a_guard_command_decides_by_its_exit_code(
    tmp_path: Path, code: int, inline: int, escalated: int
) -> None:
    guard = CadenceSettings(mode="guarded", guard=Guard(command=("check",)))
    kit = Kit(tmp_path, cadences={"mail": guard}).start()
    kit.jobs.code = code
    kit.drop("mail")
    kit.run_for(10)
    assert (kit.stats.inline, kit.stats.escalated) == (inline, escalated)


def test_an_inline_command_is_a_run_that_takes_no_slot(tmp_path: Path) -> None:
    inline = CadenceSettings(mode="inline", handler=Handler(command=("sync",)))
    kit = Kit(tmp_path, always(OK, 20), cadences={"sync": inline}).start()
    kit.drop("memo")
    kit.drop("sync")
    kit.run_for(5)
    assert [spec.command for spec in kit.launcher.starts] == [None, ("sync",)]


def test_an_inline_handler_that_fails_is_retried_and_counted_as_no_spawn(tmp_path: Path) -> None:
    inline = CadenceSettings(mode="inline", handler=Handler(command=("sync",)))
    kit = Kit(tmp_path, always(FAIL), cadences={"sync": inline}, **NO_WAIT).start()
    [tick_id] = kit.drop("sync")
    kit.run_for(10)
    assert kit.tick("dlq", tick_id)["last_error"] == "exit 1: boom"
    assert (kit.stats.retries, kit.stats.dlq, kit.stats.spawn_failures) == (1, 1, 0)
    assert kit.stages().count("inline_failed") == 2
    assert "subsession_failed" not in kit.stages()


def test_an_inline_handler_without_room_waits_alone_and_spends_nothing(tmp_path: Path) -> None:
    inline = CadenceSettings(mode="inline", handler=Handler(command=("sync",)))
    full = RunResult(outcome="overload", exit_code=-4, failure_class="no_room", reason="no room")
    kit = Kit(tmp_path, always(full), cadences={"sync": inline}).start()
    [tick_id] = kit.drop("sync")
    kit.run_for(59)
    assert kit.launcher.cadences() == ["sync"]
    assert kit.tick("inbox", tick_id)["attempts"] == 0
    assert kit.beat()["hold"] is None
    kit.run_for(5)
    assert kit.launcher.cadences() == ["sync", "sync"]


def test_retention_needs_no_cadence_of_its_own(tmp_path: Path) -> None:
    kit = Kit(tmp_path).start()
    log = kit.layout.subsessions / "2020-01-01-memo-x.stdout.log"
    log.parent.mkdir(parents=True, exist_ok=True)

    def plant() -> None:
        log.write_text("old")
        os.utime(log, (0, 0))

    plant()
    kit.run_for(50)
    assert log.exists(), "not before what waited had its turn"
    kit.run_for(20)
    assert not log.exists()
    plant()
    kit.run_for(23 * 3600)
    assert log.exists(), "once a day"
    kit.run_for(3600)
    assert not log.exists()
    told = [one for one in read_journal(kit.layout, limit=50) if one["stage"] == "housekeeping"]
    assert [one["detail"] for one in told] == ["dropped 1 logs", "dropped 1 logs"]


def test_what_the_doctor_finds_is_told_and_does_not_fail_its_tick(tmp_path: Path) -> None:
    inline = CadenceSettings(mode="inline", handler="doctor")
    kit = Kit(tmp_path, cadences={"health": inline}).start()
    kit.drop("health")
    kit.run_for(2)
    assert (kit.stats.inline, kit.names("inbox"), kit.names("dlq")) == (1, [], [])
    (found,) = [one for one in read_journal(kit.layout, limit=50) if one["stage"] == "doctor_round"]
    assert (found["level"], "env.present" in found["failed"]) == ("error", True)
    assert ".env file: " in found["error"]


# ---- what is not the cadence's failure --------------------------------------------------

QUOTA = RunResult(outcome="quota", exit_code=1, failure_class="quota", reason="resets 1:27am")


def test_a_usage_limit_waits_for_the_named_time_and_spends_nothing(tmp_path: Path) -> None:
    kit = Kit(tmp_path)
    reset_at = kit.clock.wall() + 3600
    hit = RunResult(
        outcome="quota", exit_code=1, failure_class="quota", reason="limit", hold_until=reset_at
    )
    kit.launcher.script = lambda _spec: (1.0, OK if kit.clock.wall() >= reset_at else hit)
    kit.start()
    kit.drop("memo")
    kit.drop("mail")
    kit.run_for(1800)
    assert len(kit.launcher.starts) == 1
    assert {kit.tick("inbox", one)["attempts"] for one in kit.names("inbox")} == {0}
    beat = kit.beat()
    assert beat["cadences"]["mail"]["state"] == "quota"
    assert beat["hold"]["kind"] == "quota"
    assert not kit.layout.circuit_open.exists()
    kit.run_for(1900)
    assert kit.stats.escalated == 2
    assert kit.beat()["hold"] is None


def test_a_refused_key_holds_every_cadence_until_the_settings_change(tmp_path: Path) -> None:
    refused = RunResult(outcome="auth", exit_code=1, failure_class="auth", reason="401")
    kit = Kit(tmp_path, always(refused)).start()
    for cadence in ("a", "b", "c"):
        kit.drop(cadence, 5)
    kit.run_for(1000)
    assert len(kit.launcher.starts) == 1, "one try, not one for each tick"
    assert kit.beat()["hold"]["kind"] == "auth"
    kit.launcher.script = always(OK)
    kit.settings.changed = True
    kit.run_for(60)
    assert kit.stats.escalated == 15


def test_an_end_that_is_named_again_and_again_and_is_none_starts_no_storm(tmp_path: Path) -> None:
    kit = Kit(tmp_path)

    def hit(_spec: RunSpec) -> tuple[float, RunResult]:
        soon = kit.clock.wall() + 3
        return 1.0, RunResult(
            outcome="quota", exit_code=1, failure_class="quota", reason="x", hold_until=soon
        )

    kit.launcher.script = hit
    kit.start()
    kit.drop("memo")
    kit.run_for(600)
    assert len(kit.launcher.starts) == 4
    kit.run_for(1800)
    assert len(kit.launcher.starts) == 5


def test_inline_cadences_go_on_during_a_hold(tmp_path: Path) -> None:
    inline = CadenceSettings(mode="inline", handler="heartbeat")
    kit = Kit(tmp_path, always(QUOTA), cadences={"beat": inline}).start()
    kit.drop("memo")
    kit.run_for(5)
    kit.drop("beat")
    kit.run_for(5)
    assert kit.stats.inline == 1


# ---- operators --------------------------------------------------------------------------


def test_force_closing_a_circuit_runs_the_next_tick_at_once(tmp_path: Path) -> None:
    kit = Kit(tmp_path, always(FAIL), max_attempts=1, circuit_threshold=1, **NO_WAIT).start()
    kit.drop("memo", 2)
    kit.run_for(20)
    kit.launcher.script = always(OK)
    assert kit.command("circuit_close", "memo")
    assert not kit.layout.circuit_open.exists()
    kit.run_for(5)
    assert kit.stats.escalated == 1


def test_a_forced_probe_lets_one_through(tmp_path: Path) -> None:
    kit = Kit(tmp_path, always(FAIL), max_attempts=1, circuit_threshold=1, **NO_WAIT).start()
    kit.drop("memo", 3)
    kit.run_for(20)
    assert kit.command("circuit_probe", "memo")
    kit.run_for(20)
    assert len(kit.launcher.starts) == 2
    assert kit.command("circuit_probe", "other") is False


def test_holding_a_circuit_open_outlives_a_clean_restart(tmp_path: Path) -> None:
    kit = Kit(tmp_path).start()
    assert kit.command("circuit_open", "memo", seconds=3600.0)
    kit.restart(crash=False)
    kit.drop("memo")
    kit.run_for(1000)
    assert kit.launcher.starts == []


def test_a_cancelled_run_becomes_a_dead_letter_and_no_failure_of_the_cadence(
    tmp_path: Path,
) -> None:
    kit = Kit(tmp_path, always(OK, 1000)).start()
    [tick_id] = kit.drop("memo")
    kit.run_for(5)
    assert kit.command("cancel", kit.launcher.starts[0].run_id)
    kit.run_for(10)
    assert kit.names("dlq") == [tick_id]
    assert kit.consumer.gates.get("memo").failures == 0
    assert kit.command("cancel", "no-such-run") is False


def test_a_retried_dead_letter_starts_over_and_keeps_its_history(tmp_path: Path) -> None:
    kit = Kit(tmp_path, always(FAIL), max_attempts=1, **NO_WAIT).start()
    [tick_id] = kit.drop("memo")
    kit.run_for(5)
    kit.launcher.script = always(OK, 50)
    assert kit.command("dlq_retry", tick_id)
    kit.run_for(5)
    running = kit.tick("claimed", tick_id)
    assert running["attempts"] == 1
    assert len(running["failures"]) == 1
    assert kit.command("dlq_retry", "no-such-tick") is False


# ---- restarts, crashes, trouble ---------------------------------------------------------


def test_a_clean_stop_puts_the_running_tick_back_with_its_attempt(tmp_path: Path) -> None:
    kit = Kit(tmp_path, always(OK, 1000)).start()
    [tick_id] = kit.drop("memo")
    kit.run_for(5)
    kit.stop()
    assert kit.tick("inbox", tick_id)["attempts"] == 0
    beat = kit.beat()
    assert beat["running"] == [] and beat["stopped_at"]


def test_after_a_clean_stop_the_next_start_is_afresh(tmp_path: Path) -> None:
    kit = Kit(tmp_path, always(FAIL), max_attempts=1, circuit_threshold=1, **NO_WAIT).start()
    kit.drop("memo", 2)
    kit.run_for(20)
    kit.launcher.script = always(OK)
    kit.restart(crash=False)
    kit.run_for(5)
    assert kit.stats.escalated == 1


def test_after_a_crash_open_circuits_hold_and_orphans_end_before_their_ticks_go_back(
    tmp_path: Path,
) -> None:
    kit = Kit(tmp_path, always(FAIL), max_attempts=1, circuit_threshold=1, **NO_WAIT).start()
    kit.drop("memo", 2)
    kit.run_for(20)
    kit.launcher.script = always(OK, 1000)
    [running] = kit.drop("mail")
    kit.run_for(5)
    kit.restart(crash=True)
    assert kit.launcher.orphans_of[-1] == {running}
    kit.run_for(20)
    assert kit.launcher.cadences() == ["memo", "mail", "mail"]
    again = kit.tick("claimed", running)
    assert (again["attempts"], again["recoveries"]) == (2, 1)


def test_a_tick_that_kills_its_consumer_three_times_is_dead_lettered(tmp_path: Path) -> None:
    kit = Kit(tmp_path, always(OK, 1000)).start()
    [tick_id] = kit.drop("memo")
    for _ in range(3):
        kit.run_for(5)
        kit.restart(crash=True)
    kit.run_for(60)
    assert "poison" in kit.tick("dlq", tick_id)["last_error"]
    assert len(kit.launcher.starts) == 3


def test_a_wall_clock_that_jumps_changes_no_hold(tmp_path: Path) -> None:
    kit = Kit(tmp_path, always(FAIL), max_attempts=1, circuit_threshold=1, **NO_WAIT).start()
    kit.drop("memo", 2)
    kit.run_for(20)
    kit.clock.jump(7200)
    kit.run_for(60)
    assert len(kit.launcher.starts) == 1, "nothing runs early"
    kit.clock.jump(-86400)
    kit.run_for(1800)
    assert len(kit.launcher.starts) == 2, "and no circuit stays open for longer"


def test_a_full_disk_holds_the_consumer_says_so_and_passes(tmp_path: Path) -> None:
    disk = FullDisk()
    kit = Kit(tmp_path, always(OK), fs=disk).start()
    kit.drop("memo", 3)
    kit.run_for(0.5)
    disk.full = True
    kit.run_for(60)
    assert "No space left" in (kit.consumer.trouble or "")
    disk.full = False
    kit.run_for(60)
    assert kit.stats.escalated == 3
    assert kit.names("inbox") == kit.names("claimed") == []
    assert kit.stages().count("trouble") < 10


def test_until_idle_is_reached_when_all_that_waits_is_held(tmp_path: Path) -> None:
    kit = Kit(tmp_path, always(FAIL), max_attempts=1, circuit_threshold=1, **NO_WAIT).start()
    kit.drop("memo", 2)
    assert not kit.consumer.is_idle()
    kit.run_for(20)
    assert kit.consumer.is_idle()


def test_a_run_that_ends_within_its_own_pass_does_not_look_like_the_end_of_work(
    tmp_path: Path,
) -> None:
    kit = Kit(tmp_path, always(FAIL, 0.0), circuit_threshold=99, **NO_WAIT).start()
    kit.drop("memo")
    kit.consumer.step()
    assert not kit.consumer.is_idle()


def test_a_tick_with_a_later_time_waits_for_it_and_blocks_nobody(tmp_path: Path) -> None:
    from maestro_core.clock import iso

    kit = Kit(tmp_path).start()
    kit.drop("memo", not_before=iso(kit.clock.wall() + 100))
    kit.drop("memo")
    kit.run_for(90)
    assert kit.stats.escalated == 1
    kit.run_for(20)
    assert kit.stats.escalated == 2


# ---- budgets ----------------------------------------------------------------------------


def costing(usd: float) -> RunResult:
    from maestro_core.models import Usage

    return RunResult(outcome="ok", exit_code=0, usage=Usage(cost_usd=usd))


def test_a_cadence_over_its_daily_budget_waits_for_the_next_day(tmp_path: Path) -> None:
    cadences = {"memo": CadenceSettings(daily_warn_usd=0.5, daily_hold_usd=1.0)}
    kit = Kit(tmp_path, always(costing(0.6)), cadences=cadences).start()
    kit.prompt("memo")
    kit.drop("memo", 4)
    kit.drop("mail")
    kit.run_for(60)
    assert kit.launcher.cadences().count("memo") == 2
    assert "mail" in kit.launcher.cadences()
    beat = kit.beat()["cadences"]["memo"]
    assert beat["state"] == "quota" and "1.20 of 1.00 USD" in beat["reason"]
    assert kit.stages().count("budget_warning") == 1
    kit.run_for(DAY)
    assert kit.launcher.cadences().count("memo") == 4


def test_a_lifted_budget_lets_the_cadence_go_on_today(tmp_path: Path) -> None:
    cadences = {"memo": CadenceSettings(daily_hold_usd=1.0)}
    kit = Kit(tmp_path, always(costing(2)), cadences=cadences).start()
    kit.drop("memo", 2)
    kit.run_for(60)
    assert len(kit.launcher.starts) == 1
    kit.consumer.keeper.budgets.lift("memo")
    kit.run_for(60)
    assert len(kit.launcher.starts) == 2


def test_the_budget_of_all_cadences_holds_them_all(tmp_path: Path) -> None:
    kit = Kit(tmp_path, always(costing(2)), daily_hold_usd=3.0).start()
    for cadence in ("a", "b", "c"):
        kit.drop(cadence)
    kit.run_for(60)
    assert len(kit.launcher.starts) == 2
