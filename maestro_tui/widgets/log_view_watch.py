"""The file behind a log view: what is new in it, when that came, and its index. No painting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from textual.widget import Widget

from maestro_core.observe.logfile import LogFile
from maestro_core.observe.logfile_times import Arrivals

COUNT_SLICE = 1 << 20
"""Bytes in which new lines are counted at one look while following is paused."""


class Watch:
    """Looks at one log for one view; `owner` runs the indexing."""

    def __init__(self, file: LogFile, owner: Widget, wall: Callable[[], float]) -> None:
        self.file = file
        self.arrivals = Arrivals()
        self.anew = False
        """It was written anew since somebody last moved."""
        self.paused = False
        self.new = 0
        """Lines that came since following was paused, as far as they are counted."""
        self._counted = 0
        self._owner = owner
        self._wall = wall
        self._indexing = False
        self._told = True
        """Nothing of the index is left to be drawn, its end included."""

    @property
    def counting(self) -> bool:
        return self.paused and self._counted < self.file.size

    def pause(self, paused: bool) -> None:
        """Begin to count what one misses, or stop to."""
        if paused and not self.paused:
            self.new, self._counted = 0, self.file.size
        self.paused = paused

    def look(self) -> tuple[bool, bool]:
        """(something is to be drawn, all positions are void)."""
        before, said = self.file.size, (self.file.state, self.file.trouble)
        change = self.file.refresh()
        if change == "restarted":
            self.arrivals.clear()
            self.anew, self.new, self._counted = True, 0, 0
        elif change == "grown":
            self.arrivals.grew(before, self._wall())
        if change != "same":
            self.index()
        busy, self._told = not self._told, not self._indexing
        dirty = self._count() or busy or said != (self.file.state, self.file.trouble)
        return dirty or change != "same", change == "restarted"

    def _count(self) -> bool:
        if not self.counting:
            return False
        data = self.file.read(self._counted, COUNT_SLICE)
        self._counted = self._counted + len(data) if data else self.file.size
        self.new += data.count(b"\n")
        return True

    def index(self) -> None:
        """See to it that the index is made up to the end."""
        if not self._indexing and not self.file.indexed:
            self._indexing, self._told = True, False
            self._owner.run_worker(self._slices(), group="log-index", exit_on_error=False)

    async def _slices(self) -> None:
        try:
            while not self.file.indexed:
                await asyncio.to_thread(self.file.index_work().step)
        finally:
            self._indexing = False
