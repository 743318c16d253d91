"""Pure presentation: each state, time and cell says what an operator must read, by tables."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from rich.text import Text

from maestro_core.models import HoldBeat
from maestro_core.observe.snapshot import CadenceView, ConsumerView, Later, MarkerView
from maestro_core.service.starts import Loop
from maestro_tui.presentation import times
from maestro_tui.presentation.cadence import card, countdown, counters, details
from maestro_tui.presentation.cells import (
    bar,
    choose,
    fit,
    line,
    money,
    narrow,
    sparkline,
    spread,
)
from maestro_tui.presentation.live import nothing_runs, run_line
from maestro_tui.presentation.strip import (
    Here,
    banners,
    first_line,
    jumps,
    second_line,
    tabs_room,
)
from maestro_tui.presentation.waits import waits_for
from maestro_tui.presentation.words import (
    CONSUMERS,
    HOLDS,
    OUTCOMES,
    STATES,
    cadence_look,
    outcome_look,
)
from maestro_tui.widgets.strip import TABS
from tests.tui.fixed import CADENCES, EMPTY, HOLD, LIVE, NOW, RUNNING, SNAPSHOT, at

HERE = Here(1)


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0"), (9_999, "9999"), (12_500, "12k"), (100_000, "100k"), (999_999, "999k"),
     (3_400_000, "3M")],
)  # fmt: skip
def test_a_count_is_never_cut(count: int, said: str) -> None:
    assert narrow(count) == said
    assert len(said) <= 4


@pytest.mark.parametrize(
    ("seconds", "short", "timer"),
    [
        (0, "0s", "0s"), (0.4, "<1s", "0s"), (42, "42s", "42s"), (60, "1m", "1m 00s"),
        (65, "1m05", "1m 05s"), (1045, "17m", "17m 25s"), (3600, "1h00", "1h 00m"),
        (5400, "1h30", "1h 30m"), (86400, "1d", "1d 0h"), (531930, "6d", "6d 3h"), (-5, "0s", "0s"),
    ],
)  # fmt: skip
def test_durations(seconds: float, short: str, timer: str) -> None:
    assert (times.short(seconds), times.timer(seconds)) == (short, timer)


@pytest.mark.parametrize(
    ("ahead", "shown"),
    [(30, "02:15:00"), (3599, "03:14:29"), (-1200, "01:54:30"), (5 * 3600, "07:14"),
     (2 * 86400, "Thu 02:14"), (20 * 86400, "14 Dec"), (1e18, "?")],
)  # fmt: skip
def test_a_clock_time_is_as_exact_as_it_is_near(ahead: float, shown: str) -> None:
    assert times.face(NOW + ahead, NOW) == shown


def test_a_countdown_rounds_up_so_that_zero_means_now() -> None:
    assert [times.left(NOW + ahead, NOW) for ahead in (60.0, 59.1, 0.2, 0.0, -3)] == [
        "1m 00s", "1m 00s", "1s", "0s", "0s",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", None, "yesterday", "2026-99-99T00:00:00Z"])
def test_what_is_no_time_is_none(text: str | None) -> None:
    assert times.moment(text) is None


@pytest.mark.parametrize(
    ("usd", "shown"),
    [
        (0, "$0"),
        (-1, "$0"),
        (0.003, "<$0.01"),
        (0.42, "$0.42"),
        (12.3, "$12.30"),
        (1204.4, "$1,204"),
    ],
)
def test_money(usd: float, shown: str) -> None:
    assert money(usd) == shown


# ---- cells --------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [0, 1, 5, 20])
@pytest.mark.parametrize("text", ["", "abc", "wide 漢字 text", "x" * 40])
def test_fit_is_exact(text: str, width: int) -> None:
    assert fit(Text(text), width).cell_len == width


@pytest.mark.parametrize("width", [10, 24, 60])
def test_spread_is_exact_and_keeps_the_right_part(width: int) -> None:
    found = spread(Text("left " * 5), Text("right"), width)
    assert found.cell_len == width
    assert found.plain.endswith("right")


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0, "────────"),
        (0.5, "━━━━────"),
        (1, "━━━━━━━━"),
        (0.06, "╸───────"),
        (7, "━━━━━━━━"),
        (-1, "────────"),
    ],
)
def test_a_bar_tells_its_share_without_colour(share: float, shown: str) -> None:
    assert bar(share, 8, "ok").plain == shown


def test_a_sparkline_has_crosses_for_failures_and_the_newest_at_the_right() -> None:
    points = [(10.0, "spark"), (40.0, "spark"), (3.0, "bad")]
    assert sparkline(points, 5).plain == "  ▃█×"


def test_equal_durations_do_not_fill_the_sparkline() -> None:
    assert sparkline([(5.0, "spark")] * 3, 3).plain == "▅▅▅"


def test_chunks_are_dropped_by_number_and_keep_their_order() -> None:
    chunks = [(0, line("agent")), (9, line("clock")), (3, line("dead"))]
    assert choose(chunks, 20).plain == "agent  clock  dead"
    assert choose(chunks, 12).plain == "agent  dead"
    assert choose(chunks, 5).plain == "agent"


def test_foreign_text_is_shown_and_never_obeyed() -> None:
    hostile = replace(CADENCES[0], name="x", reason="a")
    evil = "\x1b]52;c;aGk=\x07[bold]hi[/bold]\u202e"
    view = replace(hostile, running=replace(RUNNING, activity=evil))
    text = run_line(view.running, view, NOW, 200, True)  # type: ignore[arg-type]
    assert "\x1b" not in text.plain
    assert "\\x1b]52;c;aGk=\\x07[bold]hi[/bold]\\u202e" in text.plain


# ---- states -------------------------------------------------------------------------------


def test_every_state_has_its_own_glyph_and_word() -> None:
    looks = list(STATES.values())
    assert len({look.word for look in looks}) == len(looks)
    assert len({look.glyph for look in looks}) == len(looks)


@pytest.mark.parametrize("table", [STATES, HOLDS, OUTCOMES, CONSUMERS])
def test_glyphs_are_one_cell_wide(table: dict[str, Any]) -> None:
    assert all(Text(look.glyph).cell_len == 1 for look in table.values())


def test_an_outcome_that_nobody_knows_counts_as_failed() -> None:
    assert outcome_look("out_of_memory").word == "out of memory"
    assert outcome_look("out_of_memory").style == "bad"


@pytest.mark.parametrize(
    ("name", "word", "time", "face"),
    [
        ("inbox-processor", "running", "42s of ~41s", "02:28:48"),
        ("invoice-chaser", "OPEN", "17m 25s", "02:31:55"),
        ("weekly-strategic-memo", "idle", "next in 6d 3h", "30 Nov"),
        ("news-digest", "back-off", "1m 14s", "02:15:44"),
        ("calendar-sync", "half-open", "next tick is the probe", ""),
        ("expense-report", "paused", "by ops from 10.0.0.7 1h30 ago: waits for the new card", ""),
        ("heartbeat", "idle", "next in 30s", "02:15:00"),
        ("quarterly-review", "no prompt", "its ticks go to the dead letters", ""),
    ],
)
def test_what_a_cadence_says(name: str, word: str, time: str, face: str) -> None:
    view = next(one for one in CADENCES if one.name == name)
    when = countdown(view, LIVE, NOW)
    assert (cadence_look(view, LIVE).word, when.text, when.face) == (word, time, face)


@pytest.mark.parametrize("view", CADENCES, ids=lambda view: view.name)
@pytest.mark.parametrize("width", [30, 38, 64])
def test_a_card_is_four_lines_of_its_width(view: CadenceView, width: int) -> None:
    assert [text.cell_len for text in card(view, LIVE, NOW, width)] == [width] * 4


def test_a_card_shows_the_time_of_the_timeout_whole_or_not_at_all() -> None:
    view = next(one for one in CADENCES if one.running)
    shown = {width: card(view, LIVE, NOW, width)[2].plain for width in range(20, 60)}
    assert not [text for text in shown.values() if "…" in text or "times out" in text[-12:-5]]
    assert "times out 02:28:48" in shown[59]
    assert "times out" not in shown[29]
    assert "━" in shown[29]


def test_a_hold_over_all_is_counted_down_on_the_cadence() -> None:
    consumer = replace(LIVE, hold=HOLD)
    view = replace(CADENCES[2], state="quota", next_allowed_at=None)
    when = countdown(view, consumer, NOW)
    assert (cadence_look(view, consumer).word, when.text, when.face) == (
        "quota wait",
        "1h 05m",
        "03:19",
    )


def test_an_auth_hold_without_an_end_says_so() -> None:
    consumer = replace(LIVE, hold=HoldBeat("auth", None, at(-60), "401"))
    view = replace(CADENCES[2], state="quota")
    assert cadence_look(view, consumer).word == "auth refused"
    assert countdown(view, consumer, NOW).text == "until it is lifted"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "at the next pass"),
        ({"emergency_stop": MarkerView(NOW, "ops", None)}, "emergency stop is on"),
        ({"consumer": ConsumerView(word="none")}, "until a consumer runs"),
        ({"consumer": replace(LIVE, word="stale")}, "the consumer is silent"),
        ({"consumer": replace(LIVE, trouble="disk full")}, "consumer is in trouble"),
        ({"running": (RUNNING,)}, "for a free slot"),
        ({"running": (RUNNING,), "max_concurrent": 2}, "at the next pass"),
        ({"later": {"a": Later(1, NOW + 60)}}, "not before 02:15:30"),
        ({"later": {"b": Later(1, NOW + 60)}}, "at the next pass"),
        ({"consumer": ConsumerView(settings_error="no")}, "settings are refused"),
    ],
)
def test_a_waiting_cadence_says_what_it_waits_for(fields: dict[str, Any], words: str) -> None:
    view = CadenceView(name="a", mode="escalate", waiting=1)
    snapshot = replace(EMPTY, cadences=(view,), **({"consumer": LIVE} | fields))
    waits = waits_for(snapshot, view)
    assert waits.text == words
    assert words in card(view, snapshot.consumer, NOW, 60, waits=waits)[2].plain


def test_a_run_of_a_silent_consumer_is_not_claimed_to_run() -> None:
    assert cadence_look(CADENCES[0], ConsumerView(word="stale")).word == "running?"


def test_counters_drop_the_attempt_first() -> None:
    view = replace(CADENCES[0], failures=2, dead=1)
    assert counters(view, 80).plain == "attempt 1/2 · failures 2/3 · 3 waiting · 1 dead"
    assert counters(view, 30).plain == "failures 2/3 · 3 waiting"


def test_details_list_the_last_runs_newest_first() -> None:
    lines = [text.plain for text in details(CADENCES[1], LIVE, NOW)]
    runs = lines[lines.index("last 6 runs") + 1 :]
    assert runs[0].startswith("× failed")
    assert runs[-1].startswith("✓ ok")


# ---- strip --------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [60, 80, 120, 240])
def test_the_strip_is_one_line_and_never_drops_what_is_wrong(width: int) -> None:
    text = first_line(SNAPSHOT, HERE, NOW, width)
    assert text.cell_len == width
    assert "5 dead" in text.plain
    assert "1 open" in text.plain


@pytest.mark.parametrize(
    ("consumer", "shown"),
    [
        (LIVE, "● daemon 7001"),
        (replace(LIVE, pid=1), "● consumer here"),
        (replace(LIVE, word="stale", beat_at=NOW - 25), "◌ STALE beat 25s"),
        (ConsumerView(word="none"), "○ no consumer"),
        (ConsumerView(word="stopped", beat_at=NOW - 60), "○ stopped 1m ago"),
        (ConsumerView(word="crashed", beat_at=NOW - 60), "× crashed 1m ago"),
    ],
)
def test_the_strip_says_which_consumer(consumer: ConsumerView, shown: str) -> None:
    assert shown in first_line(replace(SNAPSHOT, consumer=consumer), HERE, NOW, 120).plain


STOPPED = MarkerView(NOW - 300, "ops", "loops")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"emergency_stop": STOPPED},
            "EMERGENCY STOP by ops 5m ago · ctrl+x ctrl+x lifts it · loops",
        ),
        ({"emergency_stop": MarkerView(None, None, None)}, "EMERGENCY STOP ·"),
        (
            {"consumer": replace(LIVE, hold=HOLD)},
            "QUOTA WAIT 1h 05m until 03:19 · C lifts it · usage limit",
        ),
        (
            {"consumer": replace(LIVE, word="stale", beat_at=NOW - 95)},
            "no beat of consumer 7001 for 1m35",
        ),
        ({"consumer": ConsumerView(word="none")}, "no consumer"),
        ({"consumer": ConsumerView(word="crashed")}, "gone without a clean stop"),
        ({"consumer": replace(LIVE, trouble="disk full")}, "consumer: disk full"),
        ({"consumer": replace(LIVE, settings_error="line 3")}, "settings not taken: line 3"),
        ({"consumer": ConsumerView(settings_error="line 3")}, "no consumer can start: line 3"),
        (
            {"consumer": replace(LIVE, loop=Loop(4, "ValueError"))},
            "badly 4 times in a row: ValueErr",
        ),
        ({"problems": ("ledger: damaged",)}, "ledger: damaged"),
        ({"problems": ("ledger: damaged", "x", "y")}, "ledger: damaged · and 2 more, 5 names them"),
    ],
)
def test_banners(changes: dict[str, Any], said: str) -> None:
    found = banners(replace(SNAPSHOT, **changes), HERE, NOW)
    assert said in "\n".join(text.plain for text in found)


def test_settings_that_stop_everything_are_one_banner_and_not_three() -> None:
    snapshot = replace(SNAPSHOT, consumer=ConsumerView(settings_error="line 3: no"))
    here = HERE._replace(trouble="the consumer in this console stopped: line 3: no")
    (text,) = banners(snapshot, here, NOW)
    assert text.plain == " × no consumer can start: line 3: no "


def test_no_banner_when_all_is_well() -> None:
    assert banners(SNAPSHOT, HERE, NOW) == []


def test_the_worst_banner_comes_first() -> None:
    shot = replace(SNAPSHOT, emergency_stop=STOPPED, consumer=replace(LIVE, hold=HOLD))
    assert "EMERGENCY" in banners(shot, HERE, NOW)[0].plain


def test_a_click_under_a_badge_still_finds_its_screen() -> None:
    assert tabs_room(HERE, NOW, 80) == 80
    assert tabs_room(Here(1, True), NOW, 80) == 80 - len(" read-only ") - 1


@pytest.mark.parametrize("width", [60, 80, 120])
def test_all_six_screens_are_named_at_every_width(width: int) -> None:
    text = second_line(TABS, "board", SNAPSHOT, HERE, NOW, width).plain
    assert all(f" {tab.key} {tab.short[:4]}" in text for tab in TABS)


def test_read_only_and_frozen_are_said() -> None:
    assert "read-only" in second_line(TABS, "board", SNAPSHOT, Here(1, True), NOW, 100).plain
    assert (
        "FROZEN 12s"
        in second_line(TABS, "board", SNAPSHOT, Here(1, False, NOW - 12), NOW, 100).plain
    )


@pytest.mark.parametrize(
    ("word", "screen"), [("dead", "dead"), ("today", "costs"), ("open", "board")]
)
def test_a_click_on_a_count_goes_to_its_screen(word: str, screen: str) -> None:
    text = first_line(SNAPSHOT, HERE, NOW, 120).plain
    assert jumps(text, text.index(f" {word}") - 1) == screen


def test_when_nothing_runs_the_next_due_and_what_waits_are_named() -> None:
    idle = replace(SNAPSHOT, running=())
    text = "\n".join(one.plain for one in nothing_runs(idle, NOW))
    assert "02:15:00  heartbeat  in 30s" in text
    assert "5 dead letters" in text


def test_an_empty_root_without_a_consumer_says_what_to_do() -> None:
    assert "maestro-tui run" in "\n".join(one.plain for one in nothing_runs(EMPTY, NOW))
