"""The line in which a filter is typed; it acts with every letter."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from maestro_tui.query import Query, parse


class FilterBar(Horizontal):
    """Shown while a filter is typed or on."""

    class Changed(Message):
        """The filter is another one now."""

        def __init__(self, query: Query, text: str) -> None:
            super().__init__()
            self.query, self.text = query, text

    class Closed(Message):
        """Typing ended: Enter keeps the filter, Escape drops it."""

    def compose(self) -> ComposeResult:
        yield Static(Content(" / "))
        yield Input(compact=True, placeholder="words  cadence:x  age:>1h  !not", id="filter-text")
        yield Static(Content(""), id="filter-count")

    @property
    def text(self) -> str:
        return self.query_one(Input).value

    def open(self) -> None:
        self.add_class("on")
        self.query_one(Input).focus()

    def clear(self) -> bool:
        """Drop the filter; False when there was none."""
        had = bool(self.text) or self.has_class("on")
        self.remove_class("on")
        self.query_one(Input).value = ""
        return had

    def count(self, shown: int, total: int) -> None:
        self.query_one("#filter-count", Static).update(Content(f" {shown:,} of {total:,} "))

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(parse(event.value), event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if not event.value:
            self.remove_class("on")
        self.post_message(self.Closed())

    def key_escape(self) -> None:
        self.clear()
        self.post_message(self.Closed())
