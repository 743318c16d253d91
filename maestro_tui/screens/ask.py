"""Overlay: one line to be typed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.text import Text
from textual.widget import Widget
from textual.widgets import Input

from maestro_tui.presentation.cells import data, line
from maestro_tui.screens.overlay import OverlayScreen


class AskOverlay(OverlayScreen[str]):
    """Dismissed with what was typed, or with None."""

    HINT = "Enter keeps it · Esc leaves it as it was"

    def __init__(self, title: str, about: str, value: str) -> None:
        super().__init__()
        self._title, self._about, self._value = title, about, value

    def title_text(self) -> str:
        return f"{self._title}"

    def lines(self) -> Sequence[Text]:
        return [line((data(self._about, 300), "bad"))]

    def extra(self) -> Iterable[Widget]:
        yield Input(self._value, compact=True, id="word")

    def on_mount(self) -> None:
        self.set_focus(self.query_one("#word"))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)
