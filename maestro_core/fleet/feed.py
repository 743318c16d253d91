"""Hints over LISTEN/NOTIFY. A listening connection dies silently, so every new one says
"everything may have changed", and whoever waits looks now and then without a hint.

Own thread and connection; `wait` belongs to one thread, `wake` and `close` to any.
"""

from __future__ import annotations

import threading
from typing import cast

import psycopg

from maestro_core.bus.feed import EVERYTHING, ManualFeed, Topic
from maestro_core.clock import Clock
from maestro_core.fleet.connect import Link, Target

TOPICS: dict[str, frozenset[Topic]] = {
    "queue": cast("frozenset[Topic]", frozenset({"inbox", "claimed", "dlq"})),
    "gates": cast("frozenset[Topic]", frozenset({"paused", "circuit", "estop"})),
    "hosts": cast("frozenset[Topic]", frozenset({"consumer"})),
    "commands": cast("frozenset[Topic]", frozenset({"control"})),
    "runs": cast("frozenset[Topic]", frozenset({"ledger", "subsessions"})),
}

_LOOK = 0.5
"""Seconds between two looks at whether to end."""
_PROBE_EVERY = 10
"""Looks between two questions to the server whether the connection still lives."""


class FleetFeed(ManualFeed):
    """See bus/feed.py. `degraded` says why there are no hints now; None = there are."""

    def __init__(self, target: Target, clock: Clock) -> None:
        super().__init__()
        self.degraded: str | None = None
        self._link = Link(target, clock)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bus-feed", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join(10)
        super().close()

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
        with self._link.connect() as connection:
            connection.execute("LISTEN maestro_bus")
            self.degraded = None
            self.tell(*EVERYTHING)
            looks = 0
            while not self._ended.is_set():
                for note in connection.notifies(timeout=_LOOK, stop_after=1):
                    self.tell(*TOPICS.get(note.payload, EVERYTHING))
                looks += 1
                if looks % _PROBE_EVERY == 0:
                    connection.execute("SELECT 1")
