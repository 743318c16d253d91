"""The console calls its person: the bytes that a real pseudo-terminal gets."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from tests.e2e.agent import Agent
from tests.e2e.terminal import PROGRAM
from tests.e2e.test_wire_terminal import Recorder, assert_only_known, console
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

CALL = re.compile(
    rb"\x07\x1b\]9;maestro: ([^\x00-\x1f\x7f;]*)\x07"
    rb"\x1b\]777;notify;([^\x00-\x1f\x7f;]*);([^\x00-\x1f\x7f;]*)\x07"
)


def called(terminal: Recorder) -> str:
    """All notices so far."""
    texts = []
    for whole, title, text in CALL.findall(terminal.raw):
        assert whole == title.removeprefix(b"maestro: ") + b": " + text
        texts.append(whole.decode())
    return "\n".join(texts)


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    found = Agent(tmp_path / "agent")
    found.cadence("broken", "fail", seconds=0)
    with found.layout.env_file.open("a") as file:
        file.write('AGENT_NAME="4;1\x1b]0;owned\x07\x9b31m"\n')
    return found


def test_an_open_circuit_and_a_dead_letter_ring_and_a_gone_consumer_too(agent: Agent) -> None:
    with agent.daemon() as daemon, console(agent, "--attach") as terminal:
        terminal.wait_for(r"daemon \d+")
        agent.drop("t1", "broken")
        wait_until(lambda: "circuit of broken opened" in called(terminal), 30, "the call")
        wait_until(lambda: "1 new dead letter" in called(terminal), 30, "the other one")
        rung = called(terminal)
        daemon.kill()
        wait_until(lambda: "the consumer is gone" in called(terminal), 40, "the last one")
        assert called(terminal).startswith(rung)
        terminal.send(signal.SIGTERM)
        terminal.wait_exit()
    assert "4,1\\x1b]0,owned" in called(terminal)
    assert_only_known(terminal.raw)


def test_what_stands_already_is_no_call_and_the_setting_leaves_the_bell_alone(agent: Agent) -> None:
    config = Path(agent.env["HOME"]) / ".config" / "maestro-tui" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('notices = "bell"\n')
    agent.cli("circuit", "open", "broken")
    with console(agent, "--attach") as terminal:
        terminal.wait_for("broken")
        before = terminal.raw
        terminal.press("2")
        terminal.wait_for("Dead letters")
        assert b"\x07" not in re.sub(rb"\x1b\][^\x07]*\x07", b"", before)
        agent.cli("estop", "--reason", "rehearsal")
        wait_until(lambda: b"\x07" in re.sub(rb"\x1b\][^\x07]*\x07", b"", terminal.raw), 30)
        terminal.send(signal.SIGTERM)
        terminal.wait_exit()
    assert CALL.search(terminal.raw) is None


def test_on_the_board_of_all_each_agent_calls_by_its_name(agent: Agent, tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    other = Agent(tmp_path / "two" / "boreas")
    argv = [PROGRAM, "--root", agent.root, "--root", other.root]
    with other.daemon() as daemon, Recorder(argv, env=agent.env, columns=110, rows=30) as terminal:
        terminal.wait_for(r"boreas.*(?:idle|live|daemon)")
        daemon.kill()
        wait_until(lambda: "the consumer is gone" in called(terminal), 40, "the call")
        terminal.send(signal.SIGTERM)
        terminal.wait_exit()
    assert called(terminal) == "boreas: the consumer is gone: it crashed or was killed"
