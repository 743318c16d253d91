"""Proves that processes which outlived their consumer are found, those of a live one not."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from maestro_core.clock import iso
from maestro_core.doctor import Finding, run_checks
from maestro_core.doctor.checks import processes as checks
from maestro_core.layout import Layout
from maestro_core.models import RunRow, Usage
from maestro_core.session.ledger import Ledger
from maestro_core.session.processes import start_token
from tests.support import wait_until, write_json


def orphans(layout: Layout) -> Finding:
    (found,) = run_checks(layout, only=["consumer.orphans"], environ={}, time_scale=4.0)
    return found


def beat(layout: Layout, *run_ids: str) -> None:
    now = iso(time.time())
    write_json(
        layout.consumer_json,
        {
            "pid": os.getpid(), "host": socket.gethostname(), "version": "1", "started_at": now,
            "beat_at": now, "mode": "daemon",
            "running": [{"run_id": one, "tick_id": "t", "cadence": "memo"} for one in run_ids],
        },
    )  # fmt: skip


@pytest.fixture
def marked(agent_root: Layout) -> Iterator[subprocess.Popen[bytes]]:
    """A living process with the marks of the run r1 of this agent root."""
    env = {"PATH": os.environ["PATH"], "AGENT_ROOT": str(agent_root.root), "MAESTRO_RUN_ID": "r1"}
    child = subprocess.Popen(["/bin/sh", "-c", "read x"], env=env, stdin=subprocess.PIPE)
    yield child
    assert child.stdin is not None
    child.stdin.close()
    child.wait(10)


def test_a_marked_process_without_a_consumer_is_an_orphan(
    agent_root: Layout, marked: subprocess.Popen[bytes]
) -> None:
    found = wait_until(
        lambda: one if (one := orphans(agent_root)).status == "warn" else None, what="the orphan"
    )
    assert found.detail == "1 whose consumer is gone: r1"
    assert "start the consumer" in found.remedy


def test_a_run_of_the_live_consumer_is_none(
    agent_root: Layout, marked: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "_BEAT_SECONDS", 0.01)
    beat(agent_root, "r1")
    assert orphans(agent_root).status == "ok"
    beat(agent_root)
    assert wait_until(lambda: orphans(agent_root).status == "warn")


def test_a_process_of_another_agent_root_is_left_alone(
    agent_root: Layout, tmp_path_factory: pytest.TempPathFactory, marked: subprocess.Popen[bytes]
) -> None:
    assert orphans(Layout(tmp_path_factory.mktemp("other"))).status == "ok"


def test_an_open_row_counts_only_while_its_very_process_lives(agent_root: Layout) -> None:
    ledger = Ledger.open(agent_root.ledger)
    for run_id in ("r1", "r2"):
        ledger.begin(
            RunRow(
                run_id=run_id, tick_id="t", cadence="memo", attempt=1, started_at=iso(time.time()),
                ended_at=None, outcome=None, failure_class=None, exit_code=None, signal=None,
                usage=Usage(), stdout_path=None, stderr_path=None, reason=None, pid=None,
                duration=None,
            )
        )  # fmt: skip
    me = os.getpid()
    ledger.spawned("r1", None, None, (me, "a token of another process"))
    ledger.spawned("r2", None, None, (me, start_token(me)))
    ledger.close()
    assert orphans(agent_root).detail == "1 whose consumer is gone: r2"


def test_a_damaged_ledger_is_told_by_its_own_check(agent_root: Layout) -> None:
    agent_root.ledger.write_bytes(b"no database" * 1000)
    assert orphans(agent_root).status == "skip"
