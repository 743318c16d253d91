"""stream-json as bytes: lines of any length out of pieces of any size, and tolerant decoding.

Pure. What is no event is noise, and never an error: a tool may write between the lines, a
line may be cut, a log may have a hole, and tomorrow's CLI may say what nobody knows today.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

LONGEST_LINE = 32 << 20
"""A longer line is skipped; the log file has it."""

Event = dict[str, Any]

_DECODER = json.JSONDecoder()


class Lines:
    """Cuts a stream into lines. Holds one unfinished line at most, and none over the limit."""

    def __init__(self, limit: int = LONGEST_LINE) -> None:
        self.offset = 0
        """Bytes of the stream that were taken in."""
        self.skipped = 0
        """Lines that were too long to look at."""
        self._limit = limit
        self._rest = bytearray()
        self._begin = 0
        self._too_long = False

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """(offset, line without its end) for every line that is whole now."""
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            line = bytes(self._rest) + data[start:end] if self._rest else data[start:end]
            begin, next_begin = self._begin, self.offset + end + 1
            self._rest.clear()
            self._begin, start = next_begin, end + 1
            if self._too_long or len(line) > self._limit:
                self.skipped += 1
                self._too_long = False
            else:
                yield begin, line
        self._keep(data[start:])
        self.offset += len(data)

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

    def close(self) -> Iterator[tuple[int, bytes]]:
        """The last line, if it has no end."""
        if self._rest and not self._too_long:
            yield self._begin, bytes(self._rest)
        self._rest.clear()


def decode(line: bytes) -> Event | None:
    """The event on a line, even with noise before or after it; None when there is none."""
    line = line.strip(b"\0 \t\r")
    begin = 0 if line.startswith(b"{") else line.find(b'{"')
    if begin < 0 or b'"type"' not in line:
        return None
    try:
        found = msgspec.json.decode(line[begin:])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        found = _decode_leniently(line[begin:])
    return found if isinstance(found, dict) and isinstance(found.get("type"), str) else None


def _decode_leniently(line: bytes) -> object:
    try:
        return _DECODER.raw_decode(line.decode("utf-8", "replace"))[0]
    except (ValueError, RecursionError):
        return None


# ---- reading what may be missing or of another type --------------------------------------


def text_of(source: Any, name: str) -> str | None:
    """A text field, or None."""
    value = source.get(name) if isinstance(source, dict) else None
    return value if isinstance(value, str) else None


def number_of(source: Any, name: str) -> float:
    """A number field; 0 where there is none."""
    value = source.get(name) if isinstance(source, dict) else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0


def whole_of(source: Any, name: str) -> int | None:
    """An integer field, or None."""
    value = source.get(name) if isinstance(source, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def dict_of(source: Any, name: str) -> dict[str, Any]:
    """An object field; empty where there is none."""
    value = source.get(name) if isinstance(source, dict) else None
    return value if isinstance(value, dict) else {}


def list_of(source: Any, name: str) -> list[Any]:
    """A list field; empty where there is none."""
    value = source.get(name) if isinstance(source, dict) else None
    return value if isinstance(value, list) else []
