"""Proves the findings about file systems, synced folders, sleep, terminal and clipboard."""

from __future__ import annotations

from pathlib import Path

import pytest

from maestro_core.doctor import Context
from maestro_core.doctor.checks import machine, terminal
from maestro_core.layout import Layout

# ruff: noqa: E501  (one row a line)
MOUNTINFO = """\
22 28 0:20 / /proc rw,relatime - proc proc rw
28 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
31 28 0:44 / /mnt/nas\\040box rw shared:7 master:1 - nfs4 nas:/x rw
32 28 0:45 / /home rw - btrfs /dev/sdb rw
33 32 0:46 / /home rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/agent", "ext4"),
        ("/mnt/nas box/agent", "nfs4"),
        ("/mnt/nas boxer", "ext4"),
        ("/home/a", "tmpfs"),
    ],
)
def test_the_file_system_of_a_path(path: str, kind: str) -> None:
    assert machine.kind_of(Path(path), machine.linux_mounts(MOUNTINFO)) == kind


@pytest.mark.parametrize(
    ("kind", "status", "said"),
    [("apfs", "ok", "apfs"), ("ext4", "ok", "ext4"), ("nfs4", "warn", "network share"),
     ("smbfs", "warn", "network share"), ("fuse.sshfs", "warn", "user space"),
     ("exfat", "warn", "renames"), ("tmpfs", "warn", "in memory")],
)  # fmt: skip
def test_unfit_file_systems_are_warned_of(
    agent_root: Layout, monkeypatch: pytest.MonkeyPatch, kind: str, status: str, said: str
) -> None:
    monkeypatch.setattr(machine, "_mounts", lambda _: [("/", kind)])
    verdict = machine.file_system(Context(agent_root, environ={}))
    assert verdict.status == status
    assert said in verdict.detail


def test_mounts_as_macos_lists_them(agent_root: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    from maestro_core.doctor.child import Ran

    text = "/dev/disk3s1s1 on / (apfs, sealed, local)\n//u@nas/x on /Volumes/My Share (smbfs, nodev)\nmap auto_home on x\n"
    monkeypatch.setattr(machine.sys, "platform", "darwin")
    monkeypatch.setattr(machine, "run_program", lambda *_, **__: Ran(0, text, ""))
    mounts = machine._mounts(Context(agent_root, environ={}))
    assert mounts == [("/", "apfs"), ("/Volumes/My Share", "smbfs")]


@pytest.mark.parametrize(
    ("folder", "by"),
    [("Library/Mobile Documents/com~apple~CloudDocs/agent", "iCloud Drive"), ("Dropbox (Work)/agent", "Dropbox"),
     ("OneDrive - Firm/agent", "OneDrive"), ("Library/CloudStorage/GoogleDrive-x/agent", "cloud folder"), ("agents/a", None)],
)  # fmt: skip
def test_folders_that_another_program_syncs(tmp_path: Path, folder: str, by: str | None) -> None:
    root = tmp_path / folder
    root.mkdir(parents=True)
    verdict = machine.synced(Context(Layout(root), environ={}))
    assert verdict.status == ("warn" if by else "ok")
    assert (by or "no") in verdict.detail


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (" sleep                10\n displaysleep 5", "warn"),
        (" displaysleep 5\n sleep 0", "ok"),
        ("", "skip"),
    ],
)
def test_a_machine_that_goes_to_sleep(text: str, status: str) -> None:
    assert machine.judge_sleep(text).status == status


@pytest.mark.parametrize(
    ("environ", "size", "status", "said"),
    [
        (
            {"TERM": "xterm-256color", "LANG": "en_US.UTF-8"},
            (80, 24),
            "ok",
            "xterm-256color, 80x24, 256 colours",
        ),
        (
            {"TERM": "xterm", "LANG": "C.utf8", "COLORTERM": "truecolor"},
            (80, 24),
            "ok",
            "true colour",
        ),
        ({"TERM": "xterm", "LANG": "C.UTF-8", "NO_COLOR": "1"}, (80, 24), "ok", "no colours"),
        ({"TERM": "dumb"}, (80, 24), "warn", "dumb"),
        ({}, (80, 24), "warn", "TERM is not set"),
        ({"TERM": "xterm", "LANG": "C.UTF-8"}, (40, 10), "warn", "40x10"),
        ({"TERM": "xterm", "LC_ALL": "C", "LANG": "C.UTF-8"}, (80, 24), "warn", "not UTF-8"),
    ],
)
def test_what_the_terminal_can(
    agent_root: Layout, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str],
    size: tuple[int, int], status: str, said: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(terminal, "is_terminal", lambda: True)
    monkeypatch.setattr(terminal.shutil, "get_terminal_size", lambda: size)
    verdict = terminal.screen(Context(agent_root, environ=environ))
    assert verdict.status == status
    assert said in verdict.detail


def test_without_a_terminal_nothing_is_said_of_it(agent_root: Layout) -> None:
    assert terminal.screen(Context(agent_root, environ={})).status == "skip"
    assert terminal.copying(Context(agent_root, environ={})).status == "skip"


def test_copying_needs_tmux_to_hand_it_on() -> None:
    for taken in (("on", "off"), ("external", "on"), ("off", "all")):
        assert terminal.judge_clipboard(*taken).status == "ok"
    for dropped in (("external", "off"), ("off", ""), ("", "")):
        verdict = terminal.judge_clipboard(*dropped)
        assert (verdict.status, verdict.remedy) == ("warn", "tmux set -g set-clipboard on")
