"""The installed console in a real pseudo-terminal, where terminals are at their worst: bytes that
are no UTF-8, a line that drops under an ignored SIGHUP, stop and go, no colours, hostile text.
"""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.e2e.agent import Agent
from tests.e2e.terminal import PROGRAM, Terminal
from tests.support import wait_until, write_tick

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

COLOUR = re.compile(rb"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;[0-9;]*)?m")
KITTY_ON = re.compile(rb"\x1b\[>[0-9]+u")
EVIL = (
    "exit 1: \x1b]52;c;ZXZpbA==\x07 \x1b]0;owned\x07 \x1b[2J \u202egnp.exe"
    " [bold]not bold[/bold] \x9b31m"
)


class Recorder(Terminal):
    """A terminal that keeps every byte that it was sent."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.raw = b""
        super().__init__(*args, **kwargs)

    def _feed(self, data: bytes) -> None:
        self.raw += data
        super()._feed(data)

    def type_bytes(self, data: bytes) -> None:
        os.write(self._master, data)


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    found = Agent(tmp_path / "agent")
    found.cadence("free", seconds=0)
    return found


def console(agent: Agent, *words: str, shell: str = "", **env: str) -> Recorder:
    """A console; with `shell`, started by it: `exec "$@"` runs the program."""
    argv: list[Any] = [PROGRAM, "--root", agent.root, *words]
    if shell:
        argv = ["/bin/sh", "-c", shell, "sh", *argv]
    return Recorder(argv, env={**agent.env, **env}, columns=110, rows=30)


def escape(terminal: Terminal, gone: str) -> None:
    """Escape alone: with a key right behind it, it would be that key with Alt."""
    terminal.press("escape")
    terminal.wait_gone(gone)


def test_bytes_that_are_no_utf_8_are_survived(agent: Agent) -> None:
    with console(agent) as terminal:
        terminal.wait_for("consumer here")
        terminal.type_bytes(b"\xff\xfe\xc3\x28\x1b[M \xe9\xf1\x80")
        terminal.press("2")
        terminal.wait_for("No dead letters")
        terminal.press("1", "q")
        assert terminal.wait_exit() == 0


def test_a_size_that_no_terminal_has_is_no_size(agent: Agent) -> None:
    """It comes in by the keys, as a pasted line may; a screen of that size takes all memory."""
    with console(agent, "--attach") as terminal:
        terminal.wait_for("on demand")
        terminal.type_bytes(b"\x1b[48;3000;3000;1;1t\x1b[48;0;0;0;0t\x1b[48;9;99999;1;1t")
        terminal.press("2")
        terminal.wait_for("No dead letters")
        assert max(map(len, terminal.text().splitlines())) > 60


def test_a_dropped_line_ends_it_even_where_hang_up_is_ignored(agent: Agent) -> None:
    with console(agent, shell="trap '' HUP; exec \"$@\"") as terminal:
        terminal.wait_for("consumer here")
        process = psutil.Process(terminal.process.pid)
        terminal.hang_up()
        wait_until(lambda: not process.is_running() or process.status() == "zombie", 20)
        assert terminal.process.wait(5) == 0
    assert any(line["stage"] == "console_closed" for line in agent.journal())


def test_it_stops_and_goes_on(agent: Agent) -> None:
    with console(agent) as terminal:
        terminal.wait_for("consumer here")
        process = psutil.Process(terminal.process.pid)
        terminal.press("ctrl+z")
        wait_until(lambda: process.status() == psutil.STATUS_STOPPED, 20, "it to stop")
        terminal.wait_until(lambda _: 1049 not in terminal.modes, what="the shell's screen")
        terminal.send(signal.SIGCONT)
        terminal.wait_until(lambda _: 1049 in terminal.modes, what="its screen to be back")
        terminal.press("2")
        terminal.wait_for("No dead letters")


def assert_given_back(terminal: Recorder) -> None:
    """As the next program would want to find it."""
    assert not terminal.modes & {1049, 1000, 1003, 1004, 1006, 1015, 2004}
    assert 25 not in terminal.hidden
    assert len(KITTY_ON.findall(terminal.raw)) == terminal.raw.count(b"\x1b[<u")
    assert terminal.attributes() == terminal.attributes_before


@pytest.mark.parametrize("stop", [signal.SIGSTOP, signal.SIGTSTP, None])
def test_stopped_by_others_or_not_at_all_it_goes_on_and_leaves_as_ever(
    agent: Agent, stop: signal.Signals | None
) -> None:
    with console(agent) as terminal:
        terminal.wait_for("consumer here")
        process = psutil.Process(terminal.process.pid)
        for screen, shows in (("2", "No dead letters"), ("4", "STAGE")):
            if stop is not None:
                terminal.send(stop)
                wait_until(lambda: process.status() == psutil.STATUS_STOPPED, 20, "it to stop")
            before = len(KITTY_ON.findall(terminal.raw))
            terminal.send(signal.SIGCONT)
            terminal.wait_until(lambda _, seen=before: len(KITTY_ON.findall(terminal.raw)) > seen)
            terminal.press(screen)
            terminal.wait_for(shows)
        terminal.send(signal.SIGTERM)
        assert terminal.wait_exit() == 0
        assert_given_back(terminal)


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP])
def test_asked_to_end_while_the_shell_has_the_terminal_it_ends(
    agent: Agent, number: signal.Signals
) -> None:
    with console(agent) as terminal:
        terminal.wait_for("consumer here")
        process = psutil.Process(terminal.process.pid)
        terminal.press("ctrl+z")
        wait_until(lambda: process.status() == psutil.STATUS_STOPPED, 20, "it to stop")
        terminal.send(number)
        terminal.send(signal.SIGCONT)
        assert terminal.wait_exit() == 0
        assert_given_back(terminal)


def test_quit_by_a_signal_gives_the_terminal_back(agent: Agent) -> None:
    with console(agent) as terminal:
        terminal.wait_for("consumer here")
        terminal.send(signal.SIGQUIT)
        assert terminal.wait_exit() == 0
        assert_given_back(terminal)


def test_in_the_background_its_consumer_goes_on_and_the_terminal_is_left_alone(
    agent: Agent,
) -> None:
    """A shell with job control: ctrl+z, bg, fg; then ctrl+z, bg and kill."""
    env = {**agent.env, "PS1": "ask> ", "ENV": ""}
    words = ["bash", "--norc", "--noprofile", "-i"]
    with Recorder(["/usr/bin/env", *words], env=env, columns=110, rows=30) as terminal:
        terminal.wait_for("ask>")
        terminal.type(f"{PROGRAM} --root {agent.root}\r")
        terminal.wait_for("consumer here")
        process = psutil.Process(agent.beat()["pid"])

        def to_the_background() -> None:
            terminal.press("ctrl+z")
            wait_until(lambda: process.status() == psutil.STATUS_STOPPED, 20, "it to stop")
            terminal.wait_until(lambda _: 1049 not in terminal.modes)
            terminal.type("bg\r")
            runs = len(agent.runs("free"))
            agent.drop(f"tick-{runs}", "free")
            wait_until(lambda: agent.runs("free")[runs:] == ["ok"], 30, "a tick to run meanwhile")
            assert 1049 not in terminal.modes

        to_the_background()
        terminal.type("fg\r")
        terminal.wait_until(lambda _: 1049 in terminal.modes)
        terminal.press("2")
        terminal.wait_for("No dead letters")
        to_the_background()
        terminal.type("kill %1\r")
        wait_until(lambda: not process.is_running(), 30, "it to end")
        terminal.wait_for("has stopped: no cadence runs now")
        terminal.type("exit\r")
        terminal.wait_exit()


def test_ctrl_z_gives_the_shell_back_where_a_script_has_started_it(agent: Agent) -> None:
    env = {**agent.env, "PS1": "ask> ", "ENV": ""}
    words = ["bash", "--norc", "--noprofile", "-i"]
    with Recorder(["/usr/bin/env", *words], env=env, columns=110, rows=30) as terminal:
        terminal.wait_for("ask>")
        terminal.type(f"sh -c '{PROGRAM} --root {agent.root}; echo it is over'\r")
        terminal.wait_for("consumer here")
        terminal.press("ctrl+z")
        terminal.wait_for("Stopped")
        terminal.type("fg\r")
        terminal.wait_until(lambda _: 1049 in terminal.modes)
        terminal.press("2")
        terminal.wait_for("No dead letters")
        terminal.send(signal.SIGHUP)
        terminal.wait_exit()


def test_a_second_hang_up_does_not_cut_the_clean_stop_short(agent: Agent) -> None:
    """The terminal, the shell and the end of its session each say that the line dropped."""
    agent.cadence("talker", "stubborn", "say: word {n}", seconds=60, repeat=60)
    agent.drop("long", "talker")
    with console(agent) as terminal:
        terminal.wait_for("word 1")
        terminal.send(signal.SIGHUP)
        wait_until(lambda: "subsession_ending" in agent.stages(), 20, "its end to begin")
        terminal.wait_until(lambda _: 1049 not in terminal.modes)
        terminal.send(signal.SIGHUP)
        terminal.send(signal.SIGTERM)
        assert terminal.wait_exit() == 0
    assert agent.where("long") == "inbox"
    assert agent.stages()[-2:] == ["put_back", "consumer_stopped"]


def test_without_colours_none_is_sent(agent: Agent) -> None:
    with console(agent, NO_COLOR="1") as terminal:
        terminal.wait_for("consumer here")
        for key, comes in (
            ("2", "No dead"),
            ("4", "STAGE"),
            ("5", "CHECK"),
            ("6", "last 7"),
            ("?", "Keys"),
        ):
            terminal.press(key)
            terminal.wait_for(comes)
        terminal.wait_for("Esc closes")
        escape(terminal, "Esc closes")
        terminal.press(":")
        terminal.wait_for("Esc closes")
        escape(terminal, "Esc closes")
        terminal.press("q", "q")
        terminal.wait_exit()
    assert COLOUR.findall(terminal.raw) == []


def test_hostile_text_is_shown_and_never_obeyed(agent: Agent) -> None:
    write_tick(agent.layout.dlq, "evil", "free", last_error=EVIL, source="\x1b]0;t\x07")
    with console(agent, "--attach") as terminal:
        terminal.press("2")
        terminal.wait_for(r"\\x1b\]52;c;ZXZpbA==\\x07")
        terminal.press("d")
        terminal.wait_for(r"\[bold\]not bold\[/bold\]")
        terminal.wait_for("Esc closes")
        escape(terminal, "Esc closes")
        terminal.press("R")
        terminal.wait_for("Retry 1 dead letter")
        terminal.wait_for("Esc cancels")
        escape(terminal, "Esc cancels")
        terminal.press("/")
        terminal.type("evil\r")
        terminal.wait_for("1 of 1")
        terminal.press("4")
        terminal.wait_for("journal")
    for forbidden in (b"\x1b]52", b"\x1b]0;", "\u202e".encode(), b"\xc2\x9b"):
        assert forbidden not in terminal.raw


def test_a_copy_is_sent_to_the_terminal_masked(agent: Agent) -> None:
    secret = "sk-live-0123456789abcdef"
    with agent.layout.env_file.open("a") as file:
        file.write(f"SLACK_USER_TOKEN={secret}\n")
    write_tick(agent.layout.dlq, "leak", "free", last_error=f"exit 1: token {secret} refused")
    with console(agent, "--attach") as terminal:
        terminal.press("2")
        terminal.wait_for("exit 1: token")
        terminal.press("d")
        terminal.wait_for("Dead letter")
        terminal.press("y")
        terminal.wait_for("sent")
        assert b"\x1b]52;c;" in terminal.raw
    assert secret.encode() not in terminal.raw


def test_settings_that_cannot_be_used_are_said_and_taken_once_they_can(agent: Agent) -> None:
    good = agent.layout.cadences_toml.read_text()
    agent.settings(good + "\n[consumer2]\n")
    with console(agent) as terminal:
        terminal.wait_for("consumer2")
        terminal.wait_for("no consumer|stopped")
        agent.settings(good)
        terminal.wait_for("consumer here")


def test_secrets_are_masked_even_where_the_settings_are_faulty(agent: Agent) -> None:
    secret = "hunter2-0123456789abcdef"
    with agent.layout.env_file.open("a") as file:
        file.write(f"GMAIL_APP_PASSWORD={secret}\n")
    agent.settings("[nonsense]\n")
    write_tick(agent.layout.dlq, "leak", "free", last_error=f"exit 1: {secret} refused")
    with console(agent, "--attach") as terminal:
        terminal.press("2")
        terminal.wait_for("exit 1: .* refused")
    assert secret.encode() not in terminal.raw
