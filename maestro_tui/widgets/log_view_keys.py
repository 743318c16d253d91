"""Keys and mouse of a log view: moving, following, marks, search, copies. No painting."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual import events
from textual.binding import BindingType
from textual.message import Message
from textual.widget import Widget

from maestro_core.observe.logfile import Line, LogFile
from maestro_tui.keys import bindings
from maestro_tui.widgets.log_view_find import Finder
from maestro_tui.widgets.log_view_rows import Rows
from maestro_tui.widgets.log_view_watch import Watch
from maestro_tui.widgets.log_view_window import Place, Window

_ACTIONS = ("move", "edge", "page", "sideways", "match", "copy", "follow", "wrap", "times",
            "mark", "save", "zoom", "error")  # fmt: skip


class LogKeys(Widget):
    """What a log view does on keys; `LogView` paints it."""

    BINDINGS: ClassVar[list[BindingType]] = cast(
        "list[BindingType]",
        [one for one in bindings("list", "log") if one.action.partition("(")[0] in _ACTIONS],
    )

    class Copied(Message, namespace="log_view"):
        """Somebody wants this text on their clipboard."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class SaveAsked(Message, namespace="log_view"):
        """Somebody wants a copy of the log as a file."""

    class Zoomed(Message, namespace="log_view"):
        """Somebody wants this log alone on the screen, or no longer."""

    follow: bool
    compact: bool
    wrap = False
    times = False
    left = 0
    file: LogFile
    place: Place
    marks: set[int]
    news: Watch
    finder: Finder
    lines: Rows
    window: Window

    if TYPE_CHECKING:

        def repaint(self) -> int: ...

    @property
    def body_height(self) -> int:
        """Rows for lines of the log."""
        return max(1, self.size.height - (0 if self.compact else 1))

    # ---- moving -----------------------------------------------------------------------------

    def go(self, place: Place, *, down: bool = False) -> None:
        """Stand at that place; at the end after a move down, follow again."""
        bottom = self.window.bottom(self.body_height)
        self.place = min(place, bottom)
        self.set_follow(down and place >= bottom)
        self.news.anew = False
        self.repaint()

    def show_line(self, start: int) -> None:
        """Put the line that starts there a third down the view."""
        self.go(self.window.up(Place(start), self.body_height // 3))

    def set_follow(self, follow: bool) -> None:
        self.follow = follow
        self.news.pause(not follow)

    def scroll_rows(self, rows: int) -> None:
        """Rows down, or up when negative."""
        if rows < 0:
            self.go(self.window.up(self.place, -rows))
        elif not self.follow:
            self.go(self.window.down(self.place, rows), down=True)

    def action_move(self, step: int) -> None:
        self.scroll_rows(step)

    def action_page(self, pages: float) -> None:
        self.scroll_rows(int(pages * self.body_height) or (1 if pages > 0 else -1))

    def action_edge(self, side: int) -> None:
        self.go(Place() if side < 0 else Place(self.file.size), down=side > 0)

    def action_sideways(self, step: int) -> None:
        self.left = max(0, self.left + step * max(8, self.size.width // 4))
        self.repaint()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.scroll_rows(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.scroll_rows(-3)

    # ---- other keys -------------------------------------------------------------------------

    def action_follow(self) -> None:
        self.set_follow(not self.follow)
        self.repaint()

    def action_wrap(self) -> None:
        self.wrap = not self.wrap
        self.place = Place(self.place.start)
        self.repaint()

    def action_times(self) -> None:
        self.times = not self.times
        self.repaint()

    def action_mark(self) -> None:
        """Mark the line of the match, the last line while following, else the first one."""
        shown = self.lines_in_view()
        if shown:
            hit = next((one for one in shown if self.finder.hits(one)), None)
            self.marks ^= {(hit or shown[-1 if self.follow else 0]).start}
            self.repaint()

    def action_match(self, step: int) -> None:
        self.finder.again(step)

    def action_error(self, step: int) -> None:
        self.finder.trouble(step)

    def action_zoom(self) -> None:
        self.post_message(self.Zoomed())

    def action_save(self) -> None:
        self.post_message(self.SaveAsked())

    def action_copy(self) -> None:
        """The marked lines, or what is on the screen, masked as it is shown."""
        if text := self.text_shown():
            self.post_message(self.Copied(text))

    def lines_in_view(self) -> list[Line]:
        shown = self.window.rows(self.place, self.body_height)
        return list(dict.fromkeys(one for one, _ in shown))

    def text_shown(self) -> str:
        """Marked lines, or those in view, as plain text without escape sequences."""
        marked = (self.file.line_at(start) for start in sorted(self.marks))
        lines = [one for one in marked if one is not None] or self.lines_in_view()
        return "\n".join(self.lines.plain(one) for one in lines)

    def peel(self) -> bool:
        """Take off one layer: a search or its match, then the marks; False when there is none."""
        had = self.finder.peel()
        if not had and self.marks:
            had, self.marks = True, set()
        self.repaint()
        return had
