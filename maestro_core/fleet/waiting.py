"""How many ticks wait, for whoever asks at every change.

To count a queue is to read it: 100,000 ticks take some 40 ms, and a hundred consumers ask. So a
long queue is counted now and then, and between that it is asked which cadences wait at all.
"""

from __future__ import annotations

from maestro_core.clock import Clock
from maestro_core.fleet.connect import Link

EXACT = 2000
"""So many waiting ticks are counted at every change."""

_REST = 100.0
_LONGEST_REST = 60.0
"""A count of more rests for _REST times as long as it took, at most so many seconds."""

_COUNT = (
    "SELECT entrypoint, count(*) AS n FROM pgqueuer WHERE status = 'queued' GROUP BY entrypoint"
)
_WHICH = """
SELECT name FROM maestro_cadences,
LATERAL (SELECT FROM pgqueuer WHERE entrypoint = name AND status = 'queued' LIMIT 1) AS one
"""
"""One step into an index for each: the limit keeps the planner from reading them all."""


class WaitingCount:
    """`read` raises BusError. Owner: the engine's thread."""

    def __init__(self, link: Link, clock: Clock) -> None:
        self._link = link
        self._clock = clock
        self._counted: dict[str, int] = {}
        self._rests_until = float("-inf")

    def read(self) -> dict[str, int]:
        """By cadence. Which cadences have any is always true; how many may be some seconds old
        where there are more than EXACT."""
        began = self._clock.awake()
        if began < self._rests_until:
            return {
                row["name"]: self._counted.get(row["name"], 1) for row in self._link.rows(_WHICH)
            }
        self._counted = {row["entrypoint"]: row["n"] for row in self._link.rows(_COUNT)}
        if sum(self._counted.values()) > EXACT:
            ended = self._clock.awake()
            self._rests_until = ended + min(_LONGEST_REST, _REST * (ended - began))
        return dict(self._counted)
