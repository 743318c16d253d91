"""The order of waiting ticks, in memory: for each cadence a heap of the ticks that name a
priority and one of those that leave it to the cadence, and one heap for those whose time has
not come. A held cadence is one look at a callback, however many ticks it has.

Knows no files; both engines and the console's reader keep one. One thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush, nsmallest

from maestro_core.bus.codec import Key

Rank = Callable[[str], int]
"""The priority of a cadence's ticks that name none (0 is none)."""

_Place = tuple[str, bool]


def unranked(_cadence: str) -> int:
    """All cadences alike."""
    return 0


def _place(key: Key) -> _Place:
    """Which heap: the keys in one are in the same order whatever the cadence's rank."""
    return key.cadence, key.priority != 0


class Waiting:
    """Keys by id, in claim order. An entry that is gone leaves the heaps when it surfaces."""

    def __init__(self) -> None:
        self.keys: dict[str, Key] = {}
        self._ready: dict[_Place, list[Key]] = {}
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
            heappush(self._ready.setdefault(_place(key), []), key)

    def discard(self, tick_id: str) -> bool:
        """Forget a tick; False when it was not there."""
        key = self.keys.pop(tick_id, None)
        if key is None:
            return False
        self._count[key.cadence] -= 1
        if not self._count[key.cadence]:
            del self._count[key.cadence]
            for named in (False, True):
                self._ready.pop((key.cadence, named), None)
        elif len(heap := self._ready.get(_place(key), [])) > 2 * self._count[key.cadence] + 64:
            self._sweep(heap)
        return True

    def best(self, held: Callable[[str], bool], now: float, rank: Rank = unranked) -> Key | None:
        """The first in order whose cadence is not held and whose time has come (wall `now`)."""
        self._ripen(now)
        best: Key | None = None
        first: Key | None = None  # `best` with the priority that counts
        for (cadence, named), heap in list(self._ready.items()):
            if (top := self._top(heap)) is None:
                continue
            own = 0 if named else rank(cadence)
            ranked = top._replace(priority=-own) if own else top
            if (first is None or ranked < first) and not held(cadence):
                best, first = top, ranked
        return best

    def ready(self, now: float) -> set[str]:
        """Cadences with a tick whose time has come."""
        self._ripen(now)
        return {cadence for (cadence, _), heap in self._ready.items() if self._top(heap)}

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
                heappush(self._ready.setdefault(_place(key), []), key)

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
