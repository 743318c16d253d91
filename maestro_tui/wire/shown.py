"""What the terminal shows, and the fewest bytes that make it show something else.

Cells are written with as few cursor moves and colour changes as there can be; a terminal of
which nothing is known (at the start, after a resize) is written to from edge to edge. It may
think otherwise of the width of some characters: those are placed, never trusted. One thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from maestro_tui.wire.cells import Picture, Row
from maestro_tui.wire.sgr import Pen, Turns, marks_of

NEAR = 4
"""So many unchanged cells are written again rather than jumped over: a jump costs as much."""
DOUBTFUL = 0x1F000
"""From here on terminals of different ages differ about widths (emoji)."""
_SHOWN_ON_BLANKS = marks_of(
    "underline", "reverse", "strike", "underline2", "frame", "encircle", "overline"
)


class Shown:
    """See the module docstring."""

    def __init__(self) -> None:
        self._rows: list[Row | None] = []
        self._width = 0
        self._turns = Turns()
        self._cursor: tuple[int, int] | None = None
        self._pen: Pen | None = None

    def forget(self) -> None:
        """Somebody else wrote to the terminal, or it was made anew."""
        self._rows = [None] * len(self._rows)
        self._cursor = self._pen = None

    def update(self, picture: Picture, rows: Iterable[int], limit: int) -> tuple[str, list[int]]:
        """Sequences that make these rows those of the picture, from the first on.

        Rows that are left over when `limit` bytes are passed come back; at least one is done.
        """
        if (self._width, len(self._rows)) != (picture.width, picture.height):
            self._width, self._rows = picture.width, [None] * picture.height
            self._cursor = self._pen = None
        parts: list[str] = []
        size, left = 0, []
        for y in rows:
            if size >= limit:
                left.append(y)
                continue
            part = self._row(y, picture.rows[y])
            size += len(part.encode())
            parts.append(part)
        return "".join(parts), left

    def place(self, x: int, y: int) -> str:
        """Put the cursor there."""
        return self._go(x, y)

    @property
    def cursor(self) -> tuple[int, int] | None:
        """Column and row, from 0; None = not known."""
        return self._cursor

    # ---- rows -----------------------------------------------------------------------------

    def _row(self, y: int, new: Row) -> str:
        old = self._rows[y]
        if old is not None and old == new:
            return ""
        spans = [(0, self._width)] if old is None else list(changed(old, new))
        self._rows[y] = Row(new.texts.copy(), new.pens.copy())
        return "".join(part for start, end in spans for part in self._span(y, start, end, new))

    def _span(self, y: int, start: int, end: int, row: Row) -> Iterator[str]:
        start -= row.texts[start] == ""  # never half a wide character
        end += row.texts[end : end + 1] == [""]
        yield self._go(start, y)
        x = start
        for pen, cells in groupby(row.pens[start:end]):
            stop = x + sum(1 for _ in cells)
            text = "".join(row.texts[x:stop])
            yield self._turn(pen, text)
            if text.isascii() or not any(map(doubtful, text)):
                yield text
                self._cursor = (stop, y)
            else:
                yield from self._doubtful(x, y, row.texts[x:stop])
            x = stop
        if x >= self._width:
            self._cursor = None  # in the last column terminals differ about where it is

    def _doubtful(self, x: int, y: int, cells: list[str]) -> Iterator[str]:
        """Each one on blanks, in its place, and the place behind it taken anew."""
        for at, text in enumerate(cells, x):
            if not text:
                continue
            yield self._go(at, y)
            self._cursor = (at + 1, y)
            if any(map(doubtful, text)):
                width = 2 if cells[at - x + 1 : at - x + 2] == [""] else 1
                yield f"{' ' * width}\x1b[{at + 1}G{text}"
                self._cursor = None
            else:
                yield text
                self._cursor = (at + 2 if cells[at - x + 1 : at - x + 2] == [""] else at + 1, y)

    def _turn(self, pen: Pen, text: str) -> str:
        if self._pen is not None and text.isspace() and ground(pen) == ground(self._pen):
            return ""
        turn = self._turns.between(self._pen, pen)
        self._pen = pen
        return turn

    def _go(self, x: int, y: int) -> str:
        """The shortest way there."""
        before, self._cursor = self._cursor, (x, y)
        if before == (x, y):
            return ""
        if before is None or before[1] != y:
            return f"\x1b[{y + 1 or ''};{x + 1}H" if x else f"\x1b[{y + 1 if y else ''}H"
        if x == 0:
            return "\r"
        step = x - before[0]
        return f"\x1b[{step if step > 1 else ''}C" if step > 0 else f"\x1b[{x + 1}G"


def changed(old: Row, new: Row) -> Iterator[tuple[int, int]]:
    """Spans of cells `(start, end)` to write so that `old` becomes `new`."""
    start = end = -1
    for x in _different(old, new):
        if end >= 0 and x - end <= NEAR and _plain_between(new, end, x):
            end = max(end, x + 1)
            continue
        if end >= 0:
            yield start, end
        start, end = x, x + 1
    if end >= 0:
        yield start, end


def _different(old: Row, new: Row) -> list[int]:
    """Cells that differ to the eye, whole characters, in order."""
    found = [
        x
        for x, (a, b, p, q) in enumerate(zip(old.texts, new.texts, old.pens, new.pens, strict=True))
        if (p is not q or a != b) and not (a == b == " " and ground(p) == ground(q))
    ]
    if all(old.texts[x].isascii() and new.texts[x].isascii() for x in found) and not any(
        new.texts[x] == "" or new.texts[x + 1 : x + 2] == [""] for x in found
    ):
        return found
    return sorted(_whole(found, old, new))


def _whole(found: list[int], old: Row, new: Row) -> set[int]:
    """With the other half of wide characters, and what stands behind doubtful ones."""
    whole = set(found)
    for x in found:
        if new.texts[x] == "" and x:
            whole.add(x - 1)
        if new.texts[x + 1 : x + 2] == [""]:
            whole.add(x + 1)
        if any(map(doubtful, old.texts[x] + new.texts[x])):
            whole.update(range(x, min(x + 3, len(new.texts))))
    return whole


def _plain_between(row: Row, start: int, end: int) -> bool:
    """Can these cells be written along without a change of pen?"""
    pen = row.pens[start - 1]
    return all(
        one is pen and text.isascii() and text
        for one, text in zip(row.pens[start:end], row.texts[start:end], strict=True)
    )


def doubtful(character: str) -> bool:
    """May terminals differ about its width?"""
    code = ord(character)
    return code >= DOUBTFUL or 0x2300 <= code < 0x2400 or code in (0xFE0E, 0xFE0F)


def ground(pen: Pen) -> tuple[str, str, int]:
    """What is seen of a pen where nothing is written."""
    marks = pen.marks & _SHOWN_ON_BLANKS
    return pen.back, pen.fore if marks else "", marks
