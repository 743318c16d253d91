"""Proves that the pseudo-terminal of these tests is one: what a program prints is on the
screen, what is typed reaches it, and a dropped line is a SIGHUP.
"""

from __future__ import annotations

import os
import sys

import pytest

from tests.e2e.terminal import Terminal

pytestmark = pytest.mark.e2e

APP = """
from textual.app import App
from textual.widgets import Label

class Shown(App):
    BINDINGS = [("x", "say", "Say"), ("ctrl+x", "leave", "Leave")]
    def compose(self):
        yield Label("ready")
    def action_say(self):
        self.query_one(Label).update("x was pressed")
    def action_leave(self):
        self.exit()

Shown().run()
"""


def shell(script: str) -> Terminal:
    return Terminal(["/bin/sh", "-c", script], env=os.environ)


def test_what_is_typed_reaches_the_program_and_its_answer_the_screen() -> None:
    with shell("printf 'who? '; read name; echo hello $name") as terminal:
        terminal.wait_for(r"who\?")
        terminal.type("ops\r")
        assert terminal.wait_exit() == 0
        assert "hello ops" in terminal.text()


def test_the_program_has_the_terminal_as_its_own_and_its_size() -> None:
    with shell("stty size; tty") as terminal:
        assert terminal.wait_exit() == 0
        assert "36 120" in terminal.text()
        assert "/dev/" in terminal.text()


def test_a_dropped_line_ends_the_program() -> None:
    with shell("echo ready; read nothing; exit 3") as terminal:
        terminal.wait_for("ready")
        terminal.hang_up()
        assert terminal.wait_exit() != 0


def test_a_missed_wait_shows_the_screen() -> None:
    with shell("echo something else; read nothing") as terminal:
        terminal.wait_for("something")
        with pytest.raises(AssertionError, match="something else"):
            terminal.wait_for("never", timeout=0.2)


def test_a_textual_program_is_read_and_steered() -> None:
    with Terminal([sys.executable, "-c", APP], env=os.environ) as terminal:
        terminal.wait_for("ready")
        assert 1049 in terminal.modes
        terminal.press("x")
        terminal.wait_for("x was pressed")
        terminal.press("ctrl+x")
        assert terminal.wait_exit() == 0
        assert 1049 not in terminal.modes
        assert terminal.attributes() == terminal.attributes_before
