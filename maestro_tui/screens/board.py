"""Screen 1: every cadence at a glance, and the running sub-session live below."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import is_
from typing import Any, ClassVar

from rich.text import Text
from textual.widget import Widget

from maestro_core.observe.snapshot import CadenceView, Snapshot
from maestro_tui.acts_cadence import cadence_plan
from maestro_tui.acts_service import restart_plan
from maestro_tui.keys import Key
from maestro_tui.presentation.board import Cadence, fields
from maestro_tui.presentation.cadence import details
from maestro_tui.presentation.cells import data, line
from maestro_tui.presentation.strip import other_version
from maestro_tui.presentation.waits import waits_for
from maestro_tui.presentation.words import trouble
from maestro_tui.query import Fields
from maestro_tui.rows import Arranged
from maestro_tui.screens.base import ListScreen, screen_bindings
from maestro_tui.widgets.board import Board
from maestro_tui.widgets.live import Live
from maestro_tui.widgets.table import Table

LIVE_LINES = 8
"""The live part keeps at least so many lines, where there is room for both."""


class BoardScreen(ListScreen[Cadence]):
    """See the module docstring."""

    NAME = "board"
    NOUN = "the cadences"
    BINDINGS: ClassVar[list[Any]] = screen_bindings("board")

    def make_table(self) -> Table[Cadence]:
        return Board()

    def body(self) -> Iterable[Widget]:
        yield from super().body()
        yield Live(self.console.running_log)

    @property
    def board(self) -> Board:
        return self.query_one(Board)

    # ---- what it shows --------------------------------------------------------------------

    def receive(self, snapshot: Snapshot) -> None:
        """Rows that did not change are the same objects, so that nothing of them is drawn anew."""
        super().receive(snapshot)
        known = {row.view.name: row for row in self.all_rows}
        rows = [_row(view, snapshot, known.get(view.name)) for view in snapshot.cadences]
        same = len(rows) == len(self.all_rows) and all(map(is_, rows, self.all_rows))
        if same and self.loaded:
            self._show_live()  # the rows' times move with the next second
        else:
            self.loaded = True
            self.take(rows)

    def tick(self, now: float) -> None:
        super().tick(now)
        self._show_live()

    def show_rows(self, arranged: Arranged[Cadence]) -> None:
        snapshot = self.console.snapshot
        self.board.dimmed = snapshot is not None and snapshot.consumer.word == "stale"
        super().show_rows(arranged)
        self._share_room()
        self._show_live()

    def group(self, rows: Sequence[Cadence]) -> Sequence[Cadence]:
        """What is held or broken comes first where not all can be seen at once."""
        self.board.room = self._free - LIVE_LINES
        fits = len(rows) < self._most or self.board.would_be_cards(len(rows))
        if fits or self.table.state.sorting.key is not None:
            return rows
        return sorted(rows, key=lambda row: trouble(row.view, row.consumer))

    @property
    def _free(self) -> int:
        """Lines for the board and the live part."""
        return self.app.size.height - 3

    @property
    def _most(self) -> int:
        """Lines that the board gets at most."""
        return max(3, self._free // 2, self._free - LIVE_LINES)

    def _share_room(self) -> None:
        """The board takes what it needs, and leaves the live part its lines."""
        self.board.room = self._free - LIVE_LINES
        self.board.styles.height = min(self.board.wanted_height(), self._most)

    def on_resize(self) -> None:
        self.rearrange()
        self._share_room()

    def on_table_moved(self) -> None:
        self._show_live()

    def _show_live(self) -> None:
        if self.console.snapshot is not None:
            cursor = self.table.state.selection.cursor
            self.query_one(Live).show(self.console.snapshot, cursor, self.console.now)

    def fields(self, row: Cadence, now: float) -> Fields:
        return fields(row, now)

    def empty(self) -> Sequence[Text]:
        if self.filter:
            return (
                line(("no cadence matches the filter", "muted")),
                line(("Esc", "key"), (" drops it", "muted")),
            )
        snapshot = self.console.snapshot
        if snapshot is not None and snapshot.problems:
            told = [line((data(problem, 300), "bad")) for problem in snapshot.problems[:3]]
            return (line(("Nothing is known of its cadences", "title")), *told)
        return (
            line(("No cadences yet", "title")),
            line(("Name them in ", "muted"), ("config/cadences.toml", "code")),
            line(("or put a prompt into ", "muted"), ("schedules/triggers/NAME.md", "code")),
        )

    # ---- keys -----------------------------------------------------------------------------

    def action_move(self, step: int) -> None:
        self.table.move(step * self.board.step_down())

    def can(self, key: Key) -> bool:
        """The service is restarted only where that brings another version in."""
        if key.id == "act.restart":
            snapshot = self.console.snapshot
            return snapshot is not None and other_version(snapshot) is not None
        return super().can(key)

    def action_open(self) -> None:
        """Enter: the log where something runs, else the details."""
        row = self.table.current
        if row is not None and row.view.running is not None:
            self.action_log()
        else:
            self.action_details()

    def on_table_opened(self) -> None:
        self.action_open()

    def action_log(self) -> None:
        row = self.table.current
        if row is not None:
            self.console.open_log_of(row.view)

    def action_details(self) -> None:
        row = self.table.current
        if row is not None:
            self.console.show_lines("Cadence", self._details(row.view.name))

    def _details(self, name: str) -> Callable[[float], Sequence[Text]]:
        def lines(now: float) -> Sequence[Text]:
            snapshot = self.console.snapshot
            if snapshot is None:
                return []
            view = next((one for one in snapshot.cadences if one.name == name), None)
            if view is None:
                return [line(("It is not on the board any more.", "warn"))]
            return details(view, snapshot.consumer, now, waits_for(snapshot, view))

        return lines

    def action_explain(self) -> None:
        row = self.table.current
        if row is not None:
            self.console.explain(row.view.name)

    def action_zoom(self) -> None:
        self.action_log()

    def action_act(self, what: str) -> None:
        """Acts hit the rows that were chosen when the key went down."""
        snapshot = self.console.snapshot
        if snapshot is None:
            return
        views = [row.view for row in self.chosen()]
        now = self.console.now
        if what == "restart":
            self.console.propose(restart_plan(self.console.backend.layout, snapshot))
            return
        if what == "stop_run":
            self.console.stop_runs(views)
            return
        self.console.propose(cadence_plan(what, views, snapshot, now))


def _row(view: CadenceView, snapshot: Snapshot, known: Cadence | None) -> Cadence:
    """The row that is there already, if it says the same; a new beat alone changes nothing."""
    consumer, waits = snapshot.consumer, waits_for(snapshot, view)
    if known is not None and known.view is view:
        was = known.consumer
        if (was.word, was.hold, known.waits) == (consumer.word, consumer.hold, waits):
            return known
    return Cadence(view, consumer, waits)
