"""The consoles that bench/log_view.py measures: one app, one kind of log widget each.

A key `x` bumps a counter on the first row, so that the time from a key to its effect on the
terminal can be told; `o` opens the logs. Run by bench/log_view.py inside a pseudo-terminal.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from rich.text import Text
from textual.app import App, ComposeResult
from textual.containers import Grid
from textual.widget import Widget
from textual.widgets import Log, RichLog, Static

from maestro_core.redact import Redactor
from maestro_tui.themes import THEMES
from maestro_tui.widgets.log_view import LogView

POLL = 0.05
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
    BINDINGS = [("x", "bump"), ("o", "show"), ("q", "quit")]

    def __init__(self, kind: str, paths: list[Path]) -> None:
        super().__init__()
        self.kind, self.paths, self.count = kind, paths, 0

    def compose(self) -> ComposeResult:
        yield Static("K000000", id="keys")
        yield Grid(classes="four" if len(self.paths) == 4 else "")

    def on_mount(self) -> None:
        for theme in THEMES.values():
            self.register_theme(theme)
        self.theme = "maestro-dark"

    def action_bump(self) -> None:
        self.count += 1
        self.query_one("#keys", Static).update(f"K{self.count:06}", layout=False)

    def action_show(self) -> None:
        self.query_one(Grid).mount(*(WIDGETS[self.kind](path) for path in self.paths))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=[*WIDGETS, "none"])
    parser.add_argument("paths", nargs="*", type=Path)
    given = parser.parse_args()
    Bench(given.kind, given.paths).run()
