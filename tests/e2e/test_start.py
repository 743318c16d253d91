"""Proves the first frame in a real terminal: it is there before the console, leaves nothing
behind, says of when its board is, and gives the terminal back when the start fails.
"""

from __future__ import annotations

import json
import shutil
import signal
import termios
from pathlib import Path

import pytest

from tests.e2e.agent import Agent
from tests.e2e.terminal import PROGRAM, Terminal
from tests.support import wait_until

pytestmark = pytest.mark.e2e

ALTERNATE = 1049
SHELL = shutil.which("sh") or "/bin/sh"


def console(agent: Agent, *words: str, **env: str) -> Terminal:
    return Terminal([PROGRAM, "--root", agent.root, "--attach", *words], env=agent.env | env)


def leave(terminal: Terminal) -> None:
    terminal.press("q")
    assert terminal.wait_exit() == 0
    wait_until(lambda: ALTERNATE not in terminal.modes)


def without_textual(folder: Path, code: str) -> dict[str, str]:
    """A start that gets no further than the import of Textual."""
    (folder / "textual").mkdir()
    (folder / "textual" / "__init__.py").write_text(code)
    return {"PYTHONPATH": str(folder)}


def test_facts_come_first_and_nothing_of_them_is_left(agent: Agent) -> None:
    agent.cadence("memo")
    agent.layout.emergency_stop.write_text("{}")
    agent.drop("t1", "memo")
    with console(agent) as terminal:
        terminal.wait_for(r"EMERGENCY STOP   1 waiting   no consumer")
        terminal.wait_for("1 Board")
        assert "starting" not in terminal.text()
        leave(terminal)


def test_the_next_start_shows_the_last_board_and_its_time(agent: Agent) -> None:
    agent.cadence("memo")
    with console(agent) as terminal:
        terminal.wait_for("1 Board")
        terminal.wait_for("memo")
        leave(terminal)
    with console(agent) as terminal:
        terminal.wait_for(r"the board as of \d\d:\d\d:\d\d")
        terminal.wait_for("1 Board")
        assert "as of" not in terminal.text()
        leave(terminal)


def test_secrets_are_not_kept_and_a_read_only_console_keeps_nothing(agent: Agent) -> None:
    secret = "sk-hush-4f9a1c77d2e84b"
    agent.cadence("memo")
    agent.layout.env_file.open("a").write(f"HUSH_TOKEN={secret}\n")
    agent.cli("pause", "memo", "--reason", f"see {secret}")
    kept = Path(agent.env["HOME"], ".local/state/maestro-tui")
    with console(agent, "--read-only") as terminal:
        terminal.wait_for("1 Board")
        terminal.wait_for("memo")
        leave(terminal)
    assert list(kept.glob("*.board")) == []
    with console(agent) as terminal:
        terminal.wait_for("1 Board")
        terminal.wait_for("(?i)pause")
        leave(terminal)
    (found,) = kept.glob("*.board")
    assert any("memo" in line for line in json.loads(found.read_text())["lines"])
    assert secret not in found.read_text()


def test_a_spared_line_gets_no_first_frame(agent: Agent, tmp_path: Path) -> None:
    env = without_textual(tmp_path / "agent", "raise SystemExit('no further')")
    with console(agent, "--eco", **env) as terminal:
        terminal.wait_for("no further")
        terminal.wait_exit()
        assert "starting" not in terminal.text()
        assert ALTERNATE not in terminal.hidden | terminal.modes


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, None])
def test_a_start_that_fails_gives_the_terminal_back(
    agent: Agent, tmp_path: Path, number: signal.Signals | None
) -> None:
    code = "import time; time.sleep(60)" if number else "raise RuntimeError('broken')"
    env = without_textual(tmp_path / "agent", code)
    with console(agent, **env) as terminal:
        if number is not None:
            terminal.wait_for("starting")
            assert not terminal.attributes()[3] & termios.ECHO
            terminal.send(number)
        assert terminal.wait_exit() != 0
        wait_until(lambda: ALTERNATE not in terminal.modes)
        assert terminal.attributes()[3] & termios.ECHO


IN_A_CLASS = """
import os, signal
class Naming:
    def __set_name__(self, owner, name):
        os.kill(os.getpid(), signal.{number})
        sum(range(100))
class Owner:
    named = Naming()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_start_ends_without_a_word_wherever_in_an_import_it_was(
    agent: Agent, tmp_path: Path, number: signal.Signals
) -> None:
    """Python makes another error of one that is raised while a class is made."""
    env = without_textual(tmp_path / "agent", IN_A_CLASS.format(number=number.name))
    with console(agent, **env) as terminal:
        assert terminal.wait_exit() == 128 + number
        assert terminal.text().strip() == ""
        assert ALTERNATE not in terminal.modes
        assert terminal.attributes() == terminal.attributes_before


def test_keys_of_the_shell_that_come_too_early_are_keys_of_the_console(agent: Agent) -> None:
    """ctrl+z would stop it with its first frame on, ctrl+\\ would end it so."""
    with console(agent) as terminal:
        terminal.wait_for("starting")
        terminal.press("ctrl+\\", "2")
        terminal.wait_for("No dead letters")
        terminal.press("1")
        leave(terminal)


def test_a_hang_up_ends_the_start_even_where_it_was_ignored(agent: Agent, tmp_path: Path) -> None:
    env = without_textual(tmp_path / "agent", "import time; time.sleep(60)")
    words = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", PROGRAM, "--root", agent.root, "--attach"]
    with Terminal([SHELL, *words[1:]], env=agent.env | env) as terminal:
        terminal.wait_for("starting")
        terminal.send(signal.SIGHUP)
        assert terminal.wait_exit() != 0


def test_what_is_typed_meanwhile_is_not_lost(agent: Agent) -> None:
    agent.cadence("memo")
    with console(agent) as terminal:
        terminal.wait_for("starting")
        terminal.press("?")
        terminal.wait_for("Keys")
        terminal.press("escape")
        terminal.wait_gone("Keys")
        leave(terminal)


@pytest.mark.parametrize("words", [(), ("--attach",), ("--read-only",)])
def test_without_a_terminal_it_says_so_and_draws_nothing(
    agent: Agent, words: tuple[str, ...]
) -> None:
    done = agent.attempt(*words)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the console needs a terminal" in done.stderr
    assert "maestro-tui run" in done.stderr
    assert not agent.layout.consumer_json.exists()


def test_a_dumb_terminal_is_refused_with_what_works_there(agent: Agent) -> None:
    words = ["-c", 'TERM=dumb exec "$@"', "sh", PROGRAM, "--root", agent.root, "--attach"]
    with Terminal([SHELL, *words], env=agent.env) as terminal:
        assert terminal.wait_exit() == 1
        assert "TERM is dumb" in terminal.text()
        assert "maestro-tui status" in terminal.text()
