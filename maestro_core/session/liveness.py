"""Whether a run that says nothing is still alive: its output and the CPU time of its family. Pure.

Silence alone proves nothing, since a tool or the model may take its time; the words are for a
person who decides. The run's time-out is what ends it.
"""

from __future__ import annotations

SILENT_AFTER = 120.0
"""Seconds without output that are worth a word."""
BUSY = 0.025
"""Share of one CPU from which a family counts as busy; waiting programs use some, too."""


class Liveness:
    """Fed by the runner at every look; all times are seconds of one clock."""

    def __init__(self, now: float) -> None:
        self._looked = self._spoke = self._worked = now
        self._size = 0
        self._cpu = 0.0

    def note(self, now: float, size: int, cpu: float) -> None:
        """At `now` it has written `size` bytes, and its living members have used `cpu` seconds."""
        if size != self._size:
            self._spoke = now
        # Less than before means that a member has ended: that is life as well.
        if abs(cpu - self._cpu) > BUSY * max(now - self._looked, 0.1):
            self._worked = now
        self._looked, self._size, self._cpu = now, size, cpu

    def words(self, now: float) -> str | None:
        """`silent for 5 min`, with `and idle` when nothing of it computes; None = it speaks."""
        silent = now - self._spoke
        if silent < SILENT_AFTER:
            return None
        idle = now - self._worked >= SILENT_AFTER
        return f"silent for {int(silent // 60)} min{' and idle' if idle else ''}"
