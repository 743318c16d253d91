"""Screen 0: every agent of this machine, one line each. Enter opens one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.widget import Widget

from maestro_core.observe.snapshot import Snapshot
from maestro_tui.keys import SCREEN_SCOPES, footer
from maestro_tui.presentation.agents import (
    COLUMNS,
    Agent,
    agent_details,
    agent_fields,
    head_lines,
)
from maestro_tui.presentation.cells import line
from maestro_tui.query import Fields
from maestro_tui.screens.base import ListScreen, screen_bindings
from maestro_tui.widgets.canvas import Canvas
from maestro_tui.widgets.filter_bar import FilterBar
from maestro_tui.widgets.keybar import KeyBar
from maestro_tui.widgets.table import Table


class AgentsHead(Canvas):
    """Two lines: the sums, and which keys open and come back."""

    ground = "surface"
    DEFAULT_CSS = "AgentsHead { height: 2; dock: top; }"

    def __init__(self) -> None:
        super().__init__(id="agents-head")
        self._agents: Sequence[Agent] = ()
        self._now = 0.0
        self._note = Text("", end="")

    def show(self, agents: Sequence[Agent], now: float, note: Text) -> None:
        self._agents, self._now, self._note = agents, now, note
        self.repaint()

    def paint(self) -> list[Text]:
        return head_lines(self._agents, self._now, self.size.width, self._note)


class AgentsScreen(ListScreen[Agent]):
    """Its rows come from the watch of the agents; the snapshot of the open one is not shown."""

    NAME = "agents"
    NOUN = "the agents"
    BINDINGS: ClassVar[list[Any]] = screen_bindings("agents")

    def compose(self) -> ComposeResult:
        yield AgentsHead()
        yield from self.body()
        yield FilterBar()
        yield KeyBar(footer(SCREEN_SCOPES[self.NAME], self.can))

    def body(self) -> Iterable[Widget]:
        yield from super().body()

    def make_table(self) -> Table[Agent]:
        return Table(COLUMNS, lambda agent: agent.root, id="agents")

    def on_screen_resume(self) -> None:
        self.console.watch_agents()
        self.seen()

    def on_screen_suspend(self) -> None:
        self.console.rest_agents()

    def receive(self, snapshot: Snapshot) -> None:
        """Nothing of it is shown here."""

    def seen(self) -> None:
        """A line of an agent is another one now."""
        if self.console.here.frozen_at is None:
            self.loaded = True
            self.take(self.console.agent_rows())
        self.show_strip()

    def tick(self, now: float) -> None:
        self.table.tick(now)
        self.show_strip()

    def show_strip(self) -> None:
        here, note = self.console.here, Text("", end="")
        if here.frozen_at is not None:
            note = line((" FROZEN · p goes on ", "badge.warn"))
        elif here.read_only:
            note = line((" read-only ", "badge.hold"))
        self.query_one(AgentsHead).show(self.all_rows, self.console.now, note)

    def fields(self, row: Agent, now: float) -> Fields:
        return agent_fields(row, now)

    def empty(self) -> Sequence[Text]:
        return (line(("no agent matches the filter", "muted")),)

    # ---- keys -----------------------------------------------------------------------------

    async def action_open(self) -> None:
        await self.open_current("board")

    async def on_table_opened(self) -> None:
        await self.open_current("board")

    async def open_current(self, name: str) -> None:
        """The agent under the cursor, on the screen of that name."""
        row = self.table.current
        if row is not None:
            await self.console.open_agent(row.root, name)

    def action_details(self) -> None:
        row = self.table.current
        if row is not None:
            self.console.show_lines("Agent", lambda now: agent_details(self._now_of(row), now))

    def _now_of(self, row: Agent) -> Agent:
        return next((one for one in self.all_rows if one.root == row.root), row)
