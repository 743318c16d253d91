"""When the lines of a log arrived, as far as somebody was watching.

Logs of sub-sessions carry no times. What was written before the first look has none; what
came later has the second in which it was seen. One number pair a second, at most.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right


class Arrivals:
    """Side index from byte offsets to wall times (epoch seconds)."""

    def __init__(self) -> None:
        self._starts = array("Q")
        self._times = array("d")

    def clear(self) -> None:
        """Forget everything: the file was written anew."""
        self._starts, self._times = array("Q"), array("d")

    def grew(self, start: int, at: float) -> None:
        """Bytes from `start` on came at the wall time `at`."""
        if not self._times or abs(at - self._times[-1]) >= 1:
            self._starts.append(start)
            self._times.append(at)

    def at(self, offset: int) -> float | None:
        """When the line that starts there came; None = before anybody looked."""
        place = bisect_right(self._starts, offset) - 1
        return self._times[place] if place >= 0 else None
