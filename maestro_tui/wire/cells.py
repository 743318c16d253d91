"""Cells of a screen, painted from Textual's updates; nothing in them can command a terminal.

A row is two lists: what stands in each cell (a wide character's second cell holds "") and its
pen. Whatever is no plain text is replaced here, whoever forgot to. One thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from rich.cells import split_graphemes
from textual.strip import Strip

from maestro_core.text import visible
from maestro_tui.wire.sgr import PLAIN, Pen, Pens

UNSHOWABLE = "\ufffd"
MOST_MARKS = 8
"""Code points in one cell: nothing needs more accents on a letter."""


class Row(NamedTuple):
    """Both lists are as long as the screen is wide."""

    texts: list[str]
    pens: list[Pen]


class Picture:
    """Cells as they should be."""

    def __init__(self, width: int, height: int, pens: Pens) -> None:
        self.width, self.height, self._pens = width, height, pens
        self.rows = [Row([" "] * width, [PLAIN] * width) for _ in range(height)]

    def paint(self, x: int, y: int, strip: Strip) -> int:
        """Put a strip into row `y` from column `x`; the column behind it."""
        if not 0 <= y < self.height:
            return x
        texts, pens = self.rows[y]
        for text, style, control in strip:
            if control or x >= self.width:
                continue
            cells = spread(text)
            end = min(x + len(cells), self.width)
            if end - x < len(cells):
                cells = _cut(cells, end - x)
            _part(texts, x, end)
            texts[x:end] = cells
            pens[x:end] = [self._pens.of(style)] * (end - x)
            x = end
        return x

    def paint_rows(self, x: int, y: int, rows: Iterable[Iterable[Strip]]) -> set[int]:
        """Whole rows from a corner on, each made of strips side by side; the rows' numbers."""
        painted = set()
        for number, strips in enumerate(rows, y):
            column = x
            for strip in strips:
                column = self.paint(column, number, strip)
            painted.add(number)
        return painted

    def paint_spans(
        self,
        spans: Iterable[tuple[int, int, int]],
        chops: Sequence[Mapping[int, Strip | None]],
        ends: Sequence[Sequence[int]],
    ) -> set[int]:
        """Spans `(row, from, to)` out of rows chopped into strips; the rows' numbers."""
        painted = set()
        for y, start, stop in spans:
            for end, (x, strip) in zip(ends[y], chops[y].items(), strict=False):
                if strip is not None and x < stop and end > start:
                    self.paint(x, y, strip.crop(0, min(end, stop) - x))
            painted.add(y)
        return painted


def _part(texts: list[str], start: int, end: int) -> None:
    """Wide characters that the cells from `start` to `end` cut through become blanks."""
    if start < end and start and texts[start] == "":
        texts[start - 1] = " "
    if start < end < len(texts) and texts[end] == "":
        texts[end] = " "


ONE_CELL = frozenset(
    chr(point)
    for first, last in (
        (0x20, 0x7E), (0xA1, 0xAC), (0xAE, 0x2FF), (0x370, 0x482), (0x2010, 0x2027),
        (0x2190, 0x21FF), (0x2500, 0x25FC), (0x2800, 0x28FF),
    )
    for point in range(first, last + 1)
)  # fmt: skip
"""Characters that take one cell each, whatever stands beside them: Latin, Greek, Cyrillic,
dashes and dots, arrows, frames and blocks, Braille. Rich's tables for all others take 20 ms to
load."""


def spread(text: str) -> list[str]:
    """One entry for each cell that the text takes."""
    if ONE_CELL.issuperset(text) and text.isprintable():
        return list(text)
    return list(_spread(text))


@lru_cache(4096)
def _spread(text: str) -> tuple[str, ...]:
    cells: list[str] = []
    for start, end, width in split_graphemes(text)[0]:
        if width:
            cells += [_plain(text[start:end], width), *[""] * (width - 1)]
    return tuple(cells)


def _plain(piece: str, width: int) -> str:
    """What is shown of a grapheme: itself, without what a terminal may not be told."""
    if visible(piece) == piece:
        return piece[:MOST_MARKS]
    base = piece[0]
    if visible(base) == base and len(split_graphemes(base)[0]) == 1 and _width(base) == width:
        return base
    return UNSHOWABLE if width == 1 else "\uff1f"


def _width(character: str) -> int:
    return split_graphemes(character)[1]


def _cut(cells: list[str], count: int) -> list[str]:
    """The first cells; half a wide character is a blank."""
    kept = cells[:count]
    if count and cells[count : count + 1] == [""]:
        kept[-1] = " "
    return kept
