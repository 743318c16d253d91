"""Proves that pause and emergency stop are plain files that count by existing, whatever they
contain, that they work on a broken or full disk as far as can be, and that acts are recorded."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from maestro_core.control import audit, markers
from maestro_core.errors import BusError
from maestro_core.files import OsFiles
from maestro_core.layout import Layout
from tests.support import read_json

NOTE = {"at": "2026-11-24T02:03:04.567Z", "by": "ops", "reason": "quota"}


class FullDisk(OsFiles):
    """No block left for data; an inode for an empty file unless `inodes` is False."""

    def __init__(self, inodes: bool = True) -> None:
        self.inodes = inodes

    def create(self, path: Path, data: bytes) -> None:
        if data or not self.inodes:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        super().create(path, data)


def test_a_pause_says_who_when_and_why_and_a_resume_gives_it_back(agent_root: Layout) -> None:
    fs = OsFiles()
    assert markers.pause(agent_root, fs, "memo", NOTE) is None
    assert read_json(agent_root.paused / "memo.json") == NOTE
    assert markers.pause(agent_root, fs, "memo", NOTE | {"by": "other"}) == NOTE
    assert markers.resume(agent_root, fs, "memo") == NOTE | {"by": "other"}
    assert markers.resume(agent_root, fs, "memo") is None
    assert os.listdir(agent_root.tmp) == []


def test_the_emergency_stop_works_on_a_root_without_any_folder(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "fresh")
    assert markers.engage(layout, OsFiles(), NOTE | {"kill": True}) is None
    assert read_json(layout.emergency_stop)["kill"] is True
    assert layout.emergency_stop.stat().st_mode & 0o777 == 0o600


def test_a_full_disk_still_engages_the_stop_by_an_empty_file(agent_root: Layout) -> None:
    assert markers.engage(agent_root, FullDisk(), NOTE) is None
    assert agent_root.emergency_stop.read_bytes() == b""


def test_a_disk_without_inodes_says_what_to_do(agent_root: Layout) -> None:
    with pytest.raises(BusError, match="by hand"):
        markers.engage(agent_root, FullDisk(inodes=False), NOTE)


def test_a_kill_that_cannot_be_added_to_a_standing_stop_is_an_error(agent_root: Layout) -> None:
    markers.engage(agent_root, OsFiles(), NOTE)
    assert markers.engage(agent_root, FullDisk(), NOTE) == NOTE
    with pytest.raises(BusError, match="kill"):
        markers.engage(agent_root, FullDisk(), NOTE | {"kill": True})


@pytest.mark.parametrize("content", [b"", b"stop!", b"\xff", b"[]", b"{}", b"x" * 100_000])
def test_any_content_engages_and_can_be_cleared(agent_root: Layout, content: bytes) -> None:
    agent_root.emergency_stop.write_bytes(content)
    assert markers.clear(agent_root, OsFiles()) == {}
    assert not agent_root.emergency_stop.exists()
    assert markers.clear(agent_root, OsFiles()) is None


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_a_folder_or_a_link_as_marker_can_be_cleared(
    agent_root: Layout, tmp_path: Path, kind: str
) -> None:
    target = tmp_path / "elsewhere"
    target.write_text("untouched")
    path = agent_root.emergency_stop
    if kind == "folder":
        (path / "inside").mkdir(parents=True)
    else:
        path.symlink_to(target)
    assert markers.clear(agent_root, OsFiles()) == {}
    assert not os.path.lexists(path)
    assert target.read_text() == "untouched"


def test_an_act_is_one_line_with_who_when_where_why_before_and_after(agent_root: Layout) -> None:
    trouble = audit.record(
        agent_root,
        at=NOTE["at"],
        actor={"user": "ops", "via": "cli"},
        verb="pause",
        targets=["memo"],
        ok=True,
        reason="the key is topsecret",
        before={"paused": None},
        after={"paused": True},
        redact=lambda text: text.replace("topsecret", "***"),
    )
    assert trouble is None
    assert json.loads(agent_root.operators_log.read_text()) == {
        "ts": NOTE["at"],
        "verb": "pause",
        "targets": ["memo"],
        "ok": True,
        "actor": {"user": "ops", "via": "cli"},
        "reason": "the key is ***",
        "before": {"paused": None},
        "after": {"paused": True},
    }


def test_an_act_that_cannot_be_recorded_says_so_and_does_not_raise(agent_root: Layout) -> None:
    agent_root.operators_log.mkdir()
    trouble = audit.record(agent_root, at="", actor={}, verb="estop", targets=[], ok=True)
    assert trouble is not None
    assert "operators.jsonl" in trouble


@pytest.mark.parametrize(
    ("environ", "address"),
    [
        ({"SSH_CONNECTION": "192.0.2.7 53122 10.0.0.2 22"}, "192.0.2.7"),
        ({"SSH_CLIENT": "fe80::1%en0 53122 22"}, "fe80::1%en0"),
        ({"SSH_CONNECTION": "\x1b[31mevil 1 2 3"}, None),
        ({}, None),
    ],
)
def test_the_actor_has_the_ssh_address_when_it_is_one(
    environ: dict[str, str], address: str | None
) -> None:
    facts = audit.who("console", environ)
    assert facts.get("address") == address
    assert facts["via"] == "console"
    assert facts["user"]
    assert facts["pid"] == os.getpid()


def test_the_user_comes_from_the_account_and_not_from_the_environment() -> None:
    facts = audit.who("cli", {"USER": "somebody-else", "LOGNAME": "somebody-else"})
    assert facts["user"] != "somebody-else"
