"""The directory engine among other programs on a real disk: folders that go and come, a second
consumer, claims of live and dead owners, full and read-only disks, many files."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from maestro_core.bus import inbox as inbox_module
from maestro_core.bus.directory import DirectoryEngine
from maestro_core.bus.inbox import Inbox
from maestro_core.bus.letters import UNKNOWN, Letters
from maestro_core.clock import FakeClock, SystemClock
from maestro_core.errors import BusError, ClaimLost
from maestro_core.files import OsFiles
from maestro_core.layout import Layout
from maestro_core.models import Claim, Failure, Tick
from tests.support import read_json, write_tick

if TYPE_CHECKING:
    from maestro_core.files import StrPath


class Counting(OsFiles):
    """The real disk; counts calls by name, and fails where it is told to."""

    def __init__(self) -> None:
        self.count: dict[str, int] = {}
        self.refuse: Callable[[str, str], int] = lambda _name, _path: 0

    def _did(self, name: str, path: StrPath) -> None:
        self.count[name] = self.count.get(name, 0) + 1
        if number := self.refuse(name, str(path)):
            raise OSError(number, os.strerror(number), str(path))

    def read(self, path: StrPath, limit: int) -> bytes:
        self._did("read", path)
        return super().read(path, limit)

    def create(self, path: StrPath, data: bytes) -> None:
        self._did("create", path)
        super().create(path, data)

    def flush(self, path: StrPath) -> None:
        self._did("flush", path)
        super().flush(path)

    def flush_folder(self, path: StrPath) -> None:
        self._did("flush", path)
        super().flush_folder(path)

    def rename(self, source: StrPath, target: StrPath) -> None:
        self._did("rename", source)
        super().rename(source, target)

    def link(self, source: StrPath, target: StrPath) -> None:
        self._did("link", source)
        super().link(source, target)

    def unlink(self, path: StrPath) -> None:
        self._did("unlink", path)
        super().unlink(path)

    def names(self, folder: StrPath) -> list[str]:
        self._did("names", folder)
        return super().names(folder)

    def device(self, path: StrPath) -> int:
        self._did("device", path)
        return super().device(path)

    def room(self, path: StrPath) -> tuple[int, int]:
        self._did("room", path)
        return super().room(path)


@pytest.fixture
def disk() -> Counting:
    return Counting()


@pytest.fixture
def engine(agent_root: Layout, disk: Counting) -> DirectoryEngine:
    return DirectoryEngine(agent_root, clock=FakeClock(time.time()), fs=disk, owner="me")


def anything(_cadence: str) -> bool:
    return False


def take(engine: DirectoryEngine) -> Claim:
    engine.refresh()
    claim = engine.claim(held=anything)
    assert claim is not None
    return claim


FAILED = Failure("2026-11-24T02:03:04.567Z", 1, 1, "exit 1: no")


# ---- files as they stand --------------------------------------------------------------------


def test_a_claimed_file_says_whose_it_is_and_no_other_does(
    engine: DirectoryEngine, agent_root: Layout
) -> None:
    write_tick(agent_root.inbox, "t", claim={"token": "mine, says the producer"})
    claim = take(engine)
    document = read_json(agent_root.claimed / "t.json")
    assert document["claim"] == {
        "owner": "me", "token": claim.token, "at": document["claim"]["at"],
    }  # fmt: skip
    assert document["attempts"] == 1
    engine.dead_letter(claim, FAILED)
    document = read_json(agent_root.dlq / "t.json")
    assert "claim" not in document
    assert document["last_error"] == "exit 1: no"
    assert document["failures"] == [
        {"at": FAILED.at, "attempt": 1, "exit_code": 1, "reason": "exit 1: no",
         "stdout_path": None, "stderr_path": None}
    ]  # fmt: skip
    assert list(document["failures"][0])[-2:] == ["stdout_path", "stderr_path"]
    modes = {path.stat().st_mode & 0o777 for path in agent_root.dlq.iterdir()}
    assert modes == {0o600}


def test_a_tick_that_the_indent_would_make_too_large_is_never_lost(
    engine: DirectoryEngine, agent_root: Layout
) -> None:
    payload = [number % 10 for number in range(160_000)]  # 480 KB as it comes, 1.1 MB indented
    text = json.dumps({"id": "t", "cadence": "memo", "payload": payload})
    (agent_root.inbox / "t.json").write_text(text)
    engine.put_back(take(engine))
    engine.retry(take(engine), FAILED)
    (claim,) = [one for one in [take(engine)] if one.tick.payload == payload]
    after = DirectoryEngine(agent_root, owner="next")
    (claim,) = after.abandoned()
    after.dead_letter(claim, FAILED)
    assert after.retry_dead(["t"])[0].ok
    assert take(after).tick.payload == payload
    assert (agent_root.claimed / "t.json").stat().st_size < len(text)
    assert after.rejected() == []


def test_a_tick_at_the_limit_may_fail(engine: DirectoryEngine, agent_root: Layout) -> None:
    about = {"id": "t", "cadence": "memo", "payload": ""}
    about["payload"] = "x" * ((1 << 20) - len(json.dumps(about)))
    (agent_root.inbox / "t.json").write_text(json.dumps(about))
    failed = Failure(FAILED.at, 1, 1, "exit 1: " + "\x1b" * 8000)
    engine.retry(take(engine), failed)
    other = DirectoryEngine(agent_root, owner="next")
    other.dead_letter(take(other), failed)
    assert other.retry_dead(["t"])[0].ok
    assert take(DirectoryEngine(agent_root, owner="third")).tick.failures == (failed,)


def test_the_attempt_is_on_the_disk_before_the_claim_returns(
    engine: DirectoryEngine, agent_root: Layout, disk: Counting
) -> None:
    write_tick(agent_root.inbox, "t")
    engine.refresh()
    engine.waiting()
    disk.count.clear()
    assert engine.claim(held=anything) is not None
    assert disk.count["flush"] == 2  # the file, and its name in claimed/
    disk.count.clear()
    engine.complete(Claim(Tick(id="t", cadence="x"), read_token(agent_root, "t")))
    assert disk.count["flush"] == 2  # its name in inbox/ and its name in claimed/


def read_token(root: Layout, tick_id: str) -> str:
    return str(read_json(root.claimed / f"{tick_id}.json")["claim"]["token"])


# ---- folders that go ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["inbox", "claimed", "dlq", "tmp", "quarantine", "."])
def test_a_folder_that_is_deleted_is_made_again_and_work_goes_on(
    engine: DirectoryEngine, agent_root: Layout, name: str
) -> None:
    write_tick(agent_root.inbox, "before")
    engine.refresh()
    shutil.rmtree(agent_root.bus / name)
    agent_root.inbox.mkdir(parents=True, exist_ok=True)
    write_tick(agent_root.inbox, "after")
    for _ in range(2):  # one pass may notice, the next one works
        try:
            claim = take(engine)
            break
        except BusError:
            continue
    if claim.tick.id == "before":
        engine.complete(claim)
        claim = take(engine)
    assert claim.tick.id == "after"
    engine.dead_letter(claim, FAILED)
    assert (agent_root.dlq / "after.json").exists()
    (agent_root.inbox / "bad.json").write_text("[]")
    engine.refresh()
    assert (agent_root.quarantine / "bad.json").exists()
    assert all(folder.stat().st_mode & 0o777 == 0o700 for folder in agent_root.bus.iterdir()
               if folder.is_dir() and folder.name in {name, "dedupe"} - {"inbox"})  # fmt: skip


def test_an_inbox_that_is_replaced_by_another_is_read_anew(
    engine: DirectoryEngine, agent_root: Layout
) -> None:
    write_tick(agent_root.inbox, "old")
    engine.refresh()
    agent_root.inbox.rename(agent_root.bus / "moved-away")
    agent_root.inbox.mkdir()
    write_tick(agent_root.inbox, "new")
    assert take(engine).tick.id == "new"
    assert engine.claim(held=anything) is None
    assert (agent_root.bus / "moved-away" / "old.json").exists()


def test_folders_on_two_file_systems_are_refused(agent_root: Layout) -> None:
    class Mounted(OsFiles):
        def device(self, path: StrPath) -> int:
            return 2 if str(path).endswith("/claimed") else 1

    with pytest.raises(BusError, match=r"claimed is on another file system.*one disk"):
        DirectoryEngine(agent_root, fs=Mounted())


def test_a_bus_is_made_where_there_is_none(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "fresh")
    engine = DirectoryEngine(layout)
    assert engine.claim(held=anything) is None
    assert engine.enqueue(Tick(id="t", cadence="memo")).fresh
    assert take(engine).tick.id == "t"


# ---- trouble with the disk ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.ENOSPC, "make room"), (errno.EROFS, "read-only"), (errno.EIO, "system log"),
     (errno.EACCES, "owner"), (errno.EMFILE, "open files")],
)  # fmt: skip
def test_trouble_is_told_with_a_remedy_and_over_when_it_is_over(
    engine: DirectoryEngine, agent_root: Layout, disk: Counting, number: int, remedy: str
) -> None:
    write_tick(agent_root.inbox, "t")
    engine.refresh()
    disk.refuse = lambda name, _: number if name == "create" else 0
    for _ in range(3):
        with pytest.raises(BusError, match=remedy):
            engine.claim(held=anything)
        with pytest.raises(BusError, match=remedy):
            engine.enqueue(Tick(id="u", cadence="memo"))
    disk.refuse = lambda *_: 0
    claim = take(engine)
    assert (claim.tick.id, claim.tick.attempts) == ("t", 1)
    engine.complete(claim)
    assert engine.counts()["claimed"] == 0


def test_a_full_disk_still_lets_running_work_end(
    engine: DirectoryEngine, agent_root: Layout, disk: Counting
) -> None:
    write_tick(agent_root.inbox, "t")
    claim = take(engine)
    disk.refuse = lambda name, _: errno.ENOSPC if name == "create" else 0
    engine.complete(claim)
    assert engine.counts()["claimed"] == 0


@pytest.mark.parametrize("room", [(1 << 20, -1), (1 << 40, 10)])
def test_a_nearly_full_disk_takes_no_new_ticks(agent_root: Layout, room: tuple[int, int]) -> None:
    class Nearly(OsFiles):
        def room(self, path: StrPath) -> tuple[int, int]:
            return room

    engine = DirectoryEngine(agent_root, fs=Nearly())
    with pytest.raises(BusError, match=r"nearly full.*make room"):
        engine.enqueue(Tick(id="t", cadence="memo"))
    write_tick(agent_root.inbox, "dropped")
    claim = take(engine)
    engine.retry(claim, FAILED)
    assert engine.counts()["inbox"] == 1


def test_rubbish_that_cannot_be_set_aside_holds_nobody_up(
    engine: DirectoryEngine, agent_root: Layout, disk: Counting
) -> None:
    (agent_root.inbox / "bad.json").write_text("[]")
    write_tick(agent_root.inbox, "good")
    disk.refuse = lambda _, path: errno.ENOSPC if path.startswith(str(agent_root.tmp)) else 0
    engine.refresh()
    disk.refuse = lambda *_: 0
    assert take(engine).tick.id == "good"
    assert engine.counts()["quarantine"] == 0
    assert isinstance(engine.clock, FakeClock)
    engine.clock.advance(inbox_module.STUCK_SECONDS + 1)
    engine.refresh()
    assert engine.counts()["quarantine"] == 1


def test_another_users_file_is_claimed_where_links_to_it_are_forbidden(
    engine: DirectoryEngine, agent_root: Layout, disk: Counting
) -> None:
    """fs.protected_hardlinks: linking a file of another owner is refused, renaming is not."""
    write_tick(agent_root.inbox, "t")
    disk.refuse = lambda name, path: errno.EPERM if name == "link" and "/inbox/" in path else 0
    claim = take(engine)
    assert claim.tick.attempts == 1
    engine.put_back(claim)
    assert read_json(agent_root.inbox / "t.json")["attempts"] == 0
    assert engine.counts()["claimed"] == 0


# ---- two consumers --------------------------------------------------------------------------


def test_two_consumers_never_get_the_same_tick(agent_root: Layout) -> None:
    for number in range(200):
        write_tick(agent_root.inbox, f"t{number:03d}")
    got: list[str] = []

    def consume() -> None:
        engine = DirectoryEngine(agent_root)
        engine.refresh()
        while claim := engine.claim(held=anything):
            got.append(claim.tick.id)
            engine.complete(claim)

    threads = [threading.Thread(target=consume) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [f"t{number:03d}" for number in range(200)]


def test_a_live_owners_claim_is_left_alone(agent_root: Layout) -> None:
    write_tick(agent_root.inbox, "t")
    first = DirectoryEngine(agent_root, owner="4711")
    claim = take(first)
    second = DirectoryEngine(agent_root, owner="4712", alive=lambda owner: owner == "4711")
    assert second.abandoned() == []
    first.put_back(claim)
    assert second.abandoned() == []


def test_a_consumer_that_wakes_up_too_late_settles_nothing(agent_root: Layout) -> None:
    write_tick(agent_root.inbox, "t")
    asleep = DirectoryEngine(agent_root, owner="asleep")
    old = take(asleep)
    awake = DirectoryEngine(agent_root, owner="awake")
    [new] = awake.abandoned()
    for settle in (asleep.complete, asleep.put_back, asleep.recovered):
        with pytest.raises(ClaimLost):
            settle(old)
    assert read_json(agent_root.claimed / "t.json")["claim"]["token"] == new.token
    awake.complete(new)
    with pytest.raises(ClaimLost):
        asleep.retry(old, FAILED)
    assert os.listdir(agent_root.inbox) == []


def test_a_claim_of_another_kind_of_consumer_is_recovered(
    engine: DirectoryEngine, agent_root: Layout
) -> None:
    """One that signs nothing: that it was claimed is all there is to know."""
    write_tick(agent_root.claimed, "t", attempts=0)
    [claim] = engine.abandoned()
    engine.recovered(claim)
    document = read_json(agent_root.inbox / "t.json")
    assert (document["attempts"], document["recoveries"]) == (1, 1)


# ---- many files -----------------------------------------------------------------------------


def test_held_ticks_cost_no_call_of_the_system(
    engine: DirectoryEngine, agent_root: Layout, disk: Counting
) -> None:
    for number in range(500):
        write_tick(agent_root.inbox, f"held{number:03d}", "held", priority=9)
    for number in range(10):
        write_tick(agent_root.inbox, f"free{number:03d}", "free")
    engine.refresh()
    engine.waiting()
    disk.count.clear()
    for _ in range(10):
        claim = engine.claim(held=lambda cadence: cadence == "held")
        assert claim is not None
        engine.complete(claim)
    assert engine.claim(held=lambda cadence: cadence == "held") is None
    assert disk.count["read"] <= 20
    assert disk.count["rename"] + disk.count["link"] == 20
    assert "names" not in disk.count


def test_an_unchanged_inbox_is_not_listed_again(
    engine: DirectoryEngine, agent_root: Layout, disk: Counting
) -> None:
    write_tick(agent_root.inbox, "t")
    os.utime(agent_root.inbox, (1000, 1000))
    assert engine.refresh()
    listed = disk.count["names"]
    for _ in range(5):
        assert not engine.refresh()
    assert disk.count["names"] == listed
    write_tick(agent_root.inbox, "u")
    assert engine.refresh()


def test_many_new_files_are_read_in_slices(
    agent_root: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox_module, "SLICE_LEAST", 64)
    for number in range(300):
        write_tick(agent_root.inbox, f"t{number:03d}")

    class Ticking(FakeClock):
        def awake(self) -> float:
            self.advance(1.0)
            return super().awake()

    clock = Ticking(time.time())
    engine = DirectoryEngine(agent_root, clock=clock)
    assert engine.refresh()
    assert 0 < engine.inbox.unread < 300
    assert take(engine).tick.id == "t000"
    assert engine.next_ready_at() is not None  # there is more to read: look again at once
    passes = 0
    while engine.inbox.unread:
        assert engine.refresh()
        passes += 1
    assert passes < 6
    assert engine.waiting() == {"inbox-processor": 299}


def test_what_others_take_away_is_forgotten(agent_root: Layout, engine: DirectoryEngine) -> None:
    for number in range(5):
        write_tick(agent_root.inbox, f"t{number}")
    engine.refresh()
    (agent_root.inbox / "t1.json").unlink()
    assert engine.refresh()
    assert engine.waiting() == {"inbox-processor": 4}
    (agent_root.inbox / "t0.json").unlink()
    assert engine.claim(held=anything).tick.id == "t2"  # type: ignore[union-attr]
    assert engine.page("inbox", limit=1)[0].tick.id == "t3"


def test_a_listing_that_misses_a_file_forgets_nothing(
    engine: DirectoryEngine, agent_root: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """readdir may miss a file that is being renamed while it runs."""
    for number in range(3):
        write_tick(agent_root.inbox, f"t{number}")
    engine.refresh()
    monkeypatch.setattr(OsFiles, "names", lambda *_: ["t2.json"])
    engine.refresh()
    assert engine.waiting() == {"inbox-processor": 3}


def test_a_reader_changes_nothing_and_knows_the_same(agent_root: Layout) -> None:
    (agent_root.inbox / "bad.json").write_text("[]")
    for number in range(4):
        write_tick(agent_root.inbox, f"t{number}", "a" if number % 2 else "b")
    reader = Inbox(OsFiles(), str(agent_root.inbox), SystemClock())
    assert reader.refresh()
    assert reader.waiting.by_cadence() == {"a": 2, "b": 2}
    assert len(reader) == 5
    assert (agent_root.inbox / "bad.json").exists()
    assert [key.id for key in reader.waiting.page("a", 9, 0)] == ["t1", "t3"]


def test_a_page_of_dead_letters_reads_no_other(agent_root: Layout, disk: Counting) -> None:
    for number in range(200):
        path = write_tick(agent_root.dlq, f"t{number:03d}", "a" if number % 2 else "b")
        os.utime(path, (number, number))
    (agent_root.dlq / "bad.json").write_text("[]")
    os.utime(agent_root.dlq / "bad.json", (1, 1))
    letters = Letters(disk, str(agent_root.dlq), SystemClock())
    assert letters.refresh(bodies=False)
    assert letters.page(None, 3, 0) == ["t199", "t198", "t197"]
    assert disk.count.get("read", 0) == 0
    assert letters.unread == 201
    letters.refresh(float("inf"))
    assert letters.by_cadence() == {"a": 100, "b": 100, UNKNOWN: 1}
    assert letters.page("b", 2, 1) == ["t196", "t194"]
    (agent_root.dlq / "t199.json").unlink()
    assert letters.refresh()
    assert len(letters) == 200
    assert letters.page(None, 1, 0) == ["t198"]


def test_damaged_dead_letters_are_refused_and_shown_by_nobody(
    engine: DirectoryEngine, agent_root: Layout
) -> None:
    write_tick(agent_root.dlq, "good")
    (agent_root.dlq / "bad.json").write_text("[]")
    results = engine.retry_dead(["bad", "good"])
    assert [(r.id, r.ok) for r in results] == [("bad", False), ("good", True)]
    assert "JSON object" in results[0].detail
    assert [view.tick.id for view in engine.page("dlq")] == []
    assert engine.find("bad") is None


def test_housekeeping_clears_strays_and_spent_keys_and_keeps_what_lives(
    engine: DirectoryEngine, agent_root: Layout
) -> None:
    engine.enqueue(Tick(id="live", cadence="memo", dedupe_key="live"))
    engine.enqueue(Tick(id="spent", cadence="memo", dedupe_key="spent"))
    (agent_root.inbox / "spent.json").unlink()
    for path in (agent_root.tmp / "stray", agent_root.acks / "c.json", agent_root.trash / "t.json",
                 agent_root.tmp / "young"):  # fmt: skip
        path.write_text("{}")
    for path in agent_root.bus.rglob("*"):
        if path.is_file() and path.name != "young":
            os.utime(path, (1000, 1000))
    assert engine.housekeep(2000.0) == {"trash": 1, "acks": 1, "tmp": 1, "dedupe": 1}
    assert [path.name for path in agent_root.tmp.iterdir()] == ["young"]
    assert not engine.enqueue(Tick(id="again", cadence="memo", dedupe_key="live")).fresh


# ---- starting up ----------------------------------------------------------------------------


def test_the_producer_starts_without_slow_imports() -> None:
    code = "import sys, maestro_core.bus.producer; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    slow = {"msgspec", "typing", "asyncio", "dataclasses", "subprocess", "dotenv", "datetime",
            "hashlib", "sqlite3", "watchfiles", "psutil"}  # fmt: skip
    assert slow & set(done.stdout.split()) == set()
