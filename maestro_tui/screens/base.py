"""What every screen has: the strip on top, the filter line, the keys at the bottom.

`ConsoleScreen` is for any screen; `ListScreen` adds a list with cursor, marks, filter and
sort. Screens hold no domain logic: rows come from the backend in a thread, acts go to the app.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widget import Widget

from maestro_core.bus.feed import Topic
from maestro_core.observe.snapshot import Snapshot
from maestro_tui.keys import SCREEN_SCOPES, Key, bindings, footer
from maestro_tui.messages import RowsRead
from maestro_tui.presentation.cells import line
from maestro_tui.query import Fields, Query
from maestro_tui.rows import MANY, Arranged, Order, Outdated, always, arrange_rows
from maestro_tui.widgets.filter_bar import FilterBar
from maestro_tui.widgets.keybar import KeyBar
from maestro_tui.widgets.strip import Strip
from maestro_tui.widgets.table import Table

if TYPE_CHECKING:
    from maestro_tui.app import MaestroApp

Row = TypeVar("Row")


class ConsoleScreen(Screen[None]):
    """A screen of the console. Subclasses set NAME and give `body`."""

    NAME: ClassVar[str] = ""
    CSS_PATH: ClassVar[Any] = "base.tcss"
    BINDINGS: ClassVar[list[BindingType]] = []
    TOPICS: ClassVar[frozenset[Topic]] = frozenset()
    """Changes of these make `reload` run."""

    @property
    def console(self) -> MaestroApp:
        return cast("MaestroApp", self.app)

    def compose(self) -> ComposeResult:
        yield Strip(self.NAME)
        yield from self.body()
        yield FilterBar()
        yield KeyBar(footer(SCREEN_SCOPES[self.NAME], self.can))

    def body(self) -> Iterable[Widget]:
        """What stands between the strip and the keys."""
        raise NotImplementedError

    def can(self, key: Key) -> bool:
        """Does that key do anything on this screen? The app's keys always do."""
        return "app" in key.scope or hasattr(self, f"action_{key.action.partition('(')[0]}")

    def on_mount(self) -> None:
        keybar = self.query_one(KeyBar)
        keybar.keymap = self.console.keymap_of_user
        keybar.changes = not self.console.backend.read_only
        self.reload()

    def on_screen_resume(self) -> None:
        if self.console.snapshot is not None:
            self.receive(self.console.snapshot)

    def receive(self, snapshot: Snapshot) -> None:
        """A new snapshot is there, or the screen came to the front."""
        console = self.console
        self.query_one(Strip).show(snapshot, console.here, console.now)

    def changed(self, topics: frozenset[Topic]) -> None:
        """The feed said that these changed."""
        if topics & self.TOPICS:
            self.reload()

    def reload(self) -> None:
        """Read anew what this screen shows beyond the snapshot."""

    def tick(self, now: float) -> None:
        """A second has passed: countdowns and ages move."""
        self.query_one(Strip).show(self.console.snapshot, self.console.here, now)

    def show_strip(self) -> None:
        console = self.console
        self.query_one(Strip).show(console.snapshot, console.here, console.now)

    def peel(self) -> bool:
        """Take off one layer of this screen (marks, filter); False when there is none."""
        return False

    async def on_strip_jumped(self, message: Strip.Jumped) -> None:
        await self.console.action_go(message.screen_name)


class ListScreen(ConsoleScreen, Generic[Row]):
    """A screen around one list. Subclasses give `make_table` and say how rows are read."""

    NOUN: ClassVar[str] = "rows"

    def __init__(self) -> None:
        super().__init__()
        self.filter = Query()
        self.last_filter = Query()
        self.all_rows: Sequence[Row] = ()
        self.loaded = False
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

    # ---- life -----------------------------------------------------------------------------

    @property
    def table(self) -> Table[Row]:
        return self._table

    def body(self) -> Iterable[Widget]:
        self._table = self.make_table()
        yield self._table

    def on_mount(self) -> None:
        self._table.focus()

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
        finally:
            self._reading = False
        self.post_message(RowsRead(self.NAME, ticket, rows, time.monotonic() - began))

    def on_rows_read(self, message: RowsRead) -> None:
        """What changed meanwhile is read anew, after a pause that grows with the reading."""
        if message.ticket != self._ticket:
            return
        self.loaded = True
        self.take(message.rows)
        if self._read_again:
            self._read_again = False
            self.set_timer(min(10.0, 3 * message.seconds), self.reload)

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
        self.table.empty = self.empty()
        self.table.show(arranged.shown, self.console.now)
        self.query_one(FilterBar).count(len(arranged.rows), arranged.total)
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
        self.query_one(KeyBar).note(note)

    def on_table_moved(self) -> None:
        self.show_note()

    # ---- filter ---------------------------------------------------------------------------

    def action_filter(self) -> None:
        self.query_one(FilterBar).open()

    def on_filter_bar_changed(self, message: FilterBar.Changed) -> None:
        self.filter = message.query
        if message.query:
            self.last_filter = message.query
        self.rearrange()

    def on_filter_bar_closed(self) -> None:
        self.table.focus()

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


def screen_bindings(name: str) -> list[BindingType]:
    """Bindings of a screen: the app's own first, so that no default of Textual gets in front."""
    return cast("list[Any]", bindings(*SCREEN_SCOPES[name]))
