"""Where a log view stands, and moving by rows: pure arithmetic over a LogFile.

A place is a line start and how many rows of that line are above the view (only a wrapped
line has more than one).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from maestro_core.observe.logfile import Line, LogFile


class Place(NamedTuple):
    """The first row of a view; places compare in the order of the file."""

    start: int = 0
    skip: int = 0


class Window:
    """Moves over a log whose lines are `height_of` rows high."""

    def __init__(self, log: LogFile, height_of: Callable[[Line], int]) -> None:
        self._log = log
        self._height_of = height_of

    def bottom(self, height: int) -> Place:
        """The place from which the last row stands on the last line of the view."""
        return self.up(Place(self._log.size), height)

    def up(self, place: Place, rows: int) -> Place:
        start, skip = place[0], place[1] - rows
        while skip < 0:
            before = self._log.backward(start, 1)
            if not before:
                return Place()
            start = before[0].start
            skip += self._height_of(before[0])
        return Place(start, skip)

    def down(self, place: Place, rows: int) -> Place:
        """May go beyond the bottom; the caller holds it back."""
        start, skip = place[0], place[1] + rows
        while (line := self._log.line_at(start)) is not None:
            height = self._height_of(line)
            if skip < height:
                break
            start, skip = line.next, skip - height
        return Place(start, skip)

    def rows(self, place: Place, height: int) -> list[tuple[Line, int]]:
        """(line, row of it) for each row of the view; fewer at the end of the file."""
        found: list[tuple[Line, int]] = []
        start, skip = place
        while len(found) < height and (line := self._log.line_at(start)) is not None:
            found += [(line, row) for row in range(skip, self._height_of(line))]
            start, skip = line.next, 0
        return found[:height]
