"""The change feed over file system events, in a thread of its own.

Events are hints. What they can miss is made up for: the folders above are watched too and
the watch is set anew when one was deleted and made again; where the system gives no watch,
times are polled and `degraded` says so; and every half minute everything counts as changed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from watchfiles import Change
from watchfiles._rust_notify import RustNotify

from maestro_core.bus.feed import EVERYTHING, Topic
from maestro_core.bus.places import Places
from maestro_core.layout import Layout

DEBOUNCE_MS = 100
STEP_MS = 12
"""How often the watcher's thread looks: latency against 0.3% of a core when idle."""
CHECK_MS = 2000
"""How often the watched folders are compared with those that are there."""
RESCAN_SECONDS = 30.0
POLL_SECONDS = 0.5
RETRY_SECONDS = 60.0
"""While polling: how often a real watch is tried again."""
CONSUMER_TOPICS: frozenset[Topic] = frozenset({"inbox", "paused", "control", "estop", "settings"})
"""What a consumer acts on; the rest is its own doing."""
_TIMELESS: frozenset[Topic] = frozenset({"journal", "subsessions"})
"""Files that grow in place: no folder's time tells."""


class WatchFeed:
    """A Feed over one agent root, for one listener.

    Args:
        poll: never watch, poll times.
        topics: all that will be reported; folders of others are not watched.
        departures: whether files that leave the inbox count as a change of it. A consumer
            takes them away itself and would only wake itself up.
        step_ms: how often the watcher's thread looks.
    """

    def __init__(
        self,
        layout: Layout,
        *,
        poll: bool = False,
        topics: frozenset[Topic] = EVERYTHING,
        departures: bool = True,
        step_ms: int = STEP_MS,
    ) -> None:
        self.degraded: str | None = "polling, as asked for" if poll else None
        self._places = Places(layout, topics)
        self._layout = layout
        self._topics = topics
        self._departures = departures
        self._poll_only = poll
        self._step_ms = step_ms
        self._news: set[Topic] = set(topics)
        self._woken = False
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._rescan_at = time.monotonic() + RESCAN_SECONDS
        self._thread = threading.Thread(target=self._run, name="bus-feed", daemon=True)
        self._thread.start()

    # ---- the listener's side -------------------------------------------------------------

    def wait(self, timeout: float) -> frozenset[Topic]:
        """Topics that changed since the last call; empty after `timeout` seconds or a wake."""
        with self._changed:
            self._changed.wait_for(self._has_news, max(0.0, timeout))
            news, self._news = frozenset(self._news), set()
            self._woken = False
            return news

    def tell(self, *topics: Topic) -> None:
        with self._changed:
            self._news.update(topics)
            self._changed.notify_all()

    def wake(self) -> None:
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def close(self) -> None:
        """End the thread; a waiting `wait` returns. May be called twice."""
        self._closed.set()
        self.wake()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _has_news(self) -> bool:
        return bool(self._news) or self._woken or self._closed.is_set()

    # ---- the thread's side ---------------------------------------------------------------

    def _run(self) -> None:
        while not self._closed.is_set():
            if self._poll_only:
                self._poll(None)
            else:
                self._watch_or_poll()

    def _watch_or_poll(self) -> None:
        try:
            self._watch()
        except FileNotFoundError:
            self._closed.wait(0.05)  # a folder went while it was being taken in: look again
        except (OSError, RuntimeError) as error:  # no watches left, or none on this system
            self.degraded = f"polling every {POLL_SECONDS:g} s, since watching failed: {error}"
            self._poll(RETRY_SECONDS)

    def _watch(self) -> None:
        """Watch what is there now, until that is no longer what is there."""
        # Links may lead elsewhere now: every time the paths are resolved anew.
        self._places = Places(self._layout, self._topics)
        armed = self._places.present()
        if not armed:
            self._closed.wait(POLL_SECONDS)
            return
        with RustNotify(list(armed), False, False, 0, False, True) as notify:
            self.degraded = None
            self._tell(self._topics)  # whatever happened before this watch is not known
            while not self._closed.is_set():
                batch = notify.watch(DEBOUNCE_MS, self._step_ms, CHECK_MS, self._closed)
                changes = batch if isinstance(batch, set) else set()
                self._tell(self._topics_of(changes))
                if self._came_or_went(changes):
                    return
                if not changes and self._places.present() != armed:
                    return  # events may be lost, too

    def _came_or_went(self, changes: Iterable[tuple[int, str]]) -> bool:
        """Whether a watched folder did. One made again may have the inode of the one before."""
        return any(
            change != Change.modified and self._places.is_folder(path) for change, path in changes
        )

    def _topics_of(self, changes: Iterable[tuple[int, str]]) -> set[Topic]:
        found: set[Topic] = set()
        for change, path in changes:
            topic = self._places.topic(path)
            left = change == Change.deleted and not self._places.is_folder(path)
            if topic and (self._departures or topic != "inbox" or not left):
                found.add(topic)
        return found

    def _poll(self, seconds: float | None) -> None:
        end = None if seconds is None else time.monotonic() + seconds
        seen = self._places.fingerprint()
        self._tell(self._topics)
        while not self._closed.wait(POLL_SECONDS) and (end is None or time.monotonic() < end):
            now = self._places.fingerprint()
            self._tell(self._places.differing(seen, now) | (_TIMELESS & self._topics))
            seen = now

    def _tell(self, topics: Iterable[Topic]) -> None:
        if time.monotonic() >= self._rescan_at:
            self._rescan_at = time.monotonic() + RESCAN_SECONDS
            topics = self._topics
        with self._changed:
            self._news.update(topics)
            if self._news:
                self._changed.notify_all()


def consumer_feed(layout: Layout) -> WatchFeed:
    """A feed of what a consumer acts on, deaf to what it does itself."""
    return WatchFeed(layout, topics=CONSUMER_TOPICS, departures=False)
