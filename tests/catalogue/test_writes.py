"""Rows 3, 4, 44, 46, 47, 49: a write that is cut short, refused or taken back, a flush that
fails, file systems that answer as network shares and macOS volumes do, and names that meet.

Nothing is acknowledged that is not safe, and nothing half written is ever in a folder.
"""

from __future__ import annotations

import errno
import os
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from maestro_core import files
from maestro_core.bus import producer
from maestro_core.bus.producer import make_document, publish_tick
from maestro_core.errors import BusError
from maestro_core.files import OsFiles
from maestro_core.layout import Layout
from maestro_core.models import Tick
from tests.catalogue.kit import (
    FAILURE,
    FailingDisk,
    QuickDisk,
    claim_any,
    engine_on,
    injected,
    linux_only,
    names,
    program,
)
from tests.core.consumer_kit import OK, Kit, always
from tests.support import read_json, write_tick


def tick(**fields: Any) -> dict[str, Any]:
    return make_document("memo", source="test", now_wall=1_800_000_000.0, **fields)


# ---- row 3: cut short, interrupted, no room ------------------------------------------------


@pytest.mark.parametrize("most", [1, 7, 100])
def test_a_write_that_takes_only_part_is_carried_on(
    agent_root: Layout, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data[:most])))
    tick_id, _ = publish_tick(agent_root, tick(payload="x" * 300), QuickDisk())
    monkeypatch.undo()
    assert read_json(agent_root.inbox / f"{tick_id}.json")["payload"] == "x" * 300


def test_a_disk_that_is_full_in_the_middle_leaves_nothing(
    agent_root: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, room = os.write, [120]

    def until_full(fd: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = write(fd, bytes(data[: room[0]]))
        room[0] -= taken
        return taken

    monkeypatch.setattr(os, "write", until_full)
    with pytest.raises(BusError, match=r"No space left.*make room"):
        publish_tick(agent_root, tick(payload="x" * 300))
    monkeypatch.undo()
    assert names(agent_root.inbox) == names(agent_root.tmp) == []


REFUSED = {
    ("write", "error=ENOSPC"): "No space left on device",
    ("linkat", "error=ENOSPC"): "No space left on device",
    ("fsync", "error=EIO"): "Input/output error",
    ("fsync", "error=EDQUOT"): "quota",
}


@linux_only
@pytest.mark.parametrize(("call", "what"), REFUSED)
def test_the_command_says_that_it_could_not_and_leaves_nothing(
    agent_root: Layout, call: str, what: str
) -> None:
    done = program(agent_root, "enqueue", "memo", prefix=injected(call, f"{what}:when=1"))
    assert (done.returncode, done.stdout) == (1, "")
    assert REFUSED[call, what] in done.stderr
    assert len(done.stderr.splitlines()) <= 2
    assert names(agent_root.inbox) == names(agent_root.tmp) == []


@linux_only
def test_a_write_that_is_interrupted_is_tried_again(agent_root: Layout) -> None:
    done = program(agent_root, "enqueue", "memo", prefix=injected("write", "error=EINTR:when=1"))
    assert done.returncode == 0
    assert names(agent_root.inbox) == [f"{done.stdout.strip()}.json"]


# ---- row 4: a flush that fails -------------------------------------------------------------


@pytest.mark.parametrize("primitive", ["flush", "flush_folder"])
def test_what_could_not_be_flushed_is_not_acknowledged(agent_root: Layout, primitive: str) -> None:
    disk = FailingDisk()
    disk.fail(primitive, errno.EIO)
    with pytest.raises(BusError, match="Input/output error"):
        publish_tick(agent_root, tick(tick_id="t1"), disk)
    assert names(agent_root.tmp) == []
    if primitive == "flush":
        assert names(agent_root.inbox) == []
        publish_tick(agent_root, tick(tick_id="t1"), disk)
    flushed = disk.called("flush")
    assert len(flushed) == len(set(flushed)), "the kernel forgets the error: never flush it again"


def test_a_claim_that_could_not_be_flushed_starts_nothing(agent_root: Layout) -> None:
    disk = FailingDisk()
    engine = engine_on(agent_root, disk)
    engine.enqueue(Tick(id="t1", cadence="memo"))
    disk.fail("flush", errno.EIO)
    with pytest.raises(BusError):
        claim_any(engine)
    assert read_json(agent_root.inbox / "t1.json")["attempts"] == 0
    claim = claim_any(engine)
    assert claim is not None
    assert claim.tick.attempts == 1


def test_a_result_that_could_not_be_flushed_is_settled_later(tmp_path: Any) -> None:
    disk = FailingDisk()
    kit = Kit(tmp_path, always(OK), fs=disk).start()
    kit.drop("memo")
    kit.run_for(0.5)
    disk.fail("flush_folder", errno.EIO, times=3)
    kit.run_for(1.5)
    assert "Input/output error" in kit.beat()["trouble"]
    kit.run_for(10)
    assert kit.beat()["trouble"] is None
    assert kit.names("inbox") == kit.names("claimed") == kit.names("dlq") == []
    assert len(kit.launcher.starts) == 1, "its work is not done twice for that"


# ---- row 44: answers of a network share ----------------------------------------------------


@pytest.mark.parametrize(
    ("primitive", "number"),
    [("link", errno.EEXIST), ("rename", errno.ENOENT), ("unlink", errno.ENOENT)],
)
@pytest.mark.parametrize("verb", ["enqueue", "claim", "retry", "dead_letter", "complete"])
def test_a_request_that_was_carried_out_twice_loses_nothing(
    agent_root: Layout, verb: str, primitive: str, number: int
) -> None:
    """A share may carry out a request, lose the answer, and refuse the repetition. The verb
    may fail; after a restart the tick is in one place, whole, and runs if it had not ended."""
    disk = FailingDisk()
    engine = engine_on(agent_root, disk)

    def act(name: str) -> None:
        if verb == name:
            disk.fail(primitive, number, late=True)

    act("enqueue")
    try:
        engine.enqueue(Tick(id="t1", cadence="memo"))
        act("claim")
        claim = claim_any(engine)
        if claim is not None and verb in ("retry", "dead_letter", "complete"):
            act(verb)
            getattr(engine, verb)(claim, *([] if verb == "complete" else [FAILURE]))
    except (BusError, FileExistsError):
        pass
    after = engine_on(agent_root)
    for taken in after.abandoned():
        after.recovered(taken)
    places = [f for f in ("inbox", "dlq") if (getattr(agent_root, f) / "t1.json").exists()]
    assert places == {"complete": [], "dead_letter": ["dlq"]}.get(verb, ["inbox"])
    assert names(agent_root.claimed) == names(agent_root.quarantine) == []
    if places == ["inbox"]:
        assert claim_any(after) is not None


# ---- row 46: volumes that do not tell `A` from `a` -----------------------------------------


class FoldedDisk(QuickDisk):
    """Names in any case and any composition mean the same file, as on APFS."""

    def _folded(self, path: Any) -> str:
        import unicodedata

        folder, _, name = os.fspath(path).rpartition("/")
        if os.path.isdir(folder):
            wanted = unicodedata.normalize("NFD", name).casefold()
            for there in os.listdir(folder):
                if unicodedata.normalize("NFD", there).casefold() == wanted:
                    return f"{folder}/{there}"
        return f"{folder}/{name}"

    def create(self, path: Any, data: bytes) -> None:
        super().create(self._folded(path), data)

    def link(self, source: Any, target: Any) -> None:
        super().link(self._folded(source), self._folded(target))

    def exists(self, path: Any) -> bool:
        return super().exists(self._folded(path))

    def read(self, path: Any, limit: int) -> bytes:
        return super().read(self._folded(path), limit)


def test_ids_that_differ_in_case_never_share_a_file(agent_root: Layout) -> None:
    disk = FoldedDisk()
    publish_tick(agent_root, tick(tick_id="Report-1", payload="first"), disk)
    with pytest.raises(FileExistsError):
        publish_tick(agent_root, tick(tick_id="report-1", payload="second"), disk)
    assert read_json(agent_root.inbox / "Report-1.json")["payload"] == "first"


@pytest.mark.parametrize("cadence", ["memo", "Memo", "MEMO.v2", "a" * 128])
def test_names_made_by_us_are_plain_and_lower_case(cadence: str) -> None:
    made = producer.make_id(cadence, 1_800_000_000.0)
    assert made == made.lower()
    assert made.isascii()
    assert len(made) <= 128
    temp = files.temp_name()
    assert temp == temp.lower()


# ---- row 47: macOS only flushes to the platter when asked twice ----------------------------


@pytest.mark.parametrize(
    ("answer", "fsyncs"),
    [(0, 0), (errno.ENOTSUP, 1), (errno.EINVAL, 1), (errno.ENOTTY, 1)],
)
def test_macos_is_asked_for_a_full_flush_and_fsync_is_the_fallback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, answer: int, fsyncs: int
) -> None:
    asked, synced = fake_macos(monkeypatch, answer)
    OsFiles().create(tmp_path / "f", b"x")
    OsFiles().flush(tmp_path / "f")
    OsFiles().flush_folder(tmp_path)
    assert (len(asked), len(synced)) == (2, 2 * fsyncs)
    assert set(asked) == {51}


def test_on_macos_a_failing_disk_is_an_error_and_no_fallback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    _, synced = fake_macos(monkeypatch, errno.EIO)
    OsFiles().create(tmp_path / "f", b"x")
    with pytest.raises(OSError, match="Input/output"):
        OsFiles().flush(tmp_path / "f")
    assert synced == []


def fake_macos(monkeypatch: pytest.MonkeyPatch, answer: int) -> tuple[list[int], list[int]]:
    """The commands that fcntl is given, and the descriptors that fsync is."""
    asked: list[int] = []
    synced: list[int] = []

    def fcntl(_fd: int, command: int) -> int:
        asked.append(command)
        if answer:
            raise OSError(answer, os.strerror(answer))
        return 0

    monkeypatch.setitem(sys.modules, "fcntl", SimpleNamespace(fcntl=fcntl, F_FULLFSYNC=51))
    monkeypatch.setattr(files, "sys", SimpleNamespace(platform="darwin"))
    monkeypatch.setattr(os, "fsync", synced.append)
    return asked, synced


# ---- row 49: names that meet ---------------------------------------------------------------


def test_two_producers_with_one_name_do_not_cover_each_other(
    agent_root: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "urandom", lambda count: b"\7" * count)
    publish_tick(agent_root, tick(payload="first"), QuickDisk())
    with pytest.raises(FileExistsError):
        publish_tick(agent_root, tick(payload="second"), QuickDisk())
    [only] = agent_root.inbox.iterdir()
    assert read_json(only)["payload"] == "first"


def test_a_temp_name_that_is_taken_is_not_written_over(
    agent_root: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "temp_name", lambda: "taken")
    (agent_root.tmp / "taken").write_bytes(b"another writer's")
    with pytest.raises(FileExistsError):
        files.write_new(QuickDisk(), agent_root.tmp, b"mine")
    assert (agent_root.tmp / "taken").read_bytes() == b"another writer's"


def test_an_enqueue_never_covers_a_file_that_another_program_dropped(agent_root: Layout) -> None:
    path = write_tick(agent_root.inbox, "same", "memo", payload="theirs")
    with pytest.raises(FileExistsError):
        publish_tick(agent_root, tick(tick_id="same", payload="ours"), QuickDisk())
    assert read_json(path)["payload"] == "theirs"
