"""A bus moves from folders to a server and back: all of it, once, wherever it is stopped."""

from __future__ import annotations

import os
import subprocess
import threading
from functools import partial
from itertools import count
from pathlib import Path

import jsonschema
import pytest

from maestro_core.consumer.ownership import Ownership
from maestro_core.errors import Busy, Refused
from maestro_core.files import OsFiles
from maestro_core.fleet.hosts import Hosts
from maestro_core.fleet.markers import FleetMarkers
from maestro_core.fleet.moves import unfinished
from maestro_core.migrate.move import Direction
from maestro_core.migrate.run import migrate
from maestro_core.migrate.yard import Yard
from maestro_core.models import Beat, Stats, Tick
from tests.core.cli_kit import Shell
from tests.e2e.terminal import PROGRAM
from tests.fleet.moving import FAILURE, HOST, OLD, POLICY, Bench, Killed, content, work
from tests.fleet.server import Database
from tests.support import wait_until, write_json, write_tick
from tools.schemas import TYPES, schema

pytestmark = pytest.mark.xdist_group("postgresql")


@pytest.fixture
def bench(tmp_path: Path, database: Database) -> Bench:
    return Bench(tmp_path / "agent", database)


def nothing(bench: Bench, side: Direction) -> bool:
    """Whether that side is as after an install."""
    engine, level = (
        (bench.server(), bench.levels()[1]) if side == "server"
        else (bench.folders(), bench.levels()[0])
    )  # fmt: skip
    return not (content(engine) or level.pauses or level.stop or level.circuits or level.hold)


def test_there_and_back_everything_is_as_it_was(bench: Bench) -> None:
    bench.furnish()
    before, level = content(bench.folders()), bench.levels()[0]
    assert len(before) == 5
    report = bench.move("server")
    assert (report.moved, report.whole) == ({"inbox": 3, "dlq": 1, "trash": 1}, True)
    assert content(bench.server()) == before
    assert nothing(bench, "folders")
    there = bench.levels()[1]
    assert (there.pauses, there.stop) == (level.pauses, level.stop)
    assert there.circuits["inbox"].open_until == pytest.approx(
        level.circuits["inbox"].open_until, abs=5
    )
    assert not bench.layout.moving.exists()

    report = bench.move("folders")
    assert (report.moved, report.whole) == ({"inbox": 3, "dlq": 1, "trash": 1}, True)
    assert content(bench.folders()) == before
    assert nothing(bench, "server")
    back = bench.levels()[0]
    assert (back.pauses, back.stop) == (level.pauses, level.stop)
    assert back.circuits["inbox"].open_until == pytest.approx(
        level.circuits["inbox"].open_until, abs=5
    )
    assert back.circuits["memo"].failures == 1
    for hold in (there.hold, back.hold):
        assert hold is not None
        assert (hold.kind, hold.reason) == ("quota", "usage limit")
    ages = [view.since for shelf in ("dlq", "trash") for view in bench.folders().page(shelf)]  # type: ignore[arg-type]
    assert ages == pytest.approx([OLD, OLD + 1], abs=2)


@pytest.mark.timeout(600)  # a hundred moves, on a machine that may be busy
@pytest.mark.parametrize("to", ["server", "folders"])
def test_stopped_before_any_step_it_goes_on_and_nothing_is_lost_or_doubled(
    bench: Bench, to: Direction
) -> None:
    """Between the stop and the next try consumers of both sides run what they can get."""
    started = 0
    for last in count():
        bench.empty()
        (bench.furnish if to == "server" else bench.furnish_server)()
        try:
            bench.move(to, last=last)
        except Killed:
            started += 1
        else:
            break
        ran = work(bench.folders()) + work(bench.server())
        assert bench.move(to).whole, f"killed before step {last}"
        other: Direction = "folders" if to == "server" else "server"
        assert nothing(bench, other), f"killed before step {last}"
        target = bench.server() if to == "server" else bench.folders()
        ran += work(target)
        assert sorted(ran) == ["keyed", "urgent"], f"killed before step {last}"
        assert set(content(target)) == {("inbox", "later"), ("dlq", "dead0"), ("trash", "dead1")}
        level = bench.levels()[0 if to == "folders" else 1]
        assert (set(level.pauses), bool(level.stop)) == ({"memo"}, True)
        assert not bench.layout.moving.exists()
        assert bench.link.rows("SELECT 1 FROM maestro_moves") == []
        bench.clear()
    assert started > 40


def test_what_is_lifted_on_the_new_side_meanwhile_stays_lifted(bench: Bench) -> None:
    bench.furnish()
    for last in count():
        with pytest.raises(Killed):
            bench.move("server", last=last)
        if any(note["level"] for _, note in unfinished(bench.link)):
            break
    FleetMarkers(bench.link).clear()
    bench.move("server")
    assert bench.levels()[1].stop is None


def test_many_ticks_go_in_batches(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("to_server", "to_folders"):
        monkeypatch.setattr(f"maestro_core.migrate.{module}.BATCH", 10)
    ids = [write_tick(bench.layout.inbox, f"t{number:02d}").stem for number in range(35)]
    told: list[int] = []
    for to in ("server", "folders"):
        link = bench.database.link()
        report = migrate(
            bench.layout, link, to, policy=POLICY, host=HOST,  # type: ignore[arg-type]
            tell=lambda report: told.append(report.moved["inbox"]),
        )  # fmt: skip
        assert (report.moved["inbox"], report.whole) == (35, True)
    assert told == [10, 20, 30, 35] * 2
    assert work(bench.folders()) == ids


def test_what_the_server_cannot_have_stays_and_is_told(bench: Bench) -> None:
    server = bench.server()
    server.enqueue(Tick(id="same", cadence="memo", source="another"))
    server.enqueue(Tick(id="holder", cadence="memo", dedupe_key="k"))
    write_tick(bench.layout.inbox, "same")
    write_tick(bench.layout.inbox, "keyed", dedupe_key="k")
    write_tick(bench.layout.inbox, "fine")
    odd = bench.layout.inbox / "no name.json"
    odd.write_text("{}")
    os.utime(odd, (OLD, OLD))  # a young one may still be being written, and waits
    write_tick(bench.layout.dlq, "same", failures=[FAILURE])
    (bench.layout.dlq / "torn.json").write_text("{")
    write_json(bench.layout.paused / "memo.json", {"by": "ops"})
    rehearsed = bench.move("server", dry_run=True)
    report = bench.move("server")
    assert {(one.shelf, one.id) for one in report.kept} == {
        ("inbox", "same"), ("inbox", "keyed"), ("dlq", "torn"),
    }  # fmt: skip
    assert {one.id: one.reason for one in report.kept}["keyed"].startswith("holder is waiting")
    assert (rehearsed.kept, rehearsed.moved) == (report.kept, report.moved)
    assert [name for name, _ in report.aside] == ["no name.json"]
    assert sorted(path.name for path in bench.layout.inbox.iterdir()) == ["keyed.json", "same.json"]
    assert (bench.layout.paused / "memo.json").exists(), "its ticks are still here"
    [letter] = server.page("dlq")
    assert letter.tick.extra == {"namesake_of": "same"}
    view = server.find("same")
    assert view is not None
    assert view.tick.source == "another"


def test_what_the_folders_cannot_have_stays_on_the_server(bench: Bench) -> None:
    server = bench.server()
    for tick_id, key in (("same", None), ("keyed", "k"), ("fine", None)):
        server.enqueue(Tick(id=tick_id, cadence="memo", dedupe_key=key))
    folders = bench.folders()
    folders.enqueue(Tick(id="same", cadence="memo", source="another"))
    folders.enqueue(Tick(id="holder", cadence="memo", dedupe_key="k"))
    rehearsed = bench.move("folders", dry_run=True)
    report = bench.move("folders")
    assert (
        {one.id for one in report.kept} == {one.id for one in rehearsed.kept} == {"same", "keyed"}
    )
    assert report.moved == rehearsed.moved
    assert {view.tick.id for view in server.page("inbox")} == {"same", "keyed"}
    assert bench.move("folders").moved["inbox"] == 0


def test_a_dry_run_changes_nothing(bench: Bench) -> None:
    bench.furnish()
    before = content(bench.folders()), bench.levels()
    report = bench.move("server", dry_run=True)
    assert (report.moved, set(report.level.pauses)) == (
        {"inbox": 3, "dlq": 1, "trash": 1},
        {"memo"},
    )
    assert (content(bench.folders()), bench.levels()[1]) == (before[0], before[1][1])
    assert not bench.layout.moving.exists()
    assert content(bench.server()) == {}


# ---- what has to be done first ---------------------------------------------------------------


def test_claimed_ticks_and_living_consumers_are_in_the_way(bench: Bench) -> None:
    lock = Ownership.acquire(bench.layout, what="daemon")
    with pytest.raises(Busy):
        bench.move("server")
    lock.release()
    path = write_tick(bench.layout.claimed, "a")
    with pytest.raises(Refused, match="1 in claimed"):
        bench.move("server")
    path.unlink()
    server = bench.server()
    server.enqueue(Tick(id="a", cadence="memo"))
    claim = server.claim(held=lambda _: False)
    assert claim is not None
    with pytest.raises(Refused, match="1 ticks are claimed"):
        bench.move("folders")
    server.complete(claim)
    Hosts(bench.link, "mini").publish_beat(beat())
    with pytest.raises(Refused, match="consumers work on the server: mini"):
        bench.move("folders")
    Hosts(bench.link, "mini").publish_beat(beat("2026-11-24T02:03:04.000Z"))
    assert bench.move("folders").whole


def beat(stopped_at: str | None = None) -> Beat:
    at = "2026-11-24T02:03:04.000Z"
    return Beat(
        pid=1, host="mini", version="1", started_at=at, beat_at=at, mode="daemon", stats=Stats(),
        stopped_at=stopped_at,
    )  # fmt: skip


def test_an_unfinished_move_goes_first(bench: Bench, tmp_path: Path) -> None:
    bench.furnish_server()
    with pytest.raises(Killed):
        bench.move("folders", last=40)
    with pytest.raises(Refused, match="a move to folders is unfinished here"):
        bench.move("server")
    other = Bench(tmp_path / "other", bench.database)
    with pytest.raises(Refused, match="another move of this server is unfinished: to folders"):
        other.move("server")
    assert bench.move("folders").resumed


def test_a_server_that_knows_nothing_of_the_move_is_another_one(bench: Bench) -> None:
    note = {"move": "m", "to": "server", "server": "postgresql://another/one", "since": ""}
    yard = Yard(bench.layout, OsFiles(), bench.clock)
    bench.furnish()
    yard.shelves.prepare()
    yard.remember(note)
    yard.pick_up("inbox", ["keyed"])
    with pytest.raises(Refused, match=r"knows nothing of the move .* postgresql://another/one"):
        bench.move("server")
    assert yard.staged("inbox") == ["keyed"]


# ---- the command -----------------------------------------------------------------------------


def test_the_command_moves_there_and_back(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    shell = Shell(bench.layout, capsys)
    bench.furnish()
    url = bench.database.url
    told = shell("bus", "migrate", "--to", url, "--dry-run")
    assert (told.code, "would move" in told.out) == (0, True)
    assert "3 waiting" in told.out
    moved = shell("bus", "migrate", "--to", url)
    assert (moved.code, "[bus] url" in moved.err) == (0, True)
    done = shell("bus", "migrate", "--to", "folders", "--from", url, "--json")
    assert (done.code, done.document["moved"]["inbox"], done.document["kept"]) == (0, 3, [])
    assert done.document["emergency_stop"] is True
    jsonschema.validate(done.document, schema("bus-migrate", TYPES["bus-migrate"]))


@pytest.mark.long
def test_the_command_is_killed_again_and_again_and_gets_there_all_the_same(bench: Bench) -> None:
    ids = [write_tick(bench.layout.inbox, f"t{number:04d}").stem for number in range(600)]
    bench.furnish()
    url = bench.database.url
    for to, where in (("server", [url]), ("folders", ["folders", "--from", url])):
        words = [PROGRAM, "--root", str(bench.layout.root), "bus", "migrate", "--to", *where]
        for number in range(3):
            before = traces(bench)
            with subprocess.Popen(words, stdout=subprocess.DEVNULL) as process:
                wait_until(partial(has_moved, bench, before, process), 60)
                threading.Event().wait(0.03 * number)
                process.kill()
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        assert nothing(bench, "folders" if to == "server" else "server")
        found = content(bench.server() if to == "server" else bench.folders())
        assert len(found) == len(ids) + 5
        assert {tick_id for shelf, tick_id in found if shelf == "inbox"} >= set(ids)


def traces(bench: Bench) -> list[int]:
    """What changes with every step of a move."""
    folders = (bench.layout.inbox, bench.layout.moving / "inbox")
    return [folder.stat().st_mtime_ns for folder in folders if folder.exists()]


def has_moved(bench: Bench, before: list[int], process: subprocess.Popen[bytes]) -> bool:
    return traces(bench) != before or process.poll() is not None


def test_the_command_refuses_what_it_does_not_understand(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = Shell(bench.layout, capsys)
    bench.furnish()
    for words, said in (
        (("--to", "mysql://x"), "is no bus"),
        (("--to", "server"), "the settings name no server"),
        (("--to", "postgresql://ops:geheim@127.0.0.1/x"), "holds a password"),
        (("--to", bench.database.url, "--from", "x"), "--from goes with"),
    ):
        refused = shell("bus", "migrate", *words)
        assert (refused.code, said in refused.err, "geheim" in refused.err) == (2, True, False)
    assert shell("bus", "migrate", "--to", bench.database.url, "--read-only").code == 1


def test_the_tables_are_made_by_a_command_and_shown(
    bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = Shell(bench.layout, capsys)
    bench.furnish()
    assert shell("bus", "status", "--json").document["bus"] == "folders"
    assert shell("bus", "install").code == 2
    bench.database.server.admin("CREATE DATABASE bare")
    monkeypatch.setenv("MAESTRO_BUS", bench.database.server.url("bare"))
    try:
        assert "not installed" in shell("bus", "status").out
        assert "schema step 1" in shell("bus", "install").out
        assert "nothing to do" in shell("bus", "install").out
        assert shell("bus", "status", "--json").document["problem"] is None
        status = shell("bus", "status", "--json").document
        jsonschema.validate(status, schema("bus-status", TYPES["bus-status"]))
        assert shell("bus", "migrate", "--to", "server").code == 0
    finally:
        bench.database.server.admin("DROP DATABASE bare WITH (FORCE)")
