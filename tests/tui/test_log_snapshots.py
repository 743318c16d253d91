"""Pictures of the log viewer and the Runs screen from fixed data at two sizes, and without colour.

A difference means that somebody should look: is the new picture the better one?
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from maestro_core.layout import Layout
from maestro_tui.app import MaestroApp
from maestro_tui.screens.log_screen import LogOverlay, RunLogs
from tests.tui.log_support import NOW, console, fill_ledger, transcript
from tests.tui.support import settled

Snap = Callable[..., bool]
SIZES = [(80, 24), (120, 36)]
LOGS = "logs/cadence-bus/subsessions/2026-11-24-inbox-processor-2026-11-24T02-22-22-000Z"

PLAIN = b"".join(
    b"02:2%d:%02d worker-%d request %04d done in %d ms\n"
    % (n // 60, n % 60, n % 7, n, n * 37 % 911)
    for n in range(200)
)
STDERR = (
    b"\x1b[33mwarning\x1b[0m: 2 addresses look odd\n"
    b"Traceback (most recent call last):\n"
    b'  File "read_inbox.py", line 41, in <module>\n'
    b"ValueError: no sender in 0147-invoice.md\n"
    b"fetching  10%\rfetching  55%\rfetching 100%\n"
    b"\x1b]0;owned\x07 and \xff\xfe, \xe2\x80\xaetxt.exe\n"
    b"a long one: " + b"0123456789" * 40 + b"\n"
    b"\x1b[32mok\x1b[0m, \x1b[1;36mgoing on\x1b[0m with sk-ant-api03-abcdefghijklmnop\n"
)


@pytest.fixture
def root(tmp_path: Path) -> Layout:
    """A root whose name is the same in every run, for the picture shows it."""
    layout = Layout(tmp_path / "atlas")
    for folder in layout.folders():
        folder.mkdir(parents=True)
    (layout.root / f"{LOGS}.stdout.log").write_bytes(transcript())
    (layout.root / f"{LOGS}.stderr.log").write_bytes(STDERR)
    (layout.subsessions / "plain.stdout.log").write_bytes(PLAIN)
    return layout


def opened(
    view: str, *keys: str, logs: str = LOGS, find: str = ""
) -> Callable[[Pilot[Any]], Awaitable[None]]:
    """Opens the viewer on that view and presses the keys."""

    async def before(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, MaestroApp)
        layout = app.backend.layout
        screen = LogOverlay(RunLogs.of(layout.root / f"{logs}.stdout.log"), "inbox-processor",
                            wall=lambda: NOW)  # fmt: skip
        await app.push_screen(screen)
        await screen.choose(view)
        await settled(pilot)
        if find:
            await pilot.press("slash", *find, "enter")
            await settled(pilot)
        await pilot.press(*keys)
        await settled(pilot)

    return before


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("view", ["transcript", "stderr", "both"])
def test_views_of_a_run(snap_compare: Snap, root: Layout, view: str, size: tuple[int, int]) -> None:
    assert snap_compare(console(root), terminal_size=size, run_before=opened(view))


@pytest.mark.parametrize("size", SIZES)
def test_a_log_that_is_followed(snap_compare: Snap, root: Layout, size: tuple[int, int]) -> None:
    plain = "logs/cadence-bus/subsessions/plain"
    assert snap_compare(console(root), terminal_size=size, run_before=opened("stdout", logs=plain))


@pytest.mark.parametrize("size", SIZES)
def test_a_paused_log_with_a_match_and_a_mark(
    snap_compare: Snap, root: Layout, size: tuple[int, int]
) -> None:
    plain = "logs/cadence-bus/subsessions/plain"
    before = opened("stdout", "m", "N", logs=plain, find="worker-3")
    assert snap_compare(console(root), terminal_size=size, run_before=before)


def test_wrapped_lines_with_times(snap_compare: Snap, root: Layout) -> None:
    before = opened("stderr", "w", "t")
    assert snap_compare(console(root), terminal_size=(80, 24), run_before=before)


def test_a_search_is_typed(snap_compare: Snap, root: Layout) -> None:
    before = opened("stderr", "slash", *"Error")
    assert snap_compare(console(root), terminal_size=(80, 24), run_before=before)


def test_the_log_in_the_light_theme(snap_compare: Snap, root: Layout) -> None:
    app = MaestroApp(console(root).backend, theme="maestro-light")
    assert snap_compare(app, terminal_size=(80, 24), run_before=opened("stderr"))


def test_the_log_without_colour(snap_compare: Snap, root: Layout) -> None:
    app = MaestroApp(console(root).backend, theme="maestro-mono")
    assert snap_compare(app, terminal_size=(80, 24), run_before=opened("both"))


async def _runs(pilot: Pilot[Any]) -> None:
    await settled(pilot)
    await pilot.press("3")
    await settled(pilot)


@pytest.mark.parametrize("size", [(60, 15), *SIZES])
def test_the_runs_screen(snap_compare: Snap, root: Layout, size: tuple[int, int]) -> None:
    fill_ledger(root, 60, LOGS)
    assert snap_compare(console(root), terminal_size=size, run_before=_runs)


def test_the_runs_screen_without_runs(snap_compare: Snap, root: Layout) -> None:
    assert snap_compare(console(root), terminal_size=(80, 24), run_before=_runs)
