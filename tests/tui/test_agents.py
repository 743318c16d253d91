"""Several agents in one console, on real agent roots: the board of all says how each stands and
which cannot be read; opening one shows that one and acts on no other; what runs here goes on."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text
from textual.pilot import Pilot

from maestro_core.clock import SystemClock
from maestro_core.layout import Layout
from maestro_core.observe.agent_line import AgentLine, Held
from maestro_tui.agents import AgentsWatch
from maestro_tui.app import MaestroApp
from maestro_tui.app_agents import add_agents
from maestro_tui.backend import RootBackend
from maestro_tui.config import read_config
from maestro_tui.leave import last_words_of_all
from maestro_tui.presentation.agents import (
    Agent,
    agent_details,
    agent_fields,
    head_lines,
    ranked_agents,
    rows_of,
)
from maestro_tui.query import matches, parse
from tests.support import write_json, write_tick
from tests.tui.support import Listening, QuietFeed, gone, said, see, shown, until

pytestmark = pytest.mark.anyio


class Root(RootBackend):
    """A real agent root whose changes are seen when asked."""

    def make_feed(self) -> Any:
        return QuietFeed()


def agent(folder: Path, *cadences: str) -> Layout:
    layout = Layout(folder)
    for one in (*layout.folders(), layout.triggers):
        one.mkdir(parents=True)
    for name in cadences:
        layout.prompt(name).write_text("work")
    return layout


@pytest.fixture
def three(tmp_path: Path) -> list[Layout]:
    """Two agents, and a root that is not there."""
    atlas = agent(tmp_path / "atlas", "memo")
    boreas = agent(tmp_path / "boreas", "digest")
    write_tick(boreas.inbox, "t1", "digest")
    write_tick(boreas.dlq, "t2", "digest", last_error="exit 1")
    write_json(boreas.paused / "digest.json", {"by": "ops", "reason": "new card"})
    return [atlas, boreas, Layout(tmp_path / "gone")]


@asynccontextmanager
async def board(
    layouts: list[Layout], *, first: bool = True, size: tuple[int, int] = (140, 36), **options: Any
) -> AsyncIterator[tuple[MaestroApp, Pilot[Any]]]:
    app = Listening(Root(layouts[0], **options))
    add_agents(app, [str(one.root) for one in layouts], partial(Root, **options), first=first)
    async with app.run_test(size=size) as pilot:
        if first:
            await see(pilot, "BROKEN" if len(layouts) > 2 else "agents")
        yield app, pilot


async def choose(app: MaestroApp, pilot: Pilot[Any], name: str) -> None:
    """Move the cursor to that agent."""
    await until(pilot, lambda: any(row.name == name for row in rows(app)), name)
    table: Any = app.front().table  # type: ignore[union-attr]
    table.move_to(next(n for n, row in enumerate(table.rows) if row.name == name))


def rows(app: MaestroApp) -> Any:
    return app.front().table.rows  # type: ignore[union-attr]


def name_of(app: MaestroApp) -> str:
    front = app.front()
    return front.NAME if front is not None else ""


# ---- the board of all ----------------------------------------------------------------------


async def test_each_agent_has_a_line_and_the_missing_one_says_so(three: list[Layout]) -> None:
    async with board(three) as (_, pilot):
        await see(pilot, "‖ digest paused: new card")
        await see(pilot, "1 needs you")
        lines = shown(pilot.app).splitlines()
        gone_line = next(one for one in lines if "gone" in one)
        assert "× BROKEN" in gone_line
        assert "there is no such folder" in gone_line
        assert "3 agents" in lines[0]


async def test_a_change_on_disk_comes_without_a_key(three: list[Layout]) -> None:
    async with board(three) as (app, pilot):
        await see(pilot, "atlas")
        three[0].emergency_stop.write_text(json.dumps({"reason": "it mails customers"}))
        app.agents.look()  # type: ignore[union-attr]
        await see(pilot, "■ E-STOP")
        await see(pilot, "it mails customers")
        agent(three[2].root)
        app.agents.look()  # type: ignore[union-attr]
        await gone(pilot, "there is no such folder")


async def test_twenty_agents_fit_and_the_cursor_stays_on_its_agent(tmp_path: Path) -> None:
    layouts = [agent(tmp_path / f"agent-{n:02d}") for n in range(19)]
    layouts.append(Layout(tmp_path / "gone"))
    async with board(layouts, size=(80, 24)) as (app, pilot):
        await until(pilot, lambda: all(row.line is not None for row in rows(app)))
        await choose(app, pilot, "agent-07")
        await pilot.press(">", ">", "s")
        table: Any = app.front().table  # type: ignore[union-attr]
        assert table.current.name == "agent-07"
        assert "20 agents" in shown(app)


async def test_a_root_that_hangs_holds_up_no_other(three: list[Layout]) -> None:
    free = threading.Event()

    class Hanging:
        def __init__(self, root: str, clock: Any) -> None:
            from maestro_core.observe.agents import AgentReader

            self.stuck, self.reader = root.endswith("atlas"), AgentReader(root, clock)

        def read(self, *, whole: bool = False) -> AgentLine:
            if self.stuck:
                free.wait()
            return self.reader.read(whole=whole)

        def close(self) -> None:
            self.reader.close()

    app = Listening(Root(three[0]))
    watch = AgentsWatch([str(one.root) for one in three], SystemClock(), Hanging)  # type: ignore[arg-type]
    app.with_agents(watch, Root, first=True)
    try:
        async with app.run_test(size=(140, 36)) as pilot:
            await see(pilot, "digest paused")
            assert "◌ reading" in next(one for one in shown(app).splitlines() if "atlas" in one)
            free.set()
            await gone(pilot, "◌ reading")
    finally:
        free.set()


async def test_a_reader_that_breaks_is_told_on_its_line(three: list[Layout]) -> None:
    class Breaking:
        def __init__(self, *_: Any) -> None:
            pass

        def read(self, *, whole: bool = False) -> AgentLine:
            raise RuntimeError("no such luck")

        def close(self) -> None:
            pass

    app = Listening(Root(three[0]))
    watch = AgentsWatch([str(three[0].root)], SystemClock(), Breaking)  # type: ignore[arg-type]
    app.with_agents(watch, Root, first=True)
    async with app.run_test(size=(140, 36)) as pilot:
        await see(pilot, "RuntimeError: no such luck")


# ---- opening one ---------------------------------------------------------------------------


async def test_enter_opens_an_agent_and_0_comes_back(three: list[Layout]) -> None:
    async with board(three) as (app, pilot):
        await choose(app, pilot, "boreas")
        await pilot.press("enter")
        await see(pilot, "◆ boreas")
        await see(pilot, "digest")
        await pilot.press("0")
        await until(pilot, lambda: name_of(app) == "agents")
        await choose(app, pilot, "atlas")
        await pilot.press("enter")
        await see(pilot, "◆ atlas")
        await see(pilot, "memo")
        assert "digest" not in shown(app)


async def test_a_number_opens_the_agent_on_that_screen(three: list[Layout]) -> None:
    async with board(three) as (app, pilot):
        await choose(app, pilot, "boreas")
        await pilot.press("2")
        await until(pilot, lambda: name_of(app) == "dead")
        await see(pilot, "exit 1")


async def test_a_broken_agent_is_not_opened_and_says_why(three: list[Layout]) -> None:
    async with board(three) as (app, pilot):
        await choose(app, pilot, "gone")
        await pilot.press("enter")
        await until(pilot, lambda: said(app))
        assert said(app) == ["gone: there is no such folder"]
        assert name_of(app) == "agents"


async def test_an_act_hits_the_open_agent_alone(three: list[Layout]) -> None:
    async with board(three) as (app, pilot):
        await choose(app, pilot, "atlas")
        await pilot.press("enter")
        await see(pilot, "memo")
        await pilot.press("P")
        await until(pilot, lambda: (three[0].paused / "memo.json").exists())
        await until(pilot, lambda: len(app.undos) == 1)
        assert not (three[1].paused / "memo.json").exists()
        await pilot.press("0")
        await choose(app, pilot, "boreas")
        await pilot.press("enter")
        await see(pilot, "◆ boreas")
        await pilot.press("u")
        await until(pilot, lambda: "nothing to undo" in said(app))
        assert (three[0].paused / "memo.json").exists()


async def test_the_board_of_all_stops_and_undoes_nothing(three: list[Layout]) -> None:
    async with board(three) as (app, pilot):
        await pilot.press("ctrl+x", "ctrl+x", "u")
        await until(pilot, lambda: len(said(app)) == 3)
        assert set(said(app)) == {"open the agent first: Enter"}
        assert not any(one.emergency_stop.exists() for one in three)


async def test_read_only_holds_for_every_agent(three: list[Layout]) -> None:
    async with board(three, read_only=True) as (app, pilot):
        assert "read-only" in shown(app)
        await choose(app, pilot, "boreas")
        await pilot.press("enter")
        await see(pilot, "◆ boreas")
        await pilot.press("P")
        await until(pilot, lambda: any("read-only" in one for one in said(app)))
        assert (three[1].paused / "digest.json").exists()


async def test_the_switch_finds_an_agent_by_typing(three: list[Layout]) -> None:
    async with board(three) as (app, pilot):
        await choose(app, pilot, "atlas")
        await pilot.press("enter")
        await see(pilot, "◆ atlas")
        await pilot.press("a")
        await see(pilot, "name of an agent")
        await see(pilot, "digest paused")
        await pilot.press(*"bor", "enter")
        await see(pilot, "◆ boreas")
        await until(pilot, lambda: name_of(app) == "board")


async def test_q_goes_from_an_agent_to_all_and_from_there_leaves(three: list[Layout]) -> None:
    async with board(three) as (app, pilot):
        await choose(app, pilot, "atlas")
        await pilot.press("enter")
        await until(pilot, lambda: name_of(app) == "board")
        await pilot.press("q")
        await until(pilot, lambda: name_of(app) == "agents")
        await pilot.press("q")
    assert app.return_code == 0


async def test_a_console_that_began_with_one_agent_goes_back_to_it(three: list[Layout]) -> None:
    async with board(three[:2], first=False) as (app, pilot):
        await see(pilot, "memo")
        await pilot.press("0")
        await see(pilot, "2 agents")
        await pilot.press("q")
        await until(pilot, lambda: name_of(app) == "board")
        await see(pilot, "memo")


async def test_the_consumer_here_goes_on_while_another_agent_is_looked_at(
    three: list[Layout],
) -> None:
    """What runs it belongs to the first agent, whichever is open."""
    made: list[Path] = []
    ended = threading.Event()

    class Consumer:
        def run(self) -> int:
            ended.wait()
            return 0

        def stop(self) -> None:
            ended.set()

    class Running(Root):
        def make_consumer(self) -> Any:
            made.append(self.layout.root)
            return Consumer()

    app = Listening(Running(three[0]), consume=True)
    add_agents(app, [str(one.root) for one in three], Running, first=False)
    try:
        async with app.run_test(size=(140, 36)) as pilot:
            await until(pilot, lambda: made)
            await pilot.press("0")
            await choose(app, pilot, "boreas")
            await pilot.press("enter")
            await see(pilot, "◆ boreas")
            assert app.consumer is not None
            assert app.consumer.working
            assert app.home_snapshot is not None
            assert app.home_snapshot.agent == "atlas"
    finally:
        ended.set()
    assert made == [three[0].root]


async def test_with_one_agent_the_keys_say_how_to_name_more(three: list[Layout]) -> None:
    app = Listening(Root(three[0]))
    add_agents(app, [], Root, first=False)
    async with app.run_test() as pilot:
        await see(pilot, "memo")
        await pilot.press("0", "a")
        await until(pilot, lambda: len(said(app)) == 2)
        assert all("agents = [...]" in one for one in said(app))
        await pilot.press("?")
        await see(pilot, "Keys")
        assert "All agents" not in shown(app)


# ---- words ---------------------------------------------------------------------------------

NOW = 1_795_000_000.0


def line_of(name: str, **fields: Any) -> AgentLine:
    base = {"root": f"/srv/{name}", "name": name, "at": NOW, "word": "idle", "consumer": "live"}
    return AgentLine(**(base | fields))


def test_a_filter_asks_for_what_a_row_says() -> None:
    held = (Held("memo", "open", NOW + 900, "exit 1: no"),)
    seen = line_of("atlas", word="held", held=held, dead=4, beat_at=NOW - 3, cost_today=1.5)
    row = Agent(seen.root, "atlas", seen, False)
    for text in (
        "atlas",
        "state:held",
        "held:memo",
        "dead:>3",
        "cost:>1",
        'why:"exit 1"',
        "age:<5s",
    ):
        assert matches(parse(text), agent_fields(row, NOW)), text
    assert not matches(parse("dead:>4"), agent_fields(row, NOW))


def test_hostile_names_and_reasons_are_shown_and_not_obeyed() -> None:
    seen = line_of("\x1b]0;x\x07a[bold]", word="estop", why="\x1b[2Jgone")
    row = Agent(seen.root, seen.name, seen, True)
    text = "\n".join(one.plain for one in agent_details(row, NOW))
    assert "\x1b" not in text
    assert "[bold]" in text


def test_the_head_sums_up_and_rows_that_were_not_read_are_there() -> None:
    lines = {"/srv/a": line_of("a", running=("memo",), cost_today=2.0)}
    found = rows_of(["/srv/a", "/srv/b"], lines, {"/srv/a": "a"}, "/srv/a")
    assert [(row.name, row.word, row.open) for row in found] == [
        ("a", "idle", True), ("b", "reading", False)
    ]  # fmt: skip
    top = head_lines(found, NOW, 120, Text(""))[0].plain
    assert all(word in top for word in ("2 agents", "1 running", "0 need you", "$2.00 today"))
    assert last_words_of_all(found) == "1 of 2 agents goes on, without this console."


def test_typing_ranks_names_that_begin_so_first() -> None:
    names = ["old-atlas", "atlas", "boreas"]
    found = ranked_agents([Agent(f"/srv/{n}", n, None, False) for n in names], "atl")
    assert [one.name for one in found] == ["atlas", "old-atlas"]


def test_the_list_of_agents_is_a_setting_like_the_others() -> None:
    assert read_config({"agents": ["/srv/a"]}).problems == ()
    assert read_config({"agents": "x"}).problems == ("agents is no list of folders",)
