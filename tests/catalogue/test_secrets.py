"""Rows 42 and 43: a secret of `.env` is nowhere but in `.env` and in the environment of the
run that needs it, after runs that failed and told it to everybody; files are private.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.catalogue.kit import everything
from tests.e2e.agent import CONSUMER, Agent
from tests.e2e.conftest import processes_of
from tests.support import wait_until

CANARY = "canary-5f0c9e1d7b3a4862"
KEY = "sk-ant-api03-" + CANARY
TELLTALE = f"""#!/bin/sh
echo "using $ANTHROPIC_API_KEY and $SLACK_USER_TOKEN"
echo "error: bad credentials {KEY}" >&2
echo "$SLACK_USER_TOKEN was refused as well" >&2
echo $$ > pid
while [ -e wait ]; do sleep 0.02; done
exit 3
"""
READS = (
    ["status"], ["status", "--json"], ["runs"], ["runs", "--json"], ["dlq", "list"],
    ["dlq", "list", "--json"], ["journal"], ["journal", "--json"], ["cadences"], ["tail"],
    ["explain", "memo"], ["costs"], ["doctor", "--offline"], ["doctor", "--offline", "--json"],
)  # fmt: skip


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    agent = Agent(tmp_path / "agent")
    claude = agent.root / "bin" / "claude"
    claude.write_text(TELLTALE)
    agent.settings(CONSUMER.replace("1.0", "0.2"))
    agent.layout.env_file.write_text(
        f"MAESTRO_CLAUDE_BIN={claude}\nANTHROPIC_API_KEY={KEY}\nSLACK_USER_TOKEN=xoxp-{CANARY}\n"
    )
    agent.layout.env_file.chmod(0o600)
    agent.cadence("memo")
    yield agent
    (agent.root / "wait").unlink(missing_ok=True)
    wait_until(lambda: not processes_of(agent.root), 15)


def command_lines() -> str:
    """Of every process that there is."""
    done = subprocess.run(["ps", "-A", "-o", "args="], capture_output=True, text=True, check=True)
    return done.stdout


def test_a_secret_is_nowhere_after_runs_that_told_it(agent: Agent) -> None:
    (agent.root / "wait").touch()
    with agent.daemon() as process:
        agent.drop("t1", "memo")
        wait_until((agent.root / "pid").exists, what="the run")
        assert CANARY not in command_lines()
        assert CANARY not in agent.layout.consumer_json.read_text()
        (agent.root / "wait").unlink()
        wait_until(lambda: agent.where("t1") == "dlq", 20, "the dead letter")
        agent.cli("pause", "memo", "--reason", f"the key {KEY} leaked")
    said = process.stdout
    assert said is not None
    for words in READS:
        done = agent.attempt(*words)
        assert "Traceback" not in done.stderr
        assert CANARY not in done.stdout + done.stderr, words
    kept = [one for one in everything(agent.root) if one.is_file() and one.name != ".env"]
    telling = [one for one in kept if CANARY.encode() in one.read_bytes()]
    # What a run prints is its own; whoever shows, copies or saves it masks it.
    raw = [one for one in telling if one.parent == agent.layout.subsessions]
    assert [one for one in telling if one not in raw and one.name != "claude"] == []
    assert "[masked]" in (agent.layout.dlq / "t1.json").read_text()


@pytest.mark.parametrize("umask", [0o000, 0o027, 0o077])
def test_whatever_the_umask_what_we_make_is_private(agent: Agent, umask: int) -> None:
    old = {one: one.lstat().st_mode for one in everything(agent.root)}
    before = os.umask(umask)
    try:
        agent.cli("enqueue", "memo", "--dedupe-key", "k")
        agent.cli("pause", "other", "--reason", "later")
        agent.cli("run", "--until-idle")
        agent.cli("estop", "--reason", "drill")
    finally:
        os.umask(before)
    made = [one for one in everything(agent.root) if one not in old and one.name != "pid"]
    assert len(made) > 15
    open_ = [(one.name, oct(one.lstat().st_mode)) for one in made if one.lstat().st_mode & 0o077]
    assert open_ == []
