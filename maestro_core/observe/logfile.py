"""A log file as lines, read where somebody looks and never held in memory.

Positions are byte offsets of line starts, so the tail of a file of any size shows at once;
line numbers come from a sparse index that is filled in slices beside it. Growth,
truncation, rotation and deletion are survived (`logfile_bytes`). One thread owns a LogFile;
index and search steps may run in another, they share nothing that is changed here.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

from maestro_core.observe.logfile_bytes import ByteSource, Change, FileBytes, Reader, State
from maestro_core.observe.logfile_index import USUAL, LineIndex, Shape

HEAD = 16 << 10
"""At most so many bytes of a line are handed out with it; `read` gives the rest."""

CACHED_BLOCKS = 16
INDEX_SLICE = 4 << 20


class Line(NamedTuple):
    """One line: content is [start, end), the next line starts at `next`."""

    start: int
    end: int
    next: int
    head: bytes

    @property
    def partial(self) -> bool:
        """Without its newline: the last line, or a piece of one without end."""
        return self.next == self.end


class LogFile:
    """Lines of a file that may grow or be replaced. See the module for threads."""

    def __init__(self, source: Path | ByteSource, shape: Shape = USUAL) -> None:
        self.source: ByteSource = FileBytes(source) if isinstance(source, Path) else source
        self.shape = shape
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._index = LineIndex(self.source.reader(), shape)

    # ---- the file ---------------------------------------------------------------------------

    @property
    def size(self) -> int:
        return self.source.size

    @property
    def state(self) -> State:
        return self.source.state

    @property
    def trouble(self) -> str | None:
        return self.source.trouble

    def refresh(self) -> Change:
        """Look at the file. After "restarted" forget every position and line."""
        known = self.size
        change = self.source.refresh()
        if change == "restarted" or (change == "grown" and known == 0):
            self._blocks.clear()
            self._index = LineIndex(self.source.reader(), self.shape)
        elif change == "grown":
            self._blocks.pop(known // self.shape.block, None)
        return change

    def read(self, offset: int, count: int) -> bytes:
        return self.source.read(offset, count)

    def reader(self) -> Reader:
        """For another thread: reads what is there now, also after a restart."""
        return self.source.reader()

    # ---- lines ------------------------------------------------------------------------------

    def line_at(self, start: int) -> Line | None:
        """The line that starts at `start`; None at the end of the file."""
        if not 0 <= start < self.size:
            return None
        limit = self._limit(start)
        newline = self._newline_after(start, min(limit, self.size))
        end = newline if newline >= 0 else min(limit, self.size)
        head = self._bytes(start, min(end, start + HEAD))
        return Line(start, end, end + (newline >= 0), head)

    def forward(self, start: int, count: int) -> list[Line]:
        """Up to `count` lines from the line start `start` on."""
        lines: list[Line] = []
        while len(lines) < count and (line := self.line_at(start)) is not None:
            lines.append(line)
            start = line.next
        return lines

    def backward(self, before: int, count: int) -> list[Line]:
        """Up to `count` lines that end at or before the line start (or size) `before`, in order."""
        lines: list[Line] = []
        while len(lines) < count and before > 0:
            before = self._start_before(before)
            line = self.line_at(before)
            if line is None:
                break
            lines.append(line)
        return lines[::-1]

    def line_start(self, offset: int) -> int:
        """Start of the line that holds the byte at `offset`."""
        return self._start_before(min(offset, self.size - 1) + 1) if self.size > 0 else 0

    def _limit(self, start: int) -> int:
        """Where the line that starts here ends at the latest."""
        stretch = self.shape.stretch
        return (start // stretch + (1 if start % stretch == 0 else 2)) * stretch

    def _start_before(self, offset: int) -> int:
        """The greatest line start below `offset` (which is greater than 0)."""
        first = (offset - 1) // self.shape.stretch * self.shape.stretch
        newline = self._newline_before(first, offset - 1)
        if newline < 0 and first > 0:
            newline = self._newline_before(first - self.shape.stretch, first)
        return newline + 1 if newline >= 0 else first

    # ---- numbers ----------------------------------------------------------------------------

    @property
    def indexed(self) -> bool:
        """Whether every whole block is in the index: numbers are known."""
        return self.size - self._index.covered < self.shape.block

    @property
    def indexed_share(self) -> float:
        return min(1.0, self._index.covered / self.size) if self.size else 1.0

    def index_work(self) -> IndexWork:
        """A slice of indexing, to be run in any thread, one at a time."""
        return IndexWork(self._index, self.size)

    def index_all(self) -> None:
        """Index to the end at once (small files, headless commands)."""
        while not self._index.step(self.size, INDEX_SLICE):
            pass

    def line_number(self, start: int) -> int | None:
        """Number (from 0) of the line that starts here; None while not indexed so far."""
        return self._index.starts_up_to(start)

    def offset_of(self, number: int) -> int | None:
        """Where the line of that number (from 0) starts, clamped to the last; None = not known."""
        count = self.count()
        if count is None:
            return self._index.offset_of(number)
        number = max(0, min(number, count - 1))
        known = self._index.offset_of(number)
        if known is not None:
            return known
        behind = number - (self._index.starts_up_to(self._index.covered) or 0)
        start = self._index.covered
        for _ in range(behind):
            start = self._newline_after(start, self.size) + 1
        return start

    def count(self) -> int | None:
        """How many lines there are; None while not indexed to the end."""
        if not self.indexed:
            return None
        starts = self._index.starts_up_to(self.size)
        if starts is None or self.size == 0:
            return starts
        ended = self._newline_before(self.size - 1, self.size) >= 0 or self._is_cut(self.size)
        return starts + (not ended)

    def _is_cut(self, offset: int) -> bool:
        """Whether a stretch without a newline ends a line here."""
        stretch = self.shape.stretch
        return offset % stretch == 0 and self._newline_before(offset - stretch, offset) < 0

    # ---- bytes by blocks --------------------------------------------------------------------

    def _block(self, number: int) -> bytes:
        data = self._blocks.get(number)
        if data is None:
            size = self.shape.block
            data = self._blocks[number] = self.source.read(number * size, size)
            if len(self._blocks) > CACHED_BLOCKS:
                self._blocks.popitem(last=False)
        else:
            self._blocks.move_to_end(number)
        return data

    def _bytes(self, start: int, stop: int) -> bytes:
        number, offset = divmod(start, self.shape.block)
        if offset + stop - start <= self.shape.block:
            return self._block(number)[offset : offset + stop - start]
        return self.source.read(start, stop - start)

    def _newline_after(self, start: int, stop: int) -> int:
        """The first newline in [start, stop), -1 for none."""
        size = self.shape.block
        for number in range(start // size, (stop + size - 1) // size):
            if self._index.is_without_newline(number):
                continue
            base = number * size
            at = self._block(number).find(b"\n", max(0, start - base), stop - base)
            if at >= 0:
                return base + at
        return -1

    def _newline_before(self, start: int, stop: int) -> int:
        """The last newline in [start, stop), -1 for none."""
        size = self.shape.block
        for number in range((stop - 1) // size, start // size - 1, -1):
            if self._index.is_without_newline(number):
                continue
            base = number * size
            at = self._block(number).rfind(b"\n", max(0, start - base), stop - base)
            if at >= 0:
                return base + at
        return -1


class IndexWork:
    """Indexing of what the file holds now; keeps no file from being replaced meanwhile."""

    def __init__(self, index: LineIndex, size: int) -> None:
        self._index = index
        self._size = size

    def step(self, budget: int = INDEX_SLICE) -> bool:
        """One slice; True when done."""
        return self._index.step(self._size, budget)
