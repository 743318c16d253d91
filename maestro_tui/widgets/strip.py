"""The strip on top of every screen: what runs, what is held, what waits; then the banners.

Its height follows the banners. A click on a count or a screen's name goes there.
"""

from __future__ import annotations

from rich.text import Text
from textual import events
from textual.message import Message

from maestro_core.observe.snapshot import Snapshot
from maestro_tui.presentation.cells import line
from maestro_tui.presentation.strip import (
    Here,
    Tab,
    banners,
    first_line,
    jumps,
    second_line,
    tab_chunks,
    tabs_room,
)
from maestro_tui.widgets.canvas import Canvas

TABS = (
    Tab("board", "1", "Board", "Board"),
    Tab("dead", "2", "Dead letters", "Dead"),
    Tab("runs", "3", "Runs", "Runs"),
    Tab("journal", "4", "Journal", "Journ"),
    Tab("doctor", "5", "Doctor", "Doct"),
    Tab("costs", "6", "Costs", "Costs"),
)
MOST_BANNERS = 3


class Strip(Canvas):
    """See the module docstring."""

    ground = "surface"
    DEFAULT_CSS = "Strip { height: 2; dock: top; }"

    class Jumped(Message):
        """A screen was clicked."""

        def __init__(self, screen: str) -> None:
            super().__init__()
            self.screen_name = screen

    def __init__(self, active: str) -> None:
        super().__init__(id="strip")
        self.active = active
        self._snapshot: Snapshot | None = None
        self._here = Here(0)
        self._now = 0.0

    def show(self, snapshot: Snapshot | None, here: Here, now: float) -> None:
        self._snapshot, self._here, self._now = snapshot, here, now
        self.styles.height = 2 + len(self._banners())
        self.repaint()

    def _banners(self) -> list[Text]:
        if self._snapshot is None:
            return []
        most = MOST_BANNERS if self.app.size.height >= 20 else 1
        return banners(self._snapshot, self._here, self._now)[:most]

    def paint(self) -> list[Text]:
        width = self.size.width
        snapshot = self._snapshot
        if snapshot is None:
            first = line((" ◆ ", "accent"), ("reading the agent root …", "muted"))
        else:
            first = first_line(snapshot, self._here, self._now, width)
        second = second_line(TABS, self.active, snapshot, self._here, self._now, width)
        full = [_across(banner, width) for banner in self._banners()]
        return [first, second, *full]

    def on_click(self, event: events.Click) -> None:
        if self._snapshot is None:
            return
        if event.y == 0:
            text = first_line(self._snapshot, self._here, self._now, self.size.width)
            target = jumps(text.plain, event.x)
        else:
            target = self._tab_at(event.x)
        if target and event.y < 2:
            self.post_message(self.Jumped(target))

    def _tab_at(self, x: int) -> str | None:
        end = 0
        room = tabs_room(self._here, self._now, self.size.width)
        for name, chunk in tab_chunks(TABS, self.active, self._snapshot, room):
            end += chunk.cell_len
            if x < end:
                return name
        return None


def _across(banner: Text, width: int) -> Text:
    """A banner's colour from edge to edge."""
    style = banner.spans[0].style if banner.spans else ""
    padded = Text(banner.plain.ljust(width), style=style, no_wrap=True, end="")
    padded.truncate(width, overflow="ellipsis")
    return padded
