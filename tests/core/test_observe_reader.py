"""Proves that a snapshot tells what the files say and survives whatever stands in them, re-reads
only what it is told to, keeps what did not change identical, and shows no dead consumer as live."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from maestro_core.bus.feed import EVERYTHING
from maestro_core.clock import FakeClock, iso, parse_iso
from maestro_core.consumer.ownership import Ownership
from maestro_core.files import OsFiles
from maestro_core.layout import Layout
from maestro_core.models import RunResult, RunRow, Usage
from maestro_core.observe.reader import SnapshotReader
from maestro_core.observe.snapshot import CadenceView, Snapshot
from maestro_core.session.ledger import Ledger
from tests.support import write_json, write_tick

NOW = parse_iso("2026-11-24T02:03:04.000Z")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def reader(agent_root: Layout, clock: FakeClock) -> SnapshotReader:
    return SnapshotReader(agent_root, clock)


def beat(layout: Layout, at: float = NOW, **fields: Any) -> None:
    """A heartbeat as it stands in the contract, of a consumer on another machine."""
    document = {
        "pid": 4242, "host": "mini", "version": "0.1.0", "started_at": iso(at - 3600),
        "beat_at": iso(at), "mode": "daemon", "stats": {"started_at": iso(at - 3600), "ticks": 7},
        "running": [], "cadences": {}, "settings_error": None,
    }  # fmt: skip
    write_json(layout.consumer_json, document | fields)


def cadence(snapshot: Snapshot, name: str) -> CadenceView:
    (view,) = [view for view in snapshot.cadences if view.name == name]
    return view


def settings(layout: Layout, text: str) -> None:
    layout.cadences_toml.parent.mkdir(exist_ok=True)
    layout.cadences_toml.write_text(text)


def ledger_run(layout: Layout, run_id: str, **fields: Any) -> None:
    row = RunRow(
        **{
            "run_id": run_id, "tick_id": "t", "cadence": "memo", "attempt": 1,
            "started_at": "2026-11-24T01:00:00.000Z", "ended_at": None, "outcome": None,
            "failure_class": None, "exit_code": None, "signal": None, "usage": Usage(),
            "stdout_path": None, "stderr_path": None, "reason": None, "pid": None,
            "duration": None,
        }
        | {key: value for key, value in fields.items() if key in RunRow.__struct_fields__}
    )  # fmt: skip
    ledger = Ledger.open(layout.ledger)
    ledger.begin(row)
    result = RunResult(
        outcome=fields.get("result", "ok"), exit_code=0, duration=fields.get("seconds", 10.0),
        usage=Usage(cost_usd=fields.get("cost", 0.0)),
    )  # fmt: skip
    ledger.finish(run_id, result, fields.get("end", "2026-11-24T01:00:10.000Z"))
    ledger.close()


# ---- an empty root -------------------------------------------------------------------------


def test_a_root_without_anything_gives_an_empty_picture(tmp_path: Path) -> None:
    snapshot = SnapshotReader(Layout(tmp_path / "ravi")).read()
    assert snapshot.agent == "ravi"
    assert snapshot.consumer.word == "none"
    assert snapshot.cadences == ()
    assert snapshot.problems == ()
    assert list(tmp_path.iterdir()) == []


def test_the_agent_is_named_by_its_settings(agent_root: Layout, reader: SnapshotReader) -> None:
    agent_root.env_file.write_text("AGENT_NAME=Ravi\n")
    assert reader.read().agent == "Ravi"


# ---- the consumer --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "stopped", "locked", "word"),
    [
        (0, False, False, "live"),
        (9.9, False, False, "live"),
        (10, False, True, "stale"),
        (10, False, False, "crashed"),
        (86400, False, True, "stale"),
        (86400, False, False, "crashed"),
        (-5, False, False, "live"),
        (-3600, False, True, "stale"),
        (-3600, False, False, "crashed"),
        (0, True, False, "stopped"),
        (86400, True, False, "stopped"),
    ],
)
def test_a_consumer_is_live_only_by_a_young_beat_and_the_lock_tells_silent_from_dead(
    agent_root: Layout, reader: SnapshotReader, age: float, stopped: bool, locked: bool, word: str
) -> None:
    beat(agent_root, NOW - age, **({"stopped_at": iso(NOW - age)} if stopped else {}))
    owner = Ownership.acquire(agent_root, what="daemon") if locked else None
    consumer = reader.read().consumer
    assert consumer.word == word
    assert consumer.beat_at == NOW - age
    if owner:
        owner.release()


def test_a_consumer_killed_a_moment_ago_is_known_to_be_dead(
    agent_root: Layout, reader: SnapshotReader
) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    beat(agent_root, NOW - 1, pid=child.pid, host=socket.gethostname())
    assert reader.read().consumer.word == "crashed"
    beat(agent_root, NOW - 1, pid=os.getpid(), host=socket.gethostname())
    assert reader.read().consumer.word == "live"


def test_time_alone_makes_a_beat_stale(
    agent_root: Layout, reader: SnapshotReader, clock: FakeClock
) -> None:
    beat(agent_root)
    assert reader.read().consumer.word == "live"
    clock.advance(10)
    assert reader.read(frozenset()).consumer.word == "crashed"


def test_what_runs_is_shown_while_a_consumer_says_so_and_not_after_its_end(
    agent_root: Layout, reader: SnapshotReader, clock: FakeClock
) -> None:
    run = {
        "run_id": "r1", "tick_id": "t1", "cadence": "memo", "pid": 99, "started_at": iso(NOW),
        "timeout_at": None, "stdout_path": "logs/x", "stderr_path": None,
    }  # fmt: skip
    beat(agent_root, running=[run])
    snapshot = reader.read()
    assert [one.run_id for one in snapshot.running] == ["r1"]
    assert cadence(snapshot, "memo").running is snapshot.running[0]
    clock.advance(60)
    assert reader.read(frozenset()).running == ()


HOSTILE: dict[str, bytes] = {
    "empty": b"",
    "torn": b'{"pid": 1, "beat_at": "2026',
    "nul": b"\0" * 100,
    "not-utf-8": b'{"host": "\xff"}',
    "list": b"[1, 2]",
    "number": b"7",
    "deep": b'{"a":' + b"[" * 100_000,
    "wrong types": json.dumps(
        {
            "pid": "x", "host": 7, "version": [], "started_at": 5, "beat_at": {}, "mode": None,
            "stats": [1], "running": {"a": 1}, "cadences": [1], "settings_error": 3, "hold": "x",
            "stopped_at": 12, "trouble": [],
        }
    ).encode(),
    "odd members": json.dumps(
        {
            "pid": -1, "beat_at": iso(NOW), "stats": {"ticks": -1, "inline": "x", "odd": 1},
            "running": [1, {}, {"run_id": "r"}, {"run_id": "", "cadence": "c"}, None],
            "cadences": {"../x": {"state": "open"}, "ok": {"state": "exploded", "failures": "x"},
                         "n": 5, "far": {"open_until": "9999999-01-01"}},
            "hold": {"kind": "evil", "since": 1},
        }
    ).encode(),
}  # fmt: skip


@pytest.mark.parametrize("content", HOSTILE)
def test_no_content_of_consumer_json_breaks_the_picture(
    agent_root: Layout, reader: SnapshotReader, content: str
) -> None:
    agent_root.consumer_json.write_bytes(HOSTILE[content])
    write_tick(agent_root.inbox, "t1", "memo")
    snapshot = reader.read()
    assert snapshot.counts.inbox == 1
    assert snapshot.running == ()
    assert {view.name for view in snapshot.cadences} <= {"memo", "ok", "far"}
    assert snapshot.consumer.hold is None
    if content not in ("wrong types", "odd members"):
        assert "consumer.json cannot be read" in snapshot.problems[0]
        assert snapshot.consumer.word == "none"


@pytest.mark.parametrize("kind", ["folder", "fifo", "link"])
def test_a_heartbeat_that_is_no_file_is_a_problem_and_no_hang(
    agent_root: Layout, reader: SnapshotReader, kind: str
) -> None:
    path = agent_root.consumer_json
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to(agent_root.root)
    assert "consumer.json cannot be read" in reader.read().problems[0]


def test_a_problem_goes_when_the_file_is_right_again(
    agent_root: Layout, reader: SnapshotReader
) -> None:
    agent_root.consumer_json.write_bytes(b"{")
    assert reader.read().problems
    beat(agent_root)
    assert reader.read(frozenset({"consumer"})).problems == ()


# ---- cadences ------------------------------------------------------------------------------


def test_cadences_come_from_everywhere_that_names_one(
    agent_root: Layout, reader: SnapshotReader
) -> None:
    settings(agent_root, '[cadence.configured]\nmode = "inline"\nhandler = "heartbeat"\n')
    agent_root.triggers.mkdir(parents=True)
    agent_root.prompt("prompted").write_text("x")
    (agent_root.triggers / "README.txt").write_text("x")
    write_tick(agent_root.inbox, "t1", "waiting")
    write_tick(agent_root.claimed, "t2", "claimed", claim={"owner": "1", "token": "x"})
    write_tick(agent_root.dlq, "t3", "dead")
    beat(agent_root, cadences={"beating": {"state": "closed", "failures": 0}})
    ledger_run(agent_root, "r1", cadence="ran")
    write_json(agent_root.paused / "paused.json", {})
    write_json(agent_root.circuit_open, {"open": {"open": {"failures": 3}}})
    snapshot = reader.read()
    assert [view.name for view in snapshot.cadences] == [
        "beating", "claimed", "configured", "dead", "open", "paused", "prompted", "ran", "waiting",
    ]  # fmt: skip
    assert cadence(snapshot, "configured").mode == "inline"
    assert cadence(snapshot, "prompted").mode == "unregistered"
    assert cadence(snapshot, "prompted").prompt_exists
    assert not cadence(snapshot, "waiting").prompt_exists
    assert (cadence(snapshot, "waiting").waiting, cadence(snapshot, "dead").dead) == (1, 1)


def test_states_are_the_consumers_words_while_it_lives(
    agent_root: Layout, reader: SnapshotReader
) -> None:
    until = iso(NOW + 600)
    beat(
        agent_root,
        cadences={
            "a": {"state": "open", "failures": 3, "next_allowed_at": None, "open_until": until},
            "b": {"state": "backoff", "failures": 1, "next_allowed_at": until, "open_until": None},
            "c": {"state": "half_open", "failures": 3, "next_allowed_at": None, "open_until": None},
            "d": {"state": "paused", "failures": 2, "next_allowed_at": None, "open_until": None},
        },
    )
    snapshot = reader.read()
    found = {view.name: (view.state, view.failures) for view in snapshot.cadences}
    assert found["a"] == ("open", 3)
    assert found["b"] == ("backoff", 1)
    assert found["c"] == ("half_open", 3)
    assert cadence(snapshot, "a").open_until == NOW + 600
    assert cadence(snapshot, "a").hold_length == 1800
    assert cadence(snapshot, "b").hold_length == 30
    assert found["d"][0] == "closed", "its marker is gone: the next beat will say so too"
    assert snapshot.counts.open_circuits == 1


def test_states_are_read_from_the_files_when_no_consumer_lives(
    agent_root: Layout, reader: SnapshotReader, clock: FakeClock
) -> None:
    beat(agent_root, NOW - 600, cadences={"a": {"state": "closed", "failures": 0}})
    write_json(
        agent_root.circuit_open,
        {"open": {"a": {"failures": 3, "open_until": iso(NOW + 60)}, "../b": {"failures": 1}}},
    )
    gates = {
        "cadences": {
            "a": {"failures": 3},
            "c": {"failures": 1, "next_allowed_at": iso(NOW + 20)},
            "d": {"failures": 3},
        },
        "hold": {"kind": "quota", "until": iso(NOW + 500), "since": iso(NOW), "reason": "5 h"},
    }
    write_json(agent_root.gates, gates)
    settings(agent_root, '[cadence.e]\nmode = "inline"\nhandler = "heartbeat"\n')
    snapshot = reader.read()
    assert snapshot.consumer.word == "crashed"
    assert snapshot.consumer.hold is not None
    assert snapshot.consumer.hold.kind == "quota"
    assert {view.name: view.state for view in snapshot.cadences} == {
        "a": "quota", "c": "quota", "d": "quota", "e": "closed",
    }  # fmt: skip
    del gates["hold"]
    write_json(agent_root.gates, gates)
    snapshot = reader.read(frozenset({"circuit"}))
    assert {view.name: view.state for view in snapshot.cadences} == {
        "a": "open", "c": "backoff", "d": "half_open", "e": "closed",
    }  # fmt: skip
    clock.advance(61)
    later = reader.read(frozenset())
    assert {view.name: view.state for view in later.cadences} == {
        "a": "half_open", "c": "closed", "d": "half_open", "e": "closed",
    }  # fmt: skip
    assert later.counts.open_circuits == 0


def test_a_pause_marker_counts_before_the_consumer_has_seen_it(
    agent_root: Layout, reader: SnapshotReader
) -> None:
    beat(agent_root, cadences={"memo": {"state": "closed", "failures": 0}})
    write_json(agent_root.paused / "memo.json", {"at": iso(NOW), "by": "ops", "reason": "why"})
    (agent_root.paused / "odd.json").write_bytes(b"\xff{")
    (agent_root.paused / "notes.txt").write_text("x")
    snapshot = reader.read()
    view = cadence(snapshot, "memo")
    assert view.state == "paused"
    assert view.paused is not None
    assert (view.paused.at, view.paused.by, view.paused.reason) == (NOW, "ops", "why")
    odd = cadence(snapshot, "odd").paused
    assert odd is not None
    assert (odd.at, odd.by, odd.reason) == (None, None, None)


@pytest.mark.parametrize("content", [b"", b"x", b'{"at": 5, "by": [], "reason": 1}'])
def test_any_emergency_stop_counts(
    agent_root: Layout, reader: SnapshotReader, content: bytes
) -> None:
    assert reader.read().emergency_stop is None
    agent_root.emergency_stop.write_bytes(content)
    stop = reader.read(frozenset({"estop"})).emergency_stop
    assert stop is not None
    assert stop.by is None


def test_next_due_follows_the_schedule(
    agent_root: Layout, reader: SnapshotReader, clock: FakeClock
) -> None:
    settings(agent_root, '[cadence.memo]\nschedule = "*/5 * * * *"\n')
    assert cadence(reader.read(), "memo").next_due == parse_iso("2026-11-24T02:05:00Z")
    clock.advance(200)
    assert cadence(reader.read(frozenset()), "memo").next_due == parse_iso("2026-11-24T02:10:00Z")


def test_wrong_settings_are_a_problem_and_why_no_consumer_starts(
    agent_root: Layout, reader: SnapshotReader
) -> None:
    settings(agent_root, "[consumer]\nmax_attempts = 0\n")
    snapshot = reader.read()
    assert "max_attempts" in snapshot.problems[0]
    assert "max_attempts" in (snapshot.consumer.settings_error or "")


def test_the_ledger_gives_the_last_runs_the_usual_time_and_the_cost_of_today(
    agent_root: Layout, reader: SnapshotReader
) -> None:
    for number in range(25):
        ledger_run(agent_root, f"r{number:02}", seconds=10.0 + number, cost=0.5)
    ledger_run(agent_root, "bad", result="failed", seconds=1.0)
    ledger_run(agent_root, "old", cost=9.0, end="2026-11-23T23:59:59.000Z", cadence="other")
    snapshot = reader.read()
    view = cadence(snapshot, "memo")
    assert [row.run_id for row in view.recent] == [*(f"r{n:02}" for n in range(6, 25)), "bad"]
    assert view.usual_seconds == 25.0
    assert snapshot.cost_today == pytest.approx(12.5)


def test_a_new_day_starts_without_cost_even_when_nothing_changes(
    agent_root: Layout, reader: SnapshotReader, clock: FakeClock
) -> None:
    ledger_run(agent_root, "r1", cost=0.5)
    assert reader.read().cost_today == 0.5
    clock.advance(86400)
    assert reader.read(frozenset()).cost_today == 0.0


def test_a_damaged_ledger_is_a_problem_and_no_crash(
    agent_root: Layout, reader: SnapshotReader
) -> None:
    agent_root.ledger.write_bytes(b"this is no database" * 100)
    assert any("ledger" in line for line in reader.read().problems)


# ---- folders -------------------------------------------------------------------------------


def test_counts_leave_out_what_is_no_tick_and_the_reasons_in_quarantine(
    agent_root: Layout, reader: SnapshotReader
) -> None:
    write_tick(agent_root.inbox, "t1")
    (agent_root.inbox / ".hidden.json").write_text("{}")
    (agent_root.quarantine / "bad.json").write_text("{")
    (agent_root.quarantine / "bad.json.reason.json").write_text("{}")
    counts = reader.read().counts
    assert (counts.inbox, counts.quarantine) == (1, 1)


def test_ticks_that_come_and_go_are_counted_by_cadence(
    agent_root: Layout, reader: SnapshotReader
) -> None:
    paths = [write_tick(agent_root.inbox, f"t{n}", "memo") for n in range(3)]
    assert cadence(reader.read(), "memo").waiting == 3
    paths[0].unlink()
    write_tick(agent_root.inbox, "t9", "other")
    snapshot = reader.read(frozenset({"inbox"}))
    assert (cadence(snapshot, "memo").waiting, cadence(snapshot, "other").waiting) == (2, 1)


def test_a_bus_that_is_deleted_under_the_reader_is_just_empty(
    agent_root: Layout, reader: SnapshotReader
) -> None:
    write_tick(agent_root.inbox, "t1")
    write_tick(agent_root.dlq, "t2")
    assert reader.read().counts.inbox == 1
    for path in sorted(agent_root.bus.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    agent_root.bus.rmdir()
    snapshot = reader.read()
    assert (snapshot.counts.inbox, snapshot.counts.dlq) == (0, 0)


@pytest.mark.parametrize("name", ["inbox", "claimed", "dlq", "quarantine", "paused"])
def test_a_file_in_the_place_of_a_folder_is_no_empty_folder(
    agent_root: Layout, reader: SnapshotReader, name: str
) -> None:
    (agent_root.bus / name).rmdir()
    (agent_root.bus / name).write_text("")
    [problem] = reader.read().problems
    assert problem == f"{name}: Not a directory: {agent_root.bus / name}"


class CountingFiles(OsFiles):
    """The real disk, with a tally of what was read."""

    def __init__(self) -> None:
        self.read_paths: list[str] = []
        self.listed: list[str] = []

    def read(self, path: Any, limit: int) -> bytes:
        self.read_paths.append(Path(path).name)
        return super().read(path, limit)

    def names(self, folder: Any) -> list[str]:
        self.listed.append(Path(folder).name)
        return super().names(folder)


def test_only_what_the_topics_name_is_read_again(agent_root: Layout, clock: FakeClock) -> None:
    for number in range(50):
        write_tick(agent_root.dlq, f"d{number}")
    beat(agent_root)
    files = CountingFiles()
    reader = SnapshotReader(agent_root, clock, fs=files)
    reader.read()
    files.read_paths.clear()
    files.listed.clear()
    reader.read(frozenset({"consumer"}))
    assert files.read_paths == ["consumer.json", "service.json"]
    assert files.listed == []
    write_tick(agent_root.dlq, "new")
    files.read_paths.clear()
    reader.read(frozenset({"dlq"}))
    assert files.read_paths == ["new.json"]


def test_many_new_files_are_read_in_slices_and_all_of_them_in_the_end(
    agent_root: Layout, clock: FakeClock
) -> None:
    for number in range(2500):
        write_tick(agent_root.dlq, f"d{number}", f"c{number % 5}")
    ticking = _TickingClock()
    reader = SnapshotReader(agent_root, ticking)
    first = reader.read()
    assert first.counts.dlq == 2500, "the number is known at once"
    assert not reader.settled
    reads = 1
    while not reader.settled:
        last = reader.read(frozenset())
        reads += 1
    assert reads >= 3
    assert [view.dead for view in last.cadences] == [500] * 5
    whole = SnapshotReader(agent_root, ticking, whole=True)
    assert sum(view.dead for view in whole.read().cadences) == 2500
    assert whole.settled


class _TickingClock(FakeClock):
    """Each look at it costs time, so that a slice ends after the least it must read."""

    def awake(self) -> float:
        self.advance(1.0)
        return super().awake()


# ---- identity ------------------------------------------------------------------------------


def test_parts_that_did_not_change_are_the_same_objects(
    agent_root: Layout, reader: SnapshotReader, clock: FakeClock
) -> None:
    write_tick(agent_root.inbox, "t1", "memo")
    write_tick(agent_root.inbox, "t2", "other")
    ledger_run(agent_root, "r1")
    agent_root.emergency_stop.write_text("{}")
    beat(agent_root)
    first = reader.read()
    clock.advance(1)
    second = reader.read(EVERYTHING)
    assert second is not first
    for name in ("consumer", "emergency_stop", "counts", "cadences", "running", "problems"):
        assert getattr(second, name) is getattr(first, name), name
    write_tick(agent_root.inbox, "t3", "memo")
    third = reader.read(frozenset({"inbox"}))
    assert cadence(third, "other") is cadence(first, "other")
    assert cadence(third, "memo") is not cadence(first, "memo")
    assert cadence(third, "memo").recent is cadence(first, "memo").recent
