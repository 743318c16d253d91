"""The wire shows what stock Textual shows, cell for cell, with a fraction of the bytes.

Every update of real screens and overlays goes to two terminal emulators, one fed by Textual and
one by the wire, and after each of them both must look the same; so must random pictures.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import split_graphemes
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from maestro_tui.app import MaestroApp
from maestro_tui.wire.cells import ONE_CELL, Picture
from maestro_tui.wire.sgr import Pens
from maestro_tui.wire.shown import Shown
from tests.tui.fixed import FixedBackend
from tests.tui.support import settled, until
from tests.tui.wire_support import Emulator, Pair, Twins

WALK = [
    "j", "j", "k", "space", "e", "escape", "d", "escape", "question_mark", "j", "j", "escape",
    "2", "j", "right", "j", "V", "j", "escape", "R", "escape", "slash", "i", "n", "v", "escape",
    "3", "j", "d", "escape", "4", "k", "L", "5", "j", "6", "f", "colon", "r", "e", "escape",
    "1", "p", "p", "f9", "f9", "f9", "E", "escape",
]  # fmt: skip


class TwinConsole(Twins, MaestroApp):
    """The console, shown twice."""


@pytest.mark.anyio
@pytest.mark.parametrize("size", [(120, 36), (80, 24), (60, 15)])
async def test_screens_and_overlays_look_as_stock_does(size: tuple[int, int]) -> None:
    backend = FixedBackend()
    app = TwinConsole(backend)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.snapshot is not None)
        for number, key in enumerate(WALK):
            await pilot.press(key)
            if number % 5 == 0:
                backend.clock.advance(1.0)
                app._second()
        await settled(pilot)
        pair = app.pair
        assert pair is not None
        assert pair.frames > 60
        assert "maestro" in pair.ours.text() or "atlas" in pair.ours.text()
        assert pair.wire.bytes < 0.5 * pair.stock_bytes


@pytest.mark.anyio
async def test_sizes_that_change_look_as_stock_does() -> None:
    app = TwinConsole(FixedBackend())
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: app.snapshot is not None)
        for width, height in ((64, 16), (140, 44), (60, 15), (139, 44), (140, 44)):
            await pilot.resize_terminal(width, height)
            await pilot.press("j")
            await until(pilot, lambda: columns(app) == width)  # noqa: B023


def columns(app: TwinConsole) -> int:
    return app.pair.ours.screen.columns if app.pair is not None else 0


# ---- random pictures ------------------------------------------------------------------------

COLOURS = ["red", "default", "color(200)", "#12ab34", "bright_blue"]
STYLES = st.builds(
    Style,
    color=st.sampled_from([None, *COLOURS]),
    bgcolor=st.sampled_from([None, *COLOURS]),
    **{
        name: st.sampled_from([None, True, False])
        for name in ("bold", "italic", "underline", "reverse", "strike", "blink")
    },
)
TEXTS = st.text(alphabet=" abZ09─█é日本語한🎉🚀", max_size=9)
SEGMENTS = st.tuples(TEXTS, st.one_of(st.none(), STYLES)).map(lambda both: Segment(*both))
STRIPS = st.lists(SEGMENTS, max_size=4).map(Strip)
WIDTH, HEIGHT = 24, 4
PAINTED = st.tuples(st.integers(0, WIDTH - 1), st.integers(0, HEIGHT - 1), STRIPS)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.lists(PAINTED, max_size=4), max_size=6), st.sampled_from([1, 60, 10**9]))
def test_random_changes_look_as_if_painted_anew(
    frames: list[list[tuple[int, int, Strip]]], limit: int
) -> None:
    """What was sent in changes is what a fresh terminal shows when it is sent everything."""
    picture, shown = Picture(WIDTH, HEIGHT, Pens()), Shown()
    terminal = Emulator(WIDTH, HEIGHT)
    for painted in [[], *frames]:
        for x, y, strip in painted:
            picture.paint(x, y, strip)
        rows: list[int] = list(range(HEIGHT))
        while rows:
            text, rows = shown.update(picture, rows, limit)
            terminal.feed(text)
        fresh = Emulator(WIDTH, HEIGHT)
        fresh.feed(Shown().update(picture, range(HEIGHT), 10**9)[0])
        assert terminal.cells() == fresh.cells()


@settings(deadline=None, max_examples=150)
@given(st.lists(STRIPS, min_size=HEIGHT, max_size=HEIGHT))
def test_random_pictures_look_as_rich_prints_them(strips: list[Strip]) -> None:
    from rich.color import ColorSystem
    from rich.console import Console

    console = Console(color_system="truecolor", force_terminal=True)
    picture = Picture(WIDTH, HEIGHT, Pens(ColorSystem.TRUECOLOR))
    plain, ours = Emulator(WIDTH, HEIGHT), Emulator(WIDTH, HEIGHT)
    for y, strip in enumerate(strips):
        cut = strip.crop(0, WIDTH)
        picture.paint(0, y, cut)
        plain.feed(f"\x1b[{y + 1}H{cut.render(console)}")
    ours.feed(Shown().update(picture, range(HEIGHT), 10**9)[0])
    assert ours.cells() == plain.cells()


@pytest.mark.anyio
async def test_updates_that_wait_become_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten changes of a cell while the line is busy are one change when it is free."""
    from textual._compositor import LayoutUpdate
    from textual.geometry import Region

    pair = Pair(30, 3)
    now = 1000.0
    pair.wire._clock = lambda: now

    def frame(text: str) -> Any:
        return LayoutUpdate([[Strip([Segment(text.ljust(30))])]] * 3, Region(0, 0, 30, 3))

    pair.wire._reported(now)
    pair.wire.show(frame("first"), (0, 0))
    pair.paper.take()
    pair.wire.flow.sent(5000, now, urgent=False)
    for number in range(10):
        pair.wire.show(frame(f"number {number}"), (0, 0))
    assert pair.paper.take() == ""
    now += 5.0
    pair.wire._reported(now)
    text = pair.paper.take()
    assert "number 9" in text
    assert "number 8" not in text


def test_what_needs_no_table_takes_one_cell_by_the_tables() -> None:
    text = "".join(sorted(ONE_CELL))
    spans, width = split_graphemes(text)
    assert width == len(text)
    assert spans == [(n, n + 1, 1) for n in range(len(text))]
