"""Screen 2: dead letters grouped by failure signature, with the tick and its failures beside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, ClassVar

from rich.text import Text
from textual.containers import Container
from textual.timer import Timer
from textual.widget import Widget

from maestro_core.bus.feed import Topic
from maestro_core.models import LogEnd, TickView
from maestro_core.observe.snapshot import CadenceView
from maestro_tui import acts
from maestro_tui.acts_cadence import cadence_plan
from maestro_tui.presentation.cells import line
from maestro_tui.presentation.dead import (
    COLUMNS,
    DeadRow,
    GroupRow,
    Row,
    dead_rows,
    details,
    fields,
    grouped,
)
from maestro_tui.query import Fields
from maestro_tui.screens.base import ListScreen, screen_bindings
from maestro_tui.widgets.keybar import KeyBar
from maestro_tui.widgets.pane import Pane
from maestro_tui.widgets.table import Table

FIRST = 300
"""Dead letters that are shown before the rest is read."""
PAGE = 20_000
"""Dead letters that are read at most, until somebody comes to their end."""
TAIL_LINES = 12
TAIL_PAUSE = 0.12
"""Seconds for which the cursor must rest before a log's end is read."""
BESIDE_FROM = 110
"""From this width on the details stand beside the list, else below it."""


class DeadLettersScreen(ListScreen[Row]):
    """See the module docstring."""

    NAME = "dead"
    NOUN = "the dead letters"
    TOPICS: ClassVar[frozenset[Topic]] = frozenset({"dlq"})
    CSS_PATH: ClassVar[Any] = ["base.tcss", "split.tcss"]
    BINDINGS: ClassVar[list[Any]] = screen_bindings("dead")

    def __init__(self) -> None:
        super().__init__()
        self._folded: set[str] = set()
        self._tail: tuple[str, LogEnd] = ("", LogEnd())
        self._resting: Timer | None = None
        self._wanted = PAGE
        """So many of the newest are read."""

    def make_table(self) -> Table[Row]:
        return Table(COLUMNS, lambda row: row.id, id="dead")

    def body(self) -> Iterable[Widget]:
        (table,) = super().body()
        yield Container(table, Pane(id="detail"), id="split")

    def on_resize(self) -> None:
        self.query_one("#split").set_class(self.app.size.width >= BESIDE_FROM, "beside")

    # ---- rows -----------------------------------------------------------------------------

    def read_rows(self) -> Sequence[Row]:
        """The first time the newest ones come at once, the others as soon as they are read."""
        backend = self.console.backend
        if not self.loaded:
            first = dead_rows(backend.dead_letters(FIRST))
            if len(first) < FIRST:
                return first
            self.app.call_from_thread(self.take_first, first)
        return dead_rows(backend.dead_letters(self._wanted))

    def take_first(self, rows: Sequence[Row]) -> None:
        self.loaded = self.reading_on = True
        self.take(rows)

    def group(self, rows: Sequence[Row]) -> Sequence[Row]:
        if self.table.state.sorting.key is not None:
            return rows
        return grouped(rows, frozenset(self._folded), self.console.backend.memory.notes)

    def fields(self, row: Row, now: float) -> Fields:
        return fields(row, now)

    def members(self, row_id: str) -> Iterable[str]:
        row = self.table.row(row_id)
        return row.ids if isinstance(row, GroupRow) else (row_id,)

    def empty(self) -> Sequence[Text]:
        if not self.loaded:
            return (line(("reading the dead letters …", "muted")),)
        if self.filter:
            return (
                line(("no dead letter matches the filter", "muted")),
                line(("Esc", "key"), (" drops it", "muted")),
            )
        return (
            line(("✓ No dead letters", "ok.strong")),
            line(
                ("Nothing has failed for good. ", "muted"), ("-", "key"), (" goes back.", "muted")
            ),
        )

    def _more(self) -> int:
        """Dead letters that are not read yet."""
        snapshot = self.console.snapshot
        there = snapshot.counts.dlq if snapshot is not None else 0
        return max(0, there - len(self.all_rows)) if len(self.all_rows) >= self._wanted else 0

    def _read_on(self) -> None:
        """At the end of what is read the next ones are read too."""
        at_end = self.table.state.selection.index >= len(self.table.rows) - 1
        if at_end and self._more():
            self._wanted += PAGE
            self.reload()

    def show_note(self) -> None:
        super().show_note()
        selection = self.table.state.selection
        if self._more() and not (selection.marks or selection.anchor):
            note = f" newest {len(self.all_rows):,} · {self._more():,} older come at the end "
            self.query_one(KeyBar).note(line((note, "muted")))

    # ---- details --------------------------------------------------------------------------

    def show_rows(self, arranged: Any) -> None:
        super().show_rows(arranged)
        self._show_details()

    def tick(self, now: float) -> None:
        super().tick(now)
        self._show_details()

    def on_table_moved(self) -> None:
        self._read_on()
        self._show_details()
        if self._resting is not None:
            self._resting.stop()
        self._resting = self.set_timer(TAIL_PAUSE, self._read_tail)

    def _details(self, row: Row, now: float) -> list[Text]:
        changes = not self.console.backend.read_only
        return details(row, self._tail_if(row.id), now, changes=changes)

    def _show_details(self) -> None:
        row, pane = self.table.current, self.query_one("#detail", Pane)
        if row is None:
            pane.show([])
            return
        pane.show(self._details(row, self.console.now), about=row.id)

    def _tail_if(self, row_id: str) -> LogEnd:
        """The end of that row's log, once it was read."""
        owner, tail = self._tail
        return tail if owner == row_id else LogEnd()

    def _read_tail(self) -> None:
        row = self.table.current
        if not isinstance(row, DeadRow):
            return
        path, run_id = self._log(row.view, "stderr")
        if path is not None:
            work = partial(self._tail_of, row.id, path, run_id)
            self.console.in_thread("tail", work, where="reading a log")

    def _tail_of(self, row_id: str, path: str, run_id: str | None) -> None:
        tail = self.console.backend.log_end(path, TAIL_LINES, run_id)
        self.app.call_from_thread(self._take_tail, row_id, tail)

    def _take_tail(self, row_id: str, tail: LogEnd) -> None:
        self._tail = (row_id, tail)
        self._show_details()

    @staticmethod
    def _log(view: TickView, kind: str) -> tuple[str | None, str | None]:
        """The newest log of that kind, else of the other, and whose run it is of."""
        for failure in reversed(view.tick.failures):
            paths = (failure.stderr_path, failure.stdout_path)
            first, second = paths if kind == "stderr" else paths[::-1]
            if first or second:
                return first or second, failure.run_id
        return None, None

    # ---- keys -----------------------------------------------------------------------------

    def action_open(self) -> None:
        """Enter: open or close a group; the log of a dead letter."""
        row = self.table.current
        if isinstance(row, GroupRow):
            self._folded ^= {row.signature}
            self.rearrange()
        elif row is not None:
            self.action_details()

    def on_table_opened(self) -> None:
        self.action_open()

    def action_sideways(self, step: int) -> None:
        """Right opens the group, left closes it (from any of its rows)."""
        row = self.table.current
        if row is None:
            return
        if step > 0:
            self._folded.discard(row.signature)
        else:
            self._folded.add(row.signature)
            self.table.state.selection.select(f"group {row.signature}")
        self.rearrange()

    def action_log(self) -> None:
        row = self.table.current
        if isinstance(row, DeadRow):
            path, run_id = self._log(row.view, "stdout")
            self.console.find_log(path, run_id, row.view.tick.cadence)

    def action_details(self) -> None:
        row = self.table.current
        if row is not None:
            self.console.show_lines("Dead letter", lambda now: self._details(row, now))

    def action_explain(self) -> None:
        row = self.table.current
        if isinstance(row, DeadRow):
            self.console.explain(row.view.tick.cadence)
        elif isinstance(row, GroupRow):
            self.console.explain(row.cadences[0])

    def action_note(self) -> None:
        """A note on the failure under the cursor; it shows again when that failure comes back."""
        row = self.table.current
        if row is not None:
            signature = row.signature
            value = self.console.backend.memory.notes.get(signature, "")
            self.console.ask("Note", signature, value, partial(self._keep_note, signature))

    def _keep_note(self, signature: str, text: str) -> None:
        self.console.backend.memory.note(signature, text)
        self.rearrange()

    # ---- acts -----------------------------------------------------------------------------

    def chosen_ticks(self) -> list[TickView]:
        """The dead letters that an act hits: marked ones, else the row's, else its group's."""
        selection = self.table.state.selection
        wanted = selection.marks | {
            one for row_id in selection.range_ids() for one in self.members(row_id)
        }
        if not wanted and selection.cursor is not None:
            wanted = set(self.members(selection.cursor))
        rows = (row for row in self.all_rows if isinstance(row, DeadRow))
        return [row.view for row in rows if row.id in wanted]

    def chosen_cadences(self) -> list[CadenceView]:
        names = {view.tick.cadence for view in self.chosen_ticks()}
        snapshot = self.console.snapshot
        return [view for view in snapshot.cadences if view.name in names] if snapshot else []

    def action_act(self, what: str) -> None:
        snapshot, now = self.console.snapshot, self.console.now
        if snapshot is None:
            return
        if what == "retry":
            self.console.propose(acts.retry(self.chosen_ticks(), snapshot, now))
        elif what == "discard":
            self.console.propose(acts.discard(self.chosen_ticks()))
        else:
            self.console.propose(cadence_plan(what, self.chosen_cadences(), snapshot, now))

    def action_mark_all(self) -> None:
        """Every dead letter that is shown or lies in a closed group; groups are no targets."""
        shown = [one for row in self.table.rows for one in self.members(row.id)]
        self.table.state.selection.toggle(shown)
        self.table.repaint()
        self.show_note()
