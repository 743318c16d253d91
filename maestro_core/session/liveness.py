"""Whether a run that says nothing is still alive: its output and the CPU time of its family. Pure.

Silence alone proves nothing, since a tool or the model may take its time: only one that does
nothing at all for longer than such runs usually last is called wedged. The words are for a
person who decides. The run's time-out is what ends it.
"""

from __future__ import annotations

SILENT_AFTER = 120.0
"""Seconds without output that are worth a word."""
PATIENCE = 600.0
"""Seconds of silence without work that look wedged where no earlier run says what is usual."""
LEAST_PATIENCE = 300.0
BUSY = 0.025
"""Share of one CPU from which a family counts as busy; waiting programs use some, too."""


class Liveness:
    """Fed by the runner at every look; all times are seconds of one clock."""

    def __init__(self, now: float, usual: float = 0.0) -> None:
        """`usual`: how long runs of this cadence last that go well; 0 = nobody knows."""
        self._usual = usual
        self._patience = max(usual, LEAST_PATIENCE) if usual else PATIENCE
        self._open = 0
        self._looked = self._spoke = self._worked = now
        self._size = 0
        self._cpu = 0.0

    def note(self, now: float, size: int, cpu: float, tools: int = 0) -> None:
        """At `now` it has written `size` bytes, and its living members have used `cpu` seconds.

        `tools`: how many of them are children of the CLI.
        """
        self._open = tools
        if size != self._size:
            self._spoke = now
        # Less than before means that a member has ended: that is life as well.
        if abs(cpu - self._cpu) > BUSY * max(now - self._looked, 0.1):
            self._worked = now
        self._looked, self._size, self._cpu = now, size, cpu

    def words(self, now: float) -> str | None:
        """`silent for 5 min`, with `and idle` when nothing of it computes; None = it speaks.

        `wedged?` before that, when it has lasted longer than is usual, with the reason.
        """
        silent = now - self._spoke
        if silent < SILENT_AFTER:
            return None
        idle = now - self._worked >= SILENT_AFTER
        said = f"silent for {int(silent // 60)} min{' and idle' if idle else ''}"
        if self._open:
            said += f", {self._open} child process{'es' if self._open > 1 else ''} open"
        return self._wedged(said) if idle and silent >= self._patience else said

    def _wedged(self, said: str) -> str:
        usually = f", usually done in {_span(self._usual)}" if self._usual else ""
        return f"wedged? {said}{usually}"


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
