"""The bridge: one snapshot at a time, errors told once, the consumer's end reported."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from maestro_core.bus.feed import EVERYTHING, Topic
from maestro_core.errors import Busy
from maestro_core.observe.snapshot import Snapshot
from maestro_tui.feed import ConsumerThread, SnapshotFeed
from maestro_tui.messages import ConsumerElsewhere, ConsumerEnded, SnapshotArrived, WorkerFailed
from tests.support import wait_until
from tests.tui.fixed import SNAPSHOT, QuietFeed

TICKS: frozenset[Topic] = frozenset({"inbox"})


class Root:
    """An agent root that counts its readings; hints come when the test says so."""

    def __init__(self) -> None:
        self.readings: list[frozenset[Topic]] = []
        self.trouble: Exception | None = None
        self.messages: list[Any] = []
        self._hints: list[frozenset[Topic]] = []
        self._woken = threading.Event()

    def read(self, topics: frozenset[Topic]) -> Snapshot:
        self.readings.append(topics)
        if self.trouble is not None:
            raise self.trouble
        return replace(SNAPSHOT, at=float(len(self.readings)))

    def hint(self, topics: frozenset[Topic] = TICKS) -> None:
        self._hints.append(topics)
        self._woken.set()

    def wait(self, timeout: float) -> frozenset[Topic]:
        self._woken.wait()
        self._woken.clear()
        found = frozenset(topic for hint in self._hints for topic in hint)
        self._hints.clear()
        return found

    def wake(self) -> None:
        self._woken.set()

    def close(self) -> None:
        return

    def arrived(self) -> list[SnapshotArrived]:
        return [one for one in self.messages if isinstance(one, SnapshotArrived)]


@pytest.fixture
def root() -> Root:
    return Root()


@pytest.fixture
def feed(root: Root) -> Iterator[SnapshotFeed]:
    one = SnapshotFeed(root.read, lambda: root, root.messages.append)
    one.start()
    yield one
    one.stop()
    one.join(5)
    assert not one.is_alive()


def take(feed: SnapshotFeed, root: Root, count: int) -> SnapshotArrived:
    """Wait for the snapshot of that number and take it."""
    wait_until(lambda: len(root.arrived()) >= count, what=f"snapshot {count}")
    feed.taken()
    return root.arrived()[count - 1]


def test_everything_is_read_first_and_once_more_when_the_watcher_is_there(
    feed: SnapshotFeed, root: Root
) -> None:
    assert take(feed, root, 1).topics == EVERYTHING
    assert take(feed, root, 2).topics == EVERYTHING


def test_a_hint_names_what_is_read_anew(feed: SnapshotFeed, root: Root) -> None:
    take(feed, root, 1)
    take(feed, root, 2)
    root.hint()
    assert take(feed, root, 3).topics == TICKS


def test_nothing_is_read_until_the_last_snapshot_was_taken(feed: SnapshotFeed, root: Root) -> None:
    take(feed, root, 1)
    wait_until(lambda: len(root.arrived()) == 2)
    for _ in range(100):
        root.hint()
    assert len(root.readings) == 2
    feed.taken()
    take(feed, root, 3)
    assert len(root.readings) == 3


def test_reload_reads_everything(feed: SnapshotFeed, root: Root) -> None:
    take(feed, root, 1)
    take(feed, root, 2)
    feed.reload()
    assert take(feed, root, 3).topics == EVERYTHING


def test_a_failed_reading_is_told_once_and_tried_again(feed: SnapshotFeed, root: Root) -> None:
    take(feed, root, 1)
    take(feed, root, 2)
    root.trouble = OSError("disk on fire")
    for count in (3, 4, 5):
        root.hint()
        wait_until(lambda count=count: len(root.readings) >= count)  # type: ignore[misc]
    root.trouble = None
    root.hint()
    take(feed, root, 3)
    assert [one.where for one in root.messages if isinstance(one, WorkerFailed)] == [
        "reading the agent root"
    ]


def test_stop_ends_a_feed_that_waits_for_its_snapshot_to_be_taken(root: Root) -> None:
    one = SnapshotFeed(root.read, QuietFeed, root.messages.append)
    one.start()
    wait_until(lambda: root.arrived())
    one.stop()
    one.join(5)
    assert not one.is_alive()


# ---- the consumer -------------------------------------------------------------------------


class Consumer:
    """Runs until it is stopped."""

    def __init__(self, error: Exception | None = None) -> None:
        self.stops = 0
        self._error = error
        self._ended = threading.Event()

    def run(self) -> int:
        if self._error is not None:
            raise self._error
        self._ended.wait(10)
        return 0

    def stop(self) -> None:
        self.stops += 1
        self._ended.set()


def ended(make: Any, *, stop: bool = False) -> list[Any]:
    """The messages of a consumer thread's life."""
    messages: list[Any] = []
    thread = ConsumerThread(make, messages.append)
    thread.start()
    if stop:
        wait_until(lambda: thread.working)
        thread.stop()
    thread.join(10)
    return messages


def test_a_consumer_elsewhere_is_no_error() -> None:
    def busy() -> Consumer:
        raise Busy("daemon, pid 7")

    (message,) = ended(busy)
    assert isinstance(message, ConsumerElsewhere)
    assert message.holder == "daemon, pid 7"


def test_a_consumer_that_fails_is_reported_with_its_error() -> None:
    error = RuntimeError("boom")
    (message,) = ended(lambda: Consumer(error))
    assert isinstance(message, ConsumerEnded)
    assert message.error is error


def test_a_stopped_consumer_ends_without_an_error() -> None:
    (message,) = ended(Consumer, stop=True)
    assert isinstance(message, ConsumerEnded)
    assert message.error is None


def test_a_consumer_stopped_before_it_was_made_is_stopped_at_once() -> None:
    thread = ConsumerThread(Consumer, lambda _message: None)
    thread.stop()
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
