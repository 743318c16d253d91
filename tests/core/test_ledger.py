"""The ledger keeps one row a run, through crashes, damage and versions; readers never disturb."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from maestro_core.clock import iso
from maestro_core.models import RunResult, RunRow, Usage
from maestro_core.session.ledger import Ledger, LedgerTrouble
from maestro_core.session.ledger_rows import SCHEMA
from maestro_core.session.rebuild import rows_from_journal

START = 1_800_000_000.0


def row(run_id: str, cadence: str = "inbox-processor", at: float = START) -> RunRow:
    return RunRow(
        run_id=run_id, tick_id=f"tick-of-{run_id}", cadence=cadence, attempt=1,
        started_at=iso(at), ended_at=None, outcome=None, failure_class=None, exit_code=None,
        signal=None, usage=Usage(), stdout_path="/o", stderr_path="/e", reason=None, pid=None,
        duration=None,
    )  # fmt: skip


def ended(outcome: str = "ok", **changes: object) -> RunResult:
    given: dict[str, object] = {"exit_code": 0, "duration": 12.5, "stdout_path": "/o"}
    return RunResult(outcome=outcome, **(given | changes))  # type: ignore[arg-type]


def add(
    ledger: Ledger, run_id: str, cadence: str = "a", at: float = START, **result: object
) -> None:
    ledger.begin(row(run_id, cadence, at))
    ledger.finish(run_id, ended(**result), iso(at + 10))  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def test_a_run_is_open_until_it_is_finished(path: Path) -> None:
    ledger = Ledger.open(path)
    ledger.begin(row("r1"))
    assert ledger.get("r1") == row("r1")
    assert [one.run_id for one in ledger.open_rows()] == ["r1"]

    usage = Usage(tokens_in=5, tokens_out=6, cost_usd=0.25, model="m", turns=3, session_id="s")
    ledger.finish(
        "r1", ended("failed", exit_code=1, reason="exit 1: boom", usage=usage), iso(START)
    )

    found = ledger.get("r1")
    assert found is not None
    assert (found.outcome, found.exit_code, found.reason) == ("failed", 1, "exit 1: boom")
    assert found.usage == usage
    assert found.duration == 12.5
    assert ledger.open_rows() == []


def test_an_end_is_written_once(path: Path) -> None:
    ledger = Ledger.open(path)
    add(ledger, "r1")
    ledger.finish("r1", ended("orphaned"), iso(START + 99))
    ledger.finish("nobody", ended(), iso(START))
    found = ledger.get("r1")
    assert found is not None and found.outcome == "ok"
    assert ledger.get("nobody") is None


def test_open_rows_name_the_processes_that_may_be_alive(path: Path) -> None:
    ledger = Ledger.open(path)
    ledger.begin(row("r1"))
    ledger.spawned("r1", 12, "token-12", (11, "token-11"))
    ledger.begin(row("r2"))
    ledger.spawned("r2", None, None, (13, None))
    assert [one.processes for one in ledger.open_rows()] == [
        ((11, "token-11"), (12, "token-12")), (),
    ]  # fmt: skip
    found = ledger.get("r1")
    assert found is not None and found.pid == 12


def test_a_reader_sees_what_the_writer_wrote_and_can_change_nothing(path: Path) -> None:
    reader = Ledger.open(path, read_only=True)
    assert reader.rows() == [] and reader.recent() == {} and reader.cost_since("") == 0.0
    writer = Ledger.open(path)
    assert reader.rows() == []
    add(writer, "r1")
    assert [one.run_id for one in reader.rows()] == ["r1"]
    with pytest.raises(LedgerTrouble, match="for reading only"):
        reader.begin(row("r2"))


def test_a_reader_does_not_hold_the_writer_up(path: Path) -> None:
    writer = Ledger.open(path)
    add(writer, "r1")
    other = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    other.execute("BEGIN")
    other.execute("SELECT * FROM runs").fetchone()
    begun = time.monotonic()
    add(writer, "r2")
    assert time.monotonic() - begun < 1.0
    other.close()


def test_rows_are_newest_first_and_can_be_narrowed(path: Path) -> None:
    ledger = Ledger.open(path)
    for number in range(6):
        add(ledger, f"r{number}", cadence="ab"[number % 2], at=START + number)
    ledger.begin(row("r6", "a", START + 6))
    ledger.finish("r6", ended("failed", failure_class="Timeout", reason="50% done"), iso(START))

    def ids(**narrow: object) -> str:
        return " ".join(one.run_id for one in ledger.rows(**narrow))  # type: ignore[arg-type]

    assert ids() == "r6 r5 r4 r3 r2 r1 r0"
    assert ids(cadence="b") == "r5 r3 r1"
    assert ids(limit=2) == "r6 r5"
    assert ids(before="r3") == "r2 r1 r0"
    assert ids(before="r3", cadence="a", limit=1) == "r2"
    assert ids(before=iso(START + 2)) == "r1 r0"
    assert ids(contains="TIMEOUT") == "r6"
    assert ids(contains="50% d") == "r6"
    assert ids(contains="_") == ""


def test_recent_has_the_last_ended_runs_of_every_cadence_oldest_first(path: Path) -> None:
    ledger = Ledger.open(path)
    for number in range(5):
        add(ledger, f"a{number}", "a")
    add(ledger, "b0", "b")
    ledger.begin(row("a5", "a"))
    found = ledger.recent(per_cadence=3)
    assert {name: [one.run_id for one in rows] for name, rows in found.items()} == {
        "a": ["a2", "a3", "a4"], "b": ["b0"],
    }  # fmt: skip


def test_costs_add_up_by_day_cadence_and_model(path: Path) -> None:
    ledger = Ledger.open(path)
    day = 86400.0
    add(ledger, "1", "a", usage=Usage(cost_usd=0.5, tokens_out=10, model="big"))
    add(ledger, "2", "a", usage=Usage(cost_usd=0.25, tokens_out=5, model="small"))
    add(ledger, "3", "b", at=START + day, outcome="failed", usage=Usage(cost_usd=1.0, model="big"))
    ledger.begin(row("4", "b", START + day))

    by_cadence = {one.key: (one.runs, one.ok, one.cost_usd) for one in ledger.costs(["cadence"])}
    assert by_cadence == {("a",): (2, 2, 0.75), ("b",): (1, 0, 1.0)}
    by_both = {one.key: one.cost_usd for one in ledger.costs(["day", "model"])}
    first, second = iso(START)[:10], iso(START + day)[:10]
    assert by_both == {(first, "big"): 0.5, (first, "small"): 0.25, (second, "big"): 1.0}
    assert ledger.cost_since(iso(START + day)) == 1.0
    assert [one.key for one in ledger.costs(["cadence"], since=iso(START + day))] == [("b",)]


def test_old_ended_runs_are_pruned_and_open_ones_stay(path: Path) -> None:
    ledger = Ledger.open(path)
    add(ledger, "old")
    add(ledger, "new", at=START + 100)
    ledger.begin(row("open"))
    assert ledger.prune(iso(START + 50)) == 1
    assert [one.run_id for one in ledger.rows()] == ["open", "new"]


@pytest.mark.parametrize(
    ("damage", "least"), [("garbage", 0), ("header", 0), ("page", 100), ("short", 0)]
)
def test_a_damaged_file_is_set_aside_and_a_new_one_begun(
    path: Path, damage: str, least: int
) -> None:
    ledger = Ledger.open(path)
    for number in range(200):
        add(ledger, f"r{number}")
    ledger.close()
    data = bytearray(path.read_bytes())
    if damage == "garbage":
        data[:] = os.urandom(len(data))
    elif damage == "header":
        data[:16] = b"x" * 16
    elif damage == "page":
        data[-12288:-8192] = b"\xff" * 4096
    else:
        del data[len(data) // 2 :]
    path.write_bytes(data)

    again = Ledger.open(path)

    assert again.set_aside == path.with_name("ledger.db.damaged-1")
    assert again.set_aside.exists()
    assert least <= again.salvaged <= 200
    add(again, "fresh")
    assert again.rows(limit=1)[0].run_id == "fresh"
    assert len(again.rows(limit=1000)) == again.salvaged + 1


def test_each_damaged_file_gets_a_name_of_its_own(path: Path) -> None:
    for _ in range(2):
        path.write_bytes(b"no database at all, but long enough to be taken for one" * 20)
        Ledger.open(path).close()
    assert sorted(one.name for one in path.parent.glob("*damaged*")) == [
        "ledger.db.damaged-1", "ledger.db.damaged-2",
    ]  # fmt: skip


def test_an_empty_file_is_a_new_ledger(path: Path) -> None:
    path.touch()
    ledger = Ledger.open(path)
    add(ledger, "r1")
    assert ledger.set_aside is None


def test_damage_that_shows_while_it_is_open_is_survived(path: Path) -> None:
    ledger = Ledger.open(path)
    add(ledger, "r1")
    ledger.close()
    reader = Ledger.open(path, read_only=True)
    path.write_bytes(b"\0garbage" * 4096)
    add(ledger, "r2")
    assert ledger.set_aside is not None
    assert [one.run_id for one in reader.rows()] == ["r2"]


def test_what_the_journal_tells_fills_a_new_ledger() -> None:
    spawn = {
        "ts": iso(START), "stage": "subsession_spawn", "id": "t1", "cadence": "a", "attempt": 2,
        "run_id": "r1", "pid": 7, "stdout": "/o", "stderr": "/e",
    }  # fmt: skip
    failed = {
        "ts": iso(START + 9), "stage": "subsession_failed", "run_id": "r1", "exit_code": 1,
        "duration_ms": 9000, "error": "exit 1: boom", "failure_class": "timeout",
        "stdout_path": None, "stderr_path": "/e",
    }  # fmt: skip
    (found,) = rows_from_journal(
        [{"stage": "beat"}, spawn, failed, {"run_id": "r9", "stage": "put_back"}]
    )
    assert (found.tick_id, found.cadence, found.attempt, found.pid) == ("t1", "a", 2, 7)
    assert (found.started_at, found.ended_at) == (iso(START), iso(START + 9))
    assert (found.outcome, found.failure_class, found.exit_code) == ("timeout", "timeout", 1)
    assert (found.reason, found.duration) == ("exit 1: boom", 9.0)
    assert (found.stdout_path, found.stderr_path) == (None, "/e")


@pytest.mark.parametrize(
    ("stage", "more", "outcome"),
    [
        ("subsession_completed", {"exit_code": 0}, "ok"),
        ("inline_completed", {}, "ok"),
        ("subsession_cancelled", {"reason": "exit 143: cancelled"}, "cancelled"),
        ("subsession_failed", {}, "failed"),
        ("inline_failed", {}, "failed"),
        ("subsession_failed", {"failure_class": "auth"}, "auth"),
        ("put_back", {"reason": "emergency_stop"}, "emergency_stop"),
        ("subsession_ending", {}, None),
    ],
)
def test_every_end_in_the_journal_has_its_outcome(
    stage: str, more: dict[str, object], outcome: str | None
) -> None:
    begun = "inline_spawn" if stage.startswith("inline") else "subsession_spawn"
    spawn = {"ts": iso(START), "stage": begun, "run_id": "r1"}
    (found,) = rows_from_journal(
        [spawn, {"ts": iso(START), "stage": stage, "run_id": "r1", **more}]
    )
    assert found.outcome == outcome
    assert (found.ended_at is None) == (outcome is None)


def test_only_runs_without_a_row_are_added(path: Path) -> None:
    ledger = Ledger.open(path)
    add(ledger, "r1")
    assert ledger.add_missing([row("r1"), row("r2")]) == 1
    kept = ledger.get("r1")
    assert kept is not None and kept.outcome == "ok"


def test_a_newer_schema_is_left_alone(path: Path) -> None:
    Ledger.open(path).close()
    base = sqlite3.connect(path)
    base.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    base.commit()
    base.close()
    with pytest.raises(LedgerTrouble, match="newer version") as caught:
        Ledger.open(path)
    assert "update" in caught.value.hint
    assert path.exists() and not list(path.parent.glob("*damaged*"))


@pytest.mark.parametrize("put", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_in_its_place_is_set_aside_and_never_waited_on(
    path: Path, put: Callable[[Path], None]
) -> None:
    put(path)
    with pytest.raises(LedgerTrouble, match=r"ledger\.db: .*no regular file"):
        Ledger.open(path, read_only=True).rows()
    ledger = Ledger.open(path)
    assert ledger.set_aside is not None and ledger.set_aside.exists()
    add(ledger, "r1")
    assert [one.run_id for one in ledger.rows()] == ["r1"]


def test_a_writer_that_is_killed_leaves_what_it_had_committed(path: Path) -> None:
    code = (
        "import os, sys; sys.path.insert(0, '.'); from tests.core.test_ledger import *;"
        "ledger = Ledger.open(Path(sys.argv[1])); add(ledger, 'r1'); ledger.begin(row('r2'));"
        "os.kill(os.getpid(), 9)"
    )
    root = Path(__file__).parents[2]
    died = subprocess.run([sys.executable, "-c", code, str(path)], cwd=root, check=False)
    assert died.returncode == -9
    ledger = Ledger.open(path)
    assert ledger.set_aside is None
    assert [one.run_id for one in ledger.rows()] == ["r2", "r1"]
    assert [one.run_id for one in ledger.open_rows()] == ["r2"]


def test_it_may_be_used_from_several_threads(path: Path) -> None:
    ledger = Ledger.open(path)

    def work(name: str) -> None:
        for number in range(20):
            add(ledger, f"{name}{number}", name)
            ledger.recent()

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: len(rows) for name, rows in ledger.recent(50).items()} == dict.fromkeys(
        "abcd", 20
    )


def test_only_its_owner_may_read_the_file(path: Path) -> None:
    Ledger.open(path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_recent_does_not_slow_down_with_the_history(path: Path) -> None:
    ledger = Ledger.open(path)
    add(ledger, "first", "a")
    ledger.close()
    base = sqlite3.connect(path)
    base.executemany(
        "INSERT INTO runs (run_id, tick_id, cadence, attempt, started_at, ended_at, outcome)"
        " VALUES (?, 't', ?, 1, '2026', '2026', 'ok')",
        ((f"x{number}", f"c{number % 10}") for number in range(50_000)),
    )
    base.commit()
    base.close()
    reader = Ledger.open(path, read_only=True)
    reader.recent()
    begun = time.process_time()
    reader.recent()
    assert time.process_time() - begun < 0.05
