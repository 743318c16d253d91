"""A table on the line API that holds any number of rows and renders the visible ones alone.

Columns drop in their order when room is short. Cursor and marks are a `Selection`, so they
belong to ids. Rows are anything with a `key`; groups are rows too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic

from rich.text import Text
from textual import events
from textual.message import Message

from maestro_tui.presentation.cells import fit, line
from maestro_tui.presentation.columns import Column, Row, arrange
from maestro_tui.selection import Selection
from maestro_tui.widgets.canvas import Canvas

KEPT = 2000
"""Cells that are kept at most from one set of rows to the next."""


@dataclass
class Sorting:
    """Which column the rows are sorted by; None = the order in which they came."""

    key: str | None = None
    reverse: bool = False


@dataclass
class TableState(Generic[Row]):
    """What a table shows apart from its rows."""

    selection: Selection = field(default_factory=Selection)
    sorting: Sorting = field(default_factory=Sorting)
    pending: dict[str, str] = field(default_factory=dict)
    """Row id -> what was requested for it and is not answered yet."""


class Table(Canvas, Generic[Row]):
    """See the module docstring. Keys are bound by the screen; the mouse is handled here."""

    can_focus = True
    DEFAULT_CSS = "Table { height: 1fr; }"

    class Opened(Message):
        """Enter or a double click on a row."""

        def __init__(self, row_id: str) -> None:
            super().__init__()
            self.row_id = row_id

    class Moved(Message):
        """The cursor is on another row now."""

        def __init__(self, row_id: str | None) -> None:
            super().__init__()
            self.row_id = row_id

    def __init__(
        self,
        columns: Sequence[Column[Row]],
        key: Callable[[Row], str],
        *,
        id: str | None = None,  # noqa: A002
    ) -> None:
        super().__init__(id=id)
        self.columns = columns
        self.row_key = key
        self.rows: Sequence[Row] = ()
        self.state: TableState[Row] = TableState()
        self.now = 0.0
        self.top = 0
        self.empty: Sequence[Text] = ()
        """What stands in the middle when there are no rows."""
        self.dimmed = False
        self._kept: dict[tuple[str, str], tuple[Row, int, Text]] = {}

    # ---- what it shows --------------------------------------------------------------------

    def show(self, rows: Sequence[Row], now: float) -> None:
        """Take new rows; the cursor stays on its row and that row stays where it is on screen."""
        if len(self._kept) > KEPT:
            self._kept.clear()
        selection = self.state.selection
        offset = selection.index - self.top
        before = selection.cursor
        self.rows, self.now = rows, now
        selection.show([self.row_key(row) for row in rows])
        self.top = selection.index - offset
        self._keep_in_view()
        self.repaint()
        if selection.cursor != before:
            self.post_message(self.Moved(selection.cursor))

    def tick(self, now: float) -> None:
        self.now = now
        self.repaint()

    def row(self, row_id: str) -> Row | None:
        place = self.state.selection.place(row_id)
        return None if place is None else self.rows[place]

    @property
    def current(self) -> Row | None:
        cursor = self.state.selection.cursor
        return None if cursor is None else self.row(cursor)

    @property
    def page(self) -> int:
        """How many rows are in view."""
        return max(1, self.size.height - 1)

    # ---- moving ---------------------------------------------------------------------------

    def move(self, step: int) -> None:
        self.move_to(self.state.selection.index + step)

    def move_to(self, index: int) -> None:
        selection = self.state.selection
        before = selection.cursor
        selection.to(index)
        self._keep_in_view()
        self.repaint()
        if selection.cursor != before:
            self.post_message(self.Moved(selection.cursor))

    def _keep_in_view(self) -> None:
        index = self.state.selection.index
        self.top = min(max(self.top, index - self.page + 1), index)
        self.top = max(0, min(self.top, len(self.rows) - self.page))

    def on_resize(self) -> None:
        self._keep_in_view()
        self.repaint()

    def watch_has_focus(self, has_focus: bool) -> None:
        """Not on the event: at that time the widget does not know yet that it has it."""
        super().watch_has_focus(has_focus)
        self.repaint()

    # ---- mouse ----------------------------------------------------------------------------

    def on_click(self, event: events.Click) -> None:
        index = self.top + event.y - 1
        if event.y < 1 or index >= len(self.rows):
            return
        self.move_to(index)
        if event.chain == 2:
            self.post_message(self.Opened(self.row_key(self.rows[index])))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.move(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.move(-3)

    # ---- painting -------------------------------------------------------------------------

    def paint(self) -> list[Text]:
        width, height = self.size
        inner = width - 3  # one for the cursor's edge, one for the mark, one for the scroll bar
        layout = arrange(self.columns, inner)
        if not self.rows:
            return centred(self.empty, width, height)
        head = line("  ", self._head(layout))
        thumb = scroll_thumb(self.top, self.page, len(self.rows))
        shown = self.rows[self.top : self.top + self.page]
        marked = self.state.selection.marks | set(self.state.selection.range_ids())
        body = [
            line(fit(self._line(row, layout, marked), width - 1), self._scroll_cell(y, thumb))
            for y, row in enumerate(shown)
        ]
        for text, row in zip(body, shown, strict=True):
            if self.row_key(row) == self.state.selection.cursor:
                text.style = "row.cursor" if self.has_focus else "row.blur"
        return [head, *body]

    def _head(self, layout: Iterable[tuple[Column[Row], int]]) -> Text:
        sorting, cells = self.state.sorting, []
        for column, width in layout:
            on = column.key == sorting.key
            arrow = ("↓" if sorting.reverse else "↑") if on else ""
            cell = line((column.title + arrow, "head.sorted" if on else "head"))
            cells.append(fit(cell, width, column.align))
        return Text("  ", end="").join(cells)

    def _line(self, row: Row, layout: Iterable[tuple[Column[Row], int]], marked: set[str]) -> Text:
        row_id = self.row_key(row)
        edge = "▌" if row_id == self.state.selection.cursor else " "
        mark = "●" if row_id in marked else " "
        text = line((edge, "accent"), (mark, "mark"))
        for place, (column, width) in enumerate(layout):
            if place:
                text.append("  ")
            text.append_text(self._cell(column, row, width))
        asked = self.state.pending.get(row_id)
        if asked:
            note = f" … {asked} "
            text = line(fit(text, max(2, self.size.width - 1 - len(note))), (note, "badge.run"))
        if self.dimmed:
            text.stylize("stale")
        return text

    def _cell(self, column: Column[Row], row: Row, width: int) -> Text:
        """The fitted cell; one that does not tick is kept while its row is the same."""
        place = (self.row_key(row), column.key)
        kept = self._kept.get(place)
        if kept is not None and kept[0] is row and kept[1] == width:
            return kept[2]
        cell = column.fill(row, self.now, width) if column.fill else column.cell(row, self.now)
        fitted = fit(cell, width, column.align)
        if not column.ticks:
            self._kept[place] = (row, width, fitted)
        return fitted

    def _scroll_cell(self, y: int, thumb: tuple[int, int] | None) -> Text:
        if thumb is None:
            return line(" ")
        on = thumb[0] <= y < thumb[1]
        return line(("┃" if on else "│", "scroll.thumb" if on else "scroll"))


def scroll_thumb(top: int, page: int, total: int) -> tuple[int, int] | None:
    """First and last+1 line of the scroll bar's thumb; None when everything is in view."""
    if total <= page:
        return None
    size = max(1, page * page // total)
    start = round(top / (total - page) * (page - size))
    return start, start + size


def centred(lines: Sequence[Text], width: int, height: int) -> list[Text]:
    """Lines in the middle of a free area."""
    above = max(0, (height - len(lines)) // 3)
    out = [Text("", end="")] * above
    for text in lines:
        pad = max(0, (width - text.cell_len) // 2)
        out.append(line(" " * pad, text))
    return out
