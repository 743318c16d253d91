"""Runs of real children: what they are given, what is kept of them, and when they are ended."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from maestro_core.clock import FakeClock, SystemClock, parse_iso
from maestro_core.journal import Journal
from maestro_core.models import RunResult, Tick
from maestro_core.session import processes
from maestro_core.session.ledger import LedgerTrouble
from maestro_core.settings import Settings
from tests.core import stream_events as ev
from tests.core.session_kit import CADENCE, Bench, bench, environment_of, new_bench
from tests.support import wait_until

NewBench = Callable[..., Bench]
__all__ = ["bench", "new_bench"]


def says(bench: Bench, *events: dict[str, Any], name: str = "events") -> str:
    """A shell line that prints those events."""
    path = bench.layout.root / name
    path.write_bytes(ev.stream(*events))
    return f"cat {path}"


def files(bench: Bench) -> list[str]:
    return sorted(one.name for one in bench.layout.subsessions.iterdir())


# ---- what a run is given -------------------------------------------------------------------


def test_the_prompt_comes_over_stdin_from_a_file_and_in_no_argument(bench: Bench) -> None:
    bench.prompt("- Do {tick.payload.what}\n")
    tick = Tick(id="t1", cadence=CADENCE, attempts=1, payload={"what": "ünï ✓"})
    result = bench.run('cat; test -f /dev/stdin; echo; echo "$@"; pwd', tick=tick)
    assert result.ok
    said = Path(result.stdout_path or "").read_text()
    assert said == (
        f"- Do ünï ✓\n\n--print --output-format stream-json --verbose\n{bench.layout.root}\n"
    )


def test_a_prompt_of_megabytes_arrives_whole(bench: Bench) -> None:
    bench.prompt("x" * 3_000_000)
    result = bench.run("wc -c")
    assert Path(result.stdout_path or "").read_text().split() == ["3000000"]


def test_options_come_from_settings_first_and_from_front_matter_where_those_are_silent(
    bench: Bench,
) -> None:
    bench.prompt("---\nmodel: front\nmax_turns: 9\nbudget: 1\n---\nGo.\n")
    result = bench.run('echo "$@"', model="settings", args=("--extra", "a b"))
    said = Path(result.stdout_path or "").read_text().split("--verbose ")[1]
    assert said == "--model settings --max-turns 9 --max-budget-usd 1.0 --extra a b\n"


def test_the_environment_of_a_run(bench: Bench) -> None:
    bench.settings = Settings(env={"ANTHROPIC_API_KEY": "your-api-key", "FROM_DOTENV": "1"})
    result = bench.run("env", tick=Tick(id="t7", cadence=CADENCE, attempts=2))
    env = environment_of(Path(result.stdout_path or "").read_text())
    root = str(bench.layout.root)
    expected = {
        "AGENT_DIR": root, "AGENT_ROOT": root, "MAESTRO_CADENCE": CADENCE,
        "MAESTRO_TICK_ID": "t7", "MAESTRO_RUN_ID": "run-1", "FROM_DOTENV": "1",
        "CLAUDE_CODE_MAX_RETRIES": str(bench.settings.consumer.api_retry_cap),
    }  # fmt: skip
    assert expected.items() <= env.items()
    assert "ANTHROPIC_API_KEY" not in env


def test_a_run_has_a_session_and_a_group_of_its_own(bench: Bench) -> None:
    result = bench.run("ps -o pid=,sid=,pgid= -p $$")
    pid, sid, group = map(int, Path(result.stdout_path or "").read_text().split())
    assert pid == sid == group != os.getsid(0)


def test_a_run_gets_no_descriptor_of_ours_and_the_usual_signals(bench: Bench) -> None:
    python = "import os, signal; print(sorted(int(n) for n in os.listdir('/dev/fd')))"
    bench.script(f'exec python3 -c "{python}; print(signal.getsignal(signal.SIGPIPE))"')
    result = bench.finish(bench.start())
    fds, sigpipe = Path(result.stdout_path or "").read_text().splitlines()
    assert fds in ("[0, 1, 2, 3]", "[0, 1, 2, 3, 4]")
    # The interpreter ignores SIGPIPE by itself; a child that found it ignored would say so too.
    ignored = bench.run("yes | head -1 >/dev/null; exit 0")
    assert ignored.ok and ignored.stderr_path is None, sigpipe


def test_the_end_of_its_time_is_told_the_same_at_every_look(bench: Bench) -> None:
    bench.script("exec sleep 600")
    work = bench.start()
    told = set()
    for _ in range(50):
        told.add(work.running().timeout_at)
        work.poll()
    work.stop("shutdown", at_once=True)
    bench.finish(work)
    assert len(told) == 1


def test_the_wake_comes_when_the_run_ends(bench: Bench) -> None:
    bench.script("exit 0")
    woken = threading.Event()
    work = bench.launcher.start(bench.start().spec, woken.set)
    assert woken.wait(10)
    wait_until(work.poll)


# ---- what is kept of it --------------------------------------------------------------------


def test_both_outputs_are_kept_and_the_reason_is_stderr_s_end(bench: Bench) -> None:
    result = bench.run("echo out; for i in 1 2 3 4; do echo err $i >&2; done; exit 3")
    assert (result.outcome, result.exit_code, result.signal) == ("failed", 3, None)
    assert result.reason == "exit 3: err 2 | err 3 | err 4"
    assert Path(result.stdout_path or "").read_text() == "out\n"
    assert Path(result.stderr_path or "").read_text() == "err 1\nerr 2\nerr 3\nerr 4\n"


def test_the_reason_comes_from_the_last_4_kilobytes(bench: Bench) -> None:
    result = bench.run("yes 0123456789 | head -c 100000 >&2; echo >&2; echo last >&2; exit 1")
    assert result.reason is not None and result.reason.endswith("| last")


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ("exit 0", []),
        ("echo x", ["stdout"]),
        ("echo x >&2", ["stderr"]),
        ("echo x; echo y >&2", ["stderr", "stdout"]),
    ],
)
def test_each_empty_log_is_removed_on_its_own(bench: Bench, body: str, kept: list[str]) -> None:
    result = bench.run(body)
    left = [name.split(".")[-2] for name in files(bench) if name.endswith(".log")]
    assert left == kept
    assert (result.stdout_path is not None) == ("stdout" in kept)
    assert (result.stderr_path is not None) == ("stderr" in kept)


def test_the_names_of_the_logs_tell_day_cadence_and_time(new_bench: NewBench) -> None:
    bench = new_bench(clock=FakeClock(1_800_000_000.123))
    bench.run("echo x")
    second = bench.run("echo y")
    assert second.stdout_path is not None
    assert [name for name in files(bench) if name.endswith("stdout.log")] == [
        "2027-01-15-inbox-processor-2027-01-15T08-00-00-123Z.stdout.log",
        "2027-01-15-inbox-processor-2027-01-15T08-00-00-124Z.stdout.log",
    ]
    for path in bench.layout.subsessions.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_run_has_a_row_from_before_it_starts_to_after_it_ends(bench: Bench) -> None:
    bench.script(
        says(bench, ev.init(), ev.assistant(ev.text("Hi.")), ev.result("Hi.")) + "; read x"
    )
    work = bench.start(tick=Tick(id="t1", cadence=CADENCE, attempts=2))
    begun = bench.ledger.get("run-1")
    assert begun is not None
    assert (begun.tick_id, begun.attempt, begun.outcome) == ("t1", 2, None)
    assert begun.pid == work.running().pid
    assert begun.started_at == work.running().started_at

    result = bench.finish(work)
    row = bench.ledger.get("run-1")
    assert row is not None and result.ok
    assert (row.outcome, row.exit_code, row.duration) == ("ok", result.exit_code, result.duration)
    assert row.usage == result.usage
    assert (row.usage.session_id, row.usage.turns, row.usage.tokens_in) == (ev.SESSION, 1, 100)
    assert parse_iso(row.ended_at or "") >= parse_iso(row.started_at)


def test_the_journal_names_the_program_and_the_logs(bench: Bench) -> None:
    bench.run("echo x")
    entry = bench.journal.of("subsession_spawn")[0]
    assert entry["bin"] == str(bench.layout.root / "claude")
    assert entry["stdout"].endswith(".stdout.log") and entry["stderr"].endswith(".stderr.log")
    assert (entry["cadence"], entry["run_id"], entry["id"]) == (CADENCE, "run-1", "tick-1")


def test_what_is_odd_about_a_prompt_is_journalled(bench: Bench) -> None:
    bench.prompt("{tick.payload.nix}\n")
    bench.run("cat")
    assert "{tick.payload.nix}" in bench.journal.of("prompt_note")[0]["note"]


def test_a_ledger_that_cannot_be_written_does_not_stop_a_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object) -> int:
        raise LedgerTrouble("the disk is full")

    monkeypatch.setattr(bench.ledger, "_write", full)
    assert bench.run("echo x").ok
    assert len(bench.journal.of("ledger_trouble")) == 3


# ---- exit codes and outcomes ---------------------------------------------------------------


def test_an_end_by_a_signal_is_minus_1(bench: Bench) -> None:
    result = bench.run("kill -KILL $$")
    assert (result.exit_code, result.signal, result.failure_class) == (-1, 9, "killed")
    assert result.reason == "exit -1: ended by SIGKILL"


@pytest.mark.parametrize(
    ("prepare", "failure", "word"),
    [
        (lambda b: (b.layout.root / "claude").unlink(), "cli_missing", "MAESTRO_CLAUDE_BIN"),
        (lambda b: (b.layout.root / "claude").chmod(0o644), "cli_missing", "no executable file"),
        (
            lambda b: b.script("", shell="/no/such/shell"),
            "not_started",
            "No such file or directory (/",
        ),
        (lambda b: (b.layout.root / "claude").write_bytes(b"\0junk"), "not_started", "Exec format"),
        (lambda b: b.layout.prompt(CADENCE).unlink(), "prompt", "there is no prompt"),
        (lambda b: b.prompt(" \n"), "prompt", "says nothing"),
        (lambda b: b.prompt("---\nmax_turns: x\n---\nGo\n"), "prompt", "front matter 'max_turns'"),
    ],
)
def test_what_cannot_start_is_minus_4_and_says_why(
    bench: Bench, prepare: Any, failure: str, word: str
) -> None:
    bench.script("exit 0")
    prepare(bench)
    result = bench.finish(bench.start())
    assert (result.outcome, result.exit_code, result.failure_class) == ("failed", -4, failure)
    assert result.reason is not None
    assert result.reason.startswith("exit -4: could not start") and word in result.reason
    row = bench.ledger.get("run-1")
    assert row is not None and row.exit_code == -4 and row.reason == result.reason
    assert [name for name in files(bench) if name.endswith(".log")] == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ETXTBSY is Linux's")
def test_a_cli_that_is_being_replaced_costs_no_attempt(bench: Bench) -> None:
    bench.script("exit 0")
    with (bench.layout.root / "claude").open("ab"):
        result = bench.finish(bench.start())
    assert (result.exit_code, result.failure_class) == (-4, "no_room")
    assert bench.finish(bench.start()).ok


def test_a_cli_that_stops_itself_is_ended_at_its_time(bench: Bench) -> None:
    bench.script("kill -STOP $$; sleep 600")
    result = bench.finish(bench.start(timeout=0.5, grace=0.5))
    assert (result.outcome, result.signal) == ("timeout", signal.SIGKILL)
    assert bench.alive() == []


def test_hundreds_of_processes_that_a_run_leaves_are_ended(bench: Bench) -> None:
    result = bench.run("i=0; while [ $i -lt 200 ]; do setsid sleep 600 & i=$((i+1)); done")
    assert result.ok
    assert bench.alive() == []


def test_logs_that_are_taken_away_under_a_run_cost_only_its_words(bench: Bench) -> None:
    bench.script("echo $$ > pid; while [ ! -e go ]; do sleep 0.02; done; echo more; exit 3")
    work = bench.start()
    wait_until(bench.pid_file)
    shutil.rmtree(bench.layout.subsessions)
    (bench.layout.root / "go").touch()
    assert bench.finish(work).exit_code == 3


@pytest.mark.parametrize("other", ["mkfifo $p", "mkdir $p", "ln -s /etc/passwd $p"])
def test_what_a_run_puts_in_the_place_of_its_logs_holds_nobody_up(bench: Bench, other: str) -> None:
    paths = "$(readlink /proc/$$/fd/1) $(readlink /proc/$$/fd/2)"
    result = bench.run(f"for p in {paths}; do rm $p; {other}; done; exit 3", timeout=10)
    assert (result.exit_code, result.reason) == (3, "exit 3")


def test_an_emoji_that_the_cli_has_cut_in_two_is_a_reason_like_any_other(bench: Bench) -> None:
    events = (ev.init(model="m\ud800"), ev.result("no \ud83d", is_error=True))
    (bench.layout.root / "events").write_text("".join(f"{json.dumps(one)}\n" for one in events))
    result = bench.run("cat events; exit 1")
    assert result.reason == "exit 1: no \ufffd"
    assert [one.reason for one in bench.ledger.rows()] == [result.reason]


def test_output_that_we_stumble_over_costs_the_run_its_verdict_and_nobody_else(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(*_args: object) -> None:
        raise LookupError("unheard of")

    monkeypatch.setattr("maestro_core.session.transcript.Transcript.feed", stumble)
    monkeypatch.setattr("maestro_core.session.work.conclude", stumble)
    result = bench.run("echo x; exit 3")
    assert result.reason == "exit 3: not understood (LookupError: unheard of)"
    assert (result.outcome, result.failure_class) == ("failed", "unknown")
    assert bench.journal.of("output_trouble") and bench.journal.of("verdict_trouble")


def test_a_folder_that_cannot_be_written_is_a_result_too(bench: Bench) -> None:
    bench.script("exit 0")
    bench.layout.subsessions.rmdir()
    bench.layout.subsessions.write_text("a file in its place")
    result = bench.finish(bench.start())
    assert (result.exit_code, result.failure_class) == (-4, "not_started")


def test_a_full_disk_is_not_the_tick_s_fault(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    bench.script("exit 0")
    monkeypatch.setattr("maestro_core.session.logs.RunLogs.supply", full)
    result = bench.finish(bench.start())
    assert (result.exit_code, result.failure_class) == (-4, "no_room")
    assert result.reason == "exit -4: could not start: No space left on device"
    assert [name for name in files(bench) if name.endswith(".log")] == []


@pytest.mark.parametrize("kind", [OSError, ValueError])
def test_a_cap_that_fails_does_not_cost_the_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    def broken(_self: object) -> None:
        raise kind(errno.EIO, "Input/output error")

    monkeypatch.setattr("maestro_core.session.logcap.LogCap.check", broken)
    assert bench.run("echo x; exit 3").exit_code == 3
    assert "Input/output" in bench.journal.of("log_cap_trouble")[0]["error"]


def test_a_keeper_waits_for_the_next_run(bench: Bench) -> None:
    bench.script("exit 0")
    bench.launcher.prepare()
    waiting = bench.launcher._stock._waiting
    assert waiting is not None
    work = bench.start()
    assert bench.ledger.open_rows()[0].processes[0] == waiting.identity
    assert bench.finish(work).ok


def test_a_keeper_that_died_in_waiting_is_replaced(bench: Bench) -> None:
    bench.launcher.prepare()
    waiting = bench.launcher._stock._waiting
    assert waiting is not None
    waiting.process.kill()
    waiting.process.wait()
    assert bench.run("exit 0").ok


def test_a_keeper_that_is_stopped_in_waiting_is_a_result(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maestro_core.session.spare.GIVE_SECONDS", 0.2)
    monkeypatch.setattr("maestro_core.session.child.START_SECONDS", 0.2)
    bench.launcher.prepare()
    waiting = bench.launcher._stock._waiting
    assert waiting is not None
    os.kill(waiting.process.pid, signal.SIGSTOP)
    bench.script("exit 0")
    bench.environ["FILLER"] = "x" * 1_000_000
    result = bench.finish(bench.start())
    assert (result.exit_code, result.failure_class) == (-4, "not_started")
    assert waiting.process.returncode is not None, "it does not wake up to a job later"


@pytest.mark.parametrize("stopped", [False, True])
def test_a_run_that_nobody_can_listen_to_is_over_before_it_is_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    def refuse(thread: threading.Thread) -> None:
        wait_until(bench.pid_file)
        if stopped:
            os.kill(bench.ledger.open_rows()[0].processes[0][0], signal.SIGSTOP)
        raise RuntimeError("can't start new thread")

    bench.script("trap '' TERM; setsid sleep 600 & echo $$ > pid; sleep 600")
    monkeypatch.setattr(threading.Thread, "start", refuse)
    before = len(os.listdir("/dev/fd"))
    bench.launcher.prepare()
    work = bench.start()
    result = work.poll()
    assert result is not None and result.exit_code == -4
    assert "no room for another thread" in (result.reason or "")
    assert bench.alive() == []
    bench.launcher.close()
    assert len(os.listdir("/dev/fd")) <= before


def test_a_keeper_in_waiting_that_is_stopped_does_not_hold_up_the_end(bench: Bench) -> None:
    bench.launcher.prepare()
    waiting = bench.launcher._stock._waiting
    assert waiting is not None
    os.kill(waiting.process.pid, signal.SIGSTOP)
    bench.launcher.close()
    assert waiting.process.returncode is not None


def test_a_keeper_that_hangs_is_ended_itself(new_bench: NewBench) -> None:
    clock = FakeClock()
    bench = new_bench(clock=clock)
    bench.script("echo $$ > pid; exec sleep 600")
    work = bench.start()
    wait_until(bench.pid_file)
    os.kill(bench.ledger.open_rows()[0].processes[0][0], signal.SIGSTOP)
    work.stop("cancelled", at_once=True)
    assert work.poll() is None
    clock.advance(16)
    assert bench.finish(work).outcome == "cancelled"
    assert bench.alive() == []


def test_a_damaged_ledger_is_told_once(bench: Bench) -> None:
    bench.ledger.close()
    bench.layout.ledger.write_bytes(b"garbage" * 1000)
    assert bench.run("exit 0").ok and bench.run("exit 0").ok
    assert len(bench.journal.of("ledger_set_aside")) == 1
    assert len(bench.ledger.rows()) == 2


def test_a_damaged_ledger_is_made_up_from_the_journal(new_bench: NewBench) -> None:
    first = new_bench()
    journal = Journal(first.layout, first.clock)
    journal.write(
        "info", "subsession_spawn", id="t0", cadence=CADENCE, run_id="r0", attempt=1, pid=1
    )
    journal.write("info", "subsession_completed", run_id="r0", exit_code=0, duration_ms=1500)
    first.ledger.close()
    first.layout.ledger.write_bytes(b"garbage" * 1000)
    second = new_bench()
    assert second.journal.of("ledger_set_aside")[0]["from_journal"] == 1
    found = second.ledger.get("r0")
    assert found is not None and (found.outcome, found.duration) == ("ok", 1.5)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_keeper_is_deaf_to_who_ends_programs_by_their_name(bench: Bench, number: int) -> None:
    bench.script("echo $$ > pid; while [ ! -e go ]; do sleep 0.02; done; echo done; exit 3")
    work = bench.start()
    wait_until(bench.pid_file)
    [keeper] = [one for one in processes.table().values() if one.pid == keeper_of(bench)]
    assert processes.send(keeper.pid, keeper.token, number)
    (bench.layout.root / "go").touch()
    assert bench.finish(work).reason == "exit 3: done"


def keeper_of(bench: Bench) -> int:
    return bench.ledger.open_rows()[0].processes[0][0]


def test_a_keeper_that_is_killed_ends_its_run(bench: Bench) -> None:
    bench.script("echo $$ > pid; exec sleep 600")
    work = bench.start()
    wait_until(bench.pid_file)
    keeper = bench.ledger.open_rows()[0].processes[0][0]
    os.kill(keeper, signal.SIGKILL)
    result = bench.finish(work)
    assert (result.exit_code, result.signal, result.failure_class) == (-1, 9, "killed")
    assert bench.alive() == []


def test_a_cli_that_prints_plain_text_is_judged_by_its_exit_code(bench: Bench) -> None:
    assert bench.run("echo 'All done.'").ok
    assert bench.run("echo 'All done.'; exit 1").failure_class == "unknown"
    refused = bench.run("echo 'Not logged in · Please run /login'")
    assert (refused.outcome, refused.exit_code) == ("auth", 0)


def test_a_usage_limit_names_its_end(bench: Bench) -> None:
    info = {"status": "rejected", "resetsAt": 1_900_000_000, "rateLimitType": "five_hour"}
    limit = {"type": "rate_limit_event", "rate_limit_info": info}
    said = says(bench, ev.init(), limit, ev.failed_result("You've hit your 5-hour limit", 429))
    result = bench.run(f"{said}; exit 1")
    assert (result.outcome, result.hold_until) == ("quota", 1_900_000_000)


# ---- ending it -----------------------------------------------------------------------------


def test_a_run_that_takes_too_long_is_ended_politely(bench: Bench) -> None:
    result = bench.run("trap 'echo bye; exit 143' TERM; echo hi; sleep 600 & wait", timeout=0.3)
    assert (result.outcome, result.failure_class, result.exit_code) == ("timeout", "timeout", 143)
    assert result.reason == "exit 143: timed out after 0.3 s | hi | bye"
    assert bench.alive() == []


def test_time_that_the_machine_sleeps_does_not_count(new_bench: NewBench) -> None:
    clock = FakeClock()
    bench = new_bench(clock=clock)
    bench.script("echo $$ > pid; exec sleep 600")
    work = bench.start(timeout=100.0)
    wait_until(bench.pid_file)
    first = work.running().timeout_at
    clock.sleep_machine(10_000)
    assert work.poll() is None and bench.journal.of("subsession_ending") == []
    assert parse_iso(work.running().timeout_at or "") == parse_iso(first or "") + 10_000
    clock.advance(100)
    assert bench.finish(work).outcome == "timeout"


def test_a_wall_clock_that_jumps_ends_nothing(new_bench: NewBench) -> None:
    clock = FakeClock()
    bench = new_bench(clock=clock)
    bench.script("echo $$ > pid; exec sleep 600")
    work = bench.start(timeout=100.0)
    wait_until(bench.pid_file)
    clock.jump(10_000)
    assert work.poll() is None and bench.journal.of("subsession_ending") == []
    work.stop("cancelled")
    assert bench.finish(work).outcome == "cancelled"


@pytest.mark.parametrize("kind", ["cancelled", "shutdown", "emergency_stop"])
@pytest.mark.parametrize("at_once", [False, True])
def test_a_run_that_is_stopped_says_by_what(bench: Bench, kind: Any, at_once: bool) -> None:
    bench.script("echo $$ > pid; exec sleep 600")
    work = bench.start()
    wait_until(bench.pid_file)
    work.stop(kind, at_once=at_once)
    result = bench.finish(work)
    assert (result.outcome, result.failure_class) == (kind, None)
    assert result.signal == (9 if at_once else 15)
    assert kind in (result.reason or "")


def test_term_comes_first_and_kill_after_the_grace(new_bench: NewBench) -> None:
    clock = FakeClock()
    bench = new_bench(clock=clock)
    bench.script("trap 'echo asked' TERM; echo $$ > pid; while :; do sleep 0.05; done")
    work = bench.start(timeout=60, grace=30)
    wait_until(bench.pid_file)
    clock.advance(61)
    bench.until(work, lambda: "asked" in Path(work.running().stdout_path or "").read_text())
    assert work.running().activity == "being ended (timeout)"
    clock.advance(29)
    assert work.poll() is None
    clock.advance(2)
    result = bench.finish(work)
    assert (result.outcome, result.exit_code, result.signal) == ("timeout", -1, 9)


def test_a_second_harder_order_shortens_the_grace(bench: Bench) -> None:
    bench.script("trap '' TERM; echo $$ > pid; while :; do sleep 0.05; done")
    work = bench.start(grace=600)
    wait_until(bench.pid_file)
    work.stop("cancelled")
    work.poll()
    work.stop("shutdown", at_once=True)
    result = bench.finish(work)
    assert (result.outcome, result.signal) == ("cancelled", 9)


def test_a_stop_after_the_end_changes_nothing(bench: Bench) -> None:
    result = bench.run("exit 0")
    bench.script("exit 0")
    work = bench.start()
    assert bench.finish(work) == work.poll()
    work.stop("cancelled")
    assert work.poll() == bench.finish(work)
    assert result.ok


def test_polling_never_waits(bench: Bench) -> None:
    bench.script("trap '' TERM; yes | head -c 30000000; while :; do sleep 0.05; done")
    work = bench.start(timeout=0.5, grace=0.5)
    longest, result = 0.0, None
    while result is None:
        begun = time.thread_time()
        result = work.poll()
        longest = max(longest, time.thread_time() - begun)
        bench.wakes.wait(0.02)
    assert longest < 0.4


# ---- the CLI's own retries and manners -----------------------------------------------------


def test_a_refused_key_ends_the_run_at_the_first_retry(bench: Bench) -> None:
    body = says(bench, ev.init(), ev.retry(1, 401, "authentication_failed"))
    result = bench.run(f"{body}; exec sleep 600")
    assert (result.outcome, result.failure_class) == ("auth", "auth")
    assert "401" in (result.reason or "")


def test_retries_over_the_cap_end_the_run(bench: Bench) -> None:
    bench.consumer(api_retry_cap=3)
    body = says(bench, ev.init(), *[ev.retry(n, 529, "overloaded") for n in (1, 2, 3)])
    more = says(bench, ev.retry(4, 529, "overloaded"), name="more")
    bench.script(f"{body}; while [ ! -e go ]; do sleep 0.02; done; {more}; exec sleep 600")
    work = bench.start()
    bench.until(work, lambda: work.running().activity == "retry 3 of 10, 529")
    assert work.poll() is None and bench.journal.of("subsession_ending") == []
    (bench.layout.root / "go").touch()
    result = bench.finish(work)
    assert (result.outcome, result.failure_class) == ("overload", "overload")
    assert "retry 4 of 10, 529" in (result.reason or "")


def test_a_cli_that_stays_after_its_result_is_ended_after_a_grace(new_bench: NewBench) -> None:
    clock = FakeClock()
    bench = new_bench(clock=clock)
    body = says(bench, ev.init(), ev.assistant(ev.text("Hi.")), ev.result("Hi."))
    bench.script(f"{body}; echo $$ > pid; exec sleep 600")
    work = bench.start()
    bench.until(work, lambda: work.running().activity == "ending")
    clock.advance(19)
    assert work.poll() is None and bench.journal.of("subsession_ending") == []
    clock.advance(2)
    result = bench.finish(work)
    assert (result.outcome, result.signal) == ("ok", 15)
    assert bench.journal.of("subsession_ending")[0]["cause"] == "result"


def test_a_task_in_the_background_gets_more_time(new_bench: NewBench) -> None:
    clock = FakeClock()
    bench = new_bench(clock=clock)
    task = ev.system("background_tasks_changed", tasks=[{"task_id": "b1"}])
    body = says(bench, ev.init(), ev.assistant(ev.text("x")), task, ev.result("Hi."))
    bench.script(f"{body}; echo $$ > pid; exec sleep 600")
    work = bench.start(timeout=3600)
    bench.until(work, lambda: work.running().activity == "waiting for 1 background tasks")
    clock.advance(200)
    assert work.poll() is None and bench.journal.of("subsession_ending") == []
    clock.advance(101)
    assert bench.finish(work).ok


def test_its_activity_can_be_watched(bench: Bench) -> None:
    steps = [
        (ev.init(), "waiting for the API"),
        (ev.retry(1, 529), "retry 1 of 10, 529"),
        (ev.assistant(ev.tool("Bash", command="ls")), "tool Bash"),
        (ev.tool_result("x"), "waiting for the API"),
    ]
    lines = [
        f"{says(bench, event, name=f'e{n}')}; while [ ! -e go{n} ]; do sleep 0.01; done"
        for n, (event, _) in enumerate(steps)
    ]
    bench.script("\n".join(lines))
    work = bench.start()
    for number, (_, word) in enumerate(steps):
        bench.until(work, lambda word=word: work.running().activity == word)
        (bench.layout.root / f"go{number}").touch()
    assert bench.finish(work).failure_class == "no_result"


# ---- inline handlers -----------------------------------------------------------------------


def test_a_handler_gets_its_tick_on_stdin(bench: Bench) -> None:
    bench.script("cat; echo $MAESTRO_CADENCE $1 >&2", name="handler.sh")
    tick = Tick(id="t1", cadence="heartbeat", attempts=1, payload={"a": "@/etc/x"})
    result = bench.finish(bench.start(tick=tick, command=("./handler.sh", "now")))
    assert bench.journal.of("inline_spawn") and not bench.journal.of("subsession_spawn")
    assert result.ok
    document = json.loads(Path(result.stdout_path or "").read_text())
    assert (document["id"], document["payload"]) == ("t1", {"a": "@/etc/x"})
    assert Path(result.stderr_path or "").read_text() == "heartbeat now\n"


def test_a_handler_that_fails_or_is_missing(bench: Bench) -> None:
    failed = bench.finish(bench.start(command=("sh", "-c", "echo no >&2; exit 4")))
    assert (failed.exit_code, failed.reason) == (4, "exit 4: no")
    missing: RunResult = bench.finish(bench.start(command=("no-such-handler",)))
    assert (missing.exit_code, missing.failure_class) == (-4, "not_started")


@pytest.mark.parametrize(
    "said", ["Invalid API key", "usage limit reached|1795900846", "API Error: 529 x", "ENOMEM"]
)
def test_the_words_of_a_handler_are_not_those_of_the_cli(bench: Bench, said: str) -> None:
    bench.script(f"echo '{said}'; exit $1", name="handler.sh")
    failed = bench.finish(bench.start(command=("./handler.sh", "4")))
    assert (failed.outcome, failed.failure_class) == ("failed", "unknown")
    assert failed.reason == f"exit 4: {said}"
    assert bench.finish(bench.start(command=("./handler.sh", "0"))).ok


def test_events_that_a_handler_prints_end_nothing(bench: Bench) -> None:
    events = ev.stream(ev.init(), ev.retry(9, 401, "authentication_failed"), ev.result("Done."))
    (bench.layout.root / "events").write_bytes(events)
    bench.script("cat events; exec sleep 0.5", name="handler.sh")
    assert bench.finish(bench.start(command=("./handler.sh",))).ok
    assert not bench.journal.of("subsession_ending")


def test_the_clock_of_a_bench_is_the_real_one(bench: Bench) -> None:
    assert isinstance(bench.clock, SystemClock)
    begun = time.monotonic()
    result = bench.run("exit 0")
    assert 0 < result.duration <= time.monotonic() - begun
