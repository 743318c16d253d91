"""Hints over LISTEN/NOTIFY. A listening connection dies silently, so every new one says
"everything may have changed", and whoever waits looks now and then without a hint.

Own thread and connection; `wait` belongs to one thread, `wake` and `close` to any.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import cast

import psycopg

from maestro_core.bus.feed import ManualFeed, Topic
from maestro_core.clock import Clock
from maestro_core.fleet.connect import Connection, Link, Target

TOPICS: dict[str, frozenset[Topic]] = {
    "queue": cast("frozenset[Topic]", frozenset({"inbox", "claimed", "dlq"})),
    "gates": cast("frozenset[Topic]", frozenset({"paused", "circuit", "estop"})),
    "hosts": cast("frozenset[Topic]", frozenset({"consumer"})),
    "audit": cast("frozenset[Topic]", frozenset({"journal"})),
    "commands": cast("frozenset[Topic]", frozenset({"control"})),
    "runs": cast("frozenset[Topic]", frozenset({"ledger", "subsessions"})),
}

_LOOK = 0.5
"""Seconds between two looks at whether to end."""
_PROBE_EVERY = 10
"""Looks between two questions to the server whether the connection still lives."""


class Listener:
    """Tells `tell` what changed. `degraded` says why there are no hints now; None = there are.

    Args:
        payloads: the words of TOPICS that are passed on.
        quiet: seconds between two hints at least, give or take a half: what comes in between
            is told together, so that a hundred consumers do not wake at every tick of each other.
    """

    def __init__(
        self, target: Target, clock: Clock, tell: Callable[..., None], *,
        payloads: frozenset[str] = frozenset(TOPICS), quiet: float = 0.0,
    ) -> None:  # fmt: skip
        self.degraded: str | None = None
        self._link = Link(target, clock)
        self._tell = tell
        self._topics = {word: TOPICS[word] for word in payloads}
        self._quiet = quiet
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bus-listener", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join(10)

    def _run(self) -> None:
        pause = 0.25
        while not self._ended.is_set():
            try:
                self._listen()
                pause = 0.25
            except psycopg.Error as error:
                self.degraded = self._link.words(error)
            self._ended.wait(pause)
            pause = min(5.0, pause * 2)

    def _listen(self) -> None:
        everything = frozenset[Topic]().union(*self._topics.values())
        with self._link.connect() as connection:
            connection.execute("LISTEN maestro_bus")
            self.degraded = None
            self._tell(*everything)
            looks = 0
            while not self._ended.is_set():
                self._hear(connection)
                looks += 1
                if looks % _PROBE_EVERY == 0:
                    connection.execute("SELECT 1")

    def _hear(self, connection: Connection) -> None:
        """Tell of the first hint and of all that came with it: the rest of a quiet time waits in
        the connection and is told at once after it, so that no hint is older than that."""
        notes = connection.notifies(timeout=_LOOK, stop_after=1)
        topics = {topic for note in notes for topic in self._topics.get(note.payload, ())}
        if topics:
            self._tell(*topics)
            if self._quiet:
                self._ended.wait(self._quiet * random.uniform(0.5, 1.5))  # noqa: S311


class FleetFeed(ManualFeed):
    """See bus/feed.py. `degraded` says why there are no hints now; None = there are."""

    def __init__(self, target: Target, clock: Clock) -> None:
        super().__init__()
        self._listener = Listener(target, clock, self.tell)

    @property
    def degraded(self) -> str | None:
        return self._listener.degraded

    def close(self) -> None:
        self._listener.close()
        super().close()
