"""One owner of an agent root: by the kernel's lock, over crashes, deletions and children."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from maestro_core.clock import iso
from maestro_core.consumer.ownership import Ownership, holder, is_locked
from maestro_core.errors import BusError, Busy
from maestro_core.layout import Layout

HOLD = """
import sys
from maestro_core.consumer.ownership import Ownership
from maestro_core.layout import Layout
owned = Ownership.acquire(Layout(sys.argv[1]), what="daemon")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def hold_elsewhere(layout: Layout) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(layout.root)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_one_is_refused_and_told_who_holds_it(layout: Layout) -> None:
    first = Ownership.acquire(layout, what="daemon")
    with pytest.raises(Busy, match=f"daemon, pid {os.getpid()}"):
        Ownership.acquire(layout, what="console")
    first.release()
    Ownership.acquire(layout, what="console").release()


def test_a_killed_owner_frees_the_lock_at_once(layout: Layout) -> None:
    with hold_elsewhere(layout) as process:
        with pytest.raises(Busy, match=f"pid {process.pid}"):
            Ownership.acquire(layout, what="console")
        assert is_locked(layout)
        process.kill()
        process.wait()
        Ownership.acquire(layout, what="console").release()
    assert not is_locked(layout)


def test_children_do_not_inherit_the_lock(layout: Layout) -> None:
    owned = Ownership.acquire(layout, what="daemon")
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False) as child:
        owned.release()
        Ownership.acquire(layout, what="daemon").release()
        child.communicate()


def test_waiting_for_the_lock_succeeds_when_it_becomes_free(layout: Layout) -> None:
    with hold_elsewhere(layout) as process:
        assert process.stdin is not None
        process.stdin.close()
        Ownership.acquire(layout, what="daemon", wait=30).release()


def test_an_owner_notices_that_its_lock_file_was_deleted_or_replaced(layout: Layout) -> None:
    owned = Ownership.acquire(layout, what="daemon")
    assert owned.still_ours()
    layout.consumer_lock.unlink()
    assert not owned.still_ours()
    layout.consumer_lock.touch()
    assert not owned.still_ours()


def test_a_deleted_lock_file_does_not_let_a_second_one_in_while_the_first_still_beats(
    layout: Layout,
) -> None:
    with hold_elsewhere(layout) as process:
        beat = {"pid": process.pid, "beat_at": iso(time.time())}
        layout.consumer_json.write_text(json.dumps(beat))
        layout.consumer_lock.unlink()
        with pytest.raises(Busy):
            Ownership.acquire(layout, what="console")
        process.kill()
        process.wait()
        layout.consumer_lock.unlink(missing_ok=True)
        Ownership.acquire(layout, what="console").release()


def test_a_lock_that_is_a_link_or_a_folder_is_an_error_and_not_followed(layout: Layout) -> None:
    layout.bus.mkdir(parents=True)
    layout.consumer_lock.symlink_to(layout.root / "elsewhere")
    with pytest.raises(BusError, match="cannot open the lock"):
        Ownership.acquire(layout, what="daemon")
    assert not (layout.root / "elsewhere").exists()


def test_a_full_disk_neither_leaks_the_lock_nor_refuses_it(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    monkeypatch.setattr(os, "ftruncate", full)
    owned = Ownership.acquire(layout, what="daemon")
    assert holder(layout) == "it left no name"
    with pytest.raises(Busy):
        Ownership.acquire(layout, what="console")
    owned.release()
    Ownership.acquire(layout, what="console").release()
    assert not is_locked(layout)


def test_a_holder_without_a_name_is_named_as_such(layout: Layout) -> None:
    layout.bus.mkdir(parents=True)
    layout.consumer_lock.write_text("\x1b[2J{")
    assert holder(layout) == "it left no name"
