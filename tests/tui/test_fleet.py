"""The console of a fleet: the same screens, with hosts. Pictures, and keys whose answers are read
from the screen."""

from __future__ import annotations

import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from maestro_core.errors import BusAway
from maestro_core.models import RunRow
from maestro_core.observe.explain import explain
from maestro_core.observe.reads import PublishedTail
from maestro_core.observe.snapshot import CountsView, Snapshot
from maestro_tui.app import MaestroApp
from maestro_tui.messages import SnapshotArrived
from maestro_tui.mirror import Mirror, Mirrors
from maestro_tui.presentation.board import Cadence, fields
from maestro_tui.presentation.hosts import fleet_words
from maestro_tui.presentation.waits import waits_for
from maestro_tui.query import matches, parse
from maestro_tui.screens import dead_letters
from tests.tui.fixed import AWAY, ELSEWHERE, FLEET, FLEET_SNAPSHOT, NOW, FixedBackend, dead, run
from tests.tui.support import console, gone, said, see, settled, shown, until

SIZES = {"80x24": (80, 24), "120x36": (120, 36)}
COMMAND = "ssh -t mini-2.local 'less +F /srv/agents/atlas/logs/memo-6.stdout.log'"
TAIL = PublishedTail("mini-2", b"reading the plan\nwriting chapter 3\n", 1.0, COMMAND)


def keys(*pressed: str) -> Callable[[Pilot[Any]], Awaitable[None]]:
    async def press(pilot: Pilot[Any]) -> None:
        await settled(pilot)
        for key in pressed:
            await pilot.press(key)
            await settled(pilot)

    return press


@pytest.fixture
def looks(snap_compare: Any, request: pytest.FixtureRequest) -> Callable[..., bool]:
    if request.config.option.update_snapshots and sys.version_info[:2] != (3, 11):
        pytest.exit("pictures are drawn anew with Python 3.11 alone")

    def compare(size: tuple[int, int], *pressed: str, shot: Snapshot = FLEET_SNAPSHOT) -> bool:
        backend = FixedBackend(shot)
        backend.rows = [replace(row, host="mini-1") for row in backend.rows]
        backend.tails[ELSEWHERE.run_id] = TAIL
        found: bool = snap_compare(
            MaestroApp(backend), terminal_size=size, run_before=keys(*pressed)
        )
        return found

    return compare


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
@pytest.mark.parametrize("screen", ["board", "hosts", "runs", "explain"])
def test_screen(looks: Callable[..., bool], screen: str, size: tuple[int, int]) -> None:
    pressed = {"board": (), "hosts": ("i",), "runs": ("3",), "explain": ("j", "e")}
    assert looks(size, *pressed[screen])


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
def test_the_server_is_away(looks: Callable[..., bool], size: tuple[int, int]) -> None:
    assert looks(size, shot=AWAY)


# ---- words ---------------------------------------------------------------------------------


def test_the_strip_counts_hosts_and_says_which_are_not_well() -> None:
    assert fleet_words(FLEET, own=True, now=NOW).plain == "● fleet 4 hosts here too 1 stale 1 gone"
    fleet = AWAY.fleet
    assert fleet is not None
    assert fleet_words(fleet, own=False, now=NOW).plain == "◌ STALE 45s fleet 4 hosts"


def test_what_a_cadence_waits_for_names_hosts() -> None:
    views = {view.name: view for view in FLEET_SNAPSHOT.cadences}
    assert waits_for(FLEET_SNAPSHOT, views["quarterly-review"]).text == "its hosts are away"
    nobody = replace(views["quarterly-review"], name="nobody")
    shot = replace(FLEET_SNAPSHOT, cadences=(nobody,))
    assert waits_for(shot, nobody).text == "no host can run it"
    assert waits_for(AWAY, views["quarterly-review"]).text == "the server is away"
    assert explain(AWAY, "news-digest").obstacles[0].code == "no_server"


@pytest.mark.parametrize(
    ("filter_", "found"),
    [
        ("host:mini-2", {"inbox-processor", "invoice-chaser", "weekly-strategic-memo",
                         "expense-report"}),
        ("host:mini-2 state:running", {"inbox-processor", "weekly-strategic-memo"}),
        ("!host:mini", {"quarterly-review"}),
    ],
)  # fmt: skip
def test_the_board_is_filtered_by_host(filter_: str, found: set[str]) -> None:
    query = parse(filter_)
    rows = [Cadence(view, FLEET_SNAPSHOT.consumer) for view in FLEET_SNAPSHOT.cadences]
    assert {row.view.name for row in rows if matches(query, fields(row, NOW))} == found


# ---- keys ----------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_i_shows_the_hosts_and_says_so_where_there_is_no_fleet() -> None:
    async with console(FixedBackend(FLEET_SNAPSHOT)) as (_, pilot):
        await pilot.press("i")
        await see(pilot, "1h00 ahead of the server's")
        assert "mini-2.local:/srv/agents/atlas" in shown(pilot.app)
    async with console(FixedBackend()) as (app, pilot):
        await pilot.press("i")
        await until(pilot, lambda: "its own folders" in " ".join(said(app)), "what it says")


@pytest.mark.anyio
async def test_the_log_of_another_hosts_run_is_what_is_told_of_it_with_the_way_to_all_of_it() -> (
    None
):
    backend = FixedBackend(FLEET_SNAPSHOT)
    backend.tails[ELSEWHERE.run_id] = TAIL
    async with console(backend) as (_, pilot):
        await pilot.press("j", "l")
        await see(pilot, "writing chapter 3")
        await see(pilot, "ssh -t mini-2.local")
        more = TAIL.text + b"writing chapter 4\n"
        backend.tails[ELSEWHERE.run_id] = PublishedTail("mini-2", more, 0.5, TAIL.command)
        await see(pilot, "writing chapter 4")
        await pilot.press("escape")
        await gone(pilot, "ssh -t")


@pytest.mark.anyio
async def test_runs_are_filtered_by_host() -> None:
    backend = FixedBackend(FLEET_SNAPSHOT)
    backend.rows = [
        replace(run("memo", 60, 5, number=number), host=f"mini-{number}") for number in (1, 2)
    ]
    async with console(backend) as (app, pilot):
        await pilot.press("3")
        await see(pilot, "mini-2")
        await pilot.press("/", *"host:mini-2", "enter")
        await gone(pilot, "run-memo-001")
        assert app.front() is not None


@pytest.mark.anyio
async def test_dead_letters_come_in_pages_and_go_on_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dead_letters, "FIRST", 20)
    monkeypatch.setattr(dead_letters, "PAGE", 40)
    letters = [dead(number % 60, f"c{number}", f"exit 1: no {number}", 60 + number) for number in
               range(100)]  # fmt: skip
    backend = FixedBackend(replace(FLEET_SNAPSHOT, counts=CountsView(dlq=100)))
    backend.dead = [
        replace(view, tick=view.tick.evolve(id=f"t{number}")) for number, view in enumerate(letters)
    ]
    async with console(backend) as (app, pilot):
        await pilot.press("2")
        await see(pilot, "newest 40 · 60 older come at the end")
        screen: Any = app.front()
        await pilot.press("end")
        await until(pilot, lambda: len(screen.all_rows) == 80, "the second page")
        await pilot.press("end")
        await until(pilot, lambda: len(screen.all_rows) == 100, "the last page")
        await gone(pilot, "older come at the end")


# ---- the mirror ----------------------------------------------------------------------------


def test_a_mirror_grows_as_its_host_tells_and_keeps_what_it_has(tmp_path: Path) -> None:
    told: list[PublishedTail | None] = [None, TAIL, TAIL, replace(TAIL, text=TAIL.text + b"end\n")]
    asked: list[str] = []

    def ask(row: RunRow) -> PublishedTail | None:
        asked.append(row.run_id)
        return told.pop(0)

    mirror = Mirror(replace(run("memo", 1, 1), host="mini-2"), tmp_path / "log")
    said = []
    while told:
        mirror.look(ask)
        said.append(mirror.said)
    assert mirror.path.read_bytes() == TAIL.text + b"end\n"
    assert said[0] == "mini-2 has told nothing of this run's output"
    assert said[-1] == f"the end of the output on mini-2, all of it: {TAIL.command}"


def test_mirrors_are_removed_at_the_end() -> None:
    mirrors = Mirrors(lambda _row: TAIL)
    mirror = mirrors.of(replace(run("memo", 1, 1), host="mini-2"))
    assert mirrors.of_path(str(mirror.path)) is mirror
    assert mirrors.of_path("logs/other") is None
    assert mirror.path.stat().st_mode & 0o077 == 0
    mirrors.close()
    assert not mirror.path.exists()


def test_a_mirror_is_looked_for_while_others_begin() -> None:
    mirrors, troubles = Mirrors(lambda _row: TAIL), list[RuntimeError]()
    done = threading.Event()

    def look() -> None:
        try:
            while not done.is_set():
                mirrors.of_path("logs/other")
        except RuntimeError as error:
            troubles.append(error)

    threads = [threading.Thread(target=look) for _ in range(2)]
    often = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for one in threads:
            one.start()
        for number in range(60):
            mirrors.of(replace(run("memo", 1, 1), host="mini-2", run_id=f"r{number}"))
    finally:
        done.set()
        sys.setswitchinterval(often)
        for one in threads:
            one.join()
        mirrors.close()
    assert troubles == []


@pytest.mark.anyio
async def test_a_list_that_the_server_cannot_give_is_no_toast_after_the_other() -> None:
    backend = Cut(FLEET_SNAPSHOT)
    async with console(backend) as (app, pilot):
        await pilot.press("3")
        await see(pilot, "no invoices here")
        backend.cut = True
        screen: Any = app.front()
        for _ in range(3):
            asked = backend.asked
            screen.reload()
            await until(pilot, lambda asked=asked: backend.asked > asked, "another look")
        await settled(pilot)
        assert "no invoices here" in shown(app)
        assert (said(app), backend.written) == ([], [])


@pytest.mark.anyio
async def test_the_consumer_of_a_console_begins_when_its_server_is_there() -> None:
    backend = Cut(AWAY)
    backend.cut = True
    async with console(backend, consume=True) as (app, pilot):
        await see(pilot, "the consumer in this console stopped")
        await settled(pilot)
        made = backend.made
        app.post_message(SnapshotArrived(AWAY, frozenset({"consumer"})))
        await settled(pilot)
        assert backend.made == made, "the server is still away"
        backend.cut = False
        app.post_message(SnapshotArrived(FLEET_SNAPSHOT, frozenset({"consumer"})))
        await until(pilot, lambda: backend.made > made, "a consumer")
        await gone(pilot, "the consumer in this console stopped")


class Cut(FixedBackend):
    """Its server is away where `cut` says so."""

    cut = False
    asked = made = 0

    def runs(self, limit: int) -> Sequence[RunRow]:
        self.asked += 1
        self._reach()
        return super().runs(limit)

    def make_consumer(self) -> Any:
        self.made += 1
        self._reach()
        return Idle()

    def _reach(self) -> None:
        if self.cut:
            raise BusAway("the bus cannot be reached")


class Idle:
    """A consumer with nothing to do."""

    def __init__(self) -> None:
        self._ended = threading.Event()

    def run(self) -> int:
        self._ended.wait(60)
        return 0

    def stop(self) -> None:
        self._ended.set()
