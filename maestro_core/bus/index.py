"""The order of waiting ticks, in memory: a heap for each cadence and one for those whose time
has not come. A held cadence is one look at a callback, however many ticks it has.

Knows no files; both engines and the console's reader keep one. One thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush, nsmallest

from maestro_core.bus.codec import Key


class Waiting:
    """Keys by id, in claim order. An entry that is gone leaves the heaps when it surfaces."""

    def __init__(self) -> None:
        self.keys: dict[str, Key] = {}
        self._ready: dict[str, list[Key]] = {}
        self._later: list[tuple[float, Key]] = []
        self._count: dict[str, int] = {}
        self._ripest = 0.0
        """The latest time for which a tick in the heaps of the ready ones had waited."""

    def __len__(self) -> int:
        return len(self.keys)

    def add(self, key: Key) -> None:
        """Take a tick in, or take its new key in place of the old."""
        self.discard(key.id)
        self.keys[key.id] = key
        self._count[key.cadence] = self._count.get(key.cadence, 0) + 1
        if key.ready_at:
            heappush(self._later, (key.ready_at, key))
        else:
            heappush(self._ready.setdefault(key.cadence, []), key)

    def discard(self, tick_id: str) -> bool:
        """Forget a tick; False when it was not there."""
        key = self.keys.pop(tick_id, None)
        if key is None:
            return False
        self._count[key.cadence] -= 1
        if not self._count[key.cadence]:
            del self._count[key.cadence]
            self._ready.pop(key.cadence, None)
        elif len(heap := self._ready.get(key.cadence, [])) > 2 * self._count[key.cadence] + 64:
            self._sweep(heap)
        return True

    def best(self, held: Callable[[str], bool], now: float) -> Key | None:
        """The first in order whose cadence is not held and whose time has come (wall `now`)."""
        self._ripen(now)
        best: Key | None = None
        for cadence, heap in list(self._ready.items()):
            top = self._top(heap)
            if top is not None and (best is None or top < best) and not held(cadence):
                best = top
        return best

    def ready(self, now: float) -> set[str]:
        """Cadences with a tick whose time has come."""
        self._ripen(now)
        return {cadence for cadence, heap in self._ready.items() if self._top(heap)}

    def next_ready_at(self, now: float) -> float | None:
        """Wall time of the earliest tick that waits for its time."""
        self._ripen(now)
        while self._later and not self._holds(self._later[0][1]):
            heappop(self._later)
        return self._later[0][0] if self._later else None

    def by_cadence(self) -> dict[str, int]:
        """How many wait, by cadence."""
        return dict(self._count)

    def page(self, cadence: str | None, limit: int, offset: int) -> list[Key]:
        """A stretch of the order, those whose time has not come included."""
        wanted: Iterator[Key] = (
            key for key in self.keys.values() if cadence is None or key.cadence == cadence
        )
        return nsmallest(offset + limit, wanted)[offset:]

    def _holds(self, key: Key) -> bool:
        return self.keys.get(key.id) is key

    def _top(self, heap: list[Key]) -> Key | None:
        """The first live key."""
        while heap and not self._holds(heap[0]):
            heappop(heap)
        return heap[0] if heap else None

    def _ripen(self, now: float) -> None:
        if now < self._ripest:
            self._unripen(now)
        while self._later and self._later[0][0] <= now:
            at, key = heappop(self._later)
            if self._holds(key):
                self._ripest = max(self._ripest, at)
                heappush(self._ready.setdefault(key.cadence, []), key)

    def _unripen(self, now: float) -> None:
        """The clock went back: those whose time lies ahead again step aside."""
        self._ripest = now
        for heap in self._ready.values():
            ahead = [key for key in heap if key.ready_at > now]
            if ahead:
                heap[:] = [key for key in heap if key.ready_at <= now]
                heapify(heap)
                for key in ahead:
                    heappush(self._later, (key.ready_at, key))

    def _sweep(self, heap: list[Key]) -> None:
        heap[:] = [key for key in heap if self._holds(key)]
        heapify(heap)
