"""stream-json as bytes: lines of any length out of pieces of any size, and tolerant decoding.

Pure. What is no event is noise, and never an error: a tool may write between the lines, a
line may be cut, a log may have a hole, and tomorrow's CLI may say what nobody knows today.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from maestro_core.text import well_formed

LONGEST_LINE = 32 << 20
"""A longer line is skipped; the log file has it."""

MARK = b'"type"'
"""Every event has it; a line without it is noise, and need not be cut out to know that."""

MOST = 1 << 53
"""No number of an event means more: the CLI's own language counts no further."""

Event = dict[str, Any]
Piece = tuple[int, bytes, int]
"""(offset, line, 1) for a line that may be an event; (offset, first line, n) for n of noise."""

_DECODER = json.JSONDecoder()


class Lines:
    """Cuts a stream into lines. Holds one unfinished line at most, and none over the limit.

    A flood of output that is no event is passed over at the speed of a search.
    """

    def __init__(self, limit: int = LONGEST_LINE) -> None:
        self.offset = 0
        """Bytes of the stream that were taken in."""
        self.skipped = 0
        """Lines that were too long to look at."""
        self._limit = limit
        self._rest = bytearray()
        self._begin = 0
        self._too_long = False

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Every line that is whole now, without its end."""
        begin, self.offset = self.offset, self.offset + len(data)
        first = data.find(b"\n")
        if first < 0:
            self._keep(data)
            return
        self._keep(data[:first])
        yield from self._finished_rest()
        last = data.rfind(b"\n") + 1
        self._begin = begin + last
        self._keep(data[last:])
        yield from self._whole_lines(data, first + 1, last, begin)

    def _finished_rest(self) -> Iterator[Piece]:
        line, begin = bytes(self._rest), self._begin
        self._rest.clear()
        if self._too_long:
            self._too_long = False
            self.skipped += 1
        elif line:
            yield begin, line, 1

    def _whole_lines(self, data: bytes, start: int, end: int, begin: int) -> Iterator[Piece]:
        while start < end:
            mark = data.find(MARK, start, end)
            line = end if mark < 0 else data.rfind(b"\n", start, mark) + 1 or start
            if line > start:
                noise = data.count(b"\n", start, line)
                yield begin + start, data[start : data.find(b"\n", start)], noise
            if mark < 0:
                return
            start = data.find(b"\n", mark) + 1
            if start - 1 - line > self._limit:
                self.skipped += 1
            else:
                yield begin + line, data[line : start - 1], 1

    def _keep(self, data: bytes) -> None:
        if not self._too_long:
            self._rest += data
        if len(self._rest) > self._limit:
            self._rest.clear()
            self._too_long = True

    def gap(self, offset: int) -> None:
        """The stream goes on at that offset: what lay between is lost."""
        self._rest.clear()
        self._too_long = True
        self._begin = self.offset = offset

    def close(self) -> Iterator[Piece]:
        """The last line, if it has no end."""
        if self._rest and not self._too_long:
            yield self._begin, bytes(self._rest), 1
        self._rest.clear()


def decode(line: bytes) -> Event | None:
    """The event on a line, even with noise before or after it; None when there is none."""
    line = line.strip(b"\0 \t\r")
    begin = 0 if line.startswith(b"{") else line.find(b'{"')
    if begin < 0 or MARK not in line:
        return None
    try:
        found = msgspec.json.decode(line[begin:])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        found = _decode_leniently(line[begin:])
    return found if isinstance(found, dict) and isinstance(found.get("type"), str) else None


def _decode_leniently(line: bytes) -> object:
    try:
        return _well_formed(_DECODER.raw_decode(line.decode("utf-8", "replace"))[0])
    except (ValueError, RecursionError):
        return None


def _well_formed(value: Any) -> Any:
    """The same without halves of surrogate pairs: the CLI cuts long texts by UTF-16 units."""
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, list):
        return [_well_formed(one) for one in value]
    if isinstance(value, dict):
        return {well_formed(name): _well_formed(one) for name, one in value.items()}
    return value


# ---- reading what may be missing or of another type --------------------------------------


def text_of(source: Any, name: str) -> str | None:
    """A text field, or None."""
    value = source.get(name) if isinstance(source, dict) else None
    return value if isinstance(value, str) else None


def number_of(source: Any, name: str) -> float:
    """A number field; 0 where there is none, or one that is below 0 or over MOST."""
    value = source.get(name) if isinstance(source, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return value if 0 <= value <= MOST else 0


def whole_of(source: Any, name: str) -> int | None:
    """An integer field, or None; None also for one beyond +-MOST."""
    value = source.get(name) if isinstance(source, dict) else None
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if abs(value) <= MOST else None


def dict_of(source: Any, name: str) -> dict[str, Any]:
    """An object field; empty where there is none."""
    value = source.get(name) if isinstance(source, dict) else None
    return value if isinstance(value, dict) else {}


def list_of(source: Any, name: str) -> list[Any]:
    """A list field; empty where there is none."""
    value = source.get(name) if isinstance(source, dict) else None
    return value if isinstance(value, list) else []
