"""The log view: following, pausing, moving, searching, marking, files that change under it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from maestro_core.layout import Layout
from maestro_core.observe.logfile import LogFile
from maestro_core.observe.logfile_merge import MergedBytes
from maestro_tui.widgets.log_view import LogView
from maestro_tui.widgets.log_view_clock import Budget, clock_of
from maestro_tui.widgets.log_view_rows import differing
from tests.tui.log_support import NOW, LogApp, console, look, shown
from tests.tui.support import settled

pytestmark = pytest.mark.anyio

SIZE = (80, 12)
BODY = SIZE[1] - 1


@asynccontextmanager
async def running(view: LogView) -> AsyncIterator[Pilot[None]]:
    """The view in an app whose clock stands still: tests look by themselves."""
    app = LogApp(view)
    async with app.run_test(size=SIZE) as pilot:
        clock_of(app).stop()
        await settled(pilot)
        yield pilot


def numbered(first: int, count: int) -> bytes:
    return b"".join(b"line %d\n" % number for number in range(first, first + count))


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "run.stdout.log"
    path.write_bytes(numbered(0, 100))
    return path


async def test_it_opens_at_the_tail_and_follows(path: Path) -> None:
    view = LogView(path)
    async with running(view):
        assert shown(view)[BODY - 1] == " line 99"
        append(path, numbered(100, 5))
        look(view)
        assert shown(view)[BODY - 1] == " line 104"
        assert "FOLLOW" in shown(view)[-1]
        assert "line 95 of 105 · 100%" in shown(view)[-1]


async def test_the_end_of_counting_is_drawn(path: Path) -> None:
    path.write_bytes(numbered(0, 300_000))
    view = LogView(path)
    async with running(view):
        assert view.look(), "nothing changed but that all lines are counted now"
        view.draw()
        assert "of 300,000" in shown(view)[-1]
        assert not view.look()


async def test_scrolling_up_pauses_and_counts_what_one_misses(path: Path) -> None:
    view = LogView(path)
    async with running(view) as pilot:
        await pilot.press("k")
        before = shown(view)[:BODY]
        append(path, numbered(100, 218))
        look(view)
        assert shown(view)[:BODY] == before
        assert "PAUSED +218 new" in shown(view)[-1]
        await pilot.press("G")
        assert shown(view)[BODY - 1] == " line 317"
        assert "FOLLOW" in shown(view)[-1]


async def test_moving_down_to_the_end_follows_again(path: Path) -> None:
    view = LogView(path)
    async with running(view) as pilot:
        await pilot.press("k", "k")
        assert not view.follow
        await pilot.press("j")
        assert not view.follow
        await pilot.press("j")
        assert view.follow


@pytest.mark.parametrize(
    ("keys", "first"),
    [
        (["g"], " line 0"),
        (["g", "j"], " line 1"),
        (["g", "ctrl+d"], " line 5"),
        (["g", "pagedown"], " line 11"),
        (["g", "pagedown", "ctrl+u"], " line 6"),
        (["pageup"], " line 78"),
        (["up"], " line 88"),
        (["g", "k"], " line 0"),
    ],
)
async def test_keys_move_by_rows_and_pages(path: Path, keys: list[str], first: str) -> None:
    view = LogView(path)
    async with running(view) as pilot:
        await pilot.press(*keys)
        assert shown(view)[0] == first


async def test_a_short_log_stands_at_the_top(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"only\nthese")
    view = LogView(path)
    async with running(view) as pilot:
        assert shown(view)[:3] == [" only", " these", ""]
        await pilot.press("k", "g")
        assert shown(view)[:2] == [" only", " these"]


async def test_what_there_is_not_yet_is_said_and_then_shown(tmp_path: Path) -> None:
    path = tmp_path / "later"
    view = LogView(path)
    async with running(view):
        assert any("waiting for the file" in row for row in shown(view))
        path.write_bytes(b"")
        look(view)
        assert any("nothing written yet" in row for row in shown(view))
        append(path, b"hello\n")
        look(view)
        assert shown(view)[0] == " hello"


async def test_no_file_says_so_and_keys_do_no_harm() -> None:
    view = LogView()
    async with running(view) as pilot:
        assert any("no log" in row for row in shown(view))
        await pilot.press("g", "G", "j", "k", "m", "n", "]", "w", "y", "f", "pagedown")
        assert any("no log" in row for row in shown(view))


@pytest.mark.parametrize("how", ["truncated", "replaced", "written over"])
async def test_a_log_that_is_written_anew_is_shown_anew(path: Path, how: str) -> None:
    view = LogView(path)
    async with running(view) as pilot:
        await pilot.press("k", "m")
        if how == "replaced":
            new = path.with_name("new")
            new.write_bytes(b"fresh 1\nfresh 2\n")
            os.replace(new, path)
        else:
            data = b"fresh 1\nfresh 2\n" * (1 if how == "truncated" else 200)
            with path.open("r+b") as file:
                file.truncate(0)
                file.write(data)
        look(view)
        assert shown(view)[0] == " fresh 1"
        assert view.marks == set()
        assert "written anew" in shown(view)[-1]


async def test_a_deleted_log_stays_and_is_said_to_be_gone(path: Path) -> None:
    view = LogView(path)
    async with running(view):
        path.unlink()
        look(view)
        assert shown(view)[BODY - 1] == " line 99"
        assert "file deleted" in shown(view)[-1]


async def test_another_file_can_be_shown(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.log"
    other.write_bytes(b"another one\n")
    view = LogView(path)
    async with running(view) as pilot:
        view.show(other)
        await settled(pilot)
        assert shown(view)[0] == " another one"
        assert "other.log" in shown(view)[-1]


# ---- long lines ---------------------------------------------------------------------------


async def test_long_lines_are_cut_scrolled_sideways_and_wrapped(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"0123456789" * 20 + b"END\nshort\n")
    view = LogView(path)
    async with running(view) as pilot:
        assert shown(view)[0].endswith("›")
        await pilot.press(*["right"] * 7)
        assert shown(view)[0].endswith("END")
        await pilot.press(*["left"] * 9)
        assert shown(view)[0].startswith(" 0123456789")
        await pilot.press("w")
        assert shown(view)[:4] == [
            " " + ("0123456789" * 8)[:79],
            " " + ("9" + "0123456789" * 8)[:79],
            " " + "8901234567890123456789012345678901234567" + "89END",
            " short",
        ]


async def test_one_moves_by_rows_inside_a_wrapped_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"".join(b"%03d" % n * 100 + b"\n" for n in range(20)))
    view = LogView(path)
    async with running(view) as pilot:
        await pilot.press("w", "g", "j")
        assert shown(view)[0] == " " + ("000" * 100)[79:158]
        await pilot.press("k")
        assert view.place == (0, 0)
        await pilot.press("G")
        assert shown(view)[BODY - 1].strip() == ("019" * 100)[237:]


async def test_a_match_at_the_end_of_a_line_of_a_megabyte_is_found_and_shown(
    tmp_path: Path,
) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"before\n" + b"x" * 1_000_000 + b"needle" + b"y" * 50 + b"\n")
    view = LogView(path)
    async with running(view) as pilot:
        await pilot.press("w")
        view.finder.find("needle")
        await settled(pilot)
        rows = shown(view)
        assert any("needle" in row for row in rows)
        assert any("… 999 KB …" in row for row in rows)


async def test_a_progress_bar_shows_its_last_state(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"".join(b"%d%%\r" % n for n in range(20_000)))
    view = LogView(path)
    async with running(view):
        assert shown(view)[0].rstrip().endswith("19999%")
        append(path, b"20000%\r")
        look(view)
        assert shown(view)[0].rstrip().endswith("20000%")


# ---- search -------------------------------------------------------------------------------


async def test_search_jumps_and_n_and_N_go_on(path: Path) -> None:
    view = LogView(path)
    async with running(view) as pilot:
        view.finder.find("7")
        await settled(pilot)
        assert hit_row(view) == " line 97"
        await pilot.press("N")
        await settled(pilot)
        assert hit_row(view) == " line 87"
        await pilot.press("n")
        await settled(pilot)
        assert hit_row(view) == " line 97"
        await pilot.press("n")
        await settled(pilot)
        assert hit_row(view) == " line 7"
        assert "went round the end" in shown(view)[-1]


def hit_row(view: LogView) -> str:
    (row,) = [row for row in shown(view)[:-1] if row.startswith("▌")]
    return " " + row[1:]


async def test_what_is_not_there_is_said(path: Path) -> None:
    view = LogView(path)
    async with running(view) as pilot:
        view.finder.find("absent")
        await settled(pilot)
        assert "no 'absent' in this log" in shown(view)[-1]
        assert view.peel()
        assert not view.peel()


async def test_errors_are_jumped_to_from_what_is_in_view(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(
        numbered(0, 50) + b"ERROR one\n" + numbered(50, 50) + b"ERROR two\n" + numbered(100, 50)
    )
    view = LogView(path)
    async with running(view) as pilot:
        await pilot.press("left_square_bracket")
        await settled(pilot)
        assert hit_row(view) == " ERROR two"
        await pilot.press("left_square_bracket")
        await settled(pilot)
        assert hit_row(view) == " ERROR one"
        await pilot.press("right_square_bracket")
        await settled(pilot)
        assert hit_row(view) == " ERROR two"


async def test_a_search_tells_its_progress_and_is_stopped_by_peeling(path: Path) -> None:
    path.write_bytes(numbered(0, 2_000_000))
    view = LogView(path)
    async with running(view) as pilot:
        view.finder.find("absent")
        assert "searching" in shown_after(view)
        assert view.peel()
        assert "search stopped" in shown_after(view)
        assert not view.finder.searching
        await settled(pilot)
        assert "search stopped" in shown_after(view)


def shown_after(view: LogView) -> str:
    view.repaint()
    return shown(view)[-1]


# ---- marks, times, copies -----------------------------------------------------------------


async def test_marks_and_copies(path: Path) -> None:
    view = LogView(path)
    async with running(view) as pilot:
        await pilot.press("g", "m", "j", "j", "m", "y")
        assert shown(view)[0] == "●line 2"
        await pilot.press("escape")
        app = pilot.app
        assert isinstance(app, LogApp)
        assert app.copied == ["line 0\nline 2"]
        assert view.peel()
        await pilot.press("y")
        assert app.copied[1].splitlines()[:2] == ["line 2", "line 3"]


async def test_copies_are_masked_and_hold_no_escape_sequences(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"\x1b[31mkey\x1b[0m sk-ant-api03-abcdefghijklmnop\x1b]0;title\x07\n")
    from maestro_core.redact import Redactor

    view = LogView(path, redact=Redactor({}))
    async with running(view) as pilot:
        await pilot.press("y")
        app = pilot.app
        assert isinstance(app, LogApp)
        assert app.copied == ["key sk-ant-[masked]\\x1b]0;title\\x07"]


async def test_times_stand_only_beside_lines_that_came_while_watching(path: Path) -> None:
    view = LogView(path, wall=lambda: NOW)
    async with running(view) as pilot:
        append(path, b"came later\n")
        look(view)
        await pilot.press("t")
        assert shown(view)[BODY - 2] == "          line 99"
        assert shown(view)[BODY - 1] == " 02:23:04 came later"


# ---- both streams -------------------------------------------------------------------------


async def test_both_streams_stand_in_one_view_and_stderr_is_marked(tmp_path: Path) -> None:
    out, err = tmp_path / "r.stdout.log", tmp_path / "r.stderr.log"
    out.write_bytes(b"")
    err.write_bytes(b"")
    view = LogView()
    async with running(view) as pilot:
        view.open(LogFile(MergedBytes(out, err, lambda: 0.0)), "run")
        for stream, text in ((out, b"one\n"), (err, b"two\n"), (out, b"three\n")):
            append(stream, text)
            look(view)
        assert [row.rstrip() for row in shown(view)[:3]] == ["   one", " │ two", "   three"]
        view.display = False
        await settled(pilot)
        append(err, b"unseen\n")
        view.look()
        append(out, b"after\n")
        view.display = True
        await settled(pilot)
        look(view)
        assert [row.rstrip() for row in shown(view)[3:5]] == [" │ unseen", "   after"]


# ---- the wire -----------------------------------------------------------------------------


async def test_only_rows_that_changed_are_painted_again(path: Path) -> None:
    view = LogView(path)
    async with running(view):
        shown(view)
        assert view.repaint() == 0
        append(path, b"x\n")
        look(view)
        assert view.repaint() == 0


async def test_nothing_is_read_while_the_view_is_not_on_the_screen(path: Path) -> None:
    view = LogView(path)
    async with running(view) as pilot:
        view.display = False
        await settled(pilot)
        append(path, b"x\n")
        assert not view.look()
        view.display = True
        await settled(pilot)
        assert view.look()


async def test_a_pane_of_a_frozen_screen_stands_still_and_then_catches_up(
    agent_root: Layout, path: Path
) -> None:
    app = console(agent_root)
    async with app.run_test(size=(80, 24)) as pilot:
        view = LogView(path, compact=True)
        await app.screen.mount(view)
        await settled(pilot)
        clock_of(app).stop()
        await pilot.press("p")
        append(path, b"new\n")
        assert not view.look()
        await pilot.press("p")
        assert view.look()


def test_frames_are_spaced_by_what_they_cost() -> None:
    budget = Budget(rate=1000)
    assert budget.allows(10.0)
    budget.spend(500, 10.0)
    assert not budget.allows(10.4)
    assert budget.allows(10.5)


def test_the_budget_shrinks_while_the_line_is_slow_and_comes_back() -> None:
    budget = Budget(rate=30_000)
    for _ in range(30):
        budget.saw(2)
    assert budget.rate == 4000
    for _ in range(200):
        budget.saw(0)
    assert budget.rate == 30_000


async def test_no_frame_is_drawn_while_the_terminal_is_behind(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from maestro_tui.widgets import log_view_clock

    view = LogView(path)
    async with running(view) as pilot:
        clock, waiting = clock_of(pilot.app), [3]
        monkeypatch.setattr(log_view_clock, "backlog", lambda _app: waiting[0])
        clock.tick()
        append(path, b"came while the terminal was slow\n")
        clock.tick()
        assert shown(view)[BODY - 1] == " line 99"
        waiting[0] = 0
        clock.tick()
        assert shown(view)[BODY - 1] == " came while the terminal was slow"


async def test_runs_of_cells_that_differ_are_exact(path: Path) -> None:
    from rich.segment import Segment
    from rich.style import Style
    from textual.strip import Strip

    red = Style(color="red")

    def strip(*runs: tuple[str, Style | None]) -> Strip:
        return Strip([Segment(text, style) for text, style in runs])

    plain = strip(("hello world", None))
    assert differing(plain, strip(("hello world", None))) == (0, 0)
    assert differing(plain, strip(("hello_world", None))) == (5, 6)
    assert differing(plain, strip(("jello worlx", None))) == (0, 11)
    assert differing(plain, strip(("hello ", None), ("world", red))) == (6, 11)
    assert differing(plain, strip(("hell", None), ("o", red), (" world", None))) == (4, 5)
    assert differing(strip(("aab ", None)), strip(("aaab", None))) == (2, 4)
    assert differing(strip(("日本 ", None)), strip(("日本x", None))) == (0, 5)


async def test_a_compact_view_has_no_status_line_but_says_that_it_paused(path: Path) -> None:
    view = LogView(path, compact=True)
    async with running(view) as pilot:
        assert shown(view)[-1] == "line 99"
        await pilot.press("k")
        append(path, b"x\n")
        look(view)
        assert shown(view)[-1].startswith("line 98")
        assert shown(view)[-1].endswith("PAUSED +1 new")


async def test_following_can_be_switched_off_at_the_end(path: Path) -> None:
    view = LogView(path)
    async with running(view) as pilot:
        await pilot.press("f")
        append(path, b"new\n")
        look(view)
        assert shown(view)[BODY - 1] == " line 99"
        await pilot.press("f")
        assert shown(view)[BODY - 1] == " new"


@pytest.mark.parametrize("size", [(20, 3), (60, 15), (240, 70)])
async def test_every_size_is_filled_exactly(path: Path, size: tuple[int, int]) -> None:
    view = LogView(path)
    app = LogApp(view)
    async with app.run_test(size=size) as pilot:
        await pilot.press("w", "t", "k", "g")
        strips = view.render_lines(view.size.region)
        assert len(strips) == size[1]
        assert {strip.cell_length for strip in strips} == {size[0]}
        await pilot.resize_terminal(33, 9)
        strips = view.render_lines(view.size.region)
        assert (len(strips), {strip.cell_length for strip in strips}) == (9, {33})
