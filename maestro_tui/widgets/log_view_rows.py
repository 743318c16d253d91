"""Lines of a log as strips, made once and kept while they are near what is shown."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from maestro_core.observe.logfile import Line, LogFile
from maestro_core.observe.search import Query
from maestro_tui.presentation.log_sgr import Run
from maestro_tui.presentation.log_text import EDGE, Piece, Redact, show, speaks_of_trouble, wrap
from maestro_tui.themes import painter

KEPT = 512
"""Lines whose strips are kept."""


class Look(NamedTuple):
    """Everything that decides how every line is drawn; a change makes all strips anew."""

    width: int
    theme: str
    ground: str = "base"
    wrap: bool = False
    left: int = 0
    match: Query | None = None
    gutter: bool = True
    time_width: int = 0


class Note(NamedTuple):
    """What is special about one line."""

    marked: bool = False
    hit: int | None = None
    """Offset in the line of the match that was jumped to."""
    origin: str = ""
    time: str = ""


class Rows:
    """Strips of lines, least recently used ones dropped."""

    def __init__(self, log: LogFile, redact: Redact, note: Callable[[Line], Note]) -> None:
        self._log = log
        self._redact = redact
        self._note = note
        self._look = Look(1, "")
        self._kept: OrderedDict[tuple[int, int, Note], list[Strip]] = OrderedDict()

    def dress(self, look: Look) -> None:
        """Draw lines like this from now on."""
        if look != self._look:
            self._look = look
            self._kept.clear()

    def forget(self) -> None:
        self._kept.clear()

    def height(self, line: Line) -> int:
        return len(self.strips(line)) if self._look.wrap else 1

    def strips(self, line: Line) -> list[Strip]:
        """The rows of a line, each exactly as wide as the view."""
        note = self._note(line)
        key = (line.start, line.end, note)
        strips = self._kept.get(key)
        if strips is None:
            strips = self._kept[key] = self._draw(line, note)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        return strips

    def plain(self, line: Line) -> str:
        """The line as text: masked, made visible, cut as it is on the screen."""
        return "".join(text for text, _ in show(self._piece(line, Note()), self._redact))

    def _draw(self, line: Line, note: Note) -> list[Strip]:
        look = self._look
        gutter = _gutter(note, look)
        room = max(1, look.width - sum(len(text) for text, _ in gutter))
        runs = show(self._piece(line, note), self._redact, _line_style(line, note), look.match)
        ground = _style(look.theme, look.ground)
        if note.hit is not None:
            ground += _style(look.theme, "row.cursor")
        rows = wrap(runs, room) if look.wrap else [runs]
        blank = [(" " * len(text), style) for text, style in gutter]
        strips = []
        for number, row in enumerate(rows):
            body = self._strip(row, ground).crop_extend(look.left, look.left + room, ground)
            if not look.wrap and sum(len(text) for text, _ in row) > look.left + room:
                body = _with_more(body, room, ground + _style(look.theme, "faint"))
            strips.append(Strip.join([self._strip(blank if number else gutter, ground), body]))
        return [strip.simplify() for strip in strips]

    def _strip(self, runs: list[Run], ground: Style) -> Strip:
        theme = self._look.theme
        return Strip([Segment(text, ground + _style(theme, name)) for text, name in runs if text])

    def _piece(self, line: Line, note: Note) -> Piece:
        """What of a long line is read: its head, its end (progress bars), or about the match."""
        length, head = line.end - line.start, line.head
        if length == len(head):
            return Piece(head)
        if note.hit is not None and note.hit > len(head) - 4 * EDGE:
            start = max(0, note.hit - EDGE - 200)
            data = self._log.read(line.start + start, min(len(head), length - start))
            return Piece(data, start, length - start - len(data))
        if b"\r" in head:
            start = length - len(head)
            return Piece(self._log.read(line.start + start, len(head)), start)
        return Piece(head, 0, length - len(head))


def _gutter(note: Note, look: Look) -> list[Run]:
    if not look.gutter:
        return []
    runs = [("●" if note.marked else "▌" if note.hit is not None else " ", "mark")]
    if note.origin:
        runs.append(("│ " if note.origin == "stderr" else "  ", "warn"))
    if look.time_width:
        runs.append((f"{note.time:<{look.time_width}}", "faint"))
    return runs


def _line_style(line: Line, note: Note) -> str:
    if note.origin == "heading":
        return "muted"
    return "bad" if speaks_of_trouble(line.head) else "text"


def _with_more(strip: Strip, width: int, style: Style) -> Strip:
    """The row with a sign in its last cell that it goes on."""
    return Strip.join([strip.crop(0, width - 1), Strip([Segment("›", style)], 1)])


def differing(old: Strip, new: Strip) -> tuple[int, int]:
    """The cells `(start, end)` between which two strips of one width differ; empty if they do not.

    One run a row: where colours take forty bytes, sending what is alike between two changes is
    cheaper than beginning anew.
    """
    before, after = list(old), list(new)
    if before == after:
        return 0, 0
    if not (old.text + new.text).isascii():
        return 0, new.cell_length  # no run may begin in a wide character or with a combining one
    start = _alike(before, after, from_end=False)
    return start, new.cell_length - _alike(before[::-1], after[::-1], from_end=True)


def _alike(old: list[Segment], new: list[Segment], *, from_end: bool) -> int:
    """How many cells at this end are the same."""
    cells = 0
    for before, after in zip(old, new, strict=False):
        if before.style != after.style:
            break
        if before.text != after.text:
            step = -1 if from_end else 1
            return cells + _same(before.text[::step], after.text[::step])
        cells += after.cell_length
    return cells


def _same(one: str, other: str) -> int:
    """How many characters the two have in common at the beginning, by halving."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


@lru_cache(maxsize=256)
def _style(theme: str, name: str) -> Style:
    return painter(theme).get_style(name, default=Style.null()) if name else Style.null()
