"""Several agents in one console: the board of all, the switch, and opening another one.

One agent is open at a time: backend, feed, screens and undo belong to it and are made anew with
the next. A consumer that runs in this console stays with the agent it was started for (`home`)
and goes on while another is looked at. Main thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from maestro_core.layout import Layout
from maestro_core.observe.agent_line import distinct_names
from maestro_core.observe.snapshot import Snapshot
from maestro_tui.app_views import ViewsApp
from maestro_tui.backend import Backend
from maestro_tui.feed import SnapshotFeed
from maestro_tui.messages import AgentSeen
from maestro_tui.presentation.agents import Agent, rows_of
from maestro_tui.presentation.alerts import standing, standing_of_line
from maestro_tui.presentation.cells import data, mask_with
from maestro_tui.presentation.strip import Here
from maestro_tui.screens.registry import ORDER, make_screen
from maestro_tui.undo import UndoStack

if TYPE_CHECKING:
    from maestro_tui.agents import AgentsWatch

ALL = "agents"
"""The mode of the board of all agents."""

_ONE = "this console has one agent; list more as agents = [...] in your config.toml, or give --root"


class AgentsApp(ViewsApp):
    """See the module docstring."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.home = self.backend
        self.agents: AgentsWatch | None = None
        """None = there is one agent only."""
        self.agents_first = False
        """It was opened for several agents: begin with the board of all, and run no consumer."""
        self._make_backend: Callable[[Layout], Backend] | None = None
        self._home_seen: Snapshot | None = None
        self._watchers = 0
        self.add_mode(ALL, partial(make_screen, ALL))

    def with_agents(
        self, watch: AgentsWatch, make_backend: Callable[[Layout], Backend], *, first: bool
    ) -> None:
        """Give it more agents, before it runs."""
        self.agents, self._make_backend, self.agents_first = watch, make_backend, first

    @property
    def at_home(self) -> bool:
        """The open agent is the one whose consumer may run here."""
        return self.backend is self.home

    @property
    def home_snapshot(self) -> Snapshot | None:
        """The last that was seen of the agent whose consumer may run here."""
        return self.snapshot if self.at_home else self._home_seen

    @property
    def here(self) -> Here:
        found = super().here
        if self.at_home:
            return found
        return found._replace(trouble=self._trouble or self.feed.degraded)

    # ---- the agents -----------------------------------------------------------------------

    def watch_agents(self) -> None:
        """A screen that shows the agents came to the front."""
        self._watchers += 1
        if self.agents is not None:
            self.agents.show(self.post_message)

    def rest_agents(self) -> None:
        self._watchers = max(0, self._watchers - 1)
        if self.agents is not None and not self._watchers:
            self.agents.hide()
            for root in self.agents.roots:
                if not self._is_open(root):
                    self.alerts.forget(root)

    def agent_rows(self) -> list[Agent]:
        """The agents as they were seen last, in the order of the list."""
        if self.agents is None:
            return []
        lines = self.agents.lines
        opened = str(self.backend.layout.root) if self.feed.is_alive() else None
        return rows_of(self.agents.roots, lines, distinct_names(lines.values()), opened)

    def on_agent_seen(self, message: AgentSeen) -> None:
        if self.agents is None:
            return
        line = message.line
        self.agents.take(line)
        if self._watchers and not self._is_open(line.root):
            name = distinct_names(self.agents.lines.values())[line.root]
            now = self.backend.clock.steady()
            self.alerts.see(line.root, name, standing_of_line(line), line.dead, now)
        for screen in self.shown_screens():
            seen = getattr(screen, "seen", None)
            if seen is not None:
                seen()

    def see_changes(self, snapshot: Snapshot) -> None:
        """What a person is to be called for, of the open agent."""
        now, dead = self.backend.clock.steady(), snapshot.counts.dlq
        self.alerts.see(snapshot.root, snapshot.agent, standing(snapshot), dead, now)

    def _is_open(self, root: str) -> bool:
        return self.feed.is_alive() and root == str(self.backend.layout.root)

    # ---- moving ---------------------------------------------------------------------------

    @property
    def at_agents(self) -> bool:
        return self._screen_name == ALL

    async def action_agents(self) -> None:
        """The board of all agents."""
        if self.agents is None:
            self.say(_ONE)
        else:
            await self._show_screen(ALL)

    def action_switch_agent(self) -> None:
        """Another agent, by its name."""
        from maestro_tui.screens.agents_switch import SwitchOverlay

        if self.agents is None:
            self.say(_ONE)
        else:
            self.push_screen(SwitchOverlay(), self._switched)

    def _switched(self, root: str | None) -> None:
        if root is not None:
            self.call_later(self.open_agent, root)

    async def action_go(self, name: str) -> None:
        """From the board of all: the agent under the cursor, on that screen."""
        opener = getattr(self.front(), "open_current", None) if self.at_agents else None
        if opener is not None:
            await opener(name)
        else:
            await super().action_go(name)

    async def action_step(self, step: int) -> None:
        if self.at_agents:
            await self.action_go(ORDER[0 if step > 0 else -1])
        else:
            await super().action_step(step)

    async def action_last_screen(self) -> None:
        """Back to the open agent; with none open, the one under the cursor."""
        if self.at_agents and not self.feed.is_alive():
            await self.action_go("board")
        else:
            await super().action_last_screen()

    async def action_leave(self) -> None:
        """From the board of all the console is left, unless it began with one agent."""
        if len(self.screen_stack) > 1 or self._screen_name not in (ALL, "board"):
            await super().action_leave()
        elif self.at_agents and not self.agents_first:
            await self._show_screen("board")
        elif not self.at_agents and self.agents_first:
            await self._show_screen(ALL)
        else:
            self.action_close_console()

    # ---- what belongs to one agent alone --------------------------------------------------

    def action_emergency_stop(self) -> None:
        if not self._refused_here():
            super().action_emergency_stop()

    def action_emergency_stop_now(self) -> None:
        if not self._refused_here():
            super().action_emergency_stop_now()

    def action_kill_all(self) -> None:
        if not self._refused_here():
            super().action_kill_all()

    def action_undo(self) -> None:
        if not self._refused_here():
            super().action_undo()

    def action_recap(self, unasked: bool = False) -> None:
        if not (self.at_agents if unasked else self._refused_here()):
            super().action_recap(unasked)

    def _refused_here(self) -> bool:
        """The board of all acts on none of them: a key there could mean another one."""
        if self.at_agents:
            self.say("open the agent first: Enter", severity="warning")
        return self.at_agents

    def action_reload(self) -> None:
        if self.agents is not None:
            self.agents.look()
        super().action_reload()

    def action_freeze(self) -> None:
        super().action_freeze()
        seen = getattr(self.front(), "seen", None)
        if seen is not None:
            seen()

    # ---- opening another agent ------------------------------------------------------------

    async def open_agent(self, root: str, name: str = "board") -> None:
        """Show that agent on the screen of that name; one that is broken is not opened."""
        line = self.agents.lines.get(root) if self.agents is not None else None
        if line is not None and line.problem is not None:
            self.say(f"{data(line.name, 80)}: {data(line.problem, 300)}", severity="warning")
            return
        if root != str(self.backend.layout.root):
            await self._change_agent(Layout(root))
        elif not self.feed.is_alive():
            self.feed.start()
        await self._show_screen(name)

    async def _change_agent(self, layout: Layout) -> None:
        if self._make_backend is None:
            return
        await self._show_screen(ALL)  # the other screens are made anew
        self._close_agent()
        at_home = layout.root == self.home.layout.root
        self.backend = self.home if at_home else self._make_backend(layout)
        mask_with(self.backend.redactor())
        for name in ORDER:
            await self.remove_mode(name)
            self.add_mode(name, partial(make_screen, name))
        self._last_screen = "dead"
        self.feed = SnapshotFeed(self.backend.snapshot, self.backend.make_feed, self.post_message)
        self.feed.start()

    def _close_agent(self) -> None:
        """Forget what was shown of the open agent."""
        if self.at_home:
            self._home_seen = self.snapshot
        if self.feed.is_alive():
            self.backend.memory.leave(self.backend.clock.wall())
        self.feed.stop()
        self.alerts.forget(str(self.backend.layout.root))
        self.snapshot = self._newest = None
        self._trouble = self._frozen_at = None
        self.undos, self.requested = UndoStack(), {}

    def foreign(self, snapshot: Snapshot) -> bool:
        """A snapshot of an agent that was open before: it came too late."""
        return self.agents is not None and snapshot.root != str(self.backend.layout.root)


def add_agents(
    app: AgentsApp, roots: Sequence[str], make_backend: Callable[[Layout], Backend], *, first: bool
) -> None:
    """Let the console have these agents too, where there is more than its own."""
    own = str(app.backend.layout.root)
    every = tuple(roots) if own in roots else (own, *roots)
    if first or len(every) > 1:
        from maestro_tui.agents import AgentsWatch

        app.with_agents(AgentsWatch(every, app.backend.clock), make_backend, first=first)
