"""The file layer on the real disk: whole or not at all, private, never over another, and what
it does when the disk does not play along."""

from __future__ import annotations

import errno
import os
import stat
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from maestro_core import files
from maestro_core.files import OsFiles

if TYPE_CHECKING:
    from maestro_core.files import StrPath


class Recorder(OsFiles):
    """The real disk, with the order of operations and faults on demand."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.fail: dict[str, OSError] = {}

    def _note(self, name: str, path: object) -> None:
        self.calls.append(f"{name} {Path(str(path)).parent.name}")
        if name in self.fail:
            raise self.fail[name]

    def create(self, path: StrPath, data: bytes) -> None:
        super().create(path, data)
        self._note("create", path)

    def flush(self, path: StrPath) -> None:
        self._note("flush", path)
        super().flush(path)

    def flush_folder(self, path: StrPath) -> None:
        self._note("flush_folder", f"{path}/x")
        super().flush_folder(path)

    def rename(self, source: StrPath, target: StrPath) -> None:
        self._note("rename", target)
        super().rename(source, target)

    def link(self, source: StrPath, target: StrPath) -> None:
        self._note("link", target)
        super().link(source, target)


@pytest.fixture
def disk() -> Recorder:
    return Recorder()


@pytest.fixture
def tmp(tmp_path: Path) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    return folder


def test_replace_flushes_the_bytes_then_the_name(disk: Recorder, tmp: Path) -> None:
    target = tmp.parent / "state.json"
    files.replace(disk, tmp, target, b"one")
    files.replace(disk, tmp, target, b"two")
    assert target.read_bytes() == b"two"
    home = tmp.parent.name
    assert disk.calls[4:] == ["create tmp", "flush tmp", f"rename {home}", f"flush_folder {home}"]
    assert list(tmp.iterdir()) == []


def test_publish_never_covers_what_is_there(disk: Recorder, tmp: Path) -> None:
    target = tmp.parent / "tick.json"
    files.publish(disk, tmp, target, b"one")
    with pytest.raises(FileExistsError):
        files.publish(disk, tmp, target, b"two")
    assert target.read_bytes() == b"one"
    assert list(tmp.iterdir()) == []


def test_of_many_who_publish_one_name_exactly_one_wins(tmp: Path) -> None:
    target = tmp.parent / "tick.json"
    start = threading.Barrier(8)
    won: list[int] = []

    def race(number: int) -> None:
        start.wait()
        try:
            files.publish(OsFiles(), tmp, target, b"%d" % number)
        except FileExistsError:
            return
        won.append(number)

    threads = [threading.Thread(target=race, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert target.read_bytes() == b"%d" % won[0]
    assert len(won) == 1


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.EMLINK])
def test_without_hard_links_publish_still_covers_nothing(
    disk: Recorder, tmp: Path, number: int
) -> None:
    disk.fail["link"] = OSError(number, os.strerror(number))
    target = tmp.parent / "tick.json"
    files.publish(disk, tmp, target, b"one")
    with pytest.raises(FileExistsError):
        files.publish(disk, tmp, target, b"two")
    assert target.read_bytes() == b"one"
    assert list(tmp.iterdir()) == []


@pytest.mark.parametrize("step", ["create", "flush", "rename", "flush_folder"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EROFS])
def test_a_failed_replace_says_so_and_leaves_the_old_or_the_new(
    disk: Recorder, tmp: Path, step: str, number: int
) -> None:
    target = tmp.parent / "state.json"
    files.replace(disk, tmp, target, b"old")
    disk.fail[step] = OSError(number, os.strerror(number))
    with pytest.raises(OSError) as caught:
        files.replace(disk, tmp, target, b"new")
    assert caught.value.errno == number
    assert target.read_bytes() == (b"new" if step == "flush_folder" else b"old")
    assert list(tmp.iterdir()) == []


def test_a_failed_flush_is_not_repeated_on_the_same_file(disk: Recorder, tmp: Path) -> None:
    disk.fail["flush"] = OSError(errno.EIO, "Input/output error")
    for _ in range(2):
        with pytest.raises(OSError, match="Input/output"):
            files.replace(disk, tmp, tmp.parent / "x", b"data")
    assert disk.calls == ["create tmp", "flush tmp"] * 2


def test_short_writes_are_continued(tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, bytes(data[:3])))
    OsFiles().create(tmp / "x", b"0123456789")
    monkeypatch.undo()
    assert (tmp / "x").read_bytes() == b"0123456789"


def test_a_disk_that_fills_up_in_the_middle_leaves_nothing(
    tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, left = os.write, [4, 0]

    def write(fd: int, data: memoryview) -> int:
        count = left.pop(0)
        if not count:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(fd, bytes(data[:count]))

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(OSError, match="No space"):
        files.publish(OsFiles(), tmp, tmp.parent / "x", b"0123456789")
    monkeypatch.undo()
    assert [path.name for path in tmp.parent.iterdir()] == ["tmp"]
    assert list(tmp.iterdir()) == []


def test_files_and_folders_are_private_whatever_the_umask(tmp: Path) -> None:
    before = os.umask(0)
    try:
        files.ensure_folders(OsFiles(), [tmp.parent / "a", tmp.parent / "a" / "b"])
        OsFiles().make_folder(tmp.parent / "c" / "d" / "e")
        files.replace(OsFiles(), tmp, tmp.parent / "a" / "b" / "f", b"")
        with OsFiles().lock(tmp.parent / "a.lock"):
            pass
    finally:
        os.umask(before)
    modes = {str(p.relative_to(tmp.parent)): stat.S_IMODE(p.stat().st_mode)
             for p in tmp.parent.rglob("*") if p != tmp}  # fmt: skip
    assert modes == {
        "a": 0o700, "a/b": 0o700, "a/b/f": 0o600, "a.lock": 0o600,
        "c": 0o700, "c/d": 0o700, "c/d/e": 0o700,
    }  # fmt: skip


def test_a_file_where_a_folder_should_be_is_an_error(tmp: Path) -> None:
    (tmp / "x").write_text("")
    with pytest.raises(NotADirectoryError, match="it is no folder"):  # no tick that is there
        OsFiles().make_folder(tmp / "x")


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 5000])
def test_read_returns_all_or_one_byte_more_than_the_limit(tmp: Path, size: int) -> None:
    data = os.urandom(size)
    (tmp / "x").write_bytes(data)
    assert OsFiles().read(tmp / "x", 100) == data[:101]


def test_read_sees_a_file_that_grows_while_it_is_read(
    tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp / "x").write_bytes(b"x" * 10)
    real = os.read

    def read(fd: int, size: int) -> bytes:
        data = real(fd, size)
        if len(data) == 10:
            with (tmp / "x").open("ab") as file:
                file.write(b"y" * 10)
        return data

    monkeypatch.setattr(os, "read", read)
    assert OsFiles().read(tmp / "x", 100) in (b"x" * 10, b"x" * 10 + b"y" * 10)


@pytest.mark.parametrize("kind", ["link", "dangling", "fifo", "folder", "device"])
def test_read_neither_follows_nor_waits(tmp: Path, kind: str) -> None:
    path = tmp / "x"
    (tmp / "secret").write_text("canary")
    match kind:
        case "link":
            path.symlink_to(tmp / "secret")
        case "dangling":
            path.symlink_to(tmp / "nothing")
        case "fifo":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "device":
            path = Path("/dev/zero")
    with pytest.raises(OSError) as caught:
        OsFiles().read(path, 100)
    assert not isinstance(caught.value, FileNotFoundError)


def test_a_lock_whose_holder_hangs_is_not_waited_for_for_ever(
    tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LOCK_SECONDS", 0.05)
    with OsFiles().lock(tmp / "l"):
        with (
            pytest.raises(OSError, match="another program has held") as caught,
            OsFiles().lock(tmp / "l"),
        ):
            pass
        assert caught.value.errno == errno.ETIMEDOUT
        with pytest.raises(BlockingIOError), OsFiles().lock(tmp / "l", wait=False):
            pass
    with OsFiles().lock(tmp / "l"):
        pass


def test_a_lock_keeps_others_waiting_and_is_not_inherited(tmp: Path) -> None:
    order: list[str] = []
    lock = tmp / "l"

    def second() -> None:
        with OsFiles().lock(lock):
            order.append("second")

    with OsFiles().lock(lock) as held:
        assert not os.get_inheritable(held._fd)
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.05)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_a_settled_folder_shows_every_later_change(tmp: Path) -> None:
    disk = OsFiles()
    (tmp / "a").write_text("")
    assert disk.settled(tmp) is None  # the next change could bear the same time
    os.utime(tmp, (1000, 1000))
    stamp = disk.settled(tmp)
    assert stamp is not None
    (tmp / "b").write_text("")
    assert disk.settled(tmp) != stamp


def test_room_and_device_are_those_of_the_file_system(tmp: Path) -> None:
    room, inodes = OsFiles().room(tmp)
    assert room > 0
    assert inodes == -1 or inodes > 0
    assert OsFiles().device(tmp) == tmp.stat().st_dev


@pytest.mark.parametrize("refusal", [None, errno.ENOTSUP, errno.EIO])
def test_on_macos_a_flush_goes_through_to_the_platter(
    tmp: Path, monkeypatch: pytest.MonkeyPatch, refusal: int | None
) -> None:
    """os.fsync does not: F_FULLFSYNC does, where the volume has it."""
    asked: list[int] = []
    fake = ModuleType("fcntl")

    def fcntl(_fd: int, command: int) -> int:
        asked.append(command)
        if refusal is not None:
            raise OSError(refusal, os.strerror(refusal))
        return 0

    fake.fcntl, fake.F_FULLFSYNC = fcntl, 51  # type: ignore[attr-defined]
    synced: list[int] = []
    (tmp / "x").write_text("")
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setitem(sys.modules, "fcntl", fake)
    monkeypatch.setattr(os, "fsync", synced.append)
    if refusal == errno.EIO:
        with pytest.raises(OSError, match="Input"):
            OsFiles().flush(tmp / "x")
    else:
        OsFiles().flush(tmp / "x")
    assert asked == [51]
    assert len(synced) == (1 if refusal == errno.ENOTSUP else 0)


def test_a_name_that_a_share_gave_though_it_reports_an_error_is_no_loss(
    disk: Recorder, tmp: Path
) -> None:
    """A lost answer on a network share: the second try must not cover the first."""

    class Share(OsFiles):
        def link(self, source: StrPath, target: StrPath) -> None:
            super().link(source, target)
            raise FileNotFoundError(errno.ENOENT, "done, but the answer was lost")

    target = tmp.parent / "tick.json"
    with pytest.raises(FileNotFoundError):
        files.publish(Share(), tmp, target, b"one")
    with pytest.raises(FileExistsError):
        files.publish(disk, tmp, target, b"two")
    assert target.read_bytes() == b"one"


def test_temp_names_are_never_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "urandom", bytes)  # chance fails us, and so does the clock
    assert len({files.temp_name() for _ in range(100)}) == 100
