"""Proves that the demo's agent root is a real one: its settings load, its past can be read,
its producer drops what it says, its stand-in ends as the real program does, and nothing of
it is left when it ends.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from maestro_core.clock import FakeClock
from maestro_core.demo import DemoProducer, demo_root, prepare_demo
from maestro_core.demo import stage as stage_module
from maestro_core.demo.agent import MARKER
from maestro_core.demo.history import HABITS, RUNS
from maestro_core.demo.producer import SCORE, WAITING
from maestro_core.errors import UsageError
from maestro_core.journal import read_journal
from maestro_core.layout import Layout
from maestro_core.session.ledger import Ledger
from tests.support import read_json, wait_until, write_tick


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A demo root that tests only read."""
    return prepare_demo(tmp_path_factory.mktemp("demo"))


def act(
    prompt: str, folder: Path, *options: str, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run the stand-in on a prompt, as a sub-session would."""
    script = Path(sys.modules[DemoProducer.__module__].__file__ or "").with_name("stand_in.py")
    return subprocess.run(
        [sys.executable, "-I", str(script), *(options or ("--output-format", "stream-json"))],
        input=prompt, capture_output=True, text=True, cwd=folder, timeout=30,
        env={"PATH": os.environ["PATH"], **environ},
    )  # fmt: skip


def events(output: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in output.splitlines()]


def test_every_cadence_of_the_demo_has_settings_and_a_prompt(prepared: Layout) -> None:
    prompts = {path.stem for path in prepared.triggers.glob("*.md")}
    cadences = {beat.cadence for beat in SCORE}
    assert {habit.cadence for habit in HABITS} == prompts
    assert cadences - {"heartbeat"} == prompts
    text = prepared.cadences_toml.read_text()
    assert all(f"[cadence.{name}]" in text for name in cadences)


def test_every_sparkline_is_filled_from_the_start(prepared: Layout) -> None:
    ledger = Ledger.open(prepared.ledger, read_only=True)
    recent = ledger.recent(RUNS)
    ledger.close()
    assert {name: len(rows) for name, rows in recent.items()} == {
        habit.cadence: RUNS for habit in HABITS
    }
    assert all(row.duration and row.usage.cost_usd for rows in recent.values() for row in rows)


def test_a_week_of_costs_is_there_and_its_rows_are_in_order(prepared: Layout) -> None:
    ledger = Ledger.open(prepared.ledger, read_only=True)
    days = {row.key for row in ledger.costs(("day",))}
    started = [row.started_at for row in ledger.rows(limit=1000)]
    ledger.close()
    assert len(days) >= 7
    assert started == sorted(started, reverse=True)


def test_the_logs_of_the_newest_runs_are_there(prepared: Layout) -> None:
    ledger = Ledger.open(prepared.ledger, read_only=True)
    newest = ledger.rows(cadence="crm-sync", limit=1)[0]
    ledger.close()
    assert newest.stdout_path is not None
    assert events(Path(newest.stdout_path).read_text())[-1]["type"] == "result"


def test_the_journal_tells_of_the_past(prepared: Layout) -> None:
    stages = {str(line["stage"]) for line in read_journal(prepared, limit=1000)}
    assert {"subsession_spawn", "subsession_failed"} <= stages


def test_a_demo_is_never_made_over_somebody_elses_files(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError):
        prepare_demo(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_kept_demo_is_used_again_as_it_was_left(tmp_path: Path) -> None:
    layout = prepare_demo(tmp_path / "kept")
    write_tick(layout.inbox, "mine")
    assert prepare_demo(tmp_path / "kept").root == layout.root
    assert (layout.inbox / "mine.json").exists()


def test_the_producer_drops_what_is_due_and_does_not_pile_up(tmp_path: Path) -> None:
    clock = FakeClock()
    layout = prepare_demo(tmp_path / "demo", clock)
    producer = DemoProducer(layout, clock)
    assert producer.step() == []
    for _ in range(600):
        clock.advance(1)
        producer.step()
    dropped = [read_json(path)["cadence"] for path in layout.inbox.glob("*.json")]
    assert {name: dropped.count(name) for name in dropped} == {
        beat.cadence: WAITING for beat in SCORE
    }
    assert (layout.root / "state/inbox/message.md").exists()


def test_the_demo_lives_while_it_is_shown_and_nothing_outlives_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("MAESTRO_CLAUDE_BIN", "/bin/real-claude")
    with demo_root() as layout:
        assert layout.root.parent == tmp_path.resolve()
        assert "MAESTRO_CLAUDE_BIN" not in os.environ
        wait_until(lambda: any(layout.inbox.glob("*.json")), what="a first tick")
    assert list(tmp_path.iterdir()) == []
    assert os.environ["MAESTRO_CLAUDE_BIN"] == "/bin/real-claude"


def test_a_kept_folder_stays(tmp_path: Path) -> None:
    with demo_root(str(tmp_path / "kept")):
        pass
    assert (tmp_path / "kept" / MARKER).exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_demo_that_is_ended_by_a_signal_removes_its_folder(
    tmp_path: Path, number: signal.Signals
) -> None:
    code = (
        "import threading\nfrom maestro_core.demo import demo_root\n"
        "with demo_root() as layout:\n    print(layout.root, flush=True)\n"
        "    threading.Event().wait()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert process.stdout is not None
    assert Path(process.stdout.readline().strip()).is_dir()
    process.send_signal(number)
    assert process.wait(10) == 128 + number
    process.stdout.close()
    assert list(tmp_path.iterdir()) == []


def test_folders_of_killed_demos_are_removed_by_the_next_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for name, text in (("dead", str(gone.pid)), ("alive", str(os.getpid())), ("other", "text")):
        folder = tmp_path / f"{stage_module.PREFIX}{name}"
        folder.mkdir()
        (folder / MARKER).write_text(text)
    stage_module._remove_leftovers()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{stage_module.PREFIX}alive", f"{stage_module.PREFIX}other",
    ]  # fmt: skip


def test_the_shim_starts_the_stand_in(prepared: Layout) -> None:
    done = subprocess.run(
        [prepared.root / "bin/claude", "--version"], capture_output=True, text=True, timeout=30
    )
    assert done.stdout.startswith("2.1.")
    assert done.returncode == 0


def test_the_stand_in_acts_out_the_steps_of_the_prompt(tmp_path: Path) -> None:
    done = act(
        "---\nstand-in: ok\nseconds: 0\n---\n- say: hello\n- Bash: ls => 2 files\n", tmp_path
    )
    shown = events(done.stdout)
    assert [event["type"] for event in shown] == [
        "system", "assistant", "assistant", "user", "result",
    ]  # fmt: skip
    assert shown[-1]["is_error"] is False
    assert (done.returncode, done.stderr) == (0, "")


def test_the_stand_in_fails_until_what_it_needs_is_there(tmp_path: Path) -> None:
    prompt = "---\nstand-in: fail\nseconds: 0\nunless: state/fixed\nstderr: no luck\ncode: 3\n---\n"
    failed = act(prompt, tmp_path)
    assert (failed.returncode, failed.stderr) == (3, "no luck\n")
    (tmp_path / "state").mkdir()
    (tmp_path / "state/fixed").touch()
    assert act(prompt, tmp_path).returncode == 0


def test_a_flaky_one_fails_every_other_time(tmp_path: Path) -> None:
    prompt = "---\nstand-in: flaky\nseconds: 0\n---\n"
    codes = [act(prompt, tmp_path, MAESTRO_CADENCE="flap").returncode for _ in range(4)]
    assert codes == [1, 0, 1, 0]


@pytest.mark.parametrize(("word", "status"), [("refused", 401), ("quota", 429), ("overload", 529)])
def test_api_failures_look_as_from_the_real_program(tmp_path: Path, word: str, status: int) -> None:
    done = act(f"---\nstand-in: {word}\n---\n", tmp_path)
    last = events(done.stdout)[-1]
    assert (done.returncode, done.stderr) == (1, "")
    assert (last["subtype"], last["is_error"], last["api_error_status"]) == (
        "success", True, status,
    )  # fmt: skip


def test_plain_text_is_printed_when_nothing_else_is_asked_for(tmp_path: Path) -> None:
    done = act("---\nstand-in: ok\nseconds: 0\n---\n- say: hello\n", tmp_path, "--print")
    assert done.stdout.strip() == "hello"


def test_a_successful_run_takes_away_the_files_it_was_for(tmp_path: Path) -> None:
    (tmp_path / "a.md").touch()
    (tmp_path / "b.txt").touch()
    act("---\nstand-in: ok\nseconds: 0\nremoves: *.md\n---\n", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["b.txt"]
