"""Reading ahead: a child reads the root while the console is imported; whatever goes wrong in
it, the console reads by itself.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from maestro_core.bus.feed import EVERYTHING, Topic
from maestro_core.layout import Layout
from maestro_core.observe.snapshot import Snapshot
from maestro_tui.backend import RootBackend
from maestro_tui.splash import ahead as module
from maestro_tui.splash.ahead import Early, ReadAhead, begin, read_early
from tests.support import wait_until, write_tick
from tests.tui.fixed import SNAPSHOT, FixedBackend
from tests.tui.support import console, shown, until

SECRET = "sk-hush-4f9a1c77d2e84b"
DEADLINE = 30.0


@pytest.fixture
def root(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "agent")
    for folder in (*layout.folders(), layout.triggers):
        folder.mkdir(parents=True, exist_ok=True)
    layout.prompt("memo").write_text("x")
    layout.env_file.write_text(f"HUSH_TOKEN={SECRET}\n")
    write_tick(layout.inbox, "t1", "memo")
    return layout


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A child that says nothing, of its own accord."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        yield process
        process.kill()


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


def test_the_child_reads_what_a_reader_reads_and_is_gone_after(root: Layout) -> None:
    before = children()
    reading = begin(root)
    assert reading is not None
    early = reading.take(DEADLINE)
    assert early is not None
    backend = RootBackend(root, read_only=True)
    assert early.snapshot.cadences == backend.snapshot(EVERYTHING).cadences
    assert early.snapshot.counts.inbox == 1
    assert early.redact(f"see {SECRET}") == "see [masked]"
    assert children() == before
    assert reading.take(0) is None


def test_many_cadences_are_more_than_a_pipe_holds(root: Layout) -> None:
    for number in range(2000):
        root.prompt(f"cadence-with-a-long-name-{number:04}").write_text("x")
    reading = begin(root)
    assert reading is not None
    early = reading.take(DEADLINE)
    assert early is not None
    assert len(pickle.dumps(early)) > 64 << 10
    assert len(early.snapshot.cadences) == 2001


def test_what_is_not_there_yet_is_waited_for_no_longer_than_that(
    sleeper: subprocess.Popen[bytes],
) -> None:
    receiving, sending = os.pipe()
    reading = ReadAhead(sleeper.pid, receiving)
    assert reading.take(0) is None
    packed = pickle.dumps(Early(SNAPSHOT, str))
    os.write(sending, packed[:100])
    assert reading.take(0) is None
    os.write(sending, packed[100:])
    os.close(sending)
    assert reading.take(DEADLINE) == Early(SNAPSHOT, str)


@pytest.mark.parametrize("said", [b"", pickle.dumps(Early(SNAPSHOT, str))[:500], pickle.dumps(7)])
def test_a_child_that_died_has_read_nothing(sleeper: subprocess.Popen[bytes], said: bytes) -> None:
    receiving, sending = os.pipe()
    reading = ReadAhead(sleeper.pid, receiving)
    os.write(sending, said)
    os.close(sending)
    assert reading.take(DEADLINE) is None
    wait_until(lambda: not psutil.pid_exists(sleeper.pid), what="the end of the child")


def test_a_child_that_is_not_needed_is_ended(sleeper: subprocess.Popen[bytes]) -> None:
    receiving, sending = os.pipe()
    reading = ReadAhead(sleeper.pid, receiving)
    reading.close()
    reading.close()
    os.close(sending)
    assert not psutil.pid_exists(sleeper.pid)
    assert reading.take(DEADLINE) is None


def test_a_fault_in_the_child_is_silent_and_leaves_the_reading_to_the_console(
    root: Layout, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(layout: Layout) -> Early:
        raise RuntimeError("broken")

    monkeypatch.setattr(module, "read_early", broken)
    backend = RootBackend(root, read_only=True, ahead=begin(root))
    assert backend.early(DEADLINE) is None
    assert backend.snapshot(EVERYTHING).counts.inbox == 1
    assert capfd.readouterr() == ("", "")


def test_no_process_to_be_had_is_no_reading_ahead(
    root: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> int:
        raise BlockingIOError("no more processes")

    open_before = psutil.Process().num_fds()
    monkeypatch.setattr(os, "fork", refuse)
    assert begin(root) is None
    assert psutil.Process().num_fds() == open_before


def test_a_bus_on_a_server_is_asked_by_the_console_itself(root: Layout) -> None:
    root.env_file.write_text("MAESTRO_BUS=postgresql://ops@127.0.0.1:1/agents\n")
    assert read_early(root) is None


def test_late_it_is_still_the_first_snapshot_and_the_next_one_keeps_its_parts(
    root: Layout,
) -> None:
    backend = RootBackend(root, read_only=True, ahead=begin(root))
    first = backend.snapshot(EVERYTHING)
    second = backend.snapshot(EVERYTHING)
    assert second.at > first.at
    assert all(a is b for a, b in zip(first.cadences, second.cadences, strict=True))


class Known(FixedBackend):
    """Read ahead; the feed's own reading comes when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[frozenset[Topic]] = []

    def early(self, seconds: float) -> Early | None:
        return Early(SNAPSHOT, lambda text: text.replace("memo", "[masked]"))

    def snapshot(self, topics: frozenset[Topic]) -> Snapshot:
        self.reads.append(topics)
        return super().snapshot(topics)


@pytest.mark.anyio
async def test_what_was_read_ahead_is_on_the_first_screen_masked() -> None:
    backend = Known()
    async with console(backend) as (app, pilot):
        assert "[masked]" in shown(app)
        await until(pilot, lambda: backend.reads == [EVERYTHING], "the first reading")
        assert app.snapshot is SNAPSHOT
