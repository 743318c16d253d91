"""The consumer on the real machine: real files, real locks, real child processes."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from maestro_core.bus.directory import DirectoryEngine
from maestro_core.bus.memory import MemoryEngine
from maestro_core.consumer.bus_ports import Bus, Place, directory_bus
from maestro_core.consumer.driver import Driver
from maestro_core.consumer.ownership import is_locked
from maestro_core.errors import Busy, SettingsError
from maestro_core.journal import read_journal
from maestro_core.layout import Layout
from maestro_core.models import Beat
from maestro_core.session.ledger import Ledger
from maestro_core.session.runner import SubSessionLauncher
from tests.support import read_json, wait_until, write_tick

CLAUDE = """#!/bin/sh
cat > "$AGENT_ROOT/prompt.seen"
case "$MAESTRO_CADENCE" in
  ok) echo "all is well" ;;
  bad) echo "first" >&2; echo "second" >&2; echo "third" >&2; echo "fourth" >&2; exit 3 ;;
  slow) echo "begun"; sleep 600 & sleep 600 ;;
esac
"""

TOML = """
[consumer]
poll_seconds = 0.2
backoff_seconds = [0]
circuit_threshold = 2
max_attempts = 2
kill_grace_seconds = 2
"""


@pytest.fixture
def root(agent_root: Layout, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """An agent root with three cadences and a stand-in for the CLI."""
    claude = agent_root.root / "claude"
    claude.write_text(CLAUDE)
    claude.chmod(0o755)
    monkeypatch.setenv("MAESTRO_CLAUDE_BIN", str(claude))
    agent_root.triggers.mkdir(parents=True)
    for cadence in ("ok", "bad", "slow"):
        agent_root.prompt(cadence).write_text(f"Do {cadence}.\n")
    agent_root.cadences_toml.parent.mkdir()
    agent_root.cadences_toml.write_text(TOML)
    return agent_root


@contextmanager
def driving(layout: Layout) -> Iterator[Driver]:
    driver = Driver(layout, mode="daemon")
    thread = threading.Thread(target=driver.run, daemon=True)
    thread.start()
    wait_until(layout.consumer_json.exists, what="the first beat")
    try:
        yield driver
    finally:
        driver.stop()
        thread.join(20)
        assert not thread.is_alive()


def beat(layout: Layout) -> dict[str, Any]:
    document: dict[str, Any] = read_json(layout.consumer_json)
    return document


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def test_until_idle_runs_what_is_there_and_ends(root: Layout) -> None:
    write_tick(root.inbox, "one", "ok")
    assert Driver(root, mode="daemon").run(until_idle=True) == 0
    assert files(root.inbox) == files(root.claimed) == files(root.dlq) == []
    assert (root.root / "prompt.seen").read_text() == "Do ok.\n"
    [log] = root.subsessions.glob("*.stdout.log")
    assert log.read_text() == "all is well\n"
    [row] = Ledger.open(root.ledger, read_only=True).rows()
    assert (row.outcome, row.exit_code, row.cadence, row.attempt) == ("ok", 0, "ok", 1)
    assert beat(root)["stats"]["escalated"] == 1


def test_failures_are_dead_lettered_with_the_last_three_lines_and_open_the_circuit(
    root: Layout,
) -> None:
    write_tick(root.inbox, "one", "bad")
    write_tick(root.inbox, "two", "bad")
    Driver(root, mode="daemon").run(until_idle=True)
    dead = read_json(root.dlq / "one.json")
    assert dead["last_error"] == "exit 3: second | third | fourth"
    assert dead["attempts"] == 2
    assert files(root.inbox) == ["two.json"]
    assert read_json(root.circuit_open)["open"]["bad"]["failures"] == 2
    assert read_json(root.inbox / "two.json")["attempts"] == 0


def test_a_tick_dropped_while_it_runs_is_taken_at_once(root: Layout) -> None:
    root.cadences_toml.write_text(TOML.replace("0.2", "60"))
    with driving(root):
        write_tick(root.bus, "one", "ok").rename(root.inbox / "one.json")
        wait_until(lambda: beat(root)["stats"]["escalated"] == 1)


def test_a_stop_ends_the_run_and_puts_its_tick_back(root: Layout) -> None:
    write_tick(root.inbox, "one", "slow")
    with driving(root):
        running = wait_until(lambda: beat(root)["running"])
        wait_until(lambda: "begun" in Path(running[0]["stdout_path"]).read_text())
    assert read_json(root.inbox / "one.json")["attempts"] == 0
    assert "stopped_at" in beat(root)
    stages = [entry["stage"] for entry in read_journal(root, limit=100)]
    assert "put_back" in stages
    assert "consumer_stopped" in stages
    assert not survivors(root)


def test_a_second_consumer_is_told_who_works_here(root: Layout) -> None:
    with driving(root), pytest.raises(Busy, match=f"daemon, pid {os.getpid()}"):
        Driver(root, mode="daemon").run()


def test_settings_that_become_wrong_do_not_stop_a_running_consumer(root: Layout) -> None:
    with driving(root):
        root.cadences_toml.write_text("[consumer]\npoll_secondz = 5\n")
        error = wait_until(lambda: beat(root)["settings_error"])
        assert "poll_secondz" in error
        write_tick(root.bus, "one", "ok").rename(root.inbox / "one.json")
        wait_until(lambda: beat(root)["stats"]["escalated"] == 1)
        root.cadences_toml.write_text(TOML)
        wait_until(lambda: beat(root)["settings_error"] is None)


RUN = """
import sys
from maestro_core.consumer.driver import Driver
from maestro_core.layout import Layout
Driver(Layout(sys.argv[1]), mode="daemon").run()
"""


def survivors(layout: Layout) -> list[int]:
    """Processes that a run of this root left behind."""
    from maestro_core.session.processes import marked

    mine = str(layout.root)
    found = marked(lambda env: env.get("AGENT_ROOT") == mine and "MAESTRO_RUN_ID" in env)
    return [one.pid for one in found]


def test_after_kill_9_nothing_runs_twice_and_the_tick_comes_back(root: Layout) -> None:
    write_tick(root.inbox, "one", "slow")
    with subprocess.Popen([sys.executable, "-c", RUN, str(root.root)]) as process:
        wait_until(lambda: root.consumer_json.exists() and beat(root)["running"])
        wait_until(lambda: survivors(root))
        process.send_signal(signal.SIGKILL)
        process.wait()
    (root.root / "claude").write_text("#!/bin/sh\necho done\n")
    Driver(root, mode="daemon").run(until_idle=True)
    assert files(root.inbox) == files(root.claimed) == []
    assert not survivors(root)
    outcomes = {row.attempt: row.outcome for row in Ledger.open(root.ledger, True).rows()}
    assert outcomes == {1: "orphaned", 2: "ok"}


def test_housekeeping_drops_old_logs_and_old_rows_of_the_ledger(root: Layout) -> None:
    root.cadences_toml.write_text(
        TOML + 'log_retention_days = 1\n[cadence.tidy]\nmode = "inline"\nhandler = "housekeeping"\n'
    )
    write_tick(root.inbox, "one", "ok")
    Driver(root, mode="daemon").run(until_idle=True)
    base = sqlite3.connect(root.ledger)
    base.execute("UPDATE runs SET ended_at = '2020-01-01T00:00:00.000Z'")
    base.commit()
    base.close()
    for log in root.subsessions.iterdir():
        os.utime(log, (0, 0))
    write_tick(root.inbox, "two", "tidy")
    Driver(root, mode="daemon").run(until_idle=True)
    assert Ledger.open(root.ledger, read_only=True).rows() == []
    assert files(root.subsessions) == []


def test_what_was_opened_is_closed_whatever_fails_on_the_way(
    root: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []

    class Failing(SubSessionLauncher):
        def prepare(self) -> None:
            raise RuntimeError("no room")

        def close(self) -> None:
            closed.append("launcher")
            raise OSError(5, "Input/output error")

    class Watched(DirectoryEngine):
        def close(self) -> None:
            closed.append("engine")
            super().close()

    class Counted(Ledger):
        def close(self) -> None:
            closed.append("ledger")
            super().close()

    monkeypatch.setattr("maestro_core.session.runner.SubSessionLauncher", Failing)
    monkeypatch.setattr("maestro_core.bus.directory.DirectoryEngine", Watched)
    monkeypatch.setattr("maestro_core.consumer.driver.Ledger", Counted)
    feed = Closing()
    with pytest.raises(OSError, match="Input/output error"):
        Driver(root, mode="daemon", feed=feed).run()
    assert closed == ["launcher", "engine", "ledger"]
    assert feed.closed
    assert not is_locked(root)


def test_a_consumer_that_refuses_its_settings_closes_its_feed_and_is_never_said_to_run(
    root: Layout,
) -> None:
    root.cadences_toml.write_text("[consumer]\npoll_secs = 1\n")
    feed, started = Closing(), threading.Event()
    with pytest.raises(SettingsError):
        Driver(root, mode="daemon", feed=feed, on_start=started.set).run()
    assert feed.closed and not started.is_set()


def test_another_bus_is_plugged_in_and_closed(root: Layout) -> None:
    told: list[Beat] = []
    closed: list[str] = []

    def made(place: Place) -> Bus:
        place.closing.callback(closed.append, "bus")
        bus = directory_bus(place)
        return bus._replace(engine=MemoryEngine(clock=place.clock), publish_beat=told.append)

    write_tick(root.inbox, "one", "ok")
    assert Driver(root, mode="daemon", bus=made).run(until_idle=True) == 0
    assert files(root.inbox) == ["one.json"]
    assert told and told[-1].stopped_at
    assert closed == ["bus"]


class Closing:
    """A feed without news that knows whether it was closed."""

    degraded: str | None = None
    closed = False

    def wait(self, timeout: float) -> frozenset[Any]:
        return frozenset()

    def tell(self, *_topics: Any) -> None:
        """Nobody listens."""

    def wake(self) -> None:
        """Nobody waits."""

    def close(self) -> None:
        self.closed = True
