"""Proves that an agent root of another program is described as it is, that what a start would do
is what a start does, and that looking changes nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from maestro_core.adopt.shelf import read_shelf
from maestro_core.adopt.survey import plan, survey
from maestro_core.clock import FakeClock, iso
from maestro_core.consumer.ownership import Ownership
from maestro_core.files import OsFiles
from maestro_core.layout import Layout
from tests.core.consumer_kit import Kit
from tests.support import write_json, write_tick

CANARY = "sk-ant-canary-5521-xyz"


def reference_root(root: Path) -> Layout:
    """As the Node daemon leaves one: no lock, no heartbeat, folders of its own making."""
    layout = Layout(root)
    for folder in (layout.inbox, layout.claimed, layout.dlq, layout.triggers, layout.subsessions):
        folder.mkdir(parents=True)
    for cadence in ("inbox-processor", "weekly-strategic-memo"):
        layout.prompt(cadence).write_text(f"# {cadence}\n")
    (layout.triggers / ".hidden.md").write_text("x")
    write_tick(layout.inbox, "t1", enqueued_at="2026-11-20T02:00:00.000Z")
    write_tick(layout.inbox, "t2", "weekly-strategic-memo", attempts=1)
    write_tick(layout.inbox, "t3", "forgotten")
    (layout.inbox / "half.json").write_text('{"id": "half", "cad')
    (layout.inbox / "notes.txt").write_text("hello")
    (layout.inbox / ".DS_Store").write_bytes(b"\0\0")
    os.utime(layout.inbox / "half.json", (0, 0))
    write_tick(layout.claimed, "c1", attempts=1)
    write_tick(layout.dlq, "d1", last_error="exit 1: boom", attempts=2)
    write_json(layout.circuit_open, {
        "generated": "2026-11-24T02:00:00.000Z",
        "open": {"inbox-processor": {"failures": 3, "open_until": iso(time.time() + 1200)},
                 "weekly-strategic-memo": {"failures": 4, "open_until": iso(time.time() - 60)}},
    })  # fmt: skip
    layout.env_file.write_text(
        f"ANTHROPIC_API_KEY={CANARY}\nSLACK_USER_TOKEN=placeholder-x\nAGENT_NAME=Atlas\nOTHER=1\n"
    )
    layout.env_file.chmod(0o600)
    journal = layout.logs / "2026-11-23.jsonl"
    journal.write_text('{"ts": "2026-11-23T02:00:00.000Z", "level": "info", "stage": "x"}\n')
    os.utime(journal, (time.time() - 7200,) * 2)
    return layout


def picture(root: Path) -> dict[str, tuple[int, ...]]:
    """Everything that a change of any file would change."""
    return {
        str(path): (info.st_mode, info.st_size, info.st_mtime_ns, info.st_ino)
        for path in sorted(root.rglob("*"))
        for info in [os.lstat(path)]
    }


def adopt(layout: Layout, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "maestro_tui", "--root", str(layout.root), "adopt", *words],
        capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_everything_of_the_reference_is_found(tmp_path: Path) -> None:
    found = survey(reference_root(tmp_path / "ravi"), environ={})
    assert found.inbox.by_cadence == {
        "forgotten": 1, "inbox-processor": 1, "weekly-strategic-memo": 1,
    }  # fmt: skip
    assert found.inbox.oldest == "2026-11-20T02:00:00.000Z"
    assert [bad.name for bad in found.inbox.unusable] == ["half.json", "notes.txt"]
    assert [tick.id for tick in found.claimed.ticks] == ["c1"]
    assert [tick.last_error for tick in found.dlq.ticks] == ["exit 1: boom"]
    assert found.prompts == ("inbox-processor", "weekly-strategic-memo")
    assert found.unknown == {"forgotten": 1}
    assert found.names_set == ("ANTHROPIC_API_KEY", "SLACK_USER_TOKEN", "AGENT_NAME")
    assert found.placeholders == ("SLACK_USER_TOKEN",)
    states = {view.name: view.state for view in found.snapshot.cadences if view.failures}
    assert states == {"inbox-processor": "open", "weekly-strategic-memo": "half_open"}
    assert not found.problems
    assert not found.other_owner


def test_looking_changes_nothing(tmp_path: Path) -> None:
    layout = reference_root(tmp_path / "ravi")
    before = picture(tmp_path)
    survey(layout, environ={})
    for words in ((), ("--json",), ("--read-only",)):
        done = adopt(layout, *words)
        assert done.returncode == 0, done.stderr
        assert CANARY not in done.stdout
    assert picture(tmp_path) == before


def test_what_a_start_would_do_is_what_it_does(tmp_path: Path) -> None:
    layout = reference_root(tmp_path / "ravi")
    clock = FakeClock(time.time())
    told = "\n".join(plan(survey(layout, environ={}, clock=clock)))
    for words in (
        "keep the circuit of inbox-processor open until",
        "let one run of weekly-strategic-memo through",
        "end what is left of 1 tick that another consumer had claimed",
        "move 2 files that are no tick to quarantine",
        "dead-letter 1 of forgotten",
        "work on 2 waiting ticks",
        "leave 1 tick in the dead letters",
        "make ",
    ):
        assert words in told, words
    kit = Kit(layout.root, clock=clock).start()
    assert kit.launcher.orphans_of == [frozenset({"c1"})]
    kit.run_for(60)
    # the open circuit holds two ticks, one of them put back from claimed/ with its attempt kept
    assert kit.names("inbox") == ["c1", "t1"]
    back = kit.tick("inbox", "c1")
    assert back["attempts"] - back["recoveries"] == 1
    assert kit.launcher.cadences() == ["weekly-strategic-memo"]
    assert kit.names("dlq") == ["d1", "t3"]
    quarantined = {path.name for path in layout.quarantine.iterdir()}
    assert {name.split(".")[0] for name in quarantined} == {"half", "notes"}


def test_wrong_settings_are_in_the_way(tmp_path: Path) -> None:
    layout = reference_root(tmp_path / "ravi")
    layout.cadences_toml.parent.mkdir()
    layout.cadences_toml.write_text('[cadence.memo]\nmode = "sometimes"\n[cadence.lone]\n')
    done = adopt(layout, "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["can_start"]) == (1, False)
    assert any("sometimes" in line for line in document["problems"])
    assert document["starting_would"][-1].startswith("refuse to start")
    assert document["cadences_without_prompt"] == ["lone"]


def test_a_daemon_that_is_still_at_work_is_noticed(tmp_path: Path) -> None:
    layout = reference_root(tmp_path / "ravi")
    (layout.logs / "2026-11-24.jsonl").write_text("{}\n")
    done = adopt(layout)
    assert done.returncode == 0
    assert "CHECK FIRST" in done.stdout
    # one of ours is known by its heartbeat
    owner = Ownership.acquire(layout, what="daemon")
    now = iso(time.time())
    write_json(layout.consumer_json, {
        "pid": os.getpid(), "host": "h", "version": "1", "mode": "daemon", "stats": {},
        "started_at": now, "beat_at": now,
    })  # fmt: skip
    done = adopt(layout)
    owner.release()
    assert done.returncode == 0
    assert "wait or attach" in done.stdout


def test_an_emergency_stop_is_told_first(tmp_path: Path) -> None:
    layout = reference_root(tmp_path / "ravi")
    layout.emergency_stop.write_text("")
    told = plan(survey(layout, environ={}))
    assert any("claim nothing: the emergency stop is engaged" in line for line in told)
    assert not any("work on" in line for line in told)


def test_the_document_has_everything(tmp_path: Path) -> None:
    document = json.loads(adopt(reference_root(tmp_path / "ravi"), "--json").stdout)
    assert document["agent"] == "Atlas"
    assert document["env"] == {
        "set": ["ANTHROPIC_API_KEY", "SLACK_USER_TOKEN", "AGENT_NAME"],
        "placeholders": ["SLACK_USER_TOKEN"],
    }  # fmt: skip
    assert document["inbox"]["unusable"][1] == {
        "name": "notes.txt", "reason": "its name is not <id>.json",
    }  # fmt: skip
    assert {one["cadence"]: one["state"] for one in document["circuits"]} == {
        "inbox-processor": "open", "weekly-strategic-memo": "half_open",
    }  # fmt: skip
    assert document["can_start"] is True


HOSTILE: dict[str, Any] = {
    "dir.json": None, "empty.json": b"", "nul.json": b"\0" * 9, "list.json": b"[]",
    "other.json": b'{"id": "x", "cadence": "y"}', "deep.json": b"[" * 5000,
    "latin.json": b'{"id": "latin", "cadence": "\xe9"}', "evil\x1b[31m.json": b"{}",
    "huge.json": b" " * (1 << 20) + b"{}", "types.json": b'{"id": "types", "cadence": 5}',
}  # fmt: skip


def test_files_of_every_kind_are_named_and_never_fatal(agent_root: Layout) -> None:
    for name, data in HOSTILE.items():
        if data is None:
            (agent_root.inbox / name).mkdir()
        else:
            (agent_root.inbox / name).write_bytes(data)
    (agent_root.inbox / "link.json").symlink_to("/etc/passwd")
    os.mkfifo(agent_root.inbox / "pipe.json")
    shelf = read_shelf(OsFiles(), agent_root.inbox)
    assert shelf.ticks == ()
    assert {bad.name for bad in shelf.unusable} == {*HOSTILE, "link.json", "pipe.json"}
    assert all(bad.reason for bad in shelf.unusable)
    done = adopt(agent_root)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("where", ["nothing", "a file"])
def test_a_place_without_a_bus_is_described_too(tmp_path: Path, where: str) -> None:
    root = tmp_path / "agent"
    root.mkdir()
    if where == "a file":
        (root / "state").mkdir()
        (root / "state" / "cadence-bus").write_text("not a folder")
    before = picture(tmp_path)
    done = adopt(Layout(root), "--json")
    assert done.returncode in (0, 1), done.stderr
    assert json.loads(done.stdout)["inbox"]["ticks"] == 0
    assert picture(tmp_path) == before
