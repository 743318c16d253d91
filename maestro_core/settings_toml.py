"""config/cadences.toml as data with line numbers: tomllib for the values, a scan for the lines.

tomllib does not say where a key stands. The scan knows headers, plain and dotted keys and
multi-line strings; where it finds nothing, the nearest enclosing table's line is named.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from msgspec import Struct

from maestro_core.settings_read import Unreadable, read_text

FILE = "config/cadences.toml"

MOST_DOTS = 100
"""On a line: a key of thousands of parts costs tomllib the square of that in memory."""

Key = tuple[str, ...]

_PART = r"""(?:"(?:\\.|[^"\\])*"|'[^']*'|[A-Za-z0-9_-]+)"""
_DOTTED = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"\s*\[\[?\s*({_DOTTED})\s*\]")
_ENTRY = re.compile(rf"\s*({_DOTTED})\s*=(.*)")
_PARTS = re.compile(_PART)
_TRIPLE = re.compile(r'"""|\'\'\'')
_PLACE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)")


class TomlFile(Struct, frozen=True, kw_only=True):
    """The parsed document; `problem` instead of data when it is no TOML."""

    data: dict[str, Any] = {}
    lines: dict[Key, int] = {}
    problem: str | None = None

    def line(self, key: Key) -> int | None:
        """Where `key` stands, or the nearest table around it."""
        for length in range(len(key), 0, -1):
            if (line := self.lines.get(key[:length])) is not None:
                return line
        return None


def read_toml(path: Path) -> TomlFile:
    """A missing file is an empty document."""
    try:
        return parse_toml(read_text(path) or "")
    except Unreadable as error:
        return TomlFile(problem=f"{FILE} {error}")


def parse_toml(text: str) -> TomlFile:
    """Data and lines of a TOML text."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.count(".") > MOST_DOTS:
            return TomlFile(problem=f"{FILE} line {number}: has more than {MOST_DOTS} dots")
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return TomlFile(problem=_syntax_problem(str(error), text))
    except (RecursionError, ValueError) as error:
        return TomlFile(problem=f"{FILE}: is nested too deeply or holds an odd value ({error})")
    return TomlFile(data=data, lines=key_lines(text))


def key_lines(text: str) -> dict[Key, int]:
    """Line number of each header and entry; the first place of a key counts."""
    lines: dict[Key, int] = {}
    table: Key = ()
    fence = ""
    for number, line in enumerate(text.splitlines(), 1):
        if fence:
            fence = "" if line.count(fence) % 2 else fence
        elif header := _HEADER.match(line):
            table = _split(header.group(1))
            _note(lines, table, 0, number)
        elif entry := _ENTRY.match(line):
            _note(lines, table + _split(entry.group(1)), len(table), number)
            fence = _opened(entry.group(2))
    return lines


def _note(lines: dict[Key, int], key: Key, known: int, number: int) -> None:
    """Remember `key` and the tables that its dots imply beyond the first `known` parts."""
    for length in range(known + 1, len(key) + 1):
        lines.setdefault(key[:length], number)


def _opened(value: str) -> str:
    """The triple quote that a value opens and does not close on its line."""
    quote = _TRIPLE.search(value)
    return quote.group() if quote and value.count(quote.group()) % 2 else ""


def _split(dotted: str) -> Key:
    return tuple(_bare(part) for part in _PARTS.findall(dotted))


def _bare(part: str) -> str:
    if part.startswith("'"):
        return part[1:-1]
    return str(tomllib.loads(f"key = {part}")["key"]) if part.startswith('"') else part


def _syntax_problem(message: str, text: str) -> str:
    place = _PLACE.search(message)
    what = _PLACE.sub("", message)
    if place is None:
        return f"{FILE}: is no TOML: {what}"
    if place.group(1):
        return f"{FILE} line {place.group(1)}, column {place.group(2)}: is no TOML: {what}"
    return f"{FILE} line {text.count(chr(10)) + 1}: is no TOML: {what}, at the end of the file"
