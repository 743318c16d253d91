"""Hints for a console of a fleet: what changes in the files of its agent root, and what the
server tells. A feed (bus/feed.py)."""

from __future__ import annotations

from maestro_core.bus.feed import Topic
from maestro_core.bus.watch import WatchFeed
from maestro_core.clock import Clock
from maestro_core.fleet.connect import Target
from maestro_core.fleet.feed import Listener

_QUIET = 0.2
"""Seconds between two hints of a busy server."""


class JoinedFeed:
    """Without the server there are no hints of it, and the console looks now and then."""

    def __init__(self, files: WatchFeed, target: Target, clock: Clock) -> None:
        self._files = files
        self._listener = Listener(target, clock, files.tell, quiet=_QUIET)

    @property
    def degraded(self) -> str | None:
        """Of the files alone: that the server is away the snapshot says."""
        return self._files.degraded

    def wait(self, timeout: float) -> frozenset[Topic]:
        return self._files.wait(timeout)

    def tell(self, *topics: Topic) -> None:
        self._files.tell(*topics)

    def wake(self) -> None:
        self._files.wake()

    def close(self) -> None:
        self._listener.close()
        self._files.close()
