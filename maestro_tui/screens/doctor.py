"""Screen 5: the doctor's checks, run in parallel, each with what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, ClassVar

from rich.text import Text
from textual.containers import Container
from textual.widget import Widget

from maestro_core.doctor.finding import Finding
from maestro_tui.presentation.cells import line
from maestro_tui.presentation.doctor import COLUMNS, CheckRow, details, fields, summary
from maestro_tui.query import Fields
from maestro_tui.rows import Arranged
from maestro_tui.screens.base import ListScreen, screen_bindings
from maestro_tui.screens.dead_letters import BESIDE_FROM
from maestro_tui.widgets.keybar import KeyBar
from maestro_tui.widgets.pane import Pane
from maestro_tui.widgets.table import Table


class DoctorScreen(ListScreen[CheckRow]):
    """See the module docstring. Checks run when the screen is first shown, and on demand."""

    NAME = "doctor"
    NOUN = "the checks"
    CSS_PATH: ClassVar[Any] = ["base.tcss", "split.tcss"]
    BINDINGS: ClassVar[list[Any]] = screen_bindings("doctor")

    def __init__(self) -> None:
        super().__init__()
        self._checks: dict[str, CheckRow] = {}
        self._touched = False
        """Until a key was pressed the cursor stays on the worst finding."""

    def make_table(self) -> Table[CheckRow]:
        table = Table(COLUMNS, lambda row: row.id, id="checks")
        table.state.sorting.key = "status"  # the worst first
        return table

    def body(self) -> Iterable[Widget]:
        (table,) = super().body()
        yield Container(table, Pane(id="detail"), id="split")

    def on_mount(self) -> None:
        self._run(None)

    def on_resize(self) -> None:
        self.query_one("#split").set_class(self.app.size.width >= BESIDE_FROM, "beside")

    # ---- checks ---------------------------------------------------------------------------

    def _run(self, only: str | None) -> None:
        """Run all checks, or one, in a thread; findings come in one by one."""
        for check_id, title in self.console.backend.check_titles():
            if only in (None, check_id):
                self._checks[check_id] = CheckRow(check_id, title)
        self.take(list(self._checks.values()))
        work = partial(self.console.backend.checks, self._found_in_thread, only)
        self.console.in_thread(f"doctor-{only or 'all'}", work, where="the doctor")

    def _found_in_thread(self, finding: Finding) -> None:
        self.app.call_from_thread(self._found, finding)

    def _found(self, finding: Finding) -> None:
        if self.is_mounted:
            self._checks[finding.id] = CheckRow(finding.id, finding.title, finding)
            self.take(list(self._checks.values()))

    def action_recheck(self, everything: bool) -> None:
        row = self.table.current
        self._run(None if everything or row is None else row.id)

    # ---- what it shows --------------------------------------------------------------------

    def fields(self, row: CheckRow, now: float) -> Fields:
        return fields(row, now)

    def empty(self) -> Sequence[Text]:
        return (line(("no check passes the filter" if self.filter else "no checks", "muted")),)

    def show_rows(self, arranged: Arranged[CheckRow]) -> None:
        super().show_rows(arranged)
        if not self._touched:
            self.table.move_to(0)
        self._show_details()

    def on_key(self) -> None:
        self._touched = True

    def show_note(self) -> None:
        self.query_one(KeyBar).note(summary(self._checks.values()))

    def on_table_moved(self) -> None:
        self._show_details()

    def _show_details(self) -> None:
        row = self.table.current
        self.query_one("#detail", Pane).show(
            details(row) if row else [], about=row.id if row else None
        )

    def action_open(self) -> None:
        self.action_details()

    def on_table_opened(self) -> None:
        self.action_details()

    def action_details(self) -> None:
        row = self.table.current
        if row is not None:
            self.console.show_lines("Check", lambda _now: details(row))

    def copy_text(self, row: CheckRow) -> str:
        """The remedy, else what was found."""
        return (row.finding.remedy or row.finding.detail) if row.finding else row.title
