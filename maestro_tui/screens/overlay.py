"""What every overlay has: a titled box over the screen, a scrolling body, Escape to peel it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widget import Widget

from maestro_tui.widgets.pane import Pane

if TYPE_CHECKING:
    from maestro_tui.app import MaestroApp

Answer = TypeVar("Answer")

CHROME = 4
"""Lines of the box that are not its body: border and padding."""


class OverlayScreen(ModalScreen[Answer]):
    """Subclasses give `title_text` and `lines`; `extra` puts widgets under the body."""

    CSS_PATH: ClassVar[Any] = "overlay.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", "Close", show=False),
        Binding("j,down", "scroll_body(1)", "Down", show=False),
        Binding("k,up", "scroll_body(-1)", "Up", show=False),
        Binding("ctrl+d,pagedown", "scroll_body(10)", "Page down", show=False),
        Binding("ctrl+u,pageup", "scroll_body(-10)", "Page up", show=False),
        Binding("g,home", "scroll_body(-100000)", "Top", show=False),
        Binding("G,end", "scroll_body(100000)", "Bottom", show=False),
        Binding("y", "copy", "Copy", show=False),
    ]
    HINT = "Esc closes · y copies"
    CLEARS_TOASTS: ClassVar[bool] = True
    """A person asked for it and has seen the answer to what they pressed before; on a small
    screen that would lie over the buttons."""

    @property
    def console(self) -> MaestroApp:
        return cast("MaestroApp", self.app)

    def title_text(self) -> str:
        raise NotImplementedError

    def lines(self) -> Sequence[Text]:
        """What the body shows, now."""
        raise NotImplementedError

    def extra(self) -> Iterable[Widget]:
        return ()

    def compose(self) -> ComposeResult:
        with Vertical(id="box") as box:
            box.border_title = Content(self.title_text())
            box.border_subtitle = Content(self.HINT)
            yield Pane(id="body", ground="raised")
            yield from self.extra()

    def on_mount(self) -> None:
        if self.CLEARS_TOASTS:
            self.app.clear_notifications()
        self.show()

    def on_resize(self) -> None:
        self.show()

    def show(self) -> None:
        """Paint anew, as high as the lines and the terminal allow."""
        pane, box = self.query_one("#body", Pane), self.query_one("#box")
        pane.show(self.lines(), about="body")
        limit = 140 if self.has_class("wide") else 100
        width = min(int(self.app.size.width * 0.9), limit) - 2
        extra = sum(2 for widget in box.children if widget is not pane)
        room = int(self.app.size.height * 0.9) - CHROME - extra
        pane.styles.height = max(1, min(pane.wanted_height(width), room))
        pane.repaint()

    def tick(self, _now: float) -> None:
        """Times move here too, and lines may come and go."""
        self.show()

    def action_scroll_body(self, step: int) -> None:
        self.query_one("#body", Pane).scroll_lines(step)

    def action_close(self) -> None:
        self.dismiss(None)

    def action_copy(self) -> None:
        self.console.copy("\n".join(text.plain.rstrip() for text in self.lines()))
