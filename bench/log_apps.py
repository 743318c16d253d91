"""The consoles that bench/log_view.py measures: one app, one kind of log widget each.

`console` is the whole program with its consumer, the others a bare app around one widget.

A key `x` bumps a counter on the first row, so that the time from a key to its effect on the
terminal can be told; `o` opens the logs. Run by bench/log_view.py inside a pseudo-terminal.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid
from textual.widget import Widget
from textual.widgets import Log, RichLog, Static

from maestro_core.layout import Layout
from maestro_core.redact import Redactor
from maestro_tui.app import MaestroApp
from maestro_tui.backend import RootBackend
from maestro_tui.screens.log_screen import LogOverlay, OpaqueScreen
from maestro_tui.terminal import TerminalDriver
from maestro_tui.themes import THEMES
from maestro_tui.widgets.log_view import LogView

POLL = 0.05
"""Seconds between two looks of the stock widgets."""
_OTHER = str.maketrans("0123456789K", "abcdefghijZ")


def mark(number: int) -> str:
    """Every character is another one than in the mark before: all of it is sent anew."""
    text = f"K{number:06}"
    return text.translate(_OTHER) if number % 2 else text


PART = 1 << 20


class Appending:
    """Reads what was appended, in parts, as a program without an index does."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._rest = b""

    def lines(self) -> Iterator[list[str]]:
        while data := self._file.read(PART):
            whole, _, self._rest = (self._rest + data).rpartition(b"\n")
            if whole:
                yield whole.decode("utf-8", "replace").split("\n")


class StockLog(Log):
    """Textual's Log, fed as quickly as it can be: in batches."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._source = Appending(path)
        self.can_focus = False

    def on_mount(self) -> None:
        self.poll()
        self.set_interval(POLL, self.poll)

    def poll(self) -> None:
        for lines in self._source.lines():
            self.write_lines(lines)


class StockRichLog(RichLog):
    """Textual's RichLog, fed with one text a batch."""

    def __init__(self, path: Path) -> None:
        super().__init__(wrap=False)
        self._source = Appending(path)
        self.can_focus = False

    def on_mount(self) -> None:
        self.set_interval(POLL, self.poll)

    def poll(self) -> None:
        for lines in self._source.lines():
            self.write(Text("\n".join(lines)))


def ours(path: Path) -> Widget:
    return LogView(path, redact=Redactor({"DEMO_TOKEN": "correct-horse-battery"}))


WIDGETS = {"ours": ours, "Log": StockLog, "RichLog": StockRichLog}


class Bench(App[None]):
    """See the module docstring."""

    CSS = """
    Static { height: 1; width: auto; }
    Grid { grid-gutter: 0; }
    Grid.four { grid-size: 2 2; }
    Log, RichLog { border: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [("x", "bump"), ("o", "show"), ("q", "quit")]

    def __init__(self, kind: str, paths: list[Path]) -> None:
        super().__init__()
        self.kind, self.paths, self.count = kind, paths, 0

    def compose(self) -> ComposeResult:
        yield Static(mark(self.count), id="keys")
        yield Grid(classes="four" if len(self.paths) == 4 else "")

    def on_mount(self) -> None:
        for theme in THEMES.values():
            self.register_theme(theme)
        self.theme = "maestro-dark"

    def action_bump(self) -> None:
        self.count += 1
        self.query_one("#keys", Static).update(mark(self.count), layout=False)

    def action_show(self) -> None:
        self.query_one(Grid).mount(*(WIDGETS[self.kind](path) for path in self.paths))


class Console(MaestroApp):
    """The real console with a consumer of its own; `o` opens the log viewer, or four logs."""

    CSS = MaestroApp.CSS + "#keys { dock: top; height: 1; width: 7; } Grid { grid-size: 2 2; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "bump", priority=True),
        Binding("o", "show", priority=True),
    ]

    def __init__(self, paths: list[Path]) -> None:
        root = paths[0].parents[3]
        super().__init__(RootBackend(Layout(root)), consume=True, driver_class=TerminalDriver)
        self.paths, self.count = paths, 0

    def on_mount(self) -> None:
        self.set_timer(1.0, self._put_counter)

    def _put_counter(self) -> None:
        self.screen.mount(Static(mark(self.count), id="keys"))

    def action_bump(self) -> None:
        self.count += 1
        self.screen.query_one("#keys", Static).update(mark(self.count), layout=False)

    async def action_show(self) -> None:
        if len(self.paths) == 1:
            await self.push_screen(LogOverlay(self.paths[0], "flooded"))
        else:
            await self.push_screen(Four(self.paths))
        self._put_counter()


class Four(OpaqueScreen):
    """Four log panes at once."""

    def __init__(self, paths: list[Path]) -> None:
        super().__init__()
        self.paths = paths

    def compose(self) -> ComposeResult:
        with Grid():
            for path in self.paths:
                yield LogView(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=[*WIDGETS, "console"])
    parser.add_argument("paths", nargs="*", type=Path)
    given = parser.parse_args()
    if given.kind == "console":
        Console(given.paths).run()
    else:
        Bench(given.kind, given.paths).run()
