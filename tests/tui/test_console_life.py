"""The console's own life: screens, layers, freezing, errors in threads, leaving, odd sizes."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from textual import events

from maestro_core.layout import Layout
from maestro_core.observe.snapshot import CadenceView
from maestro_core.session.ledger import LedgerTrouble
from maestro_tui.app import MaestroApp
from maestro_tui.backend import RootBackend
from maestro_tui.config import load_config, read_config
from maestro_tui.feed import ConsumerThread
from maestro_tui.keys import BY_ID, wrong_key
from maestro_tui.leave import last_words
from maestro_tui.memory import Memory, memory_path
from maestro_tui.screens.confirm import ConfirmOverlay
from maestro_tui.widgets.filter_bar import FilterBar
from maestro_tui.widgets.keybar import KeyBar
from maestro_tui.widgets.table import Table
from tests.tui.fixed import CADENCES, DEAD, EMPTY, LIVE, NOW, SNAPSHOT, FixedBackend, dead, run
from tests.tui.support import console, gone, said, see, settled, shown, until

pytestmark = pytest.mark.anyio


def typed(app: MaestroApp, text: str) -> None:
    """Keys that come in together, as over a slow line."""
    names = {"/": "slash", ":": "colon", "\r": "enter"}
    for letter in text:
        app.post_message(events.Key(names.get(letter, letter), letter))


def front(app: MaestroApp) -> Any:
    return app.front()


async def test_numbers_tab_and_minus_move_between_screens() -> None:
    async with console(FixedBackend()) as (app, pilot):
        for key, name in (("2", "dead"), ("4", "journal"), ("-", "dead"), ("tab", "runs"),
                          ("shift+tab", "dead"), ("6", "costs"), ("tab", "board")):  # fmt: skip
            await pilot.press(key)
            await until(pilot, lambda name=name: name == front(app).NAME, key)  # type: ignore[misc]


async def test_escape_peels_one_layer_and_never_leaves() -> None:
    async with console(FixedBackend()) as (app, pilot):
        await pilot.press("/", "i", "n", "enter", "space", "?")
        await see(pilot, "Keys")
        await pilot.press("escape")
        await gone(pilot, "Keys ")
        assert front(app).table.state.selection.marks
        await pilot.press("escape")
        assert not front(app).table.state.selection.marks
        assert front(app).filter
        await pilot.press("escape")
        await until(pilot, lambda: not front(app).filter)
        for _ in range(5):
            await pilot.press("escape")
        assert app.is_running


async def test_q_goes_back_to_the_board_and_from_there_leaves() -> None:
    app = MaestroApp(FixedBackend())
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.snapshot)
        await pilot.press("4")
        await until(pilot, lambda: front(app).NAME == "journal")
        await pilot.press("q")
        await until(pilot, lambda: front(app).NAME == "board")
        await pilot.press("q")
    assert app.return_code == 0


async def test_a_frozen_view_stands_still_until_it_goes_on() -> None:
    backend = FixedBackend()
    async with console(backend) as (app, pilot):
        await pilot.press("p")
        await see(pilot, "FROZEN")
        backend.shown = replace(SNAPSHOT, agent="other")
        backend.clock.advance(100)
        app.feed.reload()
        await until(pilot, lambda: app._newest is backend.shown)
        assert app.now == NOW
        assert "atlas" in shown(app)
        await pilot.press("p")
        await see(pilot, "other")
        assert app.now == NOW + 100


async def test_countdowns_move_by_the_second_without_a_new_snapshot() -> None:
    backend = FixedBackend()
    async with console(backend) as (app, pilot):
        await see(pilot, "17m 25s")
        backend.clock.advance(5)
        app._second()
        await see(pilot, "17m 20s")


async def test_a_refresh_leaves_the_cursor_on_its_row() -> None:
    backend = FixedBackend()
    async with console(backend) as (app, pilot):
        table = front(app).table
        table.move_to(4)
        assert table.state.selection.cursor == "calendar-sync"
        more = tuple(replace(view, name=f"new-{view.name}") for view in CADENCES[:3])
        backend.shown = replace(SNAPSHOT, cadences=more + CADENCES)
        app.feed.reload()
        await see(pilot, "new-inbox-processor")
        assert table.state.selection.cursor == "calendar-sync"
        assert table.state.selection.index == 7


async def test_an_error_in_a_thread_is_a_toast_and_a_journal_line() -> None:
    class Broken(FixedBackend):
        def dead_letters(self, limit: int | None = None) -> Any:
            raise OSError("the disk is on fire")

    backend = Broken()
    async with console(backend) as (app, pilot):
        await pilot.press("2")
        await until(pilot, lambda: any("the disk is on fire" in one for one in said(app)))
        await until(pilot, lambda: backend.written)
        assert backend.written[0][:2] == ("error", "console_error")
        await pilot.press("1")
        await see(pilot, "inbox-processor")


async def test_an_error_in_an_act_is_a_toast() -> None:
    backend = FixedBackend()

    def broken(cadence: str, reason: str | None = None) -> Any:
        raise RuntimeError("no such luck")

    backend.operator.pause = broken  # type: ignore[method-assign]
    async with console(backend) as (app, pilot):
        await pilot.press("P")
        await until(pilot, lambda: any("no such luck" in one for one in said(app)))
        assert app.requested == {}


async def test_an_error_in_a_key_is_told_and_the_screen_lives_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with console(FixedBackend()) as (app, pilot):

        def broken() -> None:
            raise RuntimeError("oops")

        monkeypatch.setattr(front(app), "action_explain", broken)
        await pilot.press("e")
        await until(pilot, lambda: any("oops" in one for one in said(app)))
        await pilot.press("j")
        assert front(app).table.state.selection.index > 0


async def test_a_fault_on_the_way_out_is_no_page_in_the_terminal() -> None:
    async with console(FixedBackend()) as (app, _pilot):
        app.exit()
        app._handle_exception(RuntimeError("a widget is gone already"))
    assert app.return_code == 0
    assert app._exit_renderables == []


@pytest.mark.parametrize("size", [(20, 6), (40, 10), (60, 15), (99, 24), (240, 70), (3, 2)])
async def test_every_screen_at_any_size(size: tuple[int, int]) -> None:
    async with console(FixedBackend(), size) as (app, pilot):
        for key in ("2", "3", "4", "5", "6", "?", "escape", "1"):
            await pilot.press(key)
            await settled(pilot)
        assert app.is_running


async def test_resizing_while_it_shows_everything() -> None:
    async with console(FixedBackend()) as (app, pilot):
        for size in ((60, 15), (240, 70), (81, 24), (120, 36), (30, 8), (100, 20)):
            await pilot.resize_terminal(*size)
            await pilot.press("2", "1")
            await settled(pilot)
        assert "inbox-processor" in shown(app)


async def test_what_arrives_while_a_bulk_act_asks_is_counted() -> None:
    backend = FixedBackend()
    async with console(backend) as (app, pilot):
        await pilot.press("2")
        await see(pilot, "no invoices here")
        await pilot.press("ctrl+a", "R")
        await see(pilot, "Retry 5 dead letters")
        backend.dead = (*DEAD, dead(9, "news-digest", "exit 9", 1))
        front(app).reload()
        await until(pilot, lambda: len(front(app).all_rows) == 6)
        app._second()
        await see(pilot, "1 came since: left alone.")


async def test_leaving_asks_while_a_run_of_this_console_goes_on() -> None:
    app = MaestroApp(FixedBackend())
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.snapshot)
        app.consumer = Working(app.backend.make_consumer, app.post_message)
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, ConfirmOverlay))
        await see(pilot, "inbox-processor would be ended")
        await pilot.press("escape")
        assert app.is_running
        await pilot.press("q", "y")
    assert app.return_code == 0


async def test_leaving_waits_for_the_run_to_end() -> None:
    backend = FixedBackend()
    app = MaestroApp(backend)
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.snapshot)
        app.consumer = Working(app.backend.make_consumer, app.post_message)
        await pilot.press("q")
        await see(pilot, "leaves by itself")
        backend.shown = replace(SNAPSHOT, running=())
        app.feed.reload()
        await until(pilot, lambda: app.return_code is not None)


async def test_the_recap_comes_after_a_long_absence() -> None:
    backend = FixedBackend()
    backend.memory.left_at = NOW - 7200
    backend.rows = [run("invoice-chaser", 755, 5, "failed"), run("inbox-processor", 258, 41)]
    async with console(backend) as (app, pilot):
        await see(pilot, "You were away for 2h 00m")
        assert "2 runs" in shown(app)
        await pilot.press("escape")
        await gone(pilot, "You were away")


async def test_no_recap_after_a_moment() -> None:
    backend = FixedBackend()
    backend.memory.left_at = NOW - 30
    async with console(backend) as (app, pilot):
        await settled(pilot)
        assert len(app.screen_stack) == 1


async def test_the_palette_runs_what_it_shows() -> None:
    backend = FixedBackend()
    async with console(backend) as (_, pilot):
        await pilot.press(":")
        await see(pilot, "type what you want to do")
        await pilot.press(*"pause", "enter")
        await until(pilot, lambda: backend.operator.asked == [("pause", "inbox-processor")])


async def test_keys_of_explain_lift_what_it_shows() -> None:
    backend = FixedBackend()
    async with console(backend) as (_, pilot):
        await pilot.press("right", "e")
        await see(pilot, "Why is invoice-chaser not running?")
        await pilot.press("C")
        wanted = [("circuit_close", ("invoice-chaser",))]
        await until(pilot, lambda: backend.operator.asked == wanted)


async def test_keys_are_remapped_by_id() -> None:
    backend = FixedBackend()
    async with console(backend, keymap={"act.pause": "f5"}) as (_, pilot):
        await pilot.press("P")
        await settled(pilot)
        assert backend.operator.asked == []
        await pilot.press("f5")
        await until(pilot, lambda: backend.operator.asked)


async def test_what_has_no_key_any_more_is_on_none_and_in_no_footer() -> None:
    backend = FixedBackend()
    async with console(backend, keymap={"act.pause": ""}) as (app, pilot):
        await pilot.press("P", "e")
        await settled(pilot)
        assert backend.operator.asked == []
        footer = app.front().query_one(KeyBar).plain()
        assert "open" in footer[0] and "pause" not in footer[0]


def test_two_things_without_a_key_are_no_conflict() -> None:
    found = read_config({"keys": dict.fromkeys(BY_ID, "")})
    assert found.problems == () and set(found.keymap) == set(BY_ID)


@pytest.mark.parametrize("keys", ["f5", "ctrl+r,R", "+", "pagedown", "Ä", "alt+shift+f", "?"])
def test_every_name_that_a_person_may_write_is_one(keys: str) -> None:
    assert wrong_key(keys) is None


async def test_the_journal_pauses_following_and_counts() -> None:
    backend = FixedBackend()
    async with console(backend) as (app, pilot):
        await pilot.press("4")
        await see(pilot, "● following")
        await pilot.press("k")
        await see(pilot, "PAUSED +0 new")
        backend.entries = (*backend.entries, {"ts": "2026-11-24T02:14:31.000Z", "stage": "tick"})
        front(app).reload()
        await see(pilot, "PAUSED +1 new")
        await pilot.press("f")
        await see(pilot, "● following")


async def test_letters_typed_ahead_of_the_filter_line_are_text_and_no_keys() -> None:
    backend = FixedBackend()
    async with console(backend) as (app, pilot):
        typed(app, "/PEe")
        await until(pilot, lambda: front(app).query_one(FilterBar).text == "PEe")
        assert backend.operator.asked == []
        assert len(app.screen_stack) == 1


async def test_a_filter_and_what_comes_after_it_in_one_go() -> None:
    backend = FixedBackend()
    async with console(backend) as (app, pilot):
        typed(app, "/chaser\rP")
        await until(pilot, lambda: backend.operator.asked == [("pause", "invoice-chaser")])


async def test_the_word_of_a_final_act_may_be_typed_in_one_go() -> None:
    backend = FixedBackend()
    async with console(backend) as (app, pilot):
        typed(app, "Xstop\r")
        wanted = [("cancel", ("run-inbox-processor-0042",))]
        await until(pilot, lambda: backend.operator.asked == wanted)


async def test_what_is_typed_ahead_goes_to_the_overlay_that_the_first_key_opens() -> None:
    backend = FixedBackend()
    async with console(backend) as (app, pilot):
        typed(app, ":")
        typed(app, "Enqueue")
        await see(pilot, "Put a tick into the inbox now")
        assert backend.operator.asked == []
        typed(app, "XXX")
        await see(pilot, "EnqueueXXX")


async def test_many_keys_in_one_go_are_all_done_in_their_order() -> None:
    async with console(FixedBackend()) as (app, pilot):
        for key in ("2", "1"):
            await pilot.press(key)
            await settled(pilot)
        typed(app, "2jjj1jj")
        await until(pilot, lambda: front(app).NAME == "board")
        await until(pilot, lambda: front(app).table.state.selection.index == 4)
        typed(app, "2")
        await until(pilot, lambda: front(app).NAME == "dead")
        assert front(app).table.state.selection.index == 3


async def test_sorting_by_a_column_and_back() -> None:
    async with console(FixedBackend()) as (app, pilot):
        await pilot.press(">")
        assert front(app).table.state.selection.ids[0] == "calendar-sync"
        await pilot.press("s")
        assert front(app).table.state.selection.ids[0] == "weekly-strategic-memo"
        await pilot.press("s", "<")
        assert front(app).table.state.selection.ids[0] == "inbox-processor"


class Working(ConsumerThread):
    """A consumer of this console that works."""

    working = True  # type: ignore[assignment]


# ---- leaving and remembering --------------------------------------------------------------


def test_last_words_say_whether_the_agent_goes_on() -> None:
    assert "goes on: daemon 7001" in last_words(SNAPSHOT, here=False)
    assert "has stopped" in last_words(SNAPSHOT, here=True)
    assert "14 ticks wait" in last_words(SNAPSHOT, here=True)
    assert "No consumer is running" in last_words(EMPTY, here=False)
    stale = replace(SNAPSHOT, consumer=replace(LIVE, word="stale"))
    assert "goes on" not in last_words(stale, here=False)


def test_memory_is_kept_for_each_root(tmp_path: Path) -> None:
    env = {"XDG_STATE_HOME": str(tmp_path)}
    one, other = (Memory(memory_path(Path(root), env), root) for root in ("/a", "/b"))
    one.leave(NOW)
    one.note("exit N", "ask finance")
    again = Memory(memory_path(Path("/a"), env), "/a")
    assert (again.left_at, again.notes) == (NOW, {"exit N": "ask finance"})
    assert (other.left_at, other.notes) == (None, {})
    again.note("exit N", " ")
    assert Memory(memory_path(Path("/a"), env), "/a").notes == {}


def test_each_root_has_a_file_of_its_own_however_long_its_path() -> None:
    roots = [Path(f"/{'deep/' * depth}{name}") for depth in (0, 1, 40, 300) for name in "aäA"]
    names = {memory_path(root, {"XDG_STATE_HOME": "/x"}).name for root in roots}
    assert len(names) == len(roots)
    assert max(len(name) for name in names) < 250
    assert all("/" not in name and name.isascii() for name in names)


def test_two_consoles_on_one_root_keep_each_others_notes(tmp_path: Path) -> None:
    one, other = (Memory(tmp_path / "m.json", "/a") for _ in range(2))
    other.note("exit N", "ask finance")
    one.note("exit 3", "restart the printer")
    other.leave(NOW - 60)
    one.leave(NOW)
    again = Memory(tmp_path / "m.json", "/a")
    assert again.notes == {"exit N": "ask finance", "exit 3": "restart the printer"}
    assert again.left_at == NOW


@pytest.mark.parametrize("content", ["", "[]", "{", '{"left_at": 7, "notes": [1]}', "\x00"])
def test_a_broken_memory_is_no_memory(tmp_path: Path, content: str) -> None:
    path = tmp_path / "memory.json"
    path.write_text(content)
    found = Memory(path, "/a")
    assert (found.left_at, found.notes) == (None, {})
    found.note("x", "y")
    assert json.loads(path.read_text())["notes"] == {"x": "y"}


def test_a_home_that_cannot_be_written_costs_nothing_but_the_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    Memory(tmp_path / "file" / "below" / "m.json", "/a").leave(NOW)


def test_no_config_is_the_defaults() -> None:
    assert load_config({"HOME": "/nonexistent"}).problems == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("theme = 'pink'", "theme 'pink'"),
        ("mouse = 'no'", "mouse"),
        ("colour = 1", "unknown setting 'colour'"),
        ("[keys]\n'act.fly' = 'f'", "no key is called 'act.fly'"),
        ("[keys]\n'act.retry' = 'D'", "D is bound to both"),
        ("[keys]\n'act.retry' = 5", "act.retry stays on its own key: 5 is no text"),
        ("[keys]\n'act.retry' = 'F5'", "'F5' is the name of no key"),
        ("[keys]\n'act.retry' = 'f5,'", "'' is the name of no key"),
        ("[keys]\n'act.retry' = '[@click=app.exit]x'", "x' is the name of no key"),
        ("keys = 3", "[keys] is no table"),
        ("theme = ", "config.toml"),
    ],
)
def test_faults_of_the_config_are_said_and_left_out(
    tmp_path: Path, text: str, problem: str
) -> None:
    path = tmp_path / "maestro-tui" / "config.toml"
    path.parent.mkdir()
    path.write_text(text)
    found = load_config({"XDG_CONFIG_HOME": str(tmp_path)})
    assert problem in "\n".join(found.problems)
    assert found.theme == "maestro-dark"


def test_a_good_config_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "maestro-tui" / "config.toml"
    path.parent.mkdir()
    path.write_text('theme = "maestro-light"\nmouse = false\n[keys]\n"act.retry" = "f5"\n')
    found = load_config({"XDG_CONFIG_HOME": str(tmp_path)})
    assert (found.theme, found.mouse, found.keymap, found.problems) == (
        "maestro-light", False, {"act.retry": "f5"}, (),
    )  # fmt: skip


async def test_a_daemon_of_another_version_is_named_and_restarting_it_asks_first() -> None:
    old = replace(SNAPSHOT, consumer=replace(LIVE, version="0.0.9"))
    async with console(FixedBackend(old)) as (app, pilot):
        await see(pilot, "daemon 7001 is version 0.0.9")
        await see(pilot, "B restarts the service")
        await pilot.press("B")
        await until(pilot, lambda: isinstance(app.screen, ConfirmOverlay))
        await see(pilot, "1 sub-session will be ended, its tick put back into the inbox.")
        await pilot.press("escape", "?")
        await see(pilot, "Restart service")
        assert said(app) == []


async def test_a_read_only_console_restarts_nothing() -> None:
    async with console(FixedBackend(read_only=True)) as (app, pilot):
        await pilot.press("B")
        await until(pilot, lambda: any("read-only" in one for one in said(app)))


async def test_a_service_that_is_not_there_is_said_and_not_started() -> None:
    async with console(FixedBackend()) as (app, pilot):
        await pilot.press("B", "y")
        await until(pilot, lambda: any("Restart the service: " in one for one in said(app)))


async def test_what_is_held_comes_first_where_not_all_can_be_seen() -> None:
    names = [f"job-{number:03}" for number in range(60)]
    views = [CadenceView(name=name, mode="escalate") for name in names]
    views[40] = replace(views[40], state="open", failures=3, open_until=NOW + 600)
    views[50] = replace(views[50], state="backoff", failures=1, next_allowed_at=NOW + 60)
    backend = FixedBackend(replace(SNAPSHOT, cadences=tuple(views), running=()))
    async with console(backend, size=(80, 24)) as (app, pilot):
        table = app.screen.query_one(Table)
        shown_names = [row.view.name for row in table.rows]
        assert shown_names == [
            "job-040",
            "job-050",
            *(n for n in names if n[-2:] not in ("40", "50")),
        ]
        await pilot.press("j")
        assert table.state.selection.cursor == "job-050"
        await pilot.resize_terminal(80, 90)
        await until(pilot, lambda: [row.view.name for row in table.rows] == names)
        assert table.state.selection.cursor == "job-050"


async def test_a_root_that_is_gone_is_said_to_be_gone(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "agent")
    layout.bus.mkdir(parents=True)
    layout.triggers.mkdir(parents=True)
    layout.prompt("memo").write_text("x")
    backend = RootBackend(layout, read_only=True)
    assert backend.snapshot(frozenset()).problems == ()
    shutil.rmtree(layout.bus)
    assert backend.snapshot(frozenset()).problems[0].startswith("state/cadence-bus is gone")
    shutil.rmtree(layout.root)
    assert "is gone" in backend.snapshot(frozenset({"prompts"})).problems[0]
    async with console(FixedBackend(backend.snapshot(frozenset()))) as (_app, pilot):
        await see(pilot, "Nothing is known of its cadences")


class SlowShelf(FixedBackend):
    """Dead letters of which the newest come at once and the others when they may."""

    def __init__(self) -> None:
        super().__init__()
        self.may = threading.Event()
        self.dead = [
            dead(number, "memo", f"exit 1: no {number}", 60 + number) for number in range(400)
        ]

    def dead_letters(self, limit: int | None = None) -> Any:
        if limit is None or limit > 300:
            self.may.wait(20)
        return super().dead_letters(limit)


async def test_a_list_that_is_still_read_says_so_and_counts_no_more_than_it_knows() -> None:
    backend = SlowShelf()
    async with console(backend, size=(140, 30)) as (app, pilot):
        await pilot.press("2")
        await see(pilot, "the newest 300, reading on")
        await pilot.press("slash", *"memo")
        await see(pilot, "300 of 300 read so far")
        backend.may.set()
        await see(pilot, "400 of 400")
        assert "so far" not in shown(app)
        assert "reading on" not in shown(app)


class NoLedger(FixedBackend):
    """The ledger is damaged until somebody mends it."""

    mended = False

    def runs(self, limit: int) -> Any:
        if not self.mended:
            raise LedgerTrouble("/srv/agents/atlas/ledger.db: file is not a database (damaged)")
        return super().runs(limit)


async def test_a_list_that_cannot_be_read_says_why_until_it_can_be() -> None:
    backend = NoLedger()
    async with console(backend) as (app, pilot):
        await pilot.press("3")
        await see(pilot, "The runs cannot be read")
        app.clear_notifications()
        await see(pilot, "(damaged)")
        backend.mended = True
        await pilot.press("ctrl+r")
        await see(pilot, "weekly-strategic-memo")
        assert "cannot be read" not in shown(app)


async def test_a_dialog_that_a_person_asked_for_is_not_covered_by_the_toast_before() -> None:
    async with console(FixedBackend(), size=(60, 15)) as (app, pilot):
        await pilot.press("i")
        await until(pilot, lambda: said(app), "a toast")
        await pilot.press("E")
        await see(pilot, "y does it")
        await until(pilot, lambda: not app._notifications, "the toast goes")
        await see(pilot, "Cancel")


async def test_a_read_only_console_offers_no_key_that_would_do_nothing() -> None:
    async with console(FixedBackend(read_only=True)) as (app, pilot):
        await pilot.press("question_mark")
        await see(pilot, "This console is read-only")
        assert "Enqueue" not in shown(app)
        await pilot.press("escape", "colon")
        await see(pilot, "type what you want to do")
        assert "Enqueue" not in shown(app)
        await pilot.press("escape", "right", "e")
        await see(pilot, "by a console that may change something")
        assert "closes it" not in shown(app)
        await pilot.press("escape", "2")
        await see(pilot, "writes a note")
        assert "retries all" not in shown(app)


class NoCosts(FixedBackend):
    """Nothing has run yet."""

    def costs(self, since: str) -> Any:
        return []


async def test_an_empty_cost_screen_says_what_f_does_at_every_span() -> None:
    async with console(NoCosts()) as (_app, pilot):
        await pilot.press("6")
        await see(pilot, "f shows a longer time")
        await pilot.press("f", "f")
        await see(pilot, "f shows the shortest time")
