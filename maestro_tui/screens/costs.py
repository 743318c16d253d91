"""Screen 6: money, tokens, time and success by day and cadence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual.widget import Widget

from maestro_core.bus.feed import Topic
from maestro_core.session.ledger import CostRow
from maestro_tui.presentation.cells import line
from maestro_tui.presentation.costs import COLUMNS, Sum, chart, days_back, fields, sums, totals
from maestro_tui.query import Fields
from maestro_tui.screens.base import ListScreen, screen_bindings
from maestro_tui.widgets.live import Lines
from maestro_tui.widgets.table import Table

SPANS = (7, 14, 30)
"""Days, today included."""


class CostsScreen(ListScreen[Sum]):
    """See the module docstring. All spans are cut from one reading of the longest."""

    NAME = "costs"
    NOUN = "the costs"
    TOPICS: ClassVar[frozenset[Topic]] = frozenset({"ledger"})
    CSS_PATH: ClassVar[Any] = ["base.tcss", "costs.tcss"]
    BINDINGS: ClassVar[list[Any]] = screen_bindings("costs")

    def __init__(self) -> None:
        super().__init__()
        self._span = 0
        self._sums: Sequence[CostRow] = ()

    def make_table(self) -> Table[Sum]:
        return Table(COLUMNS, lambda row: row.name, id="costs")

    def body(self) -> Iterable[Widget]:
        yield Lines(id="chart", ground="surface")
        yield from super().body()

    def read_rows(self) -> Sequence[Any]:
        days = days_back(self.console.now, SPANS[-1])
        return self.console.backend.costs(f"{days[0]}T00:00:00.000Z")

    def take(self, rows: Sequence[Any]) -> None:
        """Sums by day, cadence and model come in; sums by cadence are shown."""
        self._sums = rows
        self._show_span()

    def _show_span(self) -> None:
        days = days_back(self.console.now, SPANS[self._span])
        within = [row for row in self._sums if row.key[0] >= days[0]]
        super().take(sums(within, lambda row: row.key[1]))
        words = f"last {len(days)} days"
        head = [totals(within, words), line("")]
        width = self.app.size.width
        self.query_one("#chart", Lines).show([*head, *chart(within, days, width - 2), line("")])

    def on_resize(self) -> None:
        self.query_one("#chart").styles.height = 11 if self.app.size.height >= 22 else 1
        if self.loaded:
            self._show_span()

    def action_span(self) -> None:
        self._span = (self._span + 1) % len(SPANS)
        self._show_span()

    def action_open(self) -> None:
        """Enter: what the cadence's runs cost one by one is on the runs screen."""
        self.console.call_later(self.console.action_go, "runs")

    def fields(self, row: Sum, now: float) -> Fields:
        return fields(row, now)

    def empty(self) -> Sequence[Text]:
        if not self.loaded:
            return (line(("reading the ledger …", "muted")),)
        span = "a longer" if self._span < len(SPANS) - 1 else "the shortest"
        return (
            line(("No run has ended in this time", "title")),
            line(("f", "key"), (f" shows {span} time", "muted")),
        )
