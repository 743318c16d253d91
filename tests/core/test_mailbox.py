"""Proves that operator commands are taken oldest first, applied once, and that nothing that lies
in the control folder can stop or crash the consumer: it goes to quarantine with a reason."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from maestro_core.clock import FakeClock, iso
from maestro_core.control.commands import Ack, Outcome
from maestro_core.control.mailbox import KEEP_ACKS, YOUNG, Mailbox
from maestro_core.files import OsFiles
from maestro_core.layout import Layout
from tests.support import read_json, write_json


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def mailbox(agent_root: Layout, clock: FakeClock) -> Mailbox:
    return Mailbox(agent_root, OsFiles(), clock)


def command(layout: Layout, command_id: str, **fields: Any) -> Path:
    document = {
        "id": command_id,
        "verb": "circuit_close",
        "targets": ["memo"],
        "at": "2026-11-24T02:03:04.567Z",
        "actor": {"user": "ops", "via": "cli"},
    }
    return write_json(layout.control / f"{command_id}.json", document | fields)


def ack(command_id: str) -> Ack:
    outcomes = (Outcome("memo", True, "closed"),)
    return Ack(id=command_id, ok=True, at=iso(0), by_pid=1, outcomes=outcomes)


def age(path: Path, clock: FakeClock, seconds: float) -> None:
    moment = clock.wall() - seconds
    os.utime(path, (moment, moment), follow_symlinks=False)


def quarantined(layout: Layout) -> dict[str, str]:
    """Quarantined names with their reasons."""
    names = [n for n in os.listdir(layout.quarantine) if not n.endswith(".reason.json")]
    return {n: read_json(layout.quarantine / f"{n}.reason.json")["reason"] for n in names}


def test_commands_come_oldest_first_whatever_their_names(
    agent_root: Layout, mailbox: Mailbox
) -> None:
    command(agent_root, "a", at="2026-11-24T02:03:06Z")
    command(agent_root, "z", at="2026-11-24T02:03:04Z")
    command(agent_root, "m", at="2026-11-24T04:03:05+02:00")
    assert [one.id for one in mailbox.pending()] == ["z", "m", "a"]


def test_an_acknowledged_command_is_gone_and_its_ack_is_there(
    agent_root: Layout, mailbox: Mailbox
) -> None:
    path = command(agent_root, "c1")
    (one,) = mailbox.pending()
    mailbox.acknowledge(ack(one.id))
    assert not path.exists()
    stored = read_json(agent_root.acks / "c1.json")
    assert stored["ok"] is True
    assert stored["outcomes"] == [{"target": "memo", "ok": True, "detail": "closed"}]
    assert mailbox.pending() == []


def test_a_command_whose_ack_exists_is_not_applied_again(
    agent_root: Layout, mailbox: Mailbox
) -> None:
    path = command(agent_root, "c1")
    mailbox.acknowledge(ack("c1"))
    command(agent_root, "c1")  # as if the consumer had died between ack and removal
    assert mailbox.pending() == []
    assert not path.exists()


def test_a_missing_control_folder_means_no_commands(tmp_path: Path, clock: FakeClock) -> None:
    assert Mailbox(Layout(tmp_path), OsFiles(), clock).pending() == []


BAD_BYTES = {
    "empty": b"",
    "half": b'{"id": "bad", "verb": ',
    "nul": b"\0" * 400,
    "not-utf-8": b'{"id": "\xff"}',
    "a-list": b"[]",
    "deep": b"[" * 100_000,
    "no-verb": b'{"id": "bad"}',
}
BAD_FIELDS: dict[str, dict[str, Any]] = {
    "unknown-verb": {"verb": "rm"},
    "wrong-type": {"targets": "memo"},
    "no-target": {"targets": []},
    "other-id": {"id": "../../escape"},
    "no-time": {"at": "yesterday"},
    "negative": {"verb": "circuit_open", "seconds": -1},
    "forever": {"verb": "circuit_open", "seconds": 1e18},
}


@pytest.mark.parametrize("case", [*BAD_BYTES, *BAD_FIELDS])
def test_what_is_no_command_goes_to_quarantine_with_its_bytes_and_a_reason(
    agent_root: Layout, mailbox: Mailbox, clock: FakeClock, case: str
) -> None:
    path = command(agent_root, "bad", **BAD_FIELDS.get(case, {}))
    if case in BAD_BYTES:
        path.write_bytes(BAD_BYTES[case])
    content = path.read_bytes()
    age(path, clock, YOUNG + 1)
    command(agent_root, "good")
    assert [one.id for one in mailbox.pending()] == ["good"]
    assert "not an operator command" in quarantined(agent_root)["bad.json"]
    assert (agent_root.quarantine / "bad.json").read_bytes() == content
    refusal = read_json(agent_root.acks / "bad.json")
    assert (refusal["id"], refusal["ok"]) == ("bad", False)
    assert "not an operator command" in refusal["outcomes"][0]["detail"]


def test_what_bears_no_possible_id_is_refused_without_an_ack(
    agent_root: Layout, mailbox: Mailbox, clock: FakeClock
) -> None:
    path = agent_root.control / "no name.json"
    path.write_text("{}")
    age(path, clock, YOUNG + 1)
    assert mailbox.pending() == []
    assert list(quarantined(agent_root)) == ["no name.json"]
    assert os.listdir(agent_root.acks) == []


def test_a_file_that_is_still_being_written_waits(
    agent_root: Layout, mailbox: Mailbox, clock: FakeClock
) -> None:
    path = command(agent_root, "slow")
    whole = path.read_bytes()
    path.write_bytes(whole[:40])
    age(path, clock, 1)
    assert mailbox.pending() == []
    assert path.exists()
    path.write_bytes(whole)
    assert [one.id for one in mailbox.pending()] == ["slow"]


def test_a_time_stamp_in_the_future_does_not_make_a_file_wait_for_ever(
    agent_root: Layout, mailbox: Mailbox, clock: FakeClock
) -> None:
    path = agent_root.control / "bad.json"
    path.write_bytes(b"{")
    age(path, clock, -3600)
    assert mailbox.pending() == []
    assert "bad.json" in quarantined(agent_root)


@pytest.mark.parametrize("kind", ["folder", "fifo", "link", "dangling"])
def test_what_is_no_plain_file_is_moved_aside_and_never_followed(
    agent_root: Layout, mailbox: Mailbox, clock: FakeClock, tmp_path: Path, kind: str
) -> None:
    path = agent_root.control / "odd.json"
    target = tmp_path / "target.json"
    target.write_text("untouched")
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to(target if kind == "link" else tmp_path / "nowhere")
    assert mailbox.pending() == []
    assert not os.path.lexists(path)
    assert "odd.json" in quarantined(agent_root)
    assert target.read_text() == "untouched"


def test_two_bad_files_of_one_name_are_both_kept(
    agent_root: Layout, mailbox: Mailbox, clock: FakeClock
) -> None:
    for content in (b"first", b"second"):
        path = agent_root.control / "bad.json"
        path.write_bytes(content)
        age(path, clock, 60)
        mailbox.pending()
    kept = {(agent_root.quarantine / name).read_bytes() for name in quarantined(agent_root)}
    assert kept == {b"first", b"second"}


def test_a_name_as_long_as_names_can_be_is_quarantined_too(
    agent_root: Layout, mailbox: Mailbox, clock: FakeClock
) -> None:
    name = "x" * 250 + ".json"
    (agent_root.control / name).write_bytes(b"{")
    age(agent_root.control / name, clock, 60)
    assert mailbox.pending() == []
    assert (agent_root.quarantine / name).exists()


def test_other_files_in_the_folder_are_left_alone(agent_root: Layout, mailbox: Mailbox) -> None:
    for name in (".hidden.json", "c1.json.tmp", "notes.txt"):
        (agent_root.control / name).write_text("{}")
    assert mailbox.pending() == []
    assert quarantined(agent_root) == {}


def test_unknown_fields_of_a_newer_program_are_no_fault(
    agent_root: Layout, mailbox: Mailbox
) -> None:
    command(agent_root, "c1", mood="calm")
    assert [one.id for one in mailbox.pending()] == ["c1"]


def test_old_acks_are_pruned_and_fresh_ones_stay(agent_root: Layout, mailbox: Mailbox) -> None:
    for name, seconds in (("old", KEEP_ACKS + 60), ("fresh", 60)):
        path = write_json(agent_root.acks / f"{name}.json", {})
        moment = path.stat().st_mtime - seconds
        os.utime(path, (moment, moment))
    mailbox.acknowledge(ack("c1"))
    assert not (agent_root.acks / "old.json").exists()
    assert (agent_root.acks / "fresh.json").exists()


def test_a_flood_of_commands_is_taken_in_portions(agent_root: Layout, mailbox: Mailbox) -> None:
    for number in range(150):
        command(agent_root, f"c{number:03}")
    rounds = []
    while batch := mailbox.pending():
        rounds.append(len(batch))
        for one in batch:
            mailbox.acknowledge(ack(one.id))
    assert sum(rounds) == 150
    assert max(rounds) <= 64


def test_a_flood_of_junk_does_not_hold_a_pass_up(
    agent_root: Layout, mailbox: Mailbox, clock: FakeClock
) -> None:
    for number in range(100):
        path = agent_root.control / f"junk{number:03}.json"
        path.write_bytes(b"{")
        age(path, clock, 60)
    command(agent_root, "zz")
    assert mailbox.pending() == []
    assert len(quarantined(agent_root)) == 64
    assert [one.id for one in mailbox.pending()] == ["zz"]


def test_a_bulk_command_may_name_many_thousand_targets(
    agent_root: Layout, mailbox: Mailbox
) -> None:
    targets = [f"20261124t020304567z-inbox-processor-{n:08x}" for n in range(50_000)]
    command(agent_root, "bulk", verb="dlq_retry", targets=targets)
    (one,) = mailbox.pending()
    assert one.targets == tuple(targets)
    assert json.loads((agent_root.control / "bulk.json").read_bytes())["id"] == "bulk"
