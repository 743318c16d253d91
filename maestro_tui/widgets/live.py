"""The running sub-session under the board: a line of facts, and its log as it grows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widget import Widget

from maestro_core.models import Running
from maestro_core.observe.snapshot import CadenceView, Snapshot
from maestro_tui.presentation.cells import line, masked
from maestro_tui.presentation.live import chosen_run, nothing_runs, run_line
from maestro_tui.widgets.canvas import Canvas
from maestro_tui.widgets.table import Table


class Lines(Canvas):
    """Lines that somebody else gives; indented by one cell."""

    def __init__(self, *, ground: str = "base", id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.ground = ground
        self._shown: Sequence[Text] = ()

    def show(self, lines: Sequence[Text]) -> None:
        self._shown = lines
        self.repaint()

    def paint(self) -> list[Text]:
        return list(self._shown)


class Live(Vertical):
    """See the module docstring. `log_of` says where the log of a run is to be read."""

    DEFAULT_CSS = """
    Live { height: 1fr; min-height: 3; }
    Live #live-head { height: 1; }
    Live #live-idle { height: 1fr; }
    """

    def __init__(self, log_of: Callable[[Running], Path | None]) -> None:
        super().__init__(id="live")
        self._log_of = log_of
        self._path: Path | None = None
        self._log: Widget | None = None
        self._unsettled = False
        """The log was empty when it was looked at: what it is shows later."""

    def compose(self) -> ComposeResult:
        yield Lines(ground="raised", id="live-head")
        yield Lines(id="live-idle")

    def show(self, snapshot: Snapshot, cadence: str | None, now: float) -> None:
        """Follow the run of that cadence, else the first run that goes on."""
        running = chosen_run(snapshot, cadence)
        head, idle = self.query_one("#live-head", Lines), self.query_one("#live-idle", Lines)
        head.display = running is not None
        if running is None:
            idle.show([line("  ", text) for text in nothing_runs(snapshot, now)])
        else:
            view = _view(snapshot, running.cadence)
            live = snapshot.consumer.word == "live"
            head.show([run_line(running, view, now, self.size.width, live)])
        self._follow(self._log_of(running) if running else None)

    def _follow(self, path: Path | None) -> None:
        """Put that log there, as steps where it is a transcript."""
        if path != self._path:
            self._path = path
            self._unsettled = path is not None
            if path is None or not self._settle(path):
                self._put(None if path is None else _raw(path))
        elif self._unsettled and path is not None:
            self._settle(path)

    def _settle(self, file: Path) -> bool:
        """Once something is in it, a log is seen to be a transcript or not."""
        from maestro_core.observe.logfile_steps import is_stream_json

        if not file.exists() or not file.stat().st_size:
            return False
        self._unsettled = False
        if transcript := is_stream_json(file):
            self._put(_steps(file))
        return transcript

    def _put(self, log: Widget | None) -> None:
        """That log in place of the last one; None = nothing runs. One after the other."""
        self.call_later(self._swap, log)

    async def _swap(self, log: Widget | None) -> None:
        if self._log is not None:
            await self._log.remove()
        self._log = log
        self.query_one("#live-idle").display = log is None
        if log is not None:
            await self.mount(log)

    def on_table_moved(self, message: Table.Moved) -> None:
        """The cursor of the steps is not that of the board."""
        message.stop()

    def on_table_opened(self, message: Table.Opened) -> None:
        message.stop()


def _steps(file: Path) -> Widget:
    from maestro_tui.widgets.log_view_steps import StepsView

    return StepsView(file)


def _raw(file: Path) -> Widget:
    from maestro_tui.widgets.log_view import LogView

    return LogView(file, follow=True, compact=True, redact=masked)


def _view(snapshot: Snapshot, cadence: str) -> CadenceView | None:
    return next((view for view in snapshot.cadences if view.name == cadence), None)
