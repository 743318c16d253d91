"""Screen 3: every sub-session that the ledger knows, newest first, and its logs one key away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from rich.text import Text

from maestro_core.bus.feed import Topic
from maestro_core.models import Running
from maestro_core.observe.snapshot import CadenceView, FleetView, Snapshot
from maestro_tui.presentation.cells import line
from maestro_tui.presentation.runs import (
    COLUMNS,
    FLEET_COLUMNS,
    Run,
    details,
    fields,
    judged,
    merged,
    run_of,
)
from maestro_tui.query import Fields
from maestro_tui.screens.base import ListScreen, screen_bindings
from maestro_tui.widgets.table import Table

LIMIT = 50_000
"""Runs that are read; the newest ones."""

FLEET_LIMIT = 10_000
"""Of a fleet, which are fetched from its server."""

PAGE = 300
"""Runs that are read again when the ledger changed."""


class RunsScreen(ListScreen[Run]):
    """See the module docstring."""

    NAME = "runs"
    NOUN = "the runs"
    TOPICS: ClassVar[frozenset[Topic]] = frozenset({"ledger"})
    BINDINGS: ClassVar[list[Any]] = screen_bindings("runs")

    def __init__(self) -> None:
        super().__init__()
        self._runs: Sequence[Run] = ()
        self._newest_alone = False
        self._fleet: FleetView | None = None
        self._going: Sequence[Running] = ()

    def make_table(self) -> Table[Run]:
        return Table(COLUMNS, lambda run: run.id, id="runs")

    def changed(self, topics: frozenset[Topic]) -> None:
        self._newest_alone = True
        super().changed(topics)

    def read_rows(self) -> Sequence[Run]:
        """In a thread. After a change the newest page is enough; ctrl+r reads everything."""
        page_alone, self._newest_alone = self._newest_alone, False
        page = self.console.backend.runs(PAGE) if page_alone else ()
        runs = merged(page, self._runs) if page else None
        if runs is None:
            limit = LIMIT if self._fleet is None else FLEET_LIMIT
            runs = [run_of(row) for row in self.console.backend.runs(limit)]
        self._runs = runs
        return runs

    def receive(self, snapshot: Snapshot) -> None:
        """Whether a run without an end goes on is for the heartbeat to say."""
        super().receive(snapshot)
        self.table.columns = COLUMNS if snapshot.fleet is None else FLEET_COLUMNS
        if self._fleet is not None and snapshot.running is not self._going:
            self.changed(self.TOPICS)  # of a run on another host its heartbeat tells first
        self._fleet, self._going = snapshot.fleet, snapshot.running
        runs = judged(self.all_rows, snapshot, self.console.now)
        if runs is not self.all_rows:
            super().take(runs)

    def take(self, rows: Sequence[Run]) -> None:
        super().take(judged(rows, self.console.snapshot, self.console.now))

    def fields(self, row: Run, now: float) -> Fields:
        return fields(row, now)

    def empty(self) -> Sequence[Text]:
        if not self.loaded:
            return (line(("reading the ledger …", "muted")),)
        if self.filter:
            return (
                line(("no run passes the filter", "muted")),
                line(("Esc", "key"), (" drops it", "muted")),
            )
        return (
            line(("No sub-session has run yet", "title")),
            line(
                ("On the board, ", "muted"), ("E", "key"), (" puts a tick into the inbox", "muted")
            ),
        )

    # ---- keys -----------------------------------------------------------------------------

    def action_open(self) -> None:
        self.action_log()

    def on_table_opened(self) -> None:
        self.action_log()

    def action_zoom(self) -> None:
        self.action_log()

    def action_log(self) -> None:
        """The log viewer on this run, alone on the screen."""
        run = self.table.current
        if run is None:
            return
        if not run.row.stdout_path and not run.row.stderr_path:
            self.console.say("this run wrote no log: its empty log files were removed")
            return
        from maestro_tui.screens.log_screen import LogOverlay, RunLogs

        backend = self.console.backend
        if (path := backend.log_of(run.row)) != run.row.stdout_path:
            self.console.open_log(path, run.row.cadence)
            return
        find = self.console.log_file
        logs = RunLogs(find(run.row.stdout_path), find(run.row.stderr_path))
        if logs.stdout is None and logs.stderr is None:
            self.console.say("its logs are no logs of this agent", severity="warning")
            return
        self.app.push_screen(LogOverlay(logs, run.row.cadence, failed=run.row.outcome == "failed"))

    def action_details(self) -> None:
        run = self.table.current
        if run is not None:
            self.console.show_lines("Run", self._details(run))

    def _details(self, run: Run) -> Callable[[float], Sequence[Text]]:
        def lines(now: float) -> Sequence[Text]:
            return details(self.table.row(run.id) or run, now)

        return lines

    def action_act(self, what: str) -> None:
        """`X` ends the run under the cursor, `R` retries the dead letter of its tick."""
        run, snapshot = self.table.current, self.console.snapshot
        if run is None or snapshot is None:
            return
        if what == "stop_run":
            views = [one for one in snapshot.cadences if _runs_as(one, run.id)]
            self.console.stop_runs(views)
        elif what == "retry":
            self._retry()

    def _retry(self) -> None:
        """Put the dead letters of the chosen runs back; they are looked up in a thread."""
        wanted = frozenset(run.row.tick_id for run in self.chosen())
        self.console.in_thread(
            "retry", lambda: self._find_dead(wanted), where="looking for the dead letter"
        )

    def _find_dead(self, wanted: frozenset[str]) -> None:
        found = self.console.backend.dead_of(wanted)
        self.app.call_from_thread(self._propose_retry, found)

    def _propose_retry(self, found: Sequence[Any]) -> None:
        from maestro_tui import acts

        snapshot = self.console.snapshot
        if not found or snapshot is None:
            self.console.say("its tick is no dead letter: nothing to retry", severity="warning")
            return
        self.console.propose(acts.retry(found, snapshot, self.console.now))


def _runs_as(view: CadenceView, run_id: str) -> bool:
    return view.running is not None and view.running.run_id == run_id
