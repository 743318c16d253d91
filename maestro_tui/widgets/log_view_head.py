"""The line over the log viewer: whose log it is, and a tab for each view."""

from __future__ import annotations

from rich.text import Text
from textual import events
from textual.message import Message

from maestro_tui.presentation.log_head import View, head, tab_at
from maestro_tui.widgets.canvas import Canvas


class LogHead(Canvas):
    """The line on top, with a tab for each view."""

    ground = "raised"

    class Chosen(Message):
        """Somebody clicked the tab of a view."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title
        self._views: list[View] = []
        self._note = ""

    def show(self, views: list[View], note: str) -> None:
        self._views, self._note = views, note
        self.repaint()

    def paint(self) -> list[Text]:
        return [head(self._title, self._views, self._note, self.size.width)]

    def on_click(self, event: events.Click) -> None:
        name = tab_at(self._title, self._views, event.x)
        if name is not None:
            self.post_message(self.Chosen(name))
