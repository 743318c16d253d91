"""The line in which one types what to look for in a log."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static


class FindBar(Horizontal):
    """Shown while somebody types."""

    DEFAULT_CSS = """
    FindBar { dock: bottom; height: 1; margin-bottom: 1; display: none; background: $panel; }
    FindBar.on { display: block; }
    FindBar Static { width: auto; height: 1; background: $panel; color: $primary; }
    FindBar Input {
        width: 1fr; height: 1; border: none; padding: 0;
        background: $panel; color: $foreground;
    }
    """

    class Asked(Message):
        """Look for this; empty drops the last search."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def compose(self) -> ComposeResult:
        yield Static(Content(" / "))
        yield Input(compact=True, placeholder="text to look for; !text for lines without it")

    def open(self) -> None:
        self.add_class("on")
        self.query_one(Input).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.remove_class("on")
        self.post_message(self.Asked(event.value))

    def close(self) -> bool:
        """Leave without a question; False when nobody was typing."""
        typing = self.has_class("on")
        self.remove_class("on")
        return typing
