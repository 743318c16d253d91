"""The console calls its person: on changes only, never in storms, never obeying foreign text."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from maestro_core.models import HoldBeat
from maestro_core.observe.agent_line import AgentLine, Held
from maestro_core.observe.snapshot import ConsumerView, CountsView, MarkerView, Snapshot
from maestro_tui.alerts import GATHER, INTERVAL, Alerts, sequences
from maestro_tui.config import read_config
from maestro_tui.presentation.alerts import standing, standing_of_line
from tests.tui.fixed import CADENCES, LIVE, SNAPSHOT
from tests.tui.test_log_hostile import ESCAPES

TERMINAL = {"TERM": "xterm-256color"}


class Watch:
    """Alerts of one agent on a clock that is turned by hand."""

    def __init__(self, snapshot: Snapshot = SNAPSHOT) -> None:
        self.alerts, self.now = Alerts(), 0.0
        self.see(snapshot)

    def see(self, snapshot: Snapshot, after: float = 0.0) -> None:
        self.now += after
        dead = snapshot.counts.dlq
        self.alerts.see(snapshot.root, snapshot.agent, standing(snapshot), dead, self.now)

    def told(self, after: float = GATHER) -> list[str]:
        self.now += after
        return [call.text for call in self.alerts.due(self.now)]


def with_cadence(name: str, **fields: object) -> Snapshot:
    views = tuple(replace(v, **fields) if v.name == name else v for v in CADENCES)
    return replace(SNAPSHOT, cadences=views)


def with_dead(count: int) -> Snapshot:
    return replace(SNAPSHOT, counts=CountsView(dlq=count))


def with_consumer(**fields: object) -> Snapshot:
    return replace(SNAPSHOT, consumer=replace(LIVE, **fields))


def hold(kind: str) -> HoldBeat:
    return HoldBeat(kind, None, "2026-11-24T02:03:04.000Z", "because")  # type: ignore[arg-type]


def test_how_things_stand_when_the_console_opens_is_no_news() -> None:
    watch = Watch()
    watch.see(SNAPSHOT, 60)
    assert standing(SNAPSHOT)
    assert watch.told(60) == []


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (with_cadence("news-digest", state="open", failures=3),
         "circuit of news-digest opened after 3 failures"),
        (with_cadence("heartbeat", state="quota", reason="budget: 5.00 of 5.00 USD spent today"),
         "heartbeat is held: budget: 5.00 of 5.00 USD spent today"),
        (with_dead(8), "3 new dead letters"),
        (with_consumer(hold=hold("auth")), "every cadence waits: auth refused"),
        (with_consumer(hold=hold("quota")), "every cadence waits: quota wait"),
        (with_consumer(hold=hold("budget")), "every cadence waits: budget spent"),
        (with_consumer(word="stale"), "the consumer is gone: its heartbeat is STALE"),
        (with_consumer(word="crashed"), "the consumer is gone: it crashed or was killed"),
        (with_consumer(trouble="No space left"), "trouble: No space left"),
        (with_consumer(settings_error="line 3"), "settings refused: line 3"),
        (replace(SNAPSHOT, emergency_stop=MarkerView(None, "ops", "loops")),
         "emergency stop by ops: loops"),
    ],
)  # fmt: skip
def test_a_change_is_told_once(after: Snapshot, told: str) -> None:
    watch = Watch()
    watch.see(after, 1)
    assert watch.told(GATHER - 0.1) == []
    assert watch.told(0.1) == [told]
    watch.see(after, 60)
    assert watch.told(3600) == []


def test_what_comes_and_goes_at_once_is_no_news() -> None:
    watch = Watch()
    watch.see(with_consumer(word="stale"), 1)  # the machine has just woken up
    watch.see(SNAPSHOT, 1)
    assert watch.told(3600) == []


def test_a_probe_that_fails_again_is_no_news_and_a_new_opening_is() -> None:
    watch = Watch()
    for state, after in (("open", 1), ("half_open", 1800), ("open", 30)):
        watch.see(with_cadence("news-digest", state=state), after)
        told = watch.told()
        assert bool(told) == (after == 1)
    watch.see(with_cadence("news-digest", state="closed"), 60)
    watch.see(with_cadence("news-digest", state="open"), 60)
    assert watch.told() == ["circuit of news-digest opened after 1 failure"]


def test_dead_letters_that_are_brought_back_and_die_again_are_told_again() -> None:
    watch = Watch()
    watch.see(with_dead(0), 1)
    assert watch.told() == []
    watch.see(with_dead(2), 60)
    assert watch.told() == ["2 new dead letters"]


def test_a_storm_is_a_call_now_and_then() -> None:
    watch = Watch()
    calls = 0
    for second in range(600):
        watch.see(with_dead(6 + 7 * second), 1)
        calls += bool(watch.told(0))
    assert 600 / (INTERVAL + GATHER + 2) <= calls <= 600 / INTERVAL + 1


def test_nothing_of_a_crowd_is_lost() -> None:
    watch = Watch()
    watch.see(with_dead(7), 1)
    watch.see(replace(with_cadence("heartbeat", state="open"), counts=CountsView(dlq=9)), 2)
    assert watch.told(1) == ["4 new dead letters"]
    assert watch.told(INTERVAL - 0.1) == []
    assert watch.told(0.1) == ["circuit of heartbeat opened"]


def test_agents_on_the_board_of_all_call_as_well() -> None:
    line = AgentLine(root="/a", name="boreas", at=0, word="idle", consumer="live")
    assert standing_of_line(line) == {}
    worse = replace(
        line, word="estop", why="loops", consumer="none", hold_kind="auth",
        held=(Held("memo", "open", None, None), Held("news", "paused", None, None)),
    )  # fmt: skip
    assert sorted(standing_of_line(worse).values()) == [
        "circuit of memo opened", "emergency stop: loops",
        "every cadence waits: auth refused", "the consumer is gone",
    ]  # fmt: skip
    assert standing_of_line(replace(line, problem="no such folder")) == {
        "problem": "no such folder"
    }


def test_a_forgotten_agent_begins_anew() -> None:
    watch = Watch()
    watch.see(with_dead(9), 1)
    watch.alerts.forget(SNAPSHOT.root)
    assert watch.told(60) == []
    watch.see(with_dead(20), 1)
    assert watch.told(60) == []


def test_an_agent_without_a_consumer_may_get_and_lose_one() -> None:
    watch = Watch(replace(SNAPSHOT, consumer=ConsumerView()))
    watch.see(SNAPSHOT, 60)
    assert watch.told() == []
    watch.see(with_consumer(word="stopped"), 60)
    assert watch.told() == ["the consumer was stopped"]


# ---- the bytes ----------------------------------------------------------------------------

SAID = re.compile(
    "\x07(\x1b]9;maestro[^\x00-\x1f\x7f-\x9f;]*\x07)?(\x1b]777;notify;[^\x00-\x1f\x7f-\x9f;]*;"
    "[^\x00-\x1f\x7f-\x9f;]*\x07)?"
)


@pytest.mark.parametrize("name", ESCAPES)
def test_foreign_text_commands_no_terminal(name: str) -> None:
    text = ESCAPES[name][:600].decode("utf-8", "backslashreplace")
    assert SAID.fullmatch(sequences(f"maestro: {text}", f"4;{text}", "on", TERMINAL))


def test_each_terminal_gets_what_it_knows() -> None:
    bell = "\x07"
    osc9, osc777 = "\x1b]9;maestro: a: gone\x07", "\x1b]777;notify;maestro: a;gone\x07"
    said = {
        ("on", "xterm-256color"): bell + osc9 + osc777,
        ("on", "xterm-kitty"): bell + osc777,
        ("on", "linux"): bell,
        ("bell", "xterm-256color"): bell,
        ("osc9", "linux"): bell + osc9,
        ("osc777", "xterm-256color"): bell + osc777,
    }
    for (way, terminal), expected in said.items():
        assert sequences("maestro: a", "gone", way, {"TERM": terminal}) == expected
    within = sequences("maestro: a", "gone", "osc9", {"TERM": "screen", "TMUX": "/tmp/x"})
    assert within == "\x07\x1bPtmux;\x1b\x1b]9;maestro: a: gone\x07\x1b\\"


def test_the_setting_says_how() -> None:
    assert read_config({}).notices == "on"
    assert read_config({"notices": "off"}).notices == "off"
    wrong = read_config({"notices": ["loud"]})
    assert wrong.notices == "on"
    assert "on, bell, osc9, osc777, off" in wrong.problems[0]
