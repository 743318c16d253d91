"""How commands print: masked, safe for a terminal, aligned; or one JSON document.

Nothing that comes from a file, an agent or a name reaches the terminal unescaped.
"""

from __future__ import annotations

import json
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from maestro_core.jsonl import map_strings
from maestro_core.layout import Layout
from maestro_core.redact import Redactor
from maestro_core.text import visible

SCHEMA_VERSION = 1
_DEEP = 200
_UNSAFE_IN_JSON = re.compile(
    "[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)


class Printer:
    """Prints to stdout for one command."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        self._redact = redact

    def mask(self, text: str) -> str:
        """Without secrets, for files."""
        return self._redact(text)

    def clean(self, text: str, limit: int | None = None) -> str:
        """Masked and safe to print on one line."""
        return visible(self._redact(text), limit)

    def line(self, text: str = "") -> None:
        print(self.clean(text), flush=True)  # `tail | grep` shows it now, not 8 KB later

    def note(self, text: str) -> None:
        """Beside the result: on stderr."""
        print(self.clean(text), file=sys.stderr)

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Columns as wide as their widest cell; the last one as it is. Numbers go right."""
        cells = [[self.clean(cell) for cell in row] for row in (headings, *rows)]
        if not cells[1:]:
            return
        widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
        right = [_is_number_column(column[1:]) for column in zip(*cells, strict=True)]
        for row in cells:
            padded = map(_pad, row, widths, right)
            print("  ".join(padded).rstrip())

    def document(self, content: Mapping[str, Any]) -> None:
        """One JSON document with schema_version, masked; any text in it stays data."""
        masked = map_strings(
            {"schema_version": SCHEMA_VERSION} | dict(content), self._redact, _DEEP
        )
        text = json.dumps(masked, indent=2, ensure_ascii=False, default=str)
        print(_UNSAFE_IN_JSON.sub(lambda one: f"\\u{ord(one.group()):04x}", text))


def printer_for(layout: Layout) -> Printer:
    """A printer that masks what this agent's .env and this process's environment hold."""
    from maestro_core.settings import examine_settings

    env = examine_settings(layout).env.values
    return Printer(Redactor({**os.environ, **env}))


def _width(text: str) -> int:
    """Terminal cells."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)


def _pad(text: str, width: int, right: bool) -> str:
    space = " " * (width - _width(text))
    return space + text if right else text + space


def _is_number_column(column: Sequence[str]) -> bool:
    return all(not cell or cell in "-" or cell[0] in "$0123456789" for cell in column) and any(
        cell.lstrip("$").replace(",", "").replace(".", "").isdigit() for cell in column
    )
