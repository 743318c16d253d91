"""Proves the console as a person meets it: the installed program in a real terminal, keys
pressed, the screen and the files read, the consumer and its children real.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.agent import Agent
from tests.e2e.conftest import processes_of
from tests.e2e.terminal import PROGRAM, Terminal
from tests.support import read_json, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

COUNTDOWN = r"OPEN.*\n.*?((?:\d+m ?)?\d+s)"
MOUSE_AND_SCREEN = {1000, 1002, 1003, 1006, 1049, 2004}


def ready(terminal: Terminal) -> None:
    """The board is there, with the consumer in this console."""
    terminal.wait_for(r"● consumer here")


def confirm(terminal: Terminal, button: str) -> None:
    """Go from Cancel, which has the focus, to the button, and press it."""
    terminal.wait_for(rf"Cancel[\s\S]*{button}|{button}[\s\S]*Cancel")
    terminal.press("tab", "enter")


def leave(terminal: Terminal) -> str:
    """Press q at the top; what stands on the terminal afterwards."""
    terminal.press("q")
    code = terminal.wait_exit()
    assert code == 0, terminal.text()
    assert_restored(terminal)
    return terminal.text()


def assert_restored(terminal: Terminal) -> None:
    """The shell that comes next finds its terminal as it was."""
    assert terminal.attributes() == terminal.attributes_before
    assert not terminal.modes & MOUSE_AND_SCREEN
    assert 25 not in terminal.hidden


def finish(agent: Agent) -> None:
    (agent.root / "state" / "fixed").touch()


def test_from_a_running_tick_to_an_open_circuit_and_back(agent: Agent) -> None:
    agent.cadence(
        "chaser", "fail", "say: I look for invoice {n}", "Bash: ls {n} => nothing",
        seconds=2, repeat=4, unless="state/fixed", stderr="no invoices here",
    )  # fmt: skip
    with agent.console() as terminal:
        ready(terminal)
        agent.drop("first", "chaser")
        terminal.wait_for(r"▸ running")
        terminal.wait_for(r"I look for invoice 2")

        terminal.wait_for(r"■ OPEN")
        before = terminal.wait_for(COUNTDOWN)[1]
        terminal.wait_until(
            lambda text: (now := re.search(COUNTDOWN, text)) and now[1] != before,
            what="the countdown to move",
        )
        agent.drop("second", "chaser")
        terminal.wait_for(r"1 waiting")
        assert agent.where("second") == "inbox"

        finish(agent)
        terminal.press("C")
        terminal.wait_gone(r"■ OPEN")
        wait_until(lambda: agent.where("second") is None, 20, "the waiting tick to be done")
        terminal.wait_for(r"✓ ok")

        assert agent.where("first") == "dlq"
        terminal.press("2")
        terminal.wait_for(r"no invoices here")
        terminal.press("R")
        confirm(terminal, "Retry")
        wait_until(lambda: agent.where("first") is None, 20, "the dead letter to be done")
        terminal.press("1")
        terminal.wait_for(r"0 dead")
        leave(terminal)
    assert agent.runs("chaser") == ["failed", "failed", "ok", "ok"]
    acts = [(line["actor"]["via"], line["verb"]) for line in agent.operators()]
    assert acts == [("console", "circuit_close"), ("console", "dlq_retry")]


def test_a_discard_is_undone(agent: Agent) -> None:
    agent.cadence("chaser", "fail", seconds=0, stderr="no invoices here")
    agent.drop("doomed", "chaser")
    agent.cli("run", "--until-idle")
    wait_until(lambda: agent.cli("run", "--until-idle") or agent.where("doomed") == "dlq", 20)
    with agent.console() as terminal:
        ready(terminal)
        terminal.press("2")
        terminal.wait_for(r"no invoices here")
        terminal.press("D")
        wait_until(lambda: agent.where("doomed") == "trash", 20, "the tick in the trash")
        terminal.wait_for(r"u undoes")
        terminal.press("u")
        wait_until(lambda: agent.where("doomed") == "dlq", 20, "the tick back from the trash")
        terminal.press("1")
        leave(terminal)


def test_a_run_is_stopped_only_after_the_word_is_typed(agent: Agent) -> None:
    agent.cadence("talker", "ok", "say: word {n}", seconds=60, repeat=60)
    agent.drop("long", "talker")
    with agent.console() as terminal:
        ready(terminal)
        terminal.wait_for(r"▸ running")
        terminal.press("X")
        terminal.wait_for(r"Stop the run of talker")
        terminal.press("enter")
        assert agent.where("long") == "claimed"
        terminal.press("escape")
        terminal.wait_gone(r"Stop the run of talker")
        terminal.press("X")
        terminal.wait_for(r"Stop the run of talker")
        terminal.type("stop\r")
        wait_until(lambda: agent.where("long") == "dlq", 20, "the cancelled tick")
        leave(terminal)
    assert agent.runs("talker") == ["cancelled"]


def test_the_chord_stops_everything_and_lifts_it_again(agent: Agent) -> None:
    agent.cadence("free", seconds=0)
    with agent.console() as terminal:
        ready(terminal)
        terminal.press("ctrl+x", "ctrl+x")
        terminal.wait_for(r"EMERGENCY STOP")
        wait_until(agent.layout.emergency_stop.exists, 20, "the marker")
        agent.drop("waits", "free")
        terminal.wait_for(r"1 inbox")
        assert agent.where("waits") == "inbox"
        terminal.wait_until(lambda text: "ctrl+x again" not in text)
        terminal.press("ctrl+x", "ctrl+x")
        confirm(terminal, "Lift")
        wait_until(lambda: agent.where("waits") is None, 20, "the tick to be done")
        leave(terminal)


def test_every_screen_opens_by_its_number_and_help_by_its_key(agent: Agent) -> None:
    agent.cadence("free", seconds=0)
    agent.drop("one", "free")
    with agent.console() as terminal:
        ready(terminal)
        terminal.wait_for(r"✓ ok")
        for key, shown in (
            ("2", r"[Nn]o dead letters"), ("3", r"free"), ("4", r"subsession_spawn"),
            ("5", r"claude"), ("6", r"\$"), ("1", r"✓ ok"), ("?", r"Put a tick into the inbox"),
        ):  # fmt: skip
            terminal.press(key)
            terminal.wait_for(shown)
        terminal.press("escape")
        terminal.wait_gone("Put a tick into the inbox")
        leave(terminal)


@pytest.mark.parametrize("way", ["hang up", "SIGHUP", "SIGTERM"])
def test_when_the_line_drops_the_run_ends_and_its_tick_is_back(agent: Agent, way: str) -> None:
    ways: dict[str, Callable[[Terminal], None]] = {
        "hang up": lambda terminal: terminal.hang_up(),
        "SIGHUP": lambda terminal: terminal.send(signal.SIGHUP),
        "SIGTERM": lambda terminal: terminal.send(signal.SIGTERM),
    }
    agent.cadence("talker", "ok", "say: word {n}", seconds=60, repeat=60)
    agent.drop("long", "talker")
    with agent.console() as terminal:
        ready(terminal)
        terminal.wait_for(r"word 1")
        ways[way](terminal)
        terminal.wait_exit()
        if way != "hang up":
            assert_restored(terminal)
    assert agent.where("long") == "inbox"
    assert read_json(agent.layout.inbox / "long.json")["attempts"] == 0
    assert processes_of(agent.root) == []
    assert agent.beat()["stopped_at"]
    assert agent.runs("talker") == ["shutdown"]
    assert agent.stages()[-4:] == [
        "consumer_stopping", "subsession_ending", "put_back", "consumer_stopped",
    ]  # fmt: skip


def test_a_console_attaches_to_a_daemon_and_leaves_it_alone(agent: Agent) -> None:
    agent.cadence("talker", "ok", "say: word {n}", seconds=60, repeat=60)
    with agent.daemon() as daemon:
        agent.drop("long", "talker")
        with agent.console() as terminal:
            terminal.wait_for(rf"● daemon {daemon.pid}")
            terminal.wait_for(r"word 2")
            terminal.wait_for(r"Attached")
            terminal.press("P")
            wait_until(lambda: agent.names(agent.layout.paused) == ["talker"], 20, "the pause")
            assert f"The agent goes on: daemon {daemon.pid}" in leave(terminal)
        assert daemon.poll() is None
        assert agent.where("long") == "claimed"


def test_a_read_only_console_changes_nothing(agent: Agent) -> None:
    agent.cadence("free", seconds=0)
    agent.drop("one", "free")
    with agent.console("--read-only") as terminal:
        terminal.wait_for(r"read-only")
        terminal.wait_for(r"free")
        terminal.press("P")
        terminal.wait_for(r"changes nothing")
        leave(terminal)
    assert agent.names(agent.layout.paused) == []
    assert agent.where("one") == "inbox"


def test_a_small_terminal_shows_the_board_as_a_table(agent: Agent) -> None:
    agent.cadence("free", seconds=0)
    agent.drop("one", "free")
    with agent.console(columns=60, rows=15) as terminal:
        terminal.wait_for(r"CADENCE")
        terminal.wait_for(r"free")
        leave(terminal)


def test_a_window_that_changes_its_size_is_drawn_anew(agent: Agent) -> None:
    agent.cadence("free", seconds=0)
    agent.drop("one", "free")
    with agent.console(columns=120, rows=36) as terminal:
        ready(terminal)
        terminal.wait_for(r"✓ ok")
        terminal.resize(64, 16)
        terminal.wait_for(r"CADENCE")
        terminal.resize(140, 40)
        terminal.wait_gone(r"CADENCE")
        terminal.wait_for(r"✓ ok")
        leave(terminal)


def test_the_demo_lives_and_leaves_nothing(tmp_path: Path) -> None:
    env = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "LANG": "C.UTF-8",
    }
    with Terminal([PROGRAM, "demo"], env=env, cwd=tmp_path, columns=140, rows=44) as terminal:
        terminal.wait_for(r"invoice-chaser")
        terminal.wait_for(r"■ OPEN")
        terminal.wait_for(r"‖ paused")
        terminal.wait_for(r"▸ running")
        (root,) = tmp_path.glob("maestro-demo-*")
        terminal.press("q")
        terminal.wait_exit()
        assert_restored(terminal)
    assert list(tmp_path.glob("maestro-demo-*")) == []
    assert processes_of(root) == []
