"""The line over the log viewer: whose log, and its views. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.text import Text

from maestro_tui.presentation.cells import data, fit, line, spread


class View(NamedTuple):
    """One way to look at a run's output."""

    name: str
    title: str
    on: bool


def head(title: str, views: Sequence[View], note: str, width: int) -> Text:
    """`◆ cadence   stdout  stderr  both  transcript      14 steps`."""
    tabs = [(f" {view.title} ", "tab.on" if view.on else "tab") for view in views]
    left = line((" ◆ ", "accent"), (data(title, 60), "title"), "  ", *tabs)
    if len(views) > 1:
        left.append("  Tab", "tab.key")
    return fit(spread(left, line((data(note, 120), "muted"), " "), width), width)


def tab_at(title: str, views: Sequence[View], x: int) -> str | None:
    """The view whose tab stands in that cell."""
    place = line((" ◆ ", "accent"), data(title, 60), "  ").cell_len
    for view in views:
        end = place + len(view.title) + 2
        if place <= x < end:
            return view.name
        place = end
    return None
