"""Hints that something changed, as the second seam beside the engine.

A hint may be late, merged or lost: whoever hears one looks for themselves, and also looks
now and then without one.
"""

from __future__ import annotations

import threading
from typing import Literal, Protocol

Topic = Literal[
    "inbox", "claimed", "dlq", "quarantine", "paused", "control", "consumer", "circuit",
    "ledger", "journal", "subsessions", "estop", "settings", "prompts",
]  # fmt: skip

EVERYTHING: frozenset[Topic] = frozenset(Topic.__args__)  # type: ignore[attr-defined]


class Feed(Protocol):
    """A stream of hints for one listener."""

    def wait(self, timeout: float) -> frozenset[Topic]:
        """Topics that changed since the last call; empty after `timeout` seconds of nothing."""
        ...

    def tell(self, *topics: Topic) -> None:
        """Another source of hints says that these changed (from any thread)."""
        ...

    def wake(self) -> None:
        """Make a waiting `wait` return at once (from any thread)."""
        ...

    def close(self) -> None: ...


class ManualFeed:
    """A feed that says what it is told to, for tests and simulations. Any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._news: set[Topic] = set()
        self._woken = False

    def tell(self, *topics: Topic) -> None:
        """These changed."""
        with self._changed:
            self._news.update(topics)
            self._changed.notify_all()

    def wait(self, timeout: float) -> frozenset[Topic]:
        with self._changed:
            self._changed.wait_for(lambda: self._news or self._woken, max(0.0, timeout))
            news, self._news, self._woken = frozenset(self._news), set(), False
            return news

    def wake(self) -> None:
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def close(self) -> None:
        self.wake()
