"""Proves that docs/schemas/ is what the types say now, and that it tells the truth: the files of
an agent root that really ran, and what the commands print about it, fit their schemas."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from maestro_core.control.commands import Ack, Actor, Command, Outcome
from maestro_core.control.mailbox import encode
from maestro_core.demo.agent import prepare_demo
from maestro_core.layout import Layout
from maestro_core.models import RunRow, Tick, Usage
from tests.support import read_json, write_tick
from tools.schemas import FOLDER, TYPES, schemas, text
from tools.shapes import FullUsage, Run, TickFile

PROGRAM = Path(sys.executable).parent / "maestro-tui"
ALL = sorted(schemas())

pytestmark = pytest.mark.xdist_group("packaging")


def faults(name: str, document: Any) -> list[str]:
    """What does not fit the schema of that name, as it stands in the folder."""
    validator = Draft202012Validator(json.loads((FOLDER / f"{name}.schema.json").read_text()))
    return [f"{list(one.absolute_path)}: {one.message}" for one in validator.iter_errors(document)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A demo agent on which ticks ran, one is due later, a circuit is forced open."""
    layout = prepare_demo(tmp_path_factory.mktemp("schemas") / "agent")
    command(layout, "enqueue", "crm-sync", "--payload", '{"a": [1, null]}')
    command(layout, "run", "--until-idle")
    command(layout, "circuit", "open", "market-scan", "--for", "600")
    command(layout, "enqueue", "crm-sync", "--not-before", "+1h", "--priority", "3")
    return layout


def command(layout: Layout, *words: str, fine: tuple[int, ...] = (0,)) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAESTRO_")}
    env |= {
        "MAESTRO_CLAUDE_BIN": str(layout.root / "bin/claude"), "HOME": str(layout.root),
        "MAESTRO_PREFER_SUBSCRIPTION_AUTH": "1",
    }  # fmt: skip
    done = subprocess.run(
        [PROGRAM, *words], cwd=layout.root, env=env, timeout=120, capture_output=True, text=True
    )
    assert done.returncode in fine, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ALL)
def test_the_file_is_what_the_types_say_now(name: str) -> None:
    assert (FOLDER / name).read_text() == text(schemas()[name]), "run: make schemas"


def test_there_is_no_file_too_many() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == ALL


@pytest.mark.parametrize("name", ALL)
def test_each_is_a_schema(name: str) -> None:
    Draft202012Validator.check_schema(json.loads((FOLDER / name).read_text()))


def test_a_tick_file_has_the_fields_of_a_tick() -> None:
    assert set(TickFile.__struct_fields__) ^ set(Tick.__struct_fields__) == {"extra", "claim"}


def test_shapes_that_are_written_twice_have_the_same_fields() -> None:
    assert FullUsage.__struct_fields__ == Usage.__struct_fields__
    assert Run.__struct_fields__ == RunRow.__struct_fields__


def test_the_files_of_a_root_that_ran_fit(root: Layout) -> None:
    ticks = [*root.inbox.glob("*.json"), *root.dlq.glob("*.json")]
    assert len(ticks) > 3
    found = {str(path): faults("tick", read_json(path)) for path in ticks}
    found["beat"] = faults("consumer", read_json(root.consumer_json))
    found["circuits"] = faults("circuit-open", read_json(root.circuit_open))
    found["settings"] = faults("cadences.toml", tomllib.loads(root.cadences_toml.read_text()))
    assert not any(found.values()), found


def test_every_line_of_the_journal_and_of_the_operators_acts_fits(root: Layout) -> None:
    files = [path for path in root.logs.glob("*.jsonl") if path.name != "operators.jsonl"]
    lines = [json.loads(line) for path in files for line in path.read_text().splitlines()]
    assert len(lines) > 5
    assert [fault for line in lines for fault in faults("journal-line", line)] == []


def test_a_command_and_its_answer_fit_as_they_lie_on_the_disk() -> None:
    ops = Actor("ops", "cli", address="10.0.0.7", pid=7)
    asked = Command(
        id="c1", verb="circuit_open", targets=("memo",), at="2026-11-24T02:03:04.567Z", actor=ops,
        reason="deploying", seconds=600.0,
    )  # fmt: skip
    answer = Ack(
        id="c1", ok=False, at="2026-11-24T02:03:05.000Z", by_pid=8,
        outcomes=(Outcome("memo", False, "no such cadence"),), before={"state": "closed"},
    )  # fmt: skip
    assert faults("command", json.loads(encode(asked))) == []
    assert faults("ack", json.loads(encode(answer))) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("status", ["status"]),
        ("runs", ["runs"]),
        ("cadences", ["cadences"]),
        ("dlq-list", ["dlq", "list"]),
        ("journal", ["journal"]),
        ("costs", ["costs"]),
        ("explain", ["explain", "market-scan"]),
        ("doctor", ["doctor", "--offline"]),
        ("schedule-show", ["schedule", "show"]),
    ],
)
def test_what_a_command_prints_fits(root: Layout, name: str, words: list[str]) -> None:
    document = json.loads(command(root, *words, "--json", fine=(0, 1, 3)))
    assert faults(name, document) == []


def test_the_status_of_several_agents_fits_a_broken_one_too(root: Layout) -> None:
    options = ["--root", str(root.root), "--root", "/nowhere/at/all"]
    document = json.loads(command(root, *options, "status", "--json", fine=(1,)))
    assert faults("status-of-all", document) == []
    assert len(document["agents"]) == 2


def test_rows_of_the_ledger_fit(root: Layout) -> None:
    rows = json.loads(command(root, "runs", "--json"))["runs"]
    assert rows
    assert [fault for row in rows for fault in faults("ledger-row", row)] == []


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("tick", {"id": "t1"}),
        ("tick", {"id": "../t1", "cadence": "memo"}),
        ("tick", {"id": "t1", "cadence": "memo", "attempts": "2"}),
        ("cadences.toml", {"consumer": {"nonsense": 1}}),
        ("cadences.toml", {"cadence": {"memo": {"mode": "fast"}}}),
        ("consumer", {"pid": 1}),
        ("command", {"id": "c", "verb": "explode", "targets": [], "at": "", "actor": {}}),
        ("status", {"schema_version": 2}),
    ],
)
def test_what_is_wrong_does_not_fit(name: str, document: Any) -> None:
    assert faults(name, document)


def test_the_smallest_tick_fits(tmp_path: Path) -> None:
    assert faults("tick", read_json(write_tick(tmp_path, "t1", anything={"deep": 1}))) == []


def test_every_schema_is_named_in_the_page_for_integrators() -> None:
    page = (FOLDER.parent / "integration.md").read_text()
    assert [name for name in TYPES if f"schemas/{name}.schema.json" not in page] == []
