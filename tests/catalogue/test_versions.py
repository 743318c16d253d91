"""Row 51: older, newer and foreign programs on one bus. The files in `golden` are as the Node
daemon of before wrote them, or as a later version of ours might.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from maestro_core.clock import FakeClock, parse_iso
from maestro_core.journal import read_journal
from maestro_core.layout import Layout
from maestro_core.observe.reader import SnapshotReader
from tests.catalogue.kit import program
from tests.core.consumer_kit import FAIL, OK, Kit, always
from tests.support import read_json

GOLDEN = Path(__file__).parent / "golden"
NOW = parse_iso("2026-05-28T20:31:30Z")


def golden(layout: Layout, name: str, folder: Path) -> str:
    """Put a golden tick where the other program left it; its id."""
    tick_id: str = read_json(GOLDEN / name)["id"]
    shutil.copyfile(GOLDEN / name, folder / f"{tick_id}.json")
    return tick_id


def kit_at(tmp_path: Path, result: Any = OK) -> Kit:
    kit = Kit(tmp_path, always(result), clock=FakeClock(NOW), backoff_seconds=(0.0,))
    for cadence in ("weekly-strategic-memo", "inbox-processor"):
        kit.prompt(cadence)
    return kit


@pytest.mark.parametrize("name", ["inbox.json", "inbox-retried.json"])
def test_a_tick_that_the_reference_left_waiting_is_run(tmp_path: Path, name: str) -> None:
    kit = kit_at(tmp_path)
    tick_id = golden(kit.layout, name, kit.layout.inbox)
    kit.start().run_for(10)
    assert [spec.tick.id for spec in kit.launcher.starts] == [tick_id]
    assert kit.launcher.starts[0].tick.attempts == read_json(GOLDEN / name)["attempts"] + 1
    assert kit.names("inbox") == kit.names("quarantine") == []


def test_a_tick_that_the_reference_had_claimed_is_recovered(tmp_path: Path) -> None:
    kit = kit_at(tmp_path)
    tick_id = golden(kit.layout, "claimed.json", kit.layout.claimed)
    kit.start().run_for(10)
    assert [spec.tick.id for spec in kit.launcher.starts] == [tick_id]
    assert kit.names("claimed") == kit.names("dlq") == []


def test_a_dead_letter_of_the_reference_is_shown_and_retried(tmp_path: Path) -> None:
    kit = kit_at(tmp_path, FAIL)
    tick_id = golden(kit.layout, "dlq.json", kit.layout.dlq)
    shown = program(kit.layout, "dlq", "list")
    assert "invalid x-api-key" in shown.stdout
    done = program(kit.layout, "dlq", "retry", tick_id)
    assert done.returncode == 0, done.stderr
    back = read_json(kit.layout.inbox / f"{tick_id}.json")
    assert (back["attempts"], back["failed_at"]) == (0, "2026-05-28T20:31:00.000Z")


def test_a_circuit_that_the_reference_opened_holds_its_cadence(tmp_path: Path) -> None:
    kit = kit_at(tmp_path)
    shutil.copyfile(GOLDEN / "circuit-open.json", kit.layout.circuit_open)
    kit.start()
    kit.drop("inbox-processor")
    kit.drop("weekly-strategic-memo")
    kit.run_for(60)
    assert kit.launcher.cadences() == ["weekly-strategic-memo"]
    assert set(read_json(kit.layout.circuit_open)) == {"generated", "open"}
    kit.run_for(1800)
    assert "inbox-processor" in kit.launcher.cadences()
    assert not kit.layout.circuit_open.exists()


def test_what_we_write_has_the_names_that_the_reference_reads(tmp_path: Path) -> None:
    kit = kit_at(tmp_path, FAIL)
    kit.start()
    kit.drop("inbox-processor", 3)
    kit.run_for(60)
    [entry] = read_json(kit.layout.circuit_open)["open"].values()
    wanted = read_json(GOLDEN / "circuit-open.json")["open"]["inbox-processor"]
    assert entry.keys() == wanted.keys()
    for folder in ("inbox", "dlq"):
        for name in kit.names(folder):
            tick = kit.tick(folder, name)
            assert read_json(GOLDEN / "inbox.json").keys() - {"payload"} <= tick.keys()
    assert {"subsession_failed", "circuit_opened", "skipped_circuit_open"} <= set(kit.stages())


def test_the_journal_of_the_reference_is_read(agent_root: Layout) -> None:
    shutil.copyfile(GOLDEN / "journal.jsonl", agent_root.logs / "2026-05-28.jsonl")
    stages = [entry["stage"] for entry in read_journal(agent_root, limit=10)]
    assert stages == ["subsession_spawn", "circuit_opened"]


def test_the_heartbeat_of_a_newer_consumer_is_shown(agent_root: Layout) -> None:
    shutil.copyfile(GOLDEN / "consumer-newer.json", agent_root.consumer_json)
    view = SnapshotReader(agent_root, FakeClock(NOW)).read().consumer
    assert (view.pid, view.version) == (4242, "9.0.0")
    done = program(agent_root, "status")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
