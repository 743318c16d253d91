"""Proves the command line: roots, global options, exit codes, where errors go, what the reading
commands print and what their JSON documents hold, and that nothing in a file steers a terminal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from maestro_core import __version__
from maestro_core.cli.main import COMMANDS
from maestro_core.cli.parse import duration, point_in_time
from maestro_core.clock import SystemClock, iso
from maestro_core.errors import UsageError
from maestro_core.journal import Journal
from maestro_core.layout import Layout
from maestro_core.models import RunResult, RunRow, Usage
from maestro_core.session.ledger import Ledger
from tests.core.cli_kit import Shell
from tests.support import write_json, write_tick

PROGRAM = Path(sys.executable).parent / "maestro-tui"


@pytest.fixture
def shell(agent_root: Layout, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(agent_root, capsys)


def ledger_run(layout: Layout, run_id: str, outcome: str = "ok", **fields: Any) -> None:
    row = RunRow(
        run_id=run_id, tick_id=f"{run_id}-tick", cadence=fields.pop("cadence", "memo"), attempt=1,
        started_at=iso(time.time() - 60), ended_at=None, outcome=None, failure_class=None,
        exit_code=None, signal=None, usage=Usage(), stdout_path=fields.pop("stdout_path", None),
        stderr_path=fields.pop("stderr_path", None), reason=None, pid=None, duration=None,
    )  # fmt: skip
    ledger = Ledger.open(layout.ledger)
    ledger.begin(row)
    result = RunResult(
        outcome=outcome, exit_code=0, duration=41.0, reason=fields.pop("reason", None),
        usage=Usage(tokens_in=1200, tokens_out=300, cost_usd=0.25, model="m"),
        stdout_path=row.stdout_path, stderr_path=row.stderr_path,
    )  # fmt: skip
    ledger.finish(run_id, result, iso(time.time()))
    ledger.close()


# ---- roots, options, exit codes ------------------------------------------------------------


def test_without_a_root_the_error_says_how_to_name_one(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    done = shell("status", root=False)
    assert done.code == 2
    assert done.out == ""
    assert "no agent root" in done.err
    assert "--root DIR" in done.err


@pytest.mark.parametrize("way", ["before", "after", "equals", "AGENT_ROOT", "AGENT_DIR", "upward"])
def test_a_root_is_found_by_every_way(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    root = str(shell.layout.root)
    monkeypatch.chdir("/")
    if way.startswith("AGENT"):
        monkeypatch.setenv(way, root)
    if way == "upward":
        monkeypatch.chdir(shell.layout.inbox)
    words = {
        "before": ["--root", root, "status", "--json"],
        "after": ["status", "--json", "--root", root],
        "equals": [f"--root={root}", "status", "--json"],
    }.get(way, ["status", "--json"])
    done = shell(*words, root=False)
    assert done.document["root"] == root


@pytest.mark.parametrize(
    "words",
    [
        ["statuss"],
        ["--wrong"],
        ["--root"],
        ["--root", "/nowhere/at/all", "status"],
        ["status", "--wrong"],
        ["enqueue"],
        ["dlq"],
        ["dlq", "retry"],
        ["dlq", "explode"],
        ["circuit", "close"],
        ["circuit", "open", "memo", "--for", "soon"],
        ["circuit", "open", "memo", "--for", "0s"],
        ["circuit", "open", "../x"],
        ["pause", "a/b"],
        ["estop", "--kill", "--clear"],
        ["enqueue", "memo", "--payload", "{"],
        ["enqueue", "memo", "--not-before", "yesterday"],
        ["enqueue", "../x"],
        ["enqueue", "memo", "--dedupe-key", ""],
        ["enqueue", "memo", "--source", "caf\udce9"],
        ["runs", "--contains", "caf\udce9"],
        ["tail", "caf\udce9"],
        ["cancel", "caf\udce9"],
        ["dlq", "retry", "a", "caf\udce9"],
        ["costs", "--by", "moon"],
        ["runs", "--limit", "0"],
        ["--attach", "status"],
        ["demo", "--read-only"],
    ],
    ids=lambda words: ascii(" ".join(words)),
)
def test_wrong_usage_is_exit_2_with_the_reason_on_stderr(shell: Shell, words: list[str]) -> None:
    done = shell(*words, root=words[0] != "--root")
    assert done.code == 2
    assert done.out == ""
    assert done.err
    assert "Traceback" not in done.err
    assert os.listdir(shell.layout.inbox) == []


def test_a_mistyped_command_is_answered_by_the_likely_one(shell: Shell) -> None:
    assert "did you mean status?" in shell("statsu").err


def test_version_and_help_need_no_root(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    first, second = shell("--version", root=False).out.splitlines()
    assert first == f"maestro-tui {__version__}"
    assert all(f"{name} " in second for name in ("Python", "Textual", "msgspec", "SQLite"))
    overview = shell("--help", root=False).out
    assert all(f"  {name} " in overview for name in COMMANDS)
    for name in COMMANDS:
        done = shell(name, "--help", root=False)
        assert done.code == 0, name
        assert f"usage: maestro-tui {name}" in done.out


@pytest.mark.parametrize(
    ("words", "attach", "read_only"),
    [([], False, False), (["--attach"], True, False), (["--read-only"], False, True),
     (["--read-only", "--attach"], True, True)],
)  # fmt: skip
def test_no_command_opens_the_console(
    shell: Shell, words: list[str], attach: bool, read_only: bool
) -> None:
    assert shell(*words).code == 0
    (opened,) = shell.opened
    assert (opened.attach, opened.read_only, opened.demo) == (attach, read_only, False)
    assert opened.layout.root == shell.layout.root


READS = (
    ["status"], ["cadences"], ["explain", "memo"], ["runs"], ["journal"], ["costs"],
    ["dlq", "list"], ["tail"],
)  # fmt: skip


@pytest.mark.parametrize("words", READS, ids=" ".join)
def test_every_reading_command_has_one_json_document_with_a_schema_version(
    shell: Shell, words: list[str]
) -> None:
    ledger_run(shell.layout, "r1")
    write_tick(shell.layout.inbox, "t1", "memo")
    done = shell(*words, "--json")
    assert (done.code, done.err) == (0, "")
    assert done.document["schema_version"] == 1


@pytest.mark.parametrize("words", READS, ids=" ".join)
def test_reading_changes_nothing(shell: Shell, words: list[str]) -> None:
    write_tick(shell.layout.inbox, "t1", "memo")
    write_tick(shell.layout.dlq, "t2", "memo", last_error="exit 1")
    before = {p: p.stat().st_mtime_ns for p in shell.layout.root.rglob("*")}
    shell("--read-only", *words)
    assert {p: p.stat().st_mtime_ns for p in shell.layout.root.rglob("*")} == before


# ---- what is printed -----------------------------------------------------------------------


def test_status_tells_the_state_in_words(shell: Shell) -> None:
    layout = shell.layout
    write_tick(layout.inbox, "t1", "memo")
    write_tick(layout.dlq, "t2", "memo", last_error="exit 1")
    layout.emergency_stop.write_text('{"by": "ops", "reason": "fire"}')
    write_json(layout.paused / "memo.json", {"by": "ops", "reason": "until tomorrow"})
    beat = {"pid": 7, "host": "mini", "mode": "daemon", "beat_at": iso(time.time() - 60)}
    write_json(layout.consumer_json, beat)
    out = shell("status").out
    assert re.search(r"STALE: crashed, last beat 1m 0\ds ago", out)
    assert "EMERGENCY STOP  by ops: fire" in out
    assert "1 waiting, 0 claimed, 1 dead letter, 0 in quarantine" in out
    assert re.search(r"memo +paused .*paused by ops: until tomorrow", out)


def test_status_as_json_has_the_state_of_the_consumer(shell: Shell) -> None:
    beat = {
        "pid": 7, "host": "mini", "mode": "daemon", "beat_at": iso(time.time()),
        "started_at": iso(time.time() - 60), "version": "9", "stats": {"ticks": 3},
        "running": [{"run_id": "r", "tick_id": "t", "cadence": "memo", "pid": 8}],
        "cadences": {"memo": {"state": "backoff", "failures": 1,
                              "next_allowed_at": "2026-11-24T02:03:04.567Z"}},
    }  # fmt: skip
    write_json(shell.layout.consumer_json, beat)
    document = shell("status", "--json").document
    consumer = document["consumer"]
    assert (consumer["state"], consumer["stale"], consumer["pid"]) == ("live", False, 7)
    assert consumer["stats"]["ticks"] == 3
    assert document["running"][0]["run_id"] == "r"
    (memo,) = document["cadences"]
    assert (memo["state"], memo["next_allowed_at"]) == ("backoff", "2026-11-24T02:03:04.567Z")
    assert memo["running"]["pid"] == 8


def test_runs_are_listed_and_filtered(shell: Shell) -> None:
    ledger_run(shell.layout, "r1", cadence="memo")
    ledger_run(shell.layout, "r2", "failed", cadence="inbox", reason="exit 1: no file")
    out = shell("runs").out
    assert re.search(r"inbox +failed +41s +1 +\$0\.25 +1\.5k +r2 +exit 1: no file", out)
    assert [row["run_id"] for row in shell("runs", "--json").document["runs"]] == ["r2", "r1"]
    only = shell("runs", "--cadence", "memo", "--json").document["runs"]
    assert [row["run_id"] for row in only] == ["r1"]
    assert only[0]["usage"]["tokens_in"] == 1200
    assert shell("runs", "--contains", "NO FILE", "--json").document["runs"][0]["run_id"] == "r2"
    assert "no such run" in shell("runs", "--cadence", "nope").err


@pytest.mark.parametrize("command", ["runs", "costs", "tail"])
def test_a_damaged_ledger_is_named_with_what_mends_it(shell: Shell, command: str) -> None:
    shell.layout.ledger.write_bytes(b"no database at all\n" * 999)
    done = shell(command)
    assert done.code == 1
    assert "ledger.db" in done.err and "a consumer that starts sets it aside" in done.err


@pytest.mark.parametrize("words", ["status", "cadences", "explain memo"])
def test_who_cannot_read_the_inbox_does_not_say_that_nothing_waits(
    shell: Shell, words: str
) -> None:
    shell.layout.triggers.mkdir(parents=True)
    (shell.layout.triggers / "memo.md").write_text("work")
    shell.layout.inbox.rmdir()
    shell.layout.inbox.write_text("")
    assert "problem: inbox: Not a directory" in shell(*words.split()).err


def test_a_file_in_the_place_of_a_folder_is_named_with_the_remedy(shell: Shell) -> None:
    shell.layout.dlq.rmdir()
    shell.layout.dlq.write_text("")
    done = shell("circuit", "open", "memo")
    assert done.code == 1
    assert f"it is no folder, and one belongs there: {shell.layout.dlq}" in done.err
    assert "move away" in done.err


def test_costs_are_summed_by_what_was_asked(shell: Shell) -> None:
    ledger_run(shell.layout, "r1", cadence="memo")
    ledger_run(shell.layout, "r2", "failed", cadence="memo")
    ledger_run(shell.layout, "r3", cadence="inbox")
    document = shell("costs", "--by", "cadence", "--json").document
    assert [(row["cadence"], row["runs"], row["ok"]) for row in document["rows"]] == [
        ("inbox", 1, 1),
        ("memo", 2, 1),
    ]
    assert document["total"]["cost_usd"] == 0.75
    assert re.search(r"total +3 +2 +\$0\.75", shell("costs", "--by", "cadence").out)


def test_the_journal_shows_the_bus_and_its_operators(shell: Shell) -> None:
    journal = Journal(shell.layout, SystemClock())
    journal.write("error", "circuit_opened", cadence="memo", failures=3)
    shell("pause", "memo", "--reason", "too loud")
    out = shell("journal").out
    assert re.search(r"ERROR circuit_opened +cadence=memo failures=3", out)
    assert re.search(r"operator +verb=pause .*reason=\"too loud\"", out)
    assert "before" not in out
    entries = shell("journal", "--json").document["entries"]
    assert [entry["stage"] for entry in entries] == ["circuit_opened", "operator"]
    assert "operator" not in shell("journal", "--no-operators").out
    assert shell("journal", "--level", "error", "--json").document["entries"] == entries[:1]
    assert shell("journal", "--contains", "LOUD", "--json").document["entries"] == entries[1:]


def test_explain_names_the_chain_with_commands_and_refuses_unknown_names(shell: Shell) -> None:
    write_tick(shell.layout.inbox, "t1", "memo", not_before=iso(time.time() + 3600))
    shell("pause", "memo")
    out = shell("explain", "memo").out
    assert out.index("no consumer") < out.index("paused") < out.index("not due yet")
    assert "-> maestro-tui resume memo" in out
    assert re.search(r"not due yet, until .* \(in (1h 00m|59m \d\ds)\)", out)
    assert shell("explain", "typo").code == 1
    codes = [one["code"] for one in shell("explain", "memo", "--json").document["obstacles"]]
    assert codes[:2] == ["no_consumer", "paused"]


def test_dead_letters_are_listed_one_by_one_or_by_cause(shell: Shell) -> None:
    for number in range(3):
        write_tick(shell.layout.dlq, f"t{number}", "memo", last_error=f"exit 1: page {number}")
    assert re.search(r"t0 +memo +.* ago +0 +exit 1: page 0", shell("dlq", "list").out)
    assert re.search(r"3 +.* ago +memo +exit 1: page N", shell("dlq", "list", "--groups").out)
    document = shell("dlq", "list", "--json").document
    assert document["total"] == 3
    assert {one["id"] for one in document["dead_letters"]} == {"t0", "t1", "t2"}
    assert document["groups"][0]["count"] == 3
    limited = shell("dlq", "list", "--limit", "1")
    assert "2 dead letters not shown" in limited.err


def test_an_empty_agent_says_so_on_stderr_and_succeeds(shell: Shell) -> None:
    for words in (["cadences"], ["runs"], ["journal"], ["costs"], ["dlq", "list"]):
        done = shell(*words)
        assert (done.code, done.out) == (0, "")
        assert done.err
    assert shell("tail").code == 1


# ---- hostile content -----------------------------------------------------------------------

EVIL = "\x1b]52;c;ZXZpbA==\x07\x9b31m\u202eevil\u200b\r\n"


def _harmless(text: str) -> bool:
    return all(one == "\n" or one.isprintable() for one in text)


@pytest.mark.parametrize("words", READS, ids=" ".join)
@pytest.mark.parametrize("as_json", [False, True])
def test_nothing_in_a_file_steers_the_terminal(
    shell: Shell, words: list[str], as_json: bool
) -> None:
    layout = shell.layout
    log = layout.subsessions / "x.stdout.log"
    log.write_bytes(EVIL.encode() + b"\xff\xfe\n")
    write_tick(layout.dlq, "t1", "memo", last_error=EVIL, source=EVIL)
    write_json(layout.paused / "memo.json", {"by": EVIL, "reason": EVIL})
    layout.emergency_stop.write_text(json.dumps({"by": EVIL, "reason": EVIL}))
    running = [{"run_id": EVIL, "cadence": EVIL, "activity": EVIL}]
    beat = {"host": EVIL, "mode": EVIL, "beat_at": iso(time.time()), "running": running,
            "trouble": EVIL, "settings_error": EVIL}  # fmt: skip
    write_json(layout.consumer_json, beat)
    ledger_run(layout, "r1", "failed", cadence="memo", reason=EVIL, stdout_path=str(log))
    Journal(layout, SystemClock()).write("error", EVIL, cadence=EVIL)
    run = ["tail", "r1"] if words == ["tail"] else words
    done = shell(*run, *(["--json"] if as_json else []))
    assert done.code == 0
    assert _harmless(done.out), ascii(done.out)
    assert _harmless(done.err), ascii(done.err)
    if as_json:
        assert done.document


def test_secrets_of_the_env_file_are_masked_in_text_and_json(shell: Shell) -> None:
    secret = "canary-1234567890"
    shell.layout.env_file.write_text(f"SLACK_USER_TOKEN={secret}\n")
    write_tick(shell.layout.dlq, "t1", "memo", last_error=f"token {secret} refused")
    shell("pause", "memo", "--reason", f"token {secret}")
    for words in (["dlq", "list"], ["status"], ["journal"], ["cadences"]):
        for flags in ([], ["--json"]):
            done = shell(*words, *flags)
            assert secret not in done.out + done.err
            assert "[masked]" in done.out
    assert secret not in shell.layout.operators_log.read_text()


def test_a_reader_that_has_seen_enough_is_no_error(shell: Shell) -> None:
    journal = Journal(shell.layout, SystemClock())
    for number in range(3000):
        journal.write("info", "filler", number=number, text="x" * 100)
    pipeline = f'"{PROGRAM}" --root "$ROOT" journal -n 3000 | head -n 1; echo "${{PIPESTATUS[0]}}"'
    done = subprocess.run(
        ["bash", "-c", pipeline], env=os.environ | {"ROOT": str(shell.layout.root)},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.splitlines()[1:] == ["0"]
    assert done.stderr == ""


# ---- words ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "seconds"),
    [("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86400), ("1h30m", 5400), ("45", 45),
     ("1.5h", 5400), ("366d", 366 * 86400)],
)  # fmt: skip
def test_durations(word: str, seconds: float) -> None:
    assert duration(word) == seconds


@pytest.mark.parametrize("word", ["", "x", "-5s", "5 m", "5y", "0", "0s", "367d", "1h30", "nan"])
def test_words_that_are_no_duration(word: str) -> None:
    with pytest.raises(UsageError):
        duration(word)


def test_points_in_time() -> None:
    assert point_in_time("+30m", 1000.0) == 2800.0
    assert point_in_time("1970-01-01T01:00:00Z", 0.0) == 3600.0
    assert point_in_time("1970-01-01T01:00:00+01:00", 0.0) == 0.0
    for word in ("tomorrow", "+", "99", "2026-13-01"):
        with pytest.raises(UsageError):
            point_in_time(word, 0.0)


# ---- closed and full outputs ---------------------------------------------------------------


def _in_shell(layout: Layout, line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
        env=os.environ | {"PROGRAM": str(PROGRAM), "ROOT": str(layout.root)},
    )  # fmt: skip


def test_output_that_cannot_be_written_is_a_failure_with_a_reason(shell: Shell) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no device that is always full")
    done = _in_shell(shell.layout, '"$PROGRAM" --root "$ROOT" status >/dev/full; echo $?')
    assert done.stdout == "1\n"
    assert done.stderr == "maestro-tui: No space left on device\n"


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_closed_standard_descriptors_break_nothing(shell: Shell, closed: str) -> None:
    line = f'"$PROGRAM" --root "$ROOT" enqueue memo {closed}; echo $?'
    done = _in_shell(shell.layout, line)
    assert done.stdout.splitlines()[-1] == "0"
    (name,) = os.listdir(shell.layout.inbox)
    tick = json.loads((shell.layout.inbox / name).read_text())
    assert tick["cadence"] == "memo"
    assert len(shell.layout.operators_log.read_text().splitlines()) == 1


def test_a_complaint_without_stderr_does_not_end_up_in_the_output(shell: Shell) -> None:
    done = _in_shell(shell.layout, '"$PROGRAM" --root "$ROOT" nonsense 2>&-; echo $?')
    assert done.stdout == "2\n"
