"""Pens: how a cell is drawn, and the shortest way to say so to a terminal.

A pen is what is left of a style once its colours are those that the terminal can show. Pure
but for its caches; one thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rich.color import Color, ColorSystem
from rich.style import Style

_MARKS = (
    ("bold", "1", "22"), ("dim", "2", "22"), ("italic", "3", "23"), ("underline", "4", "24"),
    ("blink", "5", "25"), ("blink2", "6", "25"), ("reverse", "7", "27"), ("conceal", "8", "28"),
    ("strike", "9", "29"), ("underline2", "21", "24"), ("frame", "51", "54"),
    ("encircle", "52", "54"), ("overline", "53", "55"),
)  # fmt: skip
"""Attribute, the code that sets it, the code that takes it away (maybe with another one)."""


class Pen(NamedTuple):
    """Codes of the two colours ("" = the terminal's own) and which `_MARKS` are on, as bits."""

    fore: str = ""
    back: str = ""
    marks: int = 0


PLAIN = Pen()
MOST = 8192
"""Entries of a cache; an app has some hundred styles, blended colours make more of them."""


def marks_of(*names: str) -> int:
    """The bits of those marks."""
    return sum(1 << bit for bit, (name, _, _) in enumerate(_MARKS) if name in names)


class Pens:
    """Pens of styles for one colour system. Links and meta data are left out."""

    def __init__(self, system: ColorSystem = ColorSystem.TRUECOLOR) -> None:
        self._system = system
        self._pens: dict[Style, Pen] = {}
        self._same: dict[Pen, Pen] = {PLAIN: PLAIN}

    def of(self, style: Style | None) -> Pen:
        """Equal pens are one object, so that comparing them is cheap."""
        if style is None:
            return PLAIN
        pen = self._pens.get(style)
        if pen is None:
            if len(self._pens) > MOST:
                self._pens.clear()
            pen = self._pens[style] = self._make(style)
        return pen

    def _make(self, style: Style) -> Pen:
        marks = sum(1 << bit for bit, (name, _, _) in enumerate(_MARKS) if getattr(style, name))
        pen = Pen(self._codes(style.color, True), self._codes(style.bgcolor, False), marks)
        return self._same.setdefault(pen, pen)

    def _codes(self, color: Color | None, foreground: bool) -> str:
        if color is None:
            return ""
        codes = color.downgrade(self._system).get_ansi_codes(foreground)
        return "" if codes in (("39",), ("49",)) else ";".join(codes)


class Turns:
    """The sequences that turn one pen into another."""

    def __init__(self) -> None:
        self._known: dict[tuple[Pen | None, Pen], str] = {}

    def between(self, old: Pen | None, new: Pen) -> str:
        """The shortest SGR sequence from `old` (None = whatever the terminal has) to `new`."""
        if old is new:
            return ""
        known = self._known.get((old, new))
        if known is None:
            if len(self._known) > MOST:
                self._known.clear()
            known = self._known[old, new] = _turn(old, new)
        return known


def _turn(old: Pen | None, new: Pen) -> str:
    if old == new:
        return ""
    anew = [*(["0"] if old != PLAIN else []), *_on(new.marks), *filter(None, new[:2])]
    ways = [";".join(anew) if anew != ["0"] else ""]
    if old is not None:
        ways.append(";".join(_changes(old, new)))
    return f"\x1b[{min(ways, key=len)}m"


def _on(marks: int) -> Iterator[str]:
    return (on for bit, (_, on, _) in enumerate(_MARKS) if marks >> bit & 1)


def _changes(old: Pen, new: Pen) -> list[str]:
    """Only what differs. A code that takes away may take a mark that stays: it is set again."""
    gone = old.marks & ~new.marks
    off = {code: None for bit, (_, _, code) in enumerate(_MARKS) if gone >> bit & 1}
    hit = sum(1 << bit for bit, (_, _, code) in enumerate(_MARKS) if code in off)
    codes = [*off, *_on(new.marks & (~old.marks | hit))]
    if old.fore != new.fore:
        codes.append(new.fore or "39")
    if old.back != new.back:
        codes.append(new.back or "49")
    return codes
