"""A screen around one list: cursor, marks, filter, sort, and rows that are read in a thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from textwrap import wrap
from typing import ClassVar, Generic, TypeVar

from rich.text import Text
from textual.widget import Widget

from maestro_core.errors import BusAway
from maestro_tui.messages import RowsFailed, RowsRead
from maestro_tui.presentation.cells import data, line
from maestro_tui.query import Fields, Query
from maestro_tui.rows import MANY, Arranged, Order, Outdated, always, arrange_rows
from maestro_tui.screens.frame import ConsoleScreen, screen_bindings
from maestro_tui.widgets.filter_bar import FilterBar
from maestro_tui.widgets.keybar import KeyBar
from maestro_tui.widgets.table import Table

__all__ = ["ConsoleScreen", "ListScreen", "screen_bindings"]

Row = TypeVar("Row")

_NARROW = 56
"""Cells of a line that is whole on the smallest screen too."""


class ListScreen(ConsoleScreen, Generic[Row]):
    """A screen around one list. Subclasses give `make_table` and say how rows are read."""

    NOUN: ClassVar[str] = "rows"

    def __init__(self) -> None:
        super().__init__()
        self.filter = Query()
        self.last_filter = Query()
        self.all_rows: Sequence[Row] = ()
        self.loaded = False
        self.failure: str | None = None
        """Why the rows could not be read, until they can be."""
        self.reading_on = False
        """What is shown are the newest rows alone; the others are being read."""
        self._ticket = 0
        self._reading = False
        self._read_again = False
        self._arranging = 0

    # ---- given by the subclass ------------------------------------------------------------

    def make_table(self) -> Table[Row]:
        raise NotImplementedError

    def read_rows(self) -> Sequence[Row]:
        """Called in a thread. Screens whose rows come from the snapshot leave it."""
        return ()

    def fields(self, row: Row, now: float) -> Fields:
        raise NotImplementedError

    def group(self, rows: Sequence[Row]) -> Sequence[Row]:
        """A last arrangement of the rows that are shown."""
        return rows

    def empty(self) -> Sequence[Text]:
        """What an empty list says: what to do."""
        return (line(("nothing here", "muted")),)

    def unread(self, why: str) -> Sequence[Text]:
        """What a list says that could not be read: it must not look as if there were nothing."""
        return (
            line((f"{self.NOUN} cannot be read".capitalize(), "bad.strong")),
            *(line((part, "text")) for part in wrap(data(why, 400), _NARROW)),
            line(("ctrl+r", "key"), (" reads again, ", "muted"),
                 ("5", "key"), (" says what mends it", "muted")),
        )  # fmt: skip

    # ---- life -----------------------------------------------------------------------------

    @property
    def table(self) -> Table[Row]:
        return self._table

    def body(self) -> Iterable[Widget]:
        self._table = self.make_table()
        yield self._table

    def on_mount(self) -> None:
        self.set_focus(self._table)

    def tick(self, now: float) -> None:
        super().tick(now)
        self.table.tick(now)

    # ---- rows -----------------------------------------------------------------------------

    def reload(self) -> None:
        if type(self).read_rows is ListScreen.read_rows:
            return
        if self._reading:
            self._read_again = True
            return
        self._reading = True
        self._ticket += 1
        self.console.in_thread(
            f"rows-{self.NAME}", partial(self._read, self._ticket), where=f"reading {self.NOUN}"
        )

    def _read(self, ticket: int) -> None:
        """In a thread: the answer comes back as a message."""
        began = time.monotonic()
        try:
            rows = self.read_rows()
        except BusAway:
            return  # the strip says so; what was read before stays, and hints come with its return
        except Exception as error:
            self.post_message(RowsFailed(ticket, error))
            raise
        finally:
            self._reading = False
        self.post_message(RowsRead(self.NAME, ticket, rows, time.monotonic() - began))

    def on_rows_read(self, message: RowsRead) -> None:
        """What changed meanwhile is read anew, after a pause that grows with the reading."""
        if message.ticket != self._ticket or not self.app.is_running:
            return
        self.loaded, self.reading_on, self.failure = True, False, None
        self.take(message.rows)
        if self._read_again:
            self._read_again = False
            self.set_timer(min(10.0, 3 * message.seconds), self.reload)

    def on_rows_failed(self, message: RowsFailed) -> None:
        """Rows that were read before stay, as the toast says; without any the list tells why."""
        if message.ticket == self._ticket and self.app.is_running:
            self.failure = str(message.error)
            self.rearrange()

    def take(self, rows: Sequence[Row]) -> None:
        """These are all rows there are now."""
        self.all_rows = rows
        self.rearrange()

    def rearrange(self) -> None:
        """Filter, sort and group; in a thread when there are many, the last wish alone."""
        self._arranging += 1
        if len(self.all_rows) <= MANY:
            self.show_rows(self._arranged(always))
        else:
            work = partial(self._arrange_in_thread, self._arranging)
            self.console.in_thread(f"arrange-{self.NAME}", work, where=f"sorting {self.NOUN}")

    def _arranged(self, wanted: Callable[[], bool]) -> Arranged[Row]:
        sorting = self.table.state.sorting
        column = next((one for one in self.table.columns if one.key == sorting.key), None)
        order = Order(column.sort if column else None, sorting.reverse)
        found = arrange_rows(
            self.all_rows, self.filter, order, self.fields, self.console.now, wanted
        )
        return found._replace(shown=self.group(found.rows))

    def _arrange_in_thread(self, ticket: int) -> None:
        try:
            arranged = self._arranged(lambda: ticket == self._arranging)
        except Outdated:
            return
        if ticket == self._arranging:
            self.app.call_from_thread(self.show_rows, arranged)

    def show_rows(self, arranged: Arranged[Row]) -> None:
        self.table.empty = self.empty() if self.failure is None else self.unread(self.failure)
        self.table.show(arranged.shown, self.console.now)
        self.query_one(FilterBar).count(len(arranged.rows), arranged.total, self.reading_on)
        self.show_note()

    # ---- the note before the keys ---------------------------------------------------------

    def show_note(self) -> None:
        selection = self.table.state.selection
        marked = len(selection.marks | set(selection.range_ids()))
        note = Text("", end="")
        if selection.anchor is not None:
            note = line((f" RANGE {marked} ", "badge.run"))
        elif marked:
            note = line((f" {marked:,} marked ", "badge.run"))
        if self.reading_on:
            said = f"the newest {len(self.all_rows):,}, reading on …"
            note = line(note, " " if note.plain else "", (said, "warn"))
        self.query_one(KeyBar).note(note)

    def on_table_moved(self) -> None:
        self.show_note()

    # ---- filter ---------------------------------------------------------------------------

    def action_filter(self) -> None:
        self.query_one(FilterBar).open(self.table)

    def on_filter_bar_changed(self, message: FilterBar.Changed) -> None:
        self.filter = message.query
        if message.query:
            self.last_filter = message.query
        self.rearrange()

    def action_match(self, step: int) -> None:
        """The next row that the last filter matches; while it is on, every row does."""
        from maestro_tui.query import matches

        rows, start = self.table.rows, self.table.state.selection.index
        for offset in range(1, len(rows) + 1):
            index = (start + step * offset) % len(rows)
            if matches(self.last_filter, self.fields(rows[index], self.console.now)):
                self.table.move_to(index)
                return

    def peel(self) -> bool:
        if self.table.state.selection.clear():
            self.table.repaint()
            self.show_note()
            return True
        return self.query_one(FilterBar).clear()

    # ---- moving, marking, sorting ---------------------------------------------------------

    def action_move(self, step: int) -> None:
        self.table.move(step)

    def action_sideways(self, step: int) -> None:
        self.table.move(step)

    def action_edge(self, side: int) -> None:
        self.table.move_to(0 if side < 0 else len(self.table.rows) - 1)

    def action_page(self, pages: float) -> None:
        self.table.move(int(pages * self.table.page) or (1 if pages > 0 else -1))

    def action_mark(self) -> None:
        selection = self.table.state.selection
        if selection.cursor is not None:
            selection.toggle(self.members(selection.cursor))
            self.table.move(1)
            self.table.repaint()
            self.show_note()

    def members(self, row_id: str) -> Iterable[str]:
        """The ids that marking a row marks: its own, or those of its group."""
        return (row_id,)

    def action_mark_range(self) -> None:
        self.table.state.selection.start_range()
        self.table.repaint()
        self.show_note()

    def action_mark_all(self) -> None:
        selection = self.table.state.selection
        selection.toggle(selection.ids)
        self.table.repaint()
        self.show_note()

    def action_sort(self, step: int) -> None:
        keys: list[str | None] = [None, *(one.key for one in self.table.columns if one.sort)]
        sorting = self.table.state.sorting
        place = keys.index(sorting.key) if sorting.key in keys else 0
        sorting.key = keys[(place + step) % len(keys)]
        self.rearrange()

    def action_sort_turn(self) -> None:
        sorting = self.table.state.sorting
        sorting.reverse = not sorting.reverse
        self.rearrange()

    # ---- acting ---------------------------------------------------------------------------

    def chosen(self) -> list[Row]:
        """The marked rows, or the one under the cursor, as they are now."""
        rows = (self.table.row(row_id) for row_id in self.table.state.selection.chosen())
        return [row for row in rows if row is not None]

    def known_ids(self) -> set[str]:
        """Ids of all rows that there are, shown or not."""
        return {self.table.row_key(row) for row in self.all_rows}

    def action_copy(self) -> None:
        text = "\n".join(self.copy_text(row) for row in self.chosen())
        if text:
            self.console.copy(text)

    def copy_text(self, row: Row) -> str:
        return self.table.row_key(row)

    def pending(self, asked: dict[str, str]) -> None:
        """What was requested of rows and is not answered yet."""
        self.table.state.pending = asked
        self.table.repaint()
