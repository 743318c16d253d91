"""The transcript of a run as a list of steps, read in a thread and followed by the log clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, cast

from textual.binding import BindingType
from textual.message import Message

from maestro_core.observe.logfile_steps import StepsFile
from maestro_tui.keys import bindings
from maestro_tui.presentation.cells import line, plural
from maestro_tui.presentation.log_steps import COLUMNS, StepRow, plain
from maestro_tui.widgets.log_view_clock import clock_of, resting
from maestro_tui.widgets.table import Table

_ACTIONS = ("move", "edge", "page", "open", "copy", "follow", "error")


class StepsView(Table[StepRow]):
    """See the module docstring. The cursor stays on the last step while following."""

    BINDINGS: ClassVar[list[BindingType]] = cast(
        "list[BindingType]",
        [one for one in bindings("list", "log") if one.action.partition("(")[0] in _ACTIONS],
    )

    class Copied(Message):
        """Somebody wants this text on their clipboard."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Counted(Message):
        """More was read: what `status` says is another."""

    def __init__(self, path: Path, wall: Callable[[], float] = time.time) -> None:
        super().__init__(COLUMNS, lambda row: row.id, id="steps")
        self.file = StepsFile(path)
        self.follow = True
        self._wall = wall
        self._reading = False
        self._watched = False
        """The backlog is read: what comes now is seen as it comes."""
        self.empty = (line(("reading the transcript …", "muted")),)

    def on_mount(self) -> None:
        clock_of(self.app).add(self)
        self._look()

    def on_unmount(self) -> None:
        clock_of(self.app).remove(self)

    # ---- reading ----------------------------------------------------------------------------

    def look(self) -> bool:
        """From the clock: begin to read what is new. Repaints happen when it was read."""
        if not self._reading and not resting(self):
            self._look()
        return False

    def _look(self) -> None:
        if self.file.refresh():
            self._reading = True
            self.run_worker(self._read(), group="log-steps", exit_on_error=False)
        elif not self._watched:
            self._watched = True
            self._take()

    def draw(self) -> int:
        return 0

    async def _read(self) -> None:
        """Slice by slice; between two the list shows what is known."""
        try:
            while not await asyncio.to_thread(self.file.read, self._now()):
                self._take()
            self._watched = True
        finally:
            self._reading = False
        self._take()

    def _now(self) -> float | None:
        return self._wall() if self._watched else None

    def _take(self) -> None:
        first = self.file.transcript.steps.dropped
        rows = [StepRow(str(first + n), step) for n, step in enumerate(self.file.steps)]
        at_end = self.follow
        if not rows:
            self.empty = (line(("nothing has happened yet", "muted")),)
        self.show(rows, self._wall())
        if at_end:
            self.move_to(len(rows) - 1)
            self.follow = True
        self.post_message(self.Counted())

    def status(self) -> str:
        """How many steps, how many are not kept, how far it has read."""
        steps = self.file.transcript.steps
        words = [plural(len(steps) + steps.dropped, "step")]
        if steps.dropped:
            words.append(f"the first {steps.dropped:,} are in the raw log alone")
        if self.file.share < 1:
            words.append(f"reading {self.file.share:.0%}")
        return " · ".join(words)

    # ---- keys -------------------------------------------------------------------------------

    def _moved(self, index: int) -> None:
        self.move_to(index)
        self.follow = self.state.selection.index >= len(self.rows) - 1

    def action_move(self, step: int) -> None:
        self._moved(self.state.selection.index + step)

    def action_page(self, pages: float) -> None:
        self._moved(self.state.selection.index + (int(pages * self.page) or 1))

    def action_edge(self, side: int) -> None:
        self._moved(0 if side < 0 else len(self.rows) - 1)

    def action_follow(self) -> None:
        self.follow = not self.follow
        if self.follow:
            self.move_to(len(self.rows) - 1)

    def action_error(self, step: int) -> None:
        """The next or previous step that failed."""
        places = [place for place, row in enumerate(self.rows) if row.step.ok is False]
        here = self.state.selection.index
        wanted = [one for one in places if (one > here if step > 0 else one < here)]
        if wanted:
            self._moved(wanted[0] if step > 0 else wanted[-1])

    def action_open(self) -> None:
        if self.current is not None:
            self.post_message(self.Opened(self.current.id))

    def action_copy(self) -> None:
        if self.current is not None:
            step = self.current.step
            self.post_message(self.Copied("\n".join(filter(None, (plain(step), step.detail)))))
