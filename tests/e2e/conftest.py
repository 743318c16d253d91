"""End-to-end tests start from an empty agent root and leave no process behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.agent import Agent
from tests.support import wait_until


def processes_of(root: Path) -> list[str]:
    """Every process that works in an agent root or was started for it."""
    found = []
    for process in psutil.process_iter():
        try:
            place = f"{process.cwd()}\n{process.environ().get('AGENT_ROOT', '')}".splitlines()
            if str(root) in place and process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"{process.pid} {' '.join(process.cmdline())}")
        except psutil.Error:
            continue
    return found


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    """An agent root; when the test is over, so is everything that was started in it."""
    agent = Agent(tmp_path / "agent")
    yield agent
    wait_until(lambda: not processes_of(agent.root), 10, f"left: {processes_of(agent.root)}")
