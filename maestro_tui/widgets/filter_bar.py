"""The line in which a filter is typed; it acts with every letter.

Focus changes hands at once and not by message, so that keys typed ahead go where they are meant.
"""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Static

from maestro_tui.query import Query, parse


class FilterBar(Horizontal):
    """Shown while a filter is typed or on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "keep", "Keep", show=False, priority=True),
        Binding("escape", "drop", "Drop", show=False, priority=True),
    ]

    class Changed(Message):
        """The filter is another one now."""

        def __init__(self, query: Query, text: str) -> None:
            super().__init__()
            self.query, self.text = query, text

    def __init__(self) -> None:
        super().__init__()
        self._return_to: Widget | None = None

    def compose(self) -> ComposeResult:
        yield Static(Content(" / "))
        yield Input(compact=True, placeholder="words  cadence:x  age:>1h  !not", id="filter-text")
        yield Static(Content(""), id="filter-count")

    @property
    def text(self) -> str:
        return self.query_one(Input).value

    def open(self, return_to: Widget) -> None:
        """Show it and take the keys; Enter and Escape give them to `return_to`."""
        self._return_to = return_to
        self.display = True
        self.screen.set_focus(self.query_one(Input))

    def action_keep(self) -> None:
        """The filter stays on; an empty one goes."""
        self.display = bool(self.text)
        self.screen.set_focus(self._return_to)

    def action_drop(self) -> None:
        self.clear()
        self.screen.set_focus(self._return_to)

    def clear(self) -> bool:
        """Drop the filter; False when there was none."""
        had = bool(self.text) or bool(self.display)
        self.display = False
        self.query_one(Input).value = ""
        return had

    def count(self, shown: int, total: int, so_far: bool = False) -> None:
        """How many rows pass; `so_far`: of those that are read, and more are coming."""
        more = " read so far" if so_far else ""
        self.query_one("#filter-count", Static).update(Content(f" {shown:,} of {total:,}{more} "))

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(parse(event.value), event.value))
