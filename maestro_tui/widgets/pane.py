"""Wrapped lines that can be scrolled: details beside a list, and the body of overlays."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text
from textual import events

from maestro_tui.presentation.cells import fit, line
from maestro_tui.themes import painter
from maestro_tui.widgets.canvas import Canvas
from maestro_tui.widgets.table import scroll_thumb


class Pane(Canvas):
    """Shows lines wrapped to its width; the mouse wheel or `scroll` moves it."""

    ground = "surface"
    DEFAULT_CSS = "Pane { height: 1fr; }"

    def __init__(self, *, id: str | None = None, ground: str = "surface") -> None:  # noqa: A002
        super().__init__(id=id)
        self.ground = ground
        self.top = 0
        self._source: Sequence[Text] = ()
        self._about: str | None = None

    def show(self, lines: Sequence[Text], *, about: str | None = None) -> None:
        """New lines; the place is kept while they are `about` the same thing."""
        if about != self._about:
            self.top, self._about = 0, about
        self._source = lines
        self.repaint()

    def scroll_lines(self, step: int) -> None:
        total = len(self._wrapped(max(1, self.size.width - 4)))
        self.top = max(0, min(self.top + step, total - self.size.height))
        self.repaint()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.scroll_lines(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.scroll_lines(-3)

    def wanted_height(self, width: int) -> int:
        """Lines that show everything at that width."""
        return len(self._wrapped(max(1, width - 4)))

    def _wrapped(self, width: int) -> list[Text]:
        console = painter(self.app.theme)
        out: list[Text] = []
        for text in self._source:
            out.extend(_wrap(console, text, width, hanging(text.plain)))
        return out

    def paint(self) -> list[Text]:
        width, height = self.size
        wrapped = self._wrapped(max(1, width - 4))
        self.top = max(0, min(self.top, len(wrapped) - height))
        thumb = scroll_thumb(self.top, height, len(wrapped))
        out = []
        for y, text in enumerate(wrapped[self.top : self.top + height]):
            on = thumb is not None and thumb[0] <= y < thumb[1]
            edge = ("┃", "scroll.thumb") if on else ("│", "scroll") if thumb else (" ", "")
            out.append(line("  ", fit(text, max(0, width - 3)), edge))
        return out


_COLUMN = re.compile(r" *\S+(?: \S+)*? {2,}")
_MARKED = re.compile(r" *(?:[│×✓■○◆◌✎▸·△] )?")
DEEPEST = 24


def hanging(text: str) -> int:
    """Where what follows on begins: under the second column of `name   value`, or after a mark."""
    column = _COLUMN.match(text)
    if column and column.end() <= DEEPEST:
        return column.end()
    marked = _MARKED.match(text)
    return marked.end() if marked else 0


def _wrap(console: Console, text: Text, width: int, indent: int) -> list[Text]:
    """Word wrap; what follows on begins at `indent`."""
    if text.cell_len <= width:
        return [text]
    first = text.wrap(console, width, overflow="fold", no_wrap=False)[0]
    rest = text[len(first.plain) :]
    rest = rest[len(rest.plain) - len(rest.plain.lstrip(" ")) :]
    more = rest.wrap(console, max(8, width - indent), overflow="fold", no_wrap=False)
    return [first, *(line(" " * indent, one) for one in more)]
