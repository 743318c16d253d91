"""Overlay: what happened since the console was last left."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from maestro_tui.presentation.recap import Recap, recap_lines
from maestro_tui.screens.overlay import OverlayScreen


class RecapOverlay(OverlayScreen[None]):
    """See the module docstring."""

    CLEARS_TOASTS = False  # it comes by itself, with what the start had to tell

    def __init__(self, recap: Recap) -> None:
        super().__init__()
        self._recap = recap

    def title_text(self) -> str:
        return "Since you left"

    def lines(self) -> Sequence[Text]:
        snapshot = self.console.snapshot
        return recap_lines(self._recap, snapshot, self.console.now) if snapshot else []
