"""What frames every screen: the strip on top, the filter line, the keys at the bottom.

Screens hold no domain logic: rows come from the backend in a thread, acts go to the app.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widget import Widget

from maestro_core.bus.feed import Topic
from maestro_core.observe.snapshot import Snapshot
from maestro_tui.keys import SCREEN_SCOPES, Key, bindings, footer
from maestro_tui.widgets.filter_bar import FilterBar
from maestro_tui.widgets.keybar import KeyBar
from maestro_tui.widgets.strip import Strip

if TYPE_CHECKING:
    from maestro_tui.app import MaestroApp


class ConsoleScreen(Screen[None]):
    """A screen of the console. Subclasses set NAME and give `body`."""

    NAME: ClassVar[str] = ""
    CSS_PATH: ClassVar[Any] = "base.tcss"
    BINDINGS: ClassVar[list[BindingType]] = []
    TOPICS: ClassVar[frozenset[Topic]] = frozenset()
    """Changes of these make `reload` run."""

    @property
    def console(self) -> MaestroApp:
        return cast("MaestroApp", self.app)

    def compose(self) -> ComposeResult:
        yield Strip(self.NAME)
        yield from self.body()
        yield FilterBar()
        yield KeyBar(footer(SCREEN_SCOPES[self.NAME], self.can))

    def body(self) -> Iterable[Widget]:
        """What stands between the strip and the keys."""
        raise NotImplementedError

    def can(self, key: Key) -> bool:
        """Does that key do anything on this screen? The app's keys always do, but
        for those that need several agents."""
        if key.id.startswith("agents."):
            return self.console.agents is not None
        if key.id == "view.hosts":
            snapshot = self.console.snapshot
            return snapshot is not None and snapshot.fleet is not None
        return "app" in key.scope or hasattr(self, f"action_{key.action.partition('(')[0]}")

    def on_mount(self) -> None:
        keybar = self.query_one(KeyBar)
        keybar.keymap = self.console.keymap_of_user
        keybar.changes = not self.console.backend.read_only
        self.reload()

    def on_screen_resume(self) -> None:
        if self.console.snapshot is not None:
            self.receive(self.console.snapshot)

    def receive(self, snapshot: Snapshot) -> None:
        """A new snapshot is there, or the screen came to the front."""
        console = self.console
        self.query_one(Strip).show(snapshot, console.here, console.now)

    def changed(self, topics: frozenset[Topic]) -> None:
        """The feed said that these changed."""
        if topics & self.TOPICS:
            self.reload()

    def reload(self) -> None:
        """Read anew what this screen shows beyond the snapshot."""

    def tick(self, now: float) -> None:
        """A second has passed: countdowns and ages move."""
        self.query_one(Strip).show(self.console.snapshot, self.console.here, now)

    def show_strip(self) -> None:
        console = self.console
        self.query_one(Strip).show(console.snapshot, console.here, console.now)

    def peel(self) -> bool:
        """Take off one layer of this screen (marks, filter); False when there is none."""
        return False

    async def on_strip_jumped(self, message: Strip.Jumped) -> None:
        await self.console.action_go(message.screen_name)


def screen_bindings(name: str) -> list[BindingType]:
    """Bindings of a screen: the app's own first, so that no default of Textual gets in front."""
    return cast("list[Any]", bindings(*SCREEN_SCOPES[name]))
