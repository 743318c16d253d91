"""The only bridge from threads to the app: snapshots as they change, and the consumer's life.

SnapshotFeed reads when a hint comes and delivers one snapshot at a time: the next read waits
until the app has taken the last one, so a slow screen slows reading and nothing queues up.
ConsumerThread runs the consumer unless another process holds the lock.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from textual.message import Message

from maestro_core.bus.feed import EVERYTHING, Feed, Topic
from maestro_core.errors import Busy
from maestro_core.observe.snapshot import Snapshot
from maestro_tui.messages import ConsumerElsewhere, ConsumerEnded, SnapshotArrived, WorkerFailed
from maestro_tui.presentation.cells import masked

Post = Callable[[Message], object]
"""App.post_message: may be called from any thread."""

LOOK_SECONDS = 2.0
"""Without a hint the heartbeat is looked at so often, so that a silent consumer shows."""
RESCAN_SECONDS = 30.0
"""Hints may be lost: everything is read anew so often."""
SHORTEST_PAUSE = 0.2
"""Between two reads, whatever the hints say."""
_HEARTBEAT: frozenset[Topic] = frozenset({"consumer"})


class SnapshotFeed(threading.Thread):
    """See the module docstring. `taken` and `reload` may be called from any thread."""

    def __init__(
        self,
        read: Callable[[frozenset[Topic]], Snapshot],
        make_feed: Callable[[], Feed],
        post: Post,
    ) -> None:
        super().__init__(name="snapshots", daemon=True)
        self._read, self._make_feed, self._post = read, make_feed, post
        self._feed: Feed | None = None
        self._ended = threading.Event()
        self._room = threading.Event()
        self._everything = True
        self._seen = False
        self._read_all_at = 0.0
        self._trouble = ""

    @property
    def degraded(self) -> str | None:
        """Why changes are seen late (watching does not work here); None = they are not."""
        found: str | None = getattr(self._feed, "degraded", None)
        return found

    def taken(self) -> None:
        """The app has the last snapshot: the next may come."""
        self._room.set()

    def reload(self) -> None:
        """Read everything anew, now."""
        self._everything = True
        if self._feed is not None:
            self._feed.wake()

    def seen(self) -> None:
        """The app has a first snapshot already. Before `start`: it begins with watching."""
        self._seen = True

    def stop(self) -> None:
        self._ended.set()
        self._room.set()
        if self._feed is not None:
            self._feed.wake()

    def run(self) -> None:
        topics = self._wait() if self._seen else EVERYTHING
        while not self._ended.is_set():
            began = time.monotonic()
            self._deliver(topics)
            self._ended.wait(max(0.0, SHORTEST_PAUSE - (time.monotonic() - began)))
            topics = self._wait()
        if self._feed is not None:
            self._feed.close()

    def _deliver(self, topics: frozenset[Topic]) -> None:
        """Read and hand over; a failed read is told once and tried again with the next hint."""
        if self._everything:
            topics, self._everything = EVERYTHING, False
        if topics is EVERYTHING:
            self._read_all_at = time.monotonic()
        try:
            masked("")  # what masks secrets is made here, not where it is first shown
            snapshot = self._read(topics)
        except Exception as error:
            self._everything = True
            if str(error) != self._trouble:
                self._trouble = str(error)
                self._post(WorkerFailed("reading the agent root", error, lasting=True))
            return
        self._trouble = ""
        self._room.clear()
        self._post(SnapshotArrived(snapshot, topics))
        self._room.wait()

    def _wait(self) -> frozenset[Topic]:
        """The next hints. The watcher starts after the first snapshot: it is slow to import."""
        try:
            if self._feed is None:
                self._feed = self._make_feed()
                self._everything = True
                return EVERYTHING
            topics = self._feed.wait(LOOK_SECONDS)
        except Exception as error:
            self._post(WorkerFailed("watching the agent root", error))
            self._ended.wait(LOOK_SECONDS)
            topics = EVERYTHING
        if time.monotonic() - self._read_all_at > RESCAN_SECONDS:
            return EVERYTHING
        return topics or _HEARTBEAT


class MadeOnce:
    """A function of text that is made when it is first needed, by whichever thread needs it:
    reading the secrets to mask takes too long to do it before the first picture."""

    def __init__(self, make: Callable[[], Callable[[str], str]]) -> None:
        self._make = make
        self._made: Callable[[str], str] | None = None
        self._lock = threading.Lock()

    def __call__(self, text: str) -> str:
        with self._lock:
            if self._made is None:
                self._made = self._make()
        return self._made(text)


class Consuming(Protocol):
    """What ConsumerThread needs of a consumer (consumer.driver.Driver)."""

    def run(self) -> int: ...
    def stop(self) -> None: ...


class ConsumerThread(threading.Thread):
    """Runs the consumer. Not a daemon thread: a clean stop may outlive the screen."""

    def __init__(self, make: Callable[[], Consuming], post: Post) -> None:
        super().__init__(name="consumer", daemon=False)
        self._make, self._post = make, post
        self._driver: Consuming | None = None
        self._stopped = False

    @property
    def working(self) -> bool:
        """It has the lock and has not ended."""
        return self._driver is not None and self.is_alive()

    def stop(self) -> None:
        """End cleanly; a second call ends what runs at once."""
        self._stopped = True
        if self._driver is not None:
            self._driver.stop()

    def run(self) -> None:
        try:
            driver = self._driver = self._make()
            if self._stopped:
                driver.stop()
            driver.run()
        except Busy as busy:
            self._post(ConsumerElsewhere(busy.message))
        except BaseException as error:
            self._post(ConsumerEnded(error))
        else:
            self._post(ConsumerEnded(None))
