"""The Runs screen: rows of the ledger, live filter, sort, 50,000 of them, and the way to a log."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual.pilot import Pilot

from maestro_core.clock import iso
from maestro_core.layout import Layout
from maestro_core.models import RunResult
from maestro_core.session.ledger import Ledger
from maestro_tui.presentation.runs import COLUMNS, details, fields, merged, run_of
from maestro_tui.query import matches, parse
from maestro_tui.screens.log_screen import LogOverlay
from maestro_tui.screens.runs import RunsScreen
from tests.tui.log_support import NOW, console, fill_ledger, run_row, transcript
from tests.tui.support import settled

LOGS = "logs/cadence-bus/subsessions/2026-11-24-inbox-processor-x"


@asynccontextmanager
async def runs(
    root: Layout, size: tuple[int, int] = (120, 30)
) -> AsyncIterator[tuple[Pilot[None], RunsScreen]]:
    app = console(root)
    async with app.run_test(size=size) as pilot:
        await app.action_go("runs")
        await settled(pilot)
        screen = app.screen
        assert isinstance(screen, RunsScreen)
        yield pilot, screen


def ids(screen: RunsScreen) -> list[str]:
    return [run.id for run in screen.table.rows]


@pytest.mark.anyio
async def test_rows_stand_newest_first_and_a_running_one_ticks(agent_root: Layout) -> None:
    fill_ledger(agent_root, 30)
    async with runs(agent_root) as (_, screen):
        assert ids(screen)[:2] == ["run-00000", "run-00001"]
        row = screen.table.rows[0]
        assert (row.ended, row.seconds(NOW + 5)) == (None, 47.0)


@pytest.mark.anyio
async def test_typing_a_filter_narrows_and_escape_drops_it(agent_root: Layout) -> None:
    fill_ledger(agent_root, 40)
    async with runs(agent_root) as (pilot, screen):
        await pilot.press("slash", *"cadence:heart state:failed", "enter")
        await settled(pilot)
        assert ids(screen) == []
        await pilot.press("escape")
        await pilot.press("slash", *"cadence:weekly state:failed", "enter")
        await settled(pilot)
        assert ids(screen) == ["run-00002", "run-00010", "run-00018", "run-00026", "run-00034"]
        await pilot.press("escape")
        await settled(pilot)
        assert len(ids(screen)) == 40


@pytest.mark.anyio
async def test_the_cursor_stays_on_its_run_when_new_ones_come(agent_root: Layout) -> None:
    fill_ledger(agent_root, 10)
    async with runs(agent_root) as (pilot, screen):
        await pilot.press("j", "j", "j")
        ledger = Ledger.open(agent_root.ledger)
        ledger.begin(run_row(77))
        ledger.finish("run-00077", RunResult(outcome="ok", exit_code=0), iso(NOW))
        ledger.close()
        screen.changed(frozenset({"ledger"}))
        await settled(pilot)
        assert len(ids(screen)) == 11
        assert screen.table.current is not None
        assert screen.table.current.id == "run-00003"


def fill_with_logs(layout: Layout, stderr: bytes) -> None:
    """Five runs, with logs of a transcript and that stderr."""
    (layout.root / f"{LOGS}.stdout.log").write_bytes(transcript())
    (layout.root / f"{LOGS}.stderr.log").write_bytes(stderr)
    fill_ledger(layout, 5, LOGS)


@pytest.mark.anyio
async def test_enter_opens_the_log_viewer_and_q_comes_back(agent_root: Layout) -> None:
    fill_with_logs(agent_root, b"words\n")
    async with runs(agent_root) as (pilot, screen):
        await pilot.press("enter")
        await settled(pilot)
        assert isinstance(pilot.app.screen, LogOverlay)
        assert pilot.app.screen.names == ["transcript", "stdout", "stderr", "both"]
        await pilot.press("q")
        await settled(pilot)
        assert pilot.app.screen is screen


@pytest.mark.anyio
async def test_the_log_of_a_failed_run_begins_with_its_stderr(agent_root: Layout) -> None:
    fill_with_logs(agent_root, b"ConnectionError: 502\n")
    async with runs(agent_root) as (pilot, screen):
        failed = next(run for run in screen.table.rows if run.row.outcome == "failed")
        screen.table.move_to(screen.table.rows.index(failed))
        await pilot.press("enter")
        await settled(pilot)
        assert isinstance(pilot.app.screen, LogOverlay)
        assert pilot.app.screen.shown == "stderr"


@pytest.mark.anyio
async def test_a_run_without_logs_says_so(agent_root: Layout) -> None:
    fill_ledger(agent_root, 3)
    async with runs(agent_root) as (pilot, screen):
        await pilot.press("l")
        await settled(pilot)
        assert pilot.app.screen is screen
        assert any("wrote no log" in note.message for note in pilot.app._notifications)


@pytest.mark.anyio
async def test_details_and_copy_name_the_run(agent_root: Layout) -> None:
    fill_ledger(agent_root, 3)
    async with runs(agent_root) as (pilot, screen):
        await pilot.press("j", "d")
        await settled(pilot)
        assert pilot.app.screen is not screen
        assert screen.table.current is not None
        assert screen.copy_text(screen.table.current) == "run-00001"


@pytest.mark.anyio
async def test_an_empty_ledger_tells_what_to_do(agent_root: Layout) -> None:
    async with runs(agent_root) as (_, screen):
        shown = " ".join(text.plain for text in screen.empty())
        assert "No sub-session has run yet" in shown


@pytest.mark.anyio
@pytest.mark.slow
async def test_fifty_thousand_runs_are_read_filtered_and_moved_through(agent_root: Layout) -> None:
    fill_many(agent_root, 50_000)
    async with runs(agent_root) as (pilot, screen):
        assert len(ids(screen)) == 50_000
        begun = time.thread_time()
        screen.table.move_to(49_999)
        screen.table.render_lines(screen.table.size.region)
        assert time.thread_time() - begun < 0.2
        await pilot.press("slash", *"state:timeout cadence:inbox", "enter")
        await settled(pilot)
        assert len(ids(screen)) == 6250


def fill_many(root: Layout, count: int) -> None:
    """Rows put in by one transaction: a ledger of months."""
    import sqlite3

    fill_ledger(root, 8)
    base = sqlite3.connect(root.ledger)
    columns = [row[1] for row in base.execute("PRAGMA table_info(runs)") if row[1] != "seq"]
    names, copies = ", ".join(columns), ", ".join(c for c in columns if c != "run_id")
    base.execute(
        f"INSERT INTO runs ({names}) WITH RECURSIVE n(i) AS (SELECT 8 UNION ALL SELECT i + 1"
        f" FROM n WHERE i + 1 < {count}) SELECT printf('run-%05d', i), {copies} FROM n"
        " JOIN runs ON runs.run_id = printf('run-%05d', i % 8)"
    )
    base.commit()
    base.close()


# ---- presentation -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "hits"),
    [
        ("inbox", True),
        ("state:running", True),
        ("age:>1h", False),
        ("took:<1m", True),
        ("cost:>0", False),
        ('"inbox-processor"', True),
        ("!cadence:inbox", False),
        ("attempt:1", True),
    ],
)
def test_a_run_answers_the_filter_language(query: str, hits: bool) -> None:
    run = run_of(run_row(0))
    found = matches(parse(query.replace("attempt:1", "attempt:=1")), fields(run, NOW))
    assert found is hits


def test_after_a_change_the_newest_page_is_enough_when_it_reaches_known_rows() -> None:
    from msgspec.structs import replace

    ended = {"ended_at": iso(NOW), "outcome": "ok", "duration": 1.0}
    known = [run_of(replace(run_row(n), **({} if n == 1 else ended))) for n in range(1, 30)]
    page = [replace(run_row(n), **({} if n == 0 else ended)) for n in range(4)]
    found = merged(page, known)
    assert found is not None
    assert [run.row.run_id for run in found] == [f"run-{n:05}" for n in range(30)]
    assert [run.ended is None for run in found[:3]] == [True, False, False]
    assert merged(page, known[4:]) is None
    open_below = [*known[:20], run_of(run_row(40))]
    assert merged(page, open_below) is None


def test_hostile_names_and_reasons_are_shown_as_text() -> None:
    from msgspec.structs import replace

    row = replace(run_row(0), cadence="a\x1b[2Jb", reason="[bold]\u202ex\x07", run_id="r\x9b1")
    run = run_of(row)
    texts = [column.cell(run, NOW).plain for column in COLUMNS]
    texts += [text.plain for text in details(run, NOW)]
    assert all(text.isprintable() for text in texts)
    assert any("[bold]" in text for text in texts)
