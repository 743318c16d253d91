"""Colours inside a log line, as names of our own styles. Pure.

Only SGR (`ESC [ … m`) is understood, and none of it is passed on: a colour becomes the
meaning that is nearest to it in the theme, so logs stay readable on any ground and without
colour. Every other sequence is left in the text, to be made visible.
"""

from __future__ import annotations

import colorsys
import re
from collections.abc import Iterator

_SGR = re.compile(r"\x1b\[([0-9;:]{0,64})m")

_NAMED = ("faint", "bad", "ok", "warn", "run", "probe", "accent", "text")
"""Styles for the eight colours of a terminal, in their order."""

_HUES = ((20, "bad"), (70, "warn"), (165, "ok"), (200, "accent"), (260, "run"), (330, "probe"))
"""Upper bound of a hue in degrees and what it means; beyond the last it is red again."""

Run = tuple[str, str]
"""Text and the name of its style; an empty name is the line's own style."""


def split_colours(text: str) -> list[Run]:
    """The line as runs, SGR sequences taken out."""
    if "\x1b[" not in text:
        return [(text, "")]
    runs: list[Run] = []
    style, bold, place = "", False, 0
    for found in _SGR.finditer(text):
        if found.start() > place:
            runs.append((text[place : found.start()], _name(style, bold)))
        style, bold = _after(found.group(1), style, bold)
        place = found.end()
    if place < len(text) or not runs:
        runs.append((text[place:], _name(style, bold)))
    return runs


def _name(style: str, bold: bool) -> str:
    if not bold:
        return style
    return f"{style or 'text'}.strong" if style not in ("faint", "accent") else style


def _after(parameters: str, style: str, bold: bool) -> tuple[str, bool]:
    """Style and weight after a sequence with those parameters."""
    codes = _codes(parameters)
    for code in codes:
        if code == 0:
            style, bold = "", False
        elif code in (1, 22):
            bold = code == 1
        elif code == 2:
            style = "muted"
        elif 30 <= code <= 37 or 90 <= code <= 97:
            style = _NAMED[code % 10]
        elif code == 38:
            style = _extended(codes)
        elif code == 48:
            _extended(codes)
        elif code == 39:
            style = ""
    return style, bold


def _codes(parameters: str) -> Iterator[int]:
    return (int(one) if one else 0 for one in re.split("[;:]", parameters[:64]))


def _extended(codes: Iterator[int]) -> str:
    """The colour that follows 38 or 48; takes its parameters from `codes`."""
    kind = next(codes, 0)
    if kind == 5:
        return _indexed(next(codes, 7))
    if kind == 2:
        red, green, blue = (min(next(codes, 0), 255) for _ in range(3))
        return _nearest(red, green, blue)
    return ""


def _indexed(number: int) -> str:
    if number < 16:
        return _NAMED[number % 8]
    if number >= 232:
        return "muted" if number < 248 else ""
    cube = min(number, 231) - 16
    red, green, blue = (51 * (cube // step % 6) for step in (36, 6, 1))
    return _nearest(red, green, blue)


def _nearest(red: int, green: int, blue: int) -> str:
    hue, saturation, value = colorsys.rgb_to_hsv(red / 255, green / 255, blue / 255)
    if saturation < 0.2 or value < 0.15:
        return "" if value > 0.7 else "muted"
    return next((name for bound, name in _HUES if hue * 360 < bound), "bad")
