"""Proves the acting commands on real files and real processes: enqueue, pause, dead letters,
circuits, emergency stop, tail, run and its signals; read-only refuses every one of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from maestro_core.clock import iso
from maestro_core.consumer.ownership import Ownership
from maestro_core.layout import Layout
from maestro_core.models import RunResult, RunRow, Usage
from maestro_core.session.ledger import Ledger
from tests.core.cli_kit import Shell
from tests.support import read_json, wait_until, write_json, write_tick

PROGRAM = str(Path(sys.executable).parent / "maestro-tui")


@pytest.fixture
def shell(agent_root: Layout, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(agent_root, capsys)


@contextmanager
def program(layout: Layout, *words: str) -> Iterator[subprocess.Popen[str]]:
    """The installed program, ended at the end of the block."""
    process = subprocess.Popen(
        [PROGRAM, "--root", str(layout.root), *words], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


# ---- enqueue -------------------------------------------------------------------------------


def test_enqueue_prints_the_id_of_a_tick_that_has_everything_asked_for(shell: Shell) -> None:
    done = shell(
        "enqueue", "memo", "--source", "cron", "--payload", '{"n": [1, null]}', "--priority", "-3",
        "--dedupe-key", "k", "--not-before", "2026-11-24T03:03:04+01:00",
    )  # fmt: skip
    assert done.code == 0
    tick = read_json(shell.layout.inbox / f"{done.out.strip()}.json")
    assert tick == {
        "id": done.out.strip(), "cadence": "memo", "source": "cron", "attempts": 0,
        "enqueued_at": tick["enqueued_at"], "payload": {"n": [1, None]}, "priority": -3,
        "dedupe_key": "k", "not_before": "2026-11-24T02:03:04.000Z",
    }  # fmt: skip


def test_a_payload_may_be_null_or_come_from_stdin(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    import io

    tick_id = shell("enqueue", "memo", "--payload", "null").out.strip()
    assert read_json(shell.layout.inbox / f"{tick_id}.json")["payload"] is None
    monkeypatch.setattr(sys, "stdin", io.StringIO('["from", "stdin"]'))
    tick_id = shell("enqueue", "memo", "--payload", "-").out.strip()
    assert read_json(shell.layout.inbox / f"{tick_id}.json")["payload"] == ["from", "stdin"]


def test_a_duplicate_prints_the_live_id_and_says_so(shell: Shell) -> None:
    first = shell("enqueue", "memo", "--dedupe-key", "k")
    second = shell("enqueue", "memo", "--dedupe-key", "k")
    assert (second.code, second.out) == (0, first.out)
    assert "not added" in second.err
    document = shell("enqueue", "memo", "--dedupe-key", "k", "--json").document
    assert document == {"schema_version": 1, "id": first.out.strip(), "fresh": False}
    assert len(os.listdir(shell.layout.inbox)) == 1


def test_settings_that_are_no_file_hold_no_producer_up(shell: Shell) -> None:
    shell.layout.cadences_toml.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(shell.layout.cadences_toml)
    assert shell("enqueue", "memo").code == 0
    assert shell("completion", "cadences").code == 0


def test_a_cadence_that_nobody_knows_is_enqueued_with_a_warning(shell: Shell) -> None:
    assert "dead-lettered" in shell("enqueue", "memmo").err
    shell.layout.triggers.mkdir(parents=True)
    shell.layout.prompt("memo").write_text("x")
    assert shell("enqueue", "memo").err == ""
    shell.layout.cadences_toml.parent.mkdir()
    shell.layout.cadences_toml.write_text("[cadence.beat]\n")
    assert shell("enqueue", "beat").err == ""


def test_only_an_operators_tick_is_an_operators_act(shell: Shell) -> None:
    shell("enqueue", "memo", "--source", "cron")
    assert not shell.layout.operators_log.exists()
    shell("enqueue", "memo")
    act = json.loads(shell.layout.operators_log.read_text())
    assert (act["verb"], act["targets"], act["actor"]["via"]) == ("enqueue", ["memo"], "cli")


def test_a_root_that_has_no_bus_yet_gets_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh = Shell(Layout(tmp_path), capsys)
    tick_id = fresh("enqueue", "memo").out.strip()
    assert (fresh.layout.inbox / f"{tick_id}.json").stat().st_mode & 0o777 == 0o600


# ---- acts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["pause", "mmemo"], ["circuit", "open", "mmemo"]])
def test_a_cadence_that_nobody_knows_is_held_and_the_name_is_doubted(
    shell: Shell, words: list[str]
) -> None:
    done = shell(*words)
    assert done.code == 0 and done.out.startswith("mmemo: ")
    assert "no cadence is called mmemo" in done.err
    shell.layout.triggers.mkdir(parents=True, exist_ok=True)
    shell.layout.prompt("mmemo").write_text("Do it.\n")
    assert shell(*words).err == ""


def test_pause_and_resume(shell: Shell) -> None:
    assert shell("pause", "memo", "--reason", "R").out == "memo: paused\n"
    assert read_json(shell.layout.paused / "memo.json")["reason"] == "R"
    assert shell("resume", "memo").out == "memo: resumed\n"
    assert shell("resume", "memo").out == "memo: was not paused\n"
    assert os.listdir(shell.layout.paused) == []


def test_a_reason_that_is_no_utf_8_keeps_no_act_from_being_done_and_told(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason, kept = "f\udcfcr alle", "f\ufffdr alle"  # as a terminal that speaks Latin-1 types it
    assert shell("estop", "--reason", reason).code == 0
    assert read_json(shell.layout.emergency_stop)["reason"] == kept
    assert kept in shell("journal").out
    monkeypatch.setattr("maestro_core.control.operator.WAIT_SECONDS", 0.05)
    owner = Ownership.acquire(shell.layout, what="daemon")
    assert "stays queued" in shell("circuit", "open", "memo", "--reason", reason).err
    owner.release()
    [command] = shell.layout.control.glob("*.json")
    assert read_json(command)["reason"] == kept


def test_the_emergency_stop_is_engaged_and_lifted(shell: Shell) -> None:
    assert shell("estop", "--kill", "--reason", "fire").code == 0
    marker = read_json(shell.layout.emergency_stop)
    assert (marker["kill"], marker["reason"]) == (True, "fire")
    assert shell("estop", "--clear", "--reason", "it was the oven").code == 0
    assert not shell.layout.emergency_stop.exists()
    assert "it was the oven" in shell("journal").out


def test_dead_letters_go_back_to_trash_and_back(shell: Shell) -> None:
    for number in range(3):
        write_tick(shell.layout.dlq, f"t{number}", "memo", attempts=2, last_error="exit 1")
    assert shell("dlq", "retry", "t0").out == "t0: back in the inbox\n"
    assert read_json(shell.layout.inbox / "t0.json")["attempts"] == 0
    assert shell("dlq", "discard", "--all").code == 0
    assert sorted(os.listdir(shell.layout.trash)) == ["t1.json", "t2.json"]
    assert [row["id"] for row in shell("dlq", "list", "--trash", "--json").document["dead_letters"]]
    assert shell("dlq", "restore", "t1").out == "t1: a dead letter again\n"
    assert os.listdir(shell.layout.dlq) == ["t1.json"]
    done = shell("dlq", "retry", "t1", "gone")
    assert done.code == 1
    assert "gone" in done.err
    assert done.out == "t1: back in the inbox\n"
    as_json = shell("dlq", "retry", "gone", "--json")
    assert (as_json.code, as_json.document["ok"]) == (1, False)
    assert "gone: there is no such tick" in as_json.err


def test_a_retry_and_a_waiting_tick_are_taken_back(shell: Shell) -> None:
    write_tick(shell.layout.dlq, "t1", "memo", attempts=2, last_error="exit 1")
    before = (shell.layout.dlq / "t1.json").read_bytes()
    assert shell("dlq", "retry", "t1").code == 0
    assert shell("dlq", "unretry", "t1").out == "t1: a dead letter again, as before\n"
    assert (shell.layout.dlq / "t1.json").read_bytes() == before
    waiting = shell("enqueue", "memo").out.strip()
    assert shell("withdraw", waiting).out == f"{waiting}: in the trash\n"
    assert os.listdir(shell.layout.inbox) == []
    gone = shell("withdraw", waiting)
    assert (gone.code, "there is no such tick in inbox" in gone.err) == (1, True)


def test_which_dead_letters_are_meant_is_never_guessed(shell: Shell) -> None:
    write_tick(shell.layout.dlq, "t0", "memo")
    for words in (["retry", "t0", "--all"], ["discard", "t0", "--cadence", "memo"], ["restore"]):
        done = shell("dlq", *words)
        assert (done.code, done.out) == (2, "")
    refused = shell("--read-only", "dlq", "retry", "--all", "--cadence", "nobody")
    assert refused.code == 1
    assert "read-only" in refused.err
    assert os.listdir(shell.layout.dlq) == ["t0.json"]


def test_all_is_narrowed_by_the_filters_and_none_is_no_failure(shell: Shell) -> None:
    write_tick(shell.layout.dlq, "a", "memo", last_error="exit 1: rate limit")
    write_tick(shell.layout.dlq, "b", "memo", last_error="exit 1: other")
    write_tick(shell.layout.dlq, "c", "inbox", last_error="exit 1: rate limit")
    shell("dlq", "retry", "--all", "--cadence", "memo", "--contains", "rate")
    assert sorted(os.listdir(shell.layout.dlq)) == ["b.json", "c.json"]
    done = shell("dlq", "retry", "--all", "--cadence", "nobody")
    assert (done.code, done.out) == (0, "")
    assert done.err


def test_circuits_are_forced_without_a_consumer(shell: Shell) -> None:
    before = time.time()
    assert shell("circuit", "open", "memo", "--for", "2h", "--reason", "R").code == 0
    entry = read_json(shell.layout.circuit_open)["open"]["memo"]
    assert entry["open_until"] > iso(before + 7190)
    assert shell("circuit", "probe", "memo").code == 0
    assert not shell.layout.circuit_open.exists()
    assert shell("circuit", "close", "memo", "other").code == 0
    done = shell("circuit", "probe", "memo")
    assert done.code == 1
    assert done.out == ""
    assert "memo" in done.err


def test_acts_as_json_are_the_answer_itself(shell: Shell) -> None:
    document = shell("pause", "memo", "--json").document
    assert document["ok"] is True
    assert document["outcomes"] == [{"target": "memo", "ok": True, "detail": "paused"}]


def test_cancel_takes_a_run_a_tick_or_a_cadence(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = [{"run_id": "r1", "tick_id": "t1", "cadence": "memo", "pid": 1}]
    write_json(shell.layout.consumer_json, {"beat_at": iso(time.time()), "running": running})
    for word in ("r1", "t1", "memo"):
        done = shell("cancel", word)
        assert done.code == 1, "without a consumer nothing runs"
        assert "r1: no such run" in done.err


def test_a_consumer_that_does_not_answer_is_named(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maestro_core.control.operator.WAIT_SECONDS", 0.05)
    owner = Ownership.acquire(shell.layout, what="daemon")
    done = shell("circuit", "close", "memo")
    owner.release()
    assert done.code == 1
    assert f"pid {os.getpid()}" in done.err
    assert "stays queued" in done.err


ACTS = (
    ["enqueue", "memo"], ["pause", "memo"], ["resume", "memo"], ["estop"], ["estop", "--clear"],
    ["dlq", "retry", "t1"], ["dlq", "discard", "t1"], ["dlq", "restore", "t1"],
    ["circuit", "open", "memo"], ["circuit", "close", "memo"], ["circuit", "probe", "memo"],
    ["dlq", "unretry", "t1"], ["withdraw", "t1"],
    ["hold", "lift"], ["cancel", "r1"], ["run", "--until-idle"],
)  # fmt: skip


@pytest.mark.parametrize("words", ACTS, ids=" ".join)
@pytest.mark.parametrize("where", ["before", "after"])
def test_read_only_refuses_every_act(shell: Shell, words: list[str], where: str) -> None:
    write_tick(shell.layout.dlq, "t1", "memo")
    before = sorted(shell.layout.root.rglob("*"))
    flag = ["--read-only"]
    done = shell(*([*flag, *words] if where == "before" else [*words, *flag]))
    assert done.code == 1
    assert "read-only" in done.err
    assert sorted(shell.layout.root.rglob("*")) == before


# ---- tail ----------------------------------------------------------------------------------


def begin_run(layout: Layout, run_id: str = "r1") -> tuple[Path, Path]:
    """A run that goes on, by the ledger and the heartbeat; its two log files."""
    logs = (layout.subsessions / "x.stdout.log", layout.subsessions / "x.stderr.log")
    row = RunRow(
        run_id=run_id, tick_id="t1", cadence="memo", attempt=1, started_at=iso(time.time()),
        ended_at=None, outcome=None, failure_class=None, exit_code=None, signal=None, usage=Usage(),
        stdout_path=str(logs[0]), stderr_path=str(logs[1]), reason=None, pid=1, duration=None,
    )  # fmt: skip
    ledger = Ledger.open(layout.ledger)
    ledger.begin(row)
    ledger.close()
    running = {"run_id": run_id, "tick_id": "t1", "cadence": "memo", "pid": 1,
               "stdout_path": str(logs[0]), "stderr_path": str(logs[1])}  # fmt: skip
    write_json(layout.consumer_json, {"beat_at": iso(time.time()), "running": [running]})
    return logs


def end_run(layout: Layout, run_id: str = "r1") -> None:
    ledger = Ledger.open(layout.ledger)
    out, err = (str(layout.subsessions / name) for name in ("x.stdout.log", "x.stderr.log"))
    result = RunResult(outcome="ok", exit_code=0, duration=2.0, stdout_path=out, stderr_path=err)
    ledger.finish(run_id, result, iso(time.time()))
    ledger.close()


def test_tail_follows_a_run_until_it_ends(agent_root: Layout) -> None:
    stdout, stderr = begin_run(agent_root)
    stdout.write_text("".join(f"old {number}\n" for number in range(100)))
    with program(agent_root, "tail", "-n", "2") as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["old 98\n", "old 99\n"]
        with stdout.open("a") as log:
            log.write("half")
            log.flush()
            stderr.write_text("a warning\n")
            log.write(" of a line\n")
        assert process.stdout.readline() == "half of a line\n"
        with stdout.open("a") as log:
            log.write("the end, without a newline")
        end_run(agent_root)
        out, err = process.communicate(timeout=30)
    assert out == "the end, without a newline\n"
    assert process.returncode == 0
    assert "a warning" in err
    assert err.splitlines()[-1] == "==> ok after 2.0s"


def test_tail_ends_by_ctrl_c(agent_root: Layout) -> None:
    stdout, _ = begin_run(agent_root)
    stdout.write_text("one\n")
    with program(agent_root, "tail") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "one\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err


def test_tail_does_not_wait_for_a_run_that_nobody_runs(shell: Shell) -> None:
    stdout, _ = begin_run(shell.layout)
    stdout.write_text("one\n")
    shell.layout.consumer_json.unlink()
    done = shell("tail")
    assert done.out == "one\n"
    assert "its end is not recorded" in done.err


def test_tail_tells_stream_json_as_steps_and_raw_as_it_is(shell: Shell) -> None:
    stdout, _ = begin_run(shell.layout)
    call = {"type": "tool_use", "id": "1", "name": "Bash", "input": {"command": "git status"}}
    event = {"type": "assistant", "message": {"model": "m", "content": [call]}}
    stdout.write_text(json.dumps(event) + "\nplain words\n")
    end_run(shell.layout)
    assert shell("tail", "r1").out == "Bash  git status\nplain words\n"
    assert shell("tail", "--raw").out == json.dumps(event) + "\nplain words\n"


@pytest.mark.parametrize("word", ["r1", "t1", "memo", None])
def test_tail_finds_a_run_by_its_id_its_tick_its_cadence_or_as_the_last(
    shell: Shell, word: str | None
) -> None:
    stdout, stderr = begin_run(shell.layout)
    stdout.write_text("one\ntwo\n")
    stderr.write_text("oops\n")
    end_run(shell.layout)
    shell.layout.consumer_json.unlink()
    document = shell("tail", *([word] if word else []), "--json").document
    assert document["run"]["run_id"] == "r1"
    assert (document["stdout"], document["stderr"]) == (["one", "two"], ["oops"])
    assert document["going_on"] is False


def test_tail_reads_no_file_outside_the_agent_root(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret\n")
    running = [{"run_id": "x", "cadence": "memo", "stdout_path": str(tmp_path / "secret"),
                "stderr_path": "../secret"}]  # fmt: skip
    write_json(shell.layout.consumer_json, {"beat_at": iso(time.time()), "running": running})
    done = shell("tail", "--no-follow")
    assert "secret" not in done.out
    assert shell("tail", "--json").document["stdout"] == []


def test_tail_reads_logs_whose_folder_is_a_link(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "large-disk").mkdir()
    shell.layout.subsessions.rmdir()
    shell.layout.subsessions.symlink_to(tmp_path / "large-disk")
    begin_run(shell.layout)[0].write_text("on the other disk\n")
    assert "on the other disk" in shell("tail", "--no-follow").out


def test_tail_says_that_a_log_is_gone_and_finds_those_of_a_root_that_was_moved(
    shell: Shell, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log, _ = begin_run(shell.layout)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("before the move\n")
    assert f"{log.with_name('x.stderr.log')} is gone" in shell("tail", "--no-follow").err
    moved = shell.layout.root.rename(tmp_path / "elsewhere")
    assert "before the move" in Shell(Layout(moved), capsys)("tail", "--no-follow").out


def test_an_unknown_run_is_refused(shell: Shell) -> None:
    done = shell("tail", "nope")
    assert (done.code, done.out) == (1, "")
    assert "no run 'nope'" in done.err


# ---- following the journal -----------------------------------------------------------------


def test_a_followed_journal_prints_what_comes(agent_root: Layout) -> None:
    with program(agent_root, "journal", "--follow") as process:
        lines: list[str] = []
        assert process.stdout is not None
        reader = threading.Thread(target=lambda: lines.extend(process.stdout or ()))
        reader.start()
        for number in range(3):
            Shell(agent_root, _Quiet())("pause", f"c{number}")  # type: ignore[arg-type]
            wait_until(lambda n=number: len(lines) == n + 1)
        process.send_signal(signal.SIGINT)
        reader.join(30)
        assert process.wait(30) == 130
    assert [f"c{number}" in line for number, line in enumerate(lines)] == [True] * 3


class _Quiet:
    """A capture that captures nothing: only the files matter."""

    def readouterr(self) -> object:
        return type("Nothing", (), {"out": "", "err": ""})


# ---- run -----------------------------------------------------------------------------------


def test_run_until_idle_works_on_what_waits_and_ends(shell: Shell) -> None:
    shell.layout.cadences_toml.parent.mkdir()
    shell.layout.cadences_toml.write_text(
        '[cadence.beat]\nmode = "inline"\nhandler = "heartbeat"\n'
    )
    shell("enqueue", "beat")
    done = shell("run", "--until-idle")
    assert done.code == 0
    assert os.listdir(shell.layout.inbox) == []
    assert read_json(shell.layout.consumer_json)["stopped_at"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_consumer_cleanly(agent_root: Layout, number: signal.Signals) -> None:
    with program(agent_root, "run") as process:
        wait_until(agent_root.consumer_json.exists, 30, "a heartbeat")
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert f"{number.name}: ending" in err
    assert read_json(agent_root.consumer_json)["stopped_at"]


def test_a_second_consumer_is_refused_and_the_first_is_named(shell: Shell) -> None:
    owner = Ownership.acquire(shell.layout, what="daemon")
    with program(shell.layout, "run", "--until-idle") as process:
        _, err = process.communicate(timeout=60)
    owner.release()
    assert process.returncode == 1
    assert f"pid {os.getpid()}" in err


def test_cadences_are_listed_with_what_is_wrong_with_their_settings(shell: Shell) -> None:
    shell.layout.cadences_toml.parent.mkdir(parents=True, exist_ok=True)
    shell.layout.cadences_toml.write_text("[cadence.memo\n")
    done = shell("cadences")
    assert done.code == 0
    assert "problem: " in done.err and "cadences.toml" in done.err


def test_wrong_settings_are_listed_line_by_line_and_nothing_starts(shell: Shell) -> None:
    shell.layout.cadences_toml.parent.mkdir()
    shell.layout.cadences_toml.write_text("[consumer]\nmax_attempts = 0\nodd = 1\n")
    done = shell("run", "--until-idle")
    assert done.code == 1
    assert "max_attempts" in done.err
    assert "odd" in done.err
    assert not shell.layout.consumer_json.exists()


# ---- doctor and demo -----------------------------------------------------------------------


def test_doctor_repairs_only_when_asked_and_says_what_first(shell: Shell) -> None:
    layout = shell.layout
    layout.env_file.write_text("A=1\n")
    layout.env_file.chmod(0o644)
    layout.trash.rmdir()
    assert shell("doctor", "env.permissions", "bus.folders", "--offline").code == 1
    dry = shell("doctor", "bus.folders", "--offline", "--fix", "--dry-run")
    assert "would make the folder state/cadence-bus/trash" in dry.out
    assert not layout.trash.exists() and layout.env_file.stat().st_mode & 0o777 == 0o644
    done = shell("doctor", "env.permissions", "bus.folders", "--offline", "--fix")
    assert done.code == 0
    assert done.out.index("will  take .env away") < done.out.index("done  take .env away")
    assert layout.trash.is_dir() and layout.env_file.stat().st_mode & 0o777 == 0o600
    again = shell("doctor", "bus.folders", "--offline", "--fix")
    assert "nothing that can safely be repaired" in again.out


def test_doctor_tells_programs_what_it_repaired(shell: Shell) -> None:
    shell.layout.trash.rmdir()
    document = shell("doctor", "bus.folders", "--offline", "--fix", "--json").document
    assert document["repairs"] == [
        {"check": "bus.folders", "what": "make the folder state/cadence-bus/trash", "done": True,
         "error": None}
    ]  # fmt: skip
    assert document["findings"][0]["status"] == "ok"


def test_doctor_repairs_nothing_where_nothing_may_be_changed(shell: Shell) -> None:
    shell.layout.trash.rmdir()
    refused = shell("--read-only", "doctor", "bus.folders", "--fix")
    assert (refused.code, shell.layout.trash.exists()) == (1, False)
    assert shell("--read-only", "doctor", "bus", "--offline", "--fix", "--dry-run").code == 0
    assert shell("doctor", "--dry-run").code == 2


def test_doctor_prints_a_line_a_check_and_the_same_as_json(shell: Shell) -> None:
    done = shell("doctor", "bus", "--offline")
    assert done.code in (0, 1, 3)
    assert "Bus folders" in done.out
    document = shell("doctor", "bus", "--offline", "--json").document
    assert document["schema_version"] == 1
    assert document["exit_code"] == done.code
    assert {one["id"].split(".")[0] for one in document["findings"]} == {"bus"}
    assert shell("doctor", "nonsense").code == 2


def test_the_demo_opens_the_console_on_a_root_of_its_own(shell: Shell, tmp_path: Path) -> None:
    assert shell("demo", "--keep", str(tmp_path / "demo")).code == 0
    (opened,) = shell.opened
    assert (opened.demo, opened.attach, opened.read_only) == (True, False, False)
    assert opened.layout.root == (tmp_path / "demo").resolve()
    assert (opened.layout.root / "config" / "cadences.toml").exists()


def test_the_doctor_names_a_key_of_the_console_that_is_bound_twice(agent_root: Layout) -> None:
    path = agent_root.root / "home" / ".config" / "maestro-tui" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text('[keys]\n"act.retry" = "D"\n')
    done = subprocess.run(
        [PROGRAM, "--root", agent_root.root, "doctor", "--offline", "--json", "console"],
        env={"PATH": os.environ["PATH"], "HOME": str(agent_root.root / "home")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    [finding] = json.loads(done.stdout)["findings"]
    assert (finding["id"], finding["status"]) == ("console.config", "warn")
    assert "D is bound to both act.retry and act.discard" in finding["detail"]
    assert str(path) in finding["remedy"]
