"""The log viewer as a screen: its views, raw and back, search, copy, save, and leaving."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from maestro_core.layout import Layout
from maestro_core.redact import MASK
from maestro_tui.app import MaestroApp
from maestro_tui.screens.log_save import scp_line
from maestro_tui.screens.log_screen import LogOverlay, RunLogs
from maestro_tui.widgets.log_view import LogView
from maestro_tui.widgets.log_view_head import LogHead
from maestro_tui.widgets.log_view_steps import StepsView
from tests.tui.log_support import console, shown, transcript
from tests.tui.support import settled

pytestmark = pytest.mark.anyio

LOGS = "logs/cadence-bus/subsessions/2026-11-24-inbox-processor-x"


@pytest.fixture
def logs(agent_root: Layout) -> RunLogs:
    (agent_root.root / f"{LOGS}.stdout.log").write_bytes(transcript())
    (agent_root.root / f"{LOGS}.stderr.log").write_bytes(b"first\nValueError: boom\nlast\n")
    return RunLogs(agent_root.root / f"{LOGS}.stdout.log", agent_root.root / f"{LOGS}.stderr.log")


@asynccontextmanager
async def viewer(
    root: Layout, logs: RunLogs | Path
) -> AsyncIterator[tuple[Pilot[None], LogOverlay]]:
    app = console(root)
    async with app.run_test(size=(100, 24)) as pilot:
        screen = LogOverlay(logs, "inbox-processor")
        await app.push_screen(screen)
        await settled(pilot)
        yield pilot, screen


def head(screen: LogOverlay) -> str:
    return screen.query_one(LogHead).render_lines(screen.query_one(LogHead).size.region)[0].text


async def test_a_run_of_the_cli_opens_as_its_transcript(agent_root: Layout, logs: RunLogs) -> None:
    async with viewer(agent_root, logs) as (_, screen):
        assert isinstance(screen.view, StepsView)
        titles = [row.step.title for row in screen.view.rows]
        assert "Bash" in titles
        assert f"{len(titles)} steps" in head(screen)


async def test_tab_goes_through_the_views_and_each_keeps_its_place(
    agent_root: Layout, logs: RunLogs
) -> None:
    async with viewer(agent_root, logs) as (pilot, screen):
        seen = [screen.shown]
        for _ in range(4):
            await pilot.press("tab")
            await settled(pilot)
            seen.append(screen.shown)
        assert seen == ["transcript", "stdout", "stderr", "both", "transcript"]
        await pilot.press("tab", "w", "shift+tab", "tab")
        assert isinstance(screen.view, LogView)
        assert screen.view.wrap


async def test_other_output_opens_as_plain_lines(agent_root: Layout) -> None:
    path = agent_root.subsessions / "plain.stdout.log"
    path.write_bytes(b"hello\n")
    async with viewer(agent_root, path) as (_, screen):
        assert screen.names == ["stdout"]
        assert isinstance(screen.view, LogView)
        assert shown(screen.view)[0] == " hello"


async def test_both_has_headings_and_marks_stderr(agent_root: Layout, logs: RunLogs) -> None:
    async with viewer(agent_root, logs) as (pilot, screen):
        await screen.choose("both")
        await settled(pilot)
        assert isinstance(screen.view, LogView)
        rows = shown(screen.view)
        assert any("stderr, as it was when" in row for row in rows)
        assert " │ ValueError: boom" in rows


async def test_raw_shows_the_line_of_the_step_and_goes_back(
    agent_root: Layout, logs: RunLogs
) -> None:
    async with viewer(agent_root, logs) as (pilot, screen):
        steps = screen.view
        assert isinstance(steps, StepsView)
        await pilot.press("g", "j", "j", "r")
        await settled(pilot)
        raw = screen.view
        assert isinstance(raw, LogView)
        assert steps.current is not None
        assert steps.current.step.offset in {one.start for one in raw.lines_in_view()}
        await pilot.press("r")
        assert screen.view is steps


async def test_enter_opens_a_step(agent_root: Layout, logs: RunLogs) -> None:
    async with viewer(agent_root, logs) as (pilot, screen):
        await pilot.press("g", "enter")
        await settled(pilot)
        assert pilot.app.screen is not screen
        await pilot.press("escape")
        assert pilot.app.screen is screen


async def test_search_asks_looks_and_peels(agent_root: Layout, logs: RunLogs) -> None:
    async with viewer(agent_root, logs) as (pilot, screen):
        await screen.choose("stderr")
        await pilot.press("slash", *"boom", "enter")
        await settled(pilot)
        view = screen.view
        assert isinstance(view, LogView)
        assert "▌ValueError: boom" in shown(view)
        await pilot.press("escape")
        assert pilot.app.screen is screen
        assert not any(row.startswith("▌") for row in shown(view))
        await pilot.press("escape")
        await settled(pilot)
        assert pilot.app.screen is not screen


async def test_search_from_the_transcript_goes_to_the_raw_log(
    agent_root: Layout, logs: RunLogs
) -> None:
    async with viewer(agent_root, logs) as (pilot, screen):
        await pilot.press("slash", *"tool_use", "enter")
        await settled(pilot)
        assert screen.shown == "stdout"
        assert isinstance(screen.view, LogView)
        assert screen.view.finder.hit >= 0


async def test_escape_in_the_search_line_goes_back_to_the_log(
    agent_root: Layout, logs: RunLogs
) -> None:
    async with viewer(agent_root, logs) as (pilot, screen):
        await screen.choose("stderr")
        await pilot.press("slash", "x", "escape")
        assert pilot.app.screen is screen
        assert screen.view is not None
        assert screen.view.has_focus


async def test_zoom_leaves_the_log_alone_on_the_screen(agent_root: Layout, logs: RunLogs) -> None:
    async with viewer(agent_root, logs) as (pilot, screen):
        await screen.choose("stderr")
        await pilot.press("z")
        await settled(pilot)
        assert screen.view is not None
        assert screen.view.size.height == 24
        await pilot.press("z")
        await settled(pilot)
        assert screen.view.size.height == 22


async def test_a_save_is_masked_and_tells_how_to_fetch_it(
    agent_root: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    path = agent_root.subsessions / "plain.stdout.log"
    path.write_bytes(b"key sk-ant-api03-abcdefghijklmnop\n")
    async with viewer(agent_root, path) as (pilot, _):
        await pilot.press("o")
        await settled(pilot)
        saved = tmp_path / "home" / "maestro-logs" / "plain.stdout.log"
        assert saved.read_text() == f"key sk-ant-{MASK}\n"
        told = [note.message for note in pilot.app._notifications]
        assert any(str(saved) in message and "scp " in message for message in told)


def test_the_scp_line_names_the_address_one_came_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ops")
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.9 50000 10.0.0.7 2222")
    assert scp_line(Path("/home/ops/a b.log")) == "scp -P 2222 ops@10.0.0.7:'/home/ops/a b.log' ."
    monkeypatch.setenv("SSH_CONNECTION", "fe80::1 50000 fe80::2 22")
    assert scp_line(Path("/x.log")) == "scp ops@[fe80::2]:/x.log ."


async def test_a_copy_goes_to_the_terminal_and_is_said_to_be_sent(
    agent_root: Layout, logs: RunLogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(MaestroApp, "copy", lambda _app, text: sent.append(text))
    async with viewer(agent_root, logs) as (pilot, screen):
        await pilot.press("g", "y")
        await screen.choose("stderr")
        await pilot.press("y")
        await settled(pilot)
    assert sent[0].startswith("start  session")
    assert sent[1] == "first\nValueError: boom\nlast"


async def test_a_tab_is_chosen_by_the_mouse(agent_root: Layout, logs: RunLogs) -> None:
    async with viewer(agent_root, logs) as (pilot, screen):
        x = head(screen).index("stderr")
        await pilot.click(LogHead, offset=(x + 1, 0))
        await settled(pilot)
        assert screen.shown == "stderr"


async def test_a_number_leaves_for_that_screen(agent_root: Layout, logs: RunLogs) -> None:
    async with viewer(agent_root, logs) as (pilot, screen):
        await pilot.press("3")
        await settled(pilot)
        assert screen not in pilot.app.screen_stack
        front = pilot.app.front()  # type: ignore[attr-defined]
        assert front.NAME == "runs"


async def test_the_transcript_follows_and_pauses_like_a_log(
    agent_root: Layout, logs: RunLogs
) -> None:
    async with viewer(agent_root, logs) as (pilot, screen):
        view = screen.view
        assert isinstance(view, StepsView)
        assert logs.stdout is not None
        assert view.current is view.rows[-1]
        await append(logs.stdout, view, pilot)
        assert view.current is view.rows[-1]
        await pilot.press("k")
        here = view.current
        await append(logs.stdout, view, pilot)
        assert view.current == here


async def append(path: Path, view: StepsView, pilot: Pilot[None]) -> None:
    event = {"type": "assistant", "message": {"content": [{"type": "text", "text": "more"}]}}
    with path.open("a") as file:
        file.write(json.dumps(event) + "\n")
    view.look()
    await settled(pilot)


def test_the_other_stream_is_found_by_its_name(tmp_path: Path) -> None:
    out, err = tmp_path / "r.stdout.log", tmp_path / "r.stderr.log"
    out.write_text("")
    assert RunLogs.of(out) == (out, None)
    err.write_text("")
    assert RunLogs.of(out) == (out, err)
    assert RunLogs.of(err) == (out, err)
    assert RunLogs.of(tmp_path / "other.txt") == (tmp_path / "other.txt", None)
