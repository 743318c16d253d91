"""Overlay: every command by name, with its key and the shell command that does the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input

from maestro_tui.keys import Can, anything
from maestro_tui.presentation.cells import line
from maestro_tui.presentation.palette import Command, about_lines, command_line, commands, ranked
from maestro_tui.screens.overlay import OverlayScreen
from maestro_tui.widgets.pane import Pane

MOST = 14
"""Commands that are shown at once, where the terminal is high enough."""
FRAME = 9
"""Lines of the overlay and of the screen around the list."""


class PaletteOverlay(OverlayScreen[str]):
    """Dismissed with the action of the chosen command, or with None."""

    DEFAULT_CLASSES = "wide"
    HINT = "Enter runs it · Esc closes"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,ctrl+n", "choose(1)", "Down", show=False, priority=True),
        Binding("up", "choose(-1)", "Up", show=False, priority=True),
        Binding("escape", "close", "Close", show=False, priority=True),
    ]

    def __init__(self, screen: str, keymap: Mapping[str, str], can: Can = anything) -> None:
        super().__init__()
        self._all = commands(screen, keymap, can)
        self._found: list[Command] = self._all
        self._at = 0

    def title_text(self) -> str:
        return "Commands"

    def extra(self) -> Iterable[Widget]:
        yield Input(compact=True, placeholder="type what you want to do", id="what")

    def on_mount(self) -> None:
        box = self.query_one("#box")
        box.move_child(self.query_one("#what"), before=self.query_one("#body"))
        self.set_focus(self.query_one("#what"))

    def lines(self) -> Sequence[Text]:
        width = min(int(self.app.size.width * 0.9), 140) - 6
        if not self._found:
            return [line(("no command is called so", "muted"))]
        about = about_lines(self._found[self._at], width)
        most = max(3, min(MOST, self.app.size.height - FRAME - len(about)))
        first = max(0, min(self._at - most + 3, len(self._found) - most))
        shown = self._found[first : first + most]
        rows = [
            command_line(command, first + index == self._at, width)
            for index, command in enumerate(shown)
        ]
        return [*rows, *about]

    def on_input_changed(self, event: Input.Changed) -> None:
        self._found = ranked(self._all, event.value)
        self._at = 0
        self.query_one("#body", Pane).show(self.lines())

    def on_input_submitted(self) -> None:
        self.dismiss(self._found[self._at].action if self._found else None)

    def action_choose(self, step: int) -> None:
        self._at = max(0, min(self._at + step, len(self._found) - 1))
        self.query_one("#body", Pane).show(self.lines())
