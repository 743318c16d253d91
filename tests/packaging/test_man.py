"""Proves that the manual page is made from the commands as they are, names every one of them with
every option, and is troff that a formatter takes without a warning."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys

import pytest

from maestro_core.cli.main import COMMANDS, parser_for
from tools.man import EVERYWHERE, PAGE, page, quoted, verbs_of


def leaves(name: str) -> list[argparse.ArgumentParser]:
    _, parser = parser_for(name)
    return [sub for _, sub in verbs_of(parser).values()] or [parser]


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "96")


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="made with Python 3.11's argparse")
def test_the_page_is_what_the_commands_say_now() -> None:
    assert PAGE.read_text() == page(), "run: make man"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_there_with_all_its_options(name: str) -> None:
    text = page()
    part = text.split(f".SS {quoted(name)}\n")[1].split("\n.S")[0]
    for parser in leaves(name):
        for action in parser._actions:
            if action.help != argparse.SUPPRESS and not EVERYWHERE & {*action.option_strings}:
                assert all(quoted(word) in part for word in action.option_strings)


def test_a_formatter_takes_it_without_a_warning() -> None:
    if shutil.which("groff") is None:
        pytest.skip("no groff on this machine")
    done = subprocess.run(
        ["groff", "-man", "-ww", "-Tascii", "-rLL=78n"], input=page(), capture_output=True,
        text=True, env=os.environ | {"GROFF_NO_SGR": "1"}, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    shown = re.sub(".\b", "", done.stdout)
    for heading in ("NAME", "SYNOPSIS", "COMMANDS", "ENVIRONMENT", "EXIT STATUS"):
        assert heading in shown
    assert "maestro-tui enqueue" in shown


def test_what_troff_would_obey_is_quoted() -> None:
    assert quoted(".SH x") == r"\&.SH x"
    assert quoted(r"a\-b …") == r"a\e\-b \[u2026]"
