"""Overlay: everything known of one thing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.text import Text

from maestro_tui.screens.overlay import OverlayScreen


class DetailsOverlay(OverlayScreen[None]):
    """Shows the lines of a function of time, so that ages go on."""

    def __init__(self, title: str, make: Callable[[float], Sequence[Text]]) -> None:
        super().__init__()
        self._title, self._make = title, make

    def title_text(self) -> str:
        return f"{self._title}"

    def lines(self) -> Sequence[Text]:
        return self._make(self.console.now)
