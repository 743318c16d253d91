"""Search in a log view: one at a time, in slices in a thread, with progress and cancel."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual.worker import Worker

from maestro_core.observe.logfile import Line
from maestro_core.observe.search import TROUBLE, Query, Search, parse_query

if TYPE_CHECKING:
    from maestro_tui.widgets.log_view_keys import LogKeys


class Finder:
    """What is looked for in one log, and what was found."""

    def __init__(self, view: LogKeys) -> None:
        self._view = view
        self.query: Query | None = None
        self.text = ""
        self.hit = -1
        self._line: tuple[int, int] = (-1, -1)
        self._search: Search | None = None
        self._worker: Worker[None] | None = None
        self._said = ("", "muted")

    @property
    def searching(self) -> bool:
        return self._search is not None

    def hits(self, line: Line) -> bool:
        """Whether it is the line that was jumped to."""
        return line.start == self._line[0]

    def words(self) -> tuple[str, str]:
        """What the status line says of it, and in which style."""
        if self._search is not None:
            return f"searching {self._search.share:.0%} · Esc stops", "run"
        return self._said

    # ---- asking -------------------------------------------------------------------------------

    def find(self, text: str) -> None:
        """Look for that text: backward from the end while following, else on from the view."""
        self.forget()
        self.query, self.text = parse_query(text), text
        self._said = ("", "muted")
        if self.query is not None:
            self._from_here(self.query, -1 if self._view.follow else 1)
        self._view.repaint()

    def again(self, step: int) -> None:
        """The next or previous line that matches."""
        if self.query is not None:
            self._from_here(self.query, step)

    def trouble(self, step: int) -> None:
        """The next or previous line that speaks of trouble."""
        self._from_here(TROUBLE, step)

    def _from_here(self, query: Query, step: int) -> None:
        """On from the last match while it is in view, else from the edge of the view."""
        shown = self._view.lines_in_view()
        first, after = (shown[-1].next, shown[0].start) if shown else (0, 0)
        if any(self.hits(one) for one in shown):
            first, after = self._line
        self._begin(query, first if step < 0 else after, backward=step < 0)

    def _begin(self, query: Query, start: int, *, backward: bool) -> None:
        self.stop()
        self._search = Search(self._view.file, query, start, backward=backward)
        self._worker = self._view.run_worker(
            self._run(self._search), group="log-search", exclusive=True, exit_on_error=False
        )

    # ---- running ------------------------------------------------------------------------------

    async def _run(self, search: Search) -> None:
        try:
            while not await asyncio.to_thread(search.step):
                pass  # the clock repaints the progress
        finally:
            if self._search is search:
                self._search = None
        self._ended(search)

    def _ended(self, search: Search) -> None:
        view = self._view
        what = "error" if search.query is TROUBLE else self.text
        if search.hit is None or view.finder is not self:
            self._said = (
                f"no {what!r} in this log" if what != "error" else "no error found",
                "warn",
            )
            view.repaint()
            return
        self._said = ("went round the end", "warn") if search.wrapped else ("", "muted")
        self._jump(search.hit)

    def _jump(self, hit: int) -> None:
        """Show the line of the match, a third down the view."""
        view = self._view
        start = view.file.line_start(hit)
        line = view.file.line_at(start)
        self.hit, self._line = hit, (start, line.next if line else start + 1)
        shown = {one.start for one, _ in view.window.rows(view.place, view.body_height)}
        if start in shown:
            view.set_follow(False)
            view.repaint()
        else:
            view.show_line(start)

    # ---- ending -------------------------------------------------------------------------------

    def stop(self) -> bool:
        """End a search that goes on; False when there is none."""
        if self._search is None:
            return False
        if self._worker is not None:
            self._worker.cancel()
        self._search = None
        self._said = ("search stopped", "muted")
        return True

    def forget(self) -> None:
        """Positions are void: the file was written anew, or something else is looked for."""
        self.stop()
        self.hit, self._line = -1, (-1, -1)

    def peel(self) -> bool:
        """Stop the search, or drop what was found; False when there is neither."""
        if self.stop():
            return True
        had = self.query is not None or self.hit >= 0
        self.forget()
        self.query, self._said = None, ("", "muted")
        return had
