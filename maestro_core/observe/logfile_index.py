"""A sparse index of line starts: one number for each 64 KiB block, nothing for each line.

A line ends at a newline. So that no line is without end (a binary file, a runaway writer),
a whole aligned megabyte without any newline also ends one; every line is thus shorter than
two of them, and where a line ends can be told by looking at two at most.
Filled in slices from one thread at a time; read from any.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import NamedTuple

from maestro_core.observe.logfile_bytes import Reader


class Shape(NamedTuple):
    """Sizes in bytes; `stretch` is a multiple of `block`. Others than these are for tests."""

    block: int = 1 << 16
    stretch: int = 1 << 20
    """A whole aligned stretch without a newline ends a line."""


USUAL = Shape()


class LineIndex:
    """How many line starts lie before each block, for the blocks that were looked at."""

    def __init__(self, read: Reader, shape: Shape) -> None:
        self._read = read
        self._shape = shape
        self._before = array("Q", [0])

    @property
    def covered(self) -> int:
        """Bytes from the beginning that are indexed: whole blocks."""
        return (len(self._before) - 1) * self._shape.block

    def step(self, size: int, budget: int) -> bool:
        """Index up to `budget` bytes more; True when all whole blocks below `size` are done."""
        block = self._shape.block
        stop = min(size, self.covered + max(budget, block)) // block * block
        while self.covered < stop:
            data = self._read(self.covered, min(4 * block, stop - self.covered))
            if len(data) < block:
                return True  # the file shrank under us; the next look at it starts anew
            for start in range(0, len(data) - block + 1, block):
                self._append(data.count(b"\n", start, start + block))
        return self.covered + block > size

    def _append(self, newlines: int) -> None:
        block, stretch = self._shape
        end = self.covered + block
        if end % stretch == 0 and newlines == 0:
            first = (end - stretch) // block
            newlines = int(self._before[-1] == self._before[first])
        self._before.append(self._before[-1] + newlines)

    def is_without_newline(self, block_number: int) -> bool:
        """Known to hold no newline; False also means "not known"."""
        if block_number + 1 >= len(self._before):
            return False
        return self._before[block_number] == self._before[block_number + 1]

    def starts_up_to(self, offset: int) -> int | None:
        """Line starts in (0, offset], which for a line start is its number; None = not known."""
        number = offset // self._shape.block
        if number >= len(self._before):
            return None
        first = number * self._shape.block
        return self._before[number] + self._read(first, offset - first).count(b"\n")

    def offset_of(self, line: int) -> int | None:
        """Where line number `line` (from 0) starts; None = beyond what is indexed."""
        if line <= 0:
            return 0
        if line > self._before[-1]:
            return None
        number = bisect_left(self._before, line) - 1
        first = number * self._shape.block
        data = self._read(first, self._shape.block)
        position = -1
        for _ in range(line - self._before[number]):
            position = data.find(b"\n", position + 1)
            if position < 0:
                return first + self._shape.block
        return first + position + 1
