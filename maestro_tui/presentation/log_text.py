"""One line of a log as it may be shown: decoded, masked, nothing in it that a terminal obeys.

The order matters: colours are taken out first (they could stand in the middle of a key),
then secrets are masked, then what is left of control characters is made visible. Pure.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable
from typing import NamedTuple

from rich.cells import cell_len, chop_cells

from maestro_core.observe.search import TROUBLE, Query
from maestro_core.text import visible
from maestro_tui.presentation.log_sgr import Run, split_colours

LIMIT = 4096
"""At most so many characters of a line are shown."""

EDGE = 1024
"""So many characters next to a cut are left out."""

Redact = Callable[[str], str]


class Piece(NamedTuple):
    """What was read of a line: `data`, and how many bytes of the line lie before and behind it."""

    data: bytes
    before: int = 0
    behind: int = 0


def decode(piece: Piece) -> str:
    """UTF-8, what is none of it as `\\xff`; a character that the cut tore is left out."""
    data = piece.data
    if piece.before:
        data = data.lstrip(bytes(range(0x80, 0xC0)))
    if not piece.behind:
        return data.decode("utf-8", "backslashreplace")
    return codecs.getincrementaldecoder("utf-8")("backslashreplace").decode(data)


def show(piece: Piece, redact: Redact, style: str = "", match: Query | None = None) -> list[Run]:
    """The runs of one line. `style` is that of plain text in it."""
    text, overwritten = last_state(decode(piece))
    colours = split_colours(text)
    plain = "".join(part for part, _ in colours)
    masked = redact(plain)
    torn = piece._replace(before=0) if overwritten else piece
    if masked != plain or torn.before or torn.behind:
        colours = _masked(colours, masked, torn, redact)
    runs = [(part, name or style) for part, name in _cap(_printable(colours))]
    if match is not None:
        runs = highlight(runs, match)
    hidden = piece.behind + max(0, len(masked) - LIMIT)
    head = [(f"… {size_words(torn.before)} … ", "faint")] if torn.before else []
    head += [(f"↻{overwritten} ", "faint")] if overwritten else []
    return head + runs + ([(f" … +{size_words(hidden)}", "faint")] if hidden else [])


def _masked(colours: list[Run], masked: str, piece: Piece, redact: Redact) -> list[Run]:
    """The runs with secrets masked; colours go where a secret lies across two of them.

    Half a secret at a cut is not recognised and would be shown: what is near a cut goes too.
    """
    parts = [(redact(part), name) for part, name in colours]
    if not (piece.before or piece.behind) and "".join(part for part, _ in parts) == masked:
        return parts
    masked = masked[EDGE:] if piece.before else masked
    return [(masked[:-EDGE] if piece.behind else masked, "")]


def last_state(text: str) -> tuple[str, int]:
    """What a progress bar shows last, and how many states it wrote over; CRLF is a line end."""
    text = text.rstrip("\r")
    if "\r" not in text:
        return text, 0
    states = [state for state in text.split("\r") if state]
    return (states[-1], len(states) - 1) if states else ("", 0)


def _printable(runs: Iterable[Run]) -> list[Run]:
    """Tabs become blanks to the next eighth column, all else that is not plain an escape."""
    out: list[Run] = []
    column = 0
    for text, style in runs:
        text = visible(text, keep="\t")
        if "\t" in text:
            text = (" " * (column % 8) + text).expandtabs(8)[column % 8 :]
        out.append((text, style))
        column += len(text)
    return out


def _cap(runs: Iterable[Run]) -> list[Run]:
    out: list[Run] = []
    room = LIMIT
    for text, style in runs:
        if room > 0:
            out.append((text[:room], style))
        room -= len(text)
    return out


def highlight(runs: list[Run], match: Query) -> list[Run]:
    """The runs with every match of plain text in them in the style `match`."""
    if match.invert or match.accept is not None:
        return runs
    plain = "".join(text for text, _ in runs)
    needle = match.needles[0].decode("utf-8", "replace")
    low = _lower(plain) if match.fold else plain
    places: list[int] = []
    place = low.find(needle)
    while place >= 0 and needle:
        places.append(place)
        place = low.find(needle, place + len(needle))
    for start in places:
        runs = _restyled(runs, start, start + len(needle))
    return runs


_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def _lower(text: str) -> str:
    """Lower case that keeps every position: A-Z alone, as the search does."""
    return text.translate(_LOWER)


def _restyled(runs: list[Run], start: int, stop: int) -> list[Run]:
    out: list[Run] = []
    place = 0
    for text, style in runs:
        low, high = max(0, start - place), max(0, stop - place)
        out += [(text[:low], style), (text[low:high], "match"), (text[high:], style)]
        place += len(text)
    return [run for run in out if run[0]]


def speaks_of_trouble(data: bytes) -> bool:
    """Whether the beginning of a line says that something went wrong."""
    return TROUBLE.first(TROUBLE.prepare(data[:512])) >= 0


def size_words(count: int) -> str:
    """`812 B`, `4.1 KB`, `1.2 GB`."""
    size = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"


# ---- rows ---------------------------------------------------------------------------------


def wrap(runs: list[Run], width: int) -> list[list[Run]]:
    """The line in rows of at most `width` cells, broken where the row is full."""
    rows: list[list[Run]] = [[]]
    room = width
    for text, style in runs:
        while text:
            part = _fitting(text, room)
            if not part and rows[-1]:
                rows.append([])
                room = width
                continue
            part = part or text[0]  # a wide character in a column too narrow for it
            rows[-1].append((part, style))
            room -= cell_len(part)
            text = text[len(part) :]
    return rows


def _fitting(text: str, room: int) -> str:
    """The beginning of `text` that fits into `room` cells."""
    if room <= 0:
        return ""
    if text.isascii():
        return text[:room]
    first = chop_cells(text[: room + 1], room)
    return first[0] if first and cell_len(first[0]) <= room else ""
