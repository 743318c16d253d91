"""Overlay: another agent of this machine, found by typing a part of its name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input

from maestro_tui.presentation.agents import Agent, choice_line, ranked_agents
from maestro_tui.presentation.cells import line
from maestro_tui.screens.overlay import OverlayScreen
from maestro_tui.widgets.pane import Pane

MOST = 14


class SwitchOverlay(OverlayScreen[str]):
    """Dismissed with the root of the chosen agent, or with None."""

    DEFAULT_CLASSES = "wide"
    HINT = "Enter opens it · Esc closes"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,ctrl+n", "choose(1)", "Down", show=False, priority=True),
        Binding("up", "choose(-1)", "Up", show=False, priority=True),
        Binding("escape", "close", "Close", show=False, priority=True),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._typed = ""
        self._on: str | None = None

    def title_text(self) -> str:
        return "Agents"

    def extra(self) -> Iterable[Widget]:
        yield Input(compact=True, placeholder="name of an agent", id="what")

    def on_mount(self) -> None:
        self.console.watch_agents()
        box = self.query_one("#box")
        box.move_child(self.query_one("#what"), before=self.query_one("#body"))
        self.set_focus(self.query_one("#what"))

    def on_unmount(self) -> None:
        self.console.rest_agents()

    def seen(self) -> None:
        """A line of an agent is another one now."""
        self.query_one("#body", Pane).show(self.lines())

    def lines(self) -> Sequence[Text]:
        found, at = self._found()
        width = min(int(self.app.size.width * 0.9), 140) - 6
        first = max(0, min(at - MOST + 3, len(found) - MOST))
        now = self.console.now
        return [
            choice_line(agent, first + index == at, now, width)
            for index, agent in enumerate(found[first : first + MOST])
        ] or [line(("no agent is called so", "muted"))]

    def _found(self) -> tuple[list[Agent], int]:
        """The agents that match, and the place of the chosen one: its root is remembered, so
        that it stays chosen whatever comes in."""
        found = ranked_agents(self.console.agent_rows(), self._typed)
        places = {agent.root: place for place, agent in enumerate(found)}
        return found, places.get(self._on or "", 0)

    def on_input_changed(self, event: Input.Changed) -> None:
        self._typed, self._on = event.value, None
        self.query_one("#body", Pane).show(self.lines())

    def on_input_submitted(self) -> None:
        found, at = self._found()
        self.dismiss(found[at].root if found else None)

    def action_choose(self, step: int) -> None:
        found, at = self._found()
        if found:
            self._on = found[max(0, min(at + step, len(found) - 1))].root
            self.query_one("#body", Pane).show(self.lines())
