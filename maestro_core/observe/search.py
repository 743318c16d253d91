"""Search in a log file, forward or backward, in slices that never hold anybody up.

Plain text, not patterns: a pattern can take for ever on one hostile line. Letters fold
their case (A-Z alone) unless the query has a capital; a leading `!` asks for lines without
the text. A `Search` belongs to whoever steps it, in any thread.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from msgspec import Struct

from maestro_core.observe.logfile import LogFile
from maestro_core.observe.logfile_bytes import Change, Reader, State

SLICE = 1 << 20
"""Bytes that one step looks at."""

READ = 256 << 10
"""Bytes of one read inside a step: other threads get their turn between two."""

AROUND = 48
"""Bytes about a match that `Query.accept` may look at."""


class Query(Struct, frozen=True):
    """What to look for: any of `needles`; `accept` may refuse a place (data, start, end)."""

    needles: tuple[bytes, ...]
    fold: bool = False
    invert: bool = False
    accept: Callable[[bytes, int, int], bool] | None = None

    @property
    def longest(self) -> int:
        return max(map(len, self.needles))

    def prepare(self, data: bytes) -> bytes:
        return data.lower() if self.fold else data

    def first(self, data: bytes, start: int = 0) -> int:
        """Offset of the first match in prepared data, -1 for none."""
        places = (self._next(data, needle, start) for needle in self.needles)
        return min((place for place in places if place >= 0), default=-1)

    def last(self, data: bytes, stop: int) -> int:
        """Offset of the last match that starts before `stop`, -1 for none."""
        return max(self._previous(data, needle, stop) for needle in self.needles)

    def _next(self, data: bytes, needle: bytes, start: int) -> int:
        place = data.find(needle, start)
        while place >= 0 and not self._accepts(data, place, needle):
            place = data.find(needle, place + 1)
        return place

    def _previous(self, data: bytes, needle: bytes, stop: int) -> int:
        place = data.rfind(needle, 0, stop + len(needle) - 1)
        while place >= 0 and not self._accepts(data, place, needle):
            place = data.rfind(needle, 0, place + len(needle) - 1)
        return place

    def _accepts(self, data: bytes, place: int, needle: bytes) -> bool:
        return self.accept is None or self.accept(data, place, place + len(needle))


def parse_query(text: str) -> Query | None:
    """What somebody typed; None when nothing is left to look for."""
    wanted = text[1:] if text.startswith("!") else text
    if not wanted:
        return None
    fold = wanted == wanted.lower()
    needle = wanted.encode("utf-8", "surrogateescape")
    return Query((needle,), fold=fold, invert=text.startswith("!"))


_ALL_WELL = re.compile(rb'[a-z_]*"?\s*[:=]\s*(?:null|none|false|0\b|\[\]|"")')
_NONE = re.compile(rb"(?:\b0|\bno|without)[ \"]?\Z")


def _is_trouble(data: bytes, start: int, end: int) -> bool:
    """Refuses `"is_error": false`, `error: null`, `0 errors`, `no error`: words of success."""
    around = data[max(0, start - 8) : start]
    return not (_NONE.search(around) or _ALL_WELL.match(data, end))


TROUBLE = Query(
    (b"error", b"exception", b"traceback", b"fatal", b"panic", b"failed"),
    fold=True,
    accept=_is_trouble,
)
"""Lines that speak of trouble, for "next error": a fair guess, not a verdict."""


class Search:
    """One search from `start` to the end (or the beginning), then round to where it began.

    `step` until it says True; then `hit` is the offset of the match (for `!`, of the line)
    or None. `start` is the start of a line.
    """

    def __init__(self, log: LogFile, query: Query, start: int, *, backward: bool = False) -> None:
        self.query = query
        self.backward = backward
        self.total = log.size
        self.scanned = 0
        self.hit: int | None = None
        self._first = max(0, min(start, self.total))
        self._file = _Frozen(log)
        self._looks = self._lines() if query.invert else self._matches()

    @property
    def wrapped(self) -> bool:
        """Whether it came to the end of the file and went on at the other."""
        length = self._first if self.backward else self.total - self._first
        return self.scanned > length or (self.scanned == length and self.hit is not None)

    @property
    def share(self) -> float:
        return min(1.0, self.scanned / self.total) if self.total else 1.0

    def step(self, budget: int = SLICE) -> bool:
        """Look at about `budget` bytes more; True when the search has ended."""
        stop = self.scanned + budget
        while self.hit is None and self.scanned < stop:
            looked = next(self._looks, None)
            if looked is None:
                return True
            self.scanned += looked
        return self.hit is not None

    def _spans(self) -> tuple[tuple[int, int], tuple[int, int]]:
        below, above = (0, self._first), (self._first, self.total)
        return (below, above) if self.backward else (above, below)

    def _matches(self) -> Iterator[int]:
        """Looks at one read after the other; yields how many bytes each was."""
        for low, high in self._spans():
            while low < high:
                start = max(low, high - READ) if self.backward else low
                stop = high if self.backward else min(high, low + READ)
                self.hit = self._match_in(start, stop)
                yield stop - start if self.hit is None else 0
                low, high = (low, start) if self.backward else (stop, high)

    def _match_in(self, start: int, stop: int) -> int | None:
        """The first (backward: last) match that starts in [start, stop)."""
        begin = max(0, start - AROUND)
        data = self._file.read(begin, stop - begin + self.query.longest + AROUND)
        data = self.query.prepare(data)
        if self.backward:
            place = begin + self.query.last(data, stop - begin)
        else:
            place = begin + self.query.first(data, start - begin)
        return place if start <= place < stop else None

    def _lines(self) -> Iterator[int]:
        """Like `_matches` for lines without the text."""
        for low, high in self._spans():
            while low < high:
                start, stop = self._whole_lines(low, high)
                self.hit = self._line_in(start, stop)
                yield stop - start if self.hit is None else 0
                low, high = (low, start) if self.backward else (stop, high)

    def _whole_lines(self, low: int, high: int) -> tuple[int, int]:
        """The next piece of [low, high) that consists of whole lines, about one read long."""
        if high - low <= READ:
            return low, high
        if self.backward:
            newline = self._file.read(high - READ, READ - 1).find(b"\n")
            line = self._file.lines.line_start(high - 1)
            return (high - READ + newline + 1, high) if newline >= 0 else (max(low, line), high)
        newline = self._file.read(low, READ).rfind(b"\n")
        line_found = self._file.lines.line_at(low)
        end = low + newline + 1 if newline >= 0 else line_found.next if line_found else high
        return low, end

    def _line_in(self, start: int, stop: int) -> int | None:
        """Start of the first (backward: last) line in [start, stop) without the text."""
        data = self.query.prepare(self._file.read(start, stop - start))
        lines = data.split(b"\n")
        if not lines[-1]:
            lines.pop()
        found = None
        for line in lines:
            if self.query.first(line) < 0:
                found = start
                if not self.backward:
                    break
            start += len(line) + 1
        return found


class _Frozen:
    """A log as it was when the search began, readable from the searching thread."""

    state: State = "live"
    trouble: str | None = None

    def __init__(self, log: LogFile) -> None:
        self.size = log.size
        self._read = log.reader()
        self.lines = LogFile(self, log.shape)

    def refresh(self) -> Change:
        return "same"

    def read(self, offset: int, count: int) -> bytes:
        return self._read(offset, min(count, self.size - offset))

    def reader(self) -> Reader:
        return self._read
