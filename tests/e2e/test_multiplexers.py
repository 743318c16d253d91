"""The console in tmux and in GNU screen: it answers keys, follows the size, stops and goes on,
outlives the line to the person, and ends with the multiplexer.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from maestro_tui.terminal import takes_mouse
from tests.e2e.agent import Agent
from tests.e2e.conftest import processes_of
from tests.e2e.terminal import PROGRAM, Terminal
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


class Multiplexer:
    """One session of it, with sockets in a folder of its own: paths of sockets must be short."""

    def __init__(self, name: str, agent: Agent, folder: Path) -> None:
        self._name, self._agent = name, agent
        self._env: Mapping[str, str] = {
            **agent.env, "SCREENDIR": str(folder), "ENV": "", "PS1": "ask> ", "SHELL": "/bin/sh",
        }  # fmt: skip
        tmux = ["tmux", "-S", str(folder / "socket"), "-f", os.devnull]
        screen = ["screen", "-c", os.devnull]
        self._start, self._attach, self._end = {
            "tmux": ([*tmux, "new-session"], [*tmux, "attach"], [*tmux, "kill-server"]),
            "screen": (
                [*screen, "-S", "one"], [*screen, "-d", "-r", "one"],
                [*screen, "-S", "one", "-X", "quit"],
            ),
        }[name]  # fmt: skip

    def _terminal(self, words: list[str]) -> Terminal:
        argv = ["/usr/bin/env", *words]
        return Terminal(argv, env=self._env, cwd=self._agent.root, columns=110, rows=30)

    def start(self) -> Terminal:
        return self._terminal(self._start)

    def attach(self) -> Terminal:
        return self._terminal(self._attach)

    def end(self) -> None:
        subprocess.run(self._end, env=self._env, check=False, capture_output=True, timeout=30)


@pytest.fixture(params=["tmux", "screen"])
def multiplexer(request: pytest.FixtureRequest, agent: Agent) -> Iterator[Multiplexer]:
    if shutil.which(request.param) is None:
        pytest.skip(f"there is no {request.param} on this machine")
    folder = Path(tempfile.mkdtemp(prefix="mx"))
    one = Multiplexer(request.param, agent, folder)
    yield one
    one.end()
    shutil.rmtree(folder, ignore_errors=True)


def without_overlay(text: str) -> bool:
    """The whole board stands there. An empty screen, as it is for a moment after a new size, says
    nothing: the multiplexer may still hold Escape then, and would take the next key for alt+key."""
    board = "consumer here" in text and "Enter open" in text
    return board and "Esc closes" not in text


def test_in_a_multiplexer_it_is_the_same_console(agent: Agent, multiplexer: Multiplexer) -> None:
    agent.cadence("free", seconds=0)
    with multiplexer.start() as terminal:
        terminal.type("\r")  # screen greets first
        terminal.wait_for(r"(?m)^\S*[>#$]")
        terminal.type(f"exec sh -i\r{PROGRAM} --root {agent.root}\r")
        terminal.wait_for("consumer here")
        process = psutil.Process(agent.beat()["pid"])
        for columns, rows in ((60, 15), (240, 70), (110, 30)):
            terminal.resize(columns, rows)
            terminal.press("?")
            terminal.wait_for("Esc closes")
            terminal.press("escape")
            terminal.wait_until(without_overlay, what="the overlay to go")
        terminal.press("ctrl+z")
        wait_until(lambda: process.status() == psutil.STATUS_STOPPED, 20, "it to stop")
        terminal.wait_gone("consumer here")
        terminal.type("fg\r")
        terminal.wait_for("consumer here")
        terminal.press("2")
        terminal.wait_for("No dead letters")
        terminal.process.kill()  # the line to the person is gone
    with multiplexer.attach() as terminal:
        terminal.wait_for("No dead letters")
        terminal.press("1")
        terminal.wait_for("on demand")
        multiplexer.end()
        wait_until(lambda: not processes_of(agent.root), 30, "it to end with its terminal")
    assert agent.stages()[-1] == "consumer_stopped"


@pytest.mark.parametrize(
    ("environ", "mouse"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "screen-256color", "TMUX": "/tmp/tmux-0/default,1,0"}, True),
        ({"TERM": "screen", "STY": "1.pts-0.host"}, False),
        ({"TERM": "screen.xterm-256color"}, False),
        ({"TERM": "tmux-256color", "STY": "1.outside", "TMUX": "/tmp/tmux-0/default,1,0"}, True),
    ],
)
def test_only_screen_gets_no_mouse_unasked(environ: dict[str, str], mouse: bool) -> None:
    assert takes_mouse(environ) is mouse
