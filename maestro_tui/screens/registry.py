"""The screens by name and in their order; each is imported when it is first shown."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from textual.screen import Screen

SCREENS = {
    "board": ("maestro_tui.screens.board", "BoardScreen"),
    "dead": ("maestro_tui.screens.dead_letters", "DeadLettersScreen"),
    "runs": ("maestro_tui.screens.runs", "RunsScreen"),
    "journal": ("maestro_tui.screens.journal", "JournalScreen"),
    "doctor": ("maestro_tui.screens.doctor", "DoctorScreen"),
    "costs": ("maestro_tui.screens.costs", "CostsScreen"),
}
ORDER = tuple(SCREENS)
"""The screens of one agent."""
SCREENS["agents"] = ("maestro_tui.screens.agents", "AgentsScreen")


def make_screen(name: str) -> Screen[Any]:
    """A new screen of that name."""
    module, cls = SCREENS[name]
    screen: Screen[Any] = getattr(import_module(module), cls)()
    return screen
