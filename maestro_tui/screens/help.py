"""Overlay: the keys of this screen, then the others; made from the key table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text

from maestro_tui.keys import Can, anything
from maestro_tui.presentation.help import help_lines
from maestro_tui.screens.overlay import OverlayScreen


class HelpOverlay(OverlayScreen[None]):
    """See the module docstring."""

    DEFAULT_CLASSES = "wide"

    def __init__(self, screen: str, keymap: Mapping[str, str], can: Can = anything) -> None:
        super().__init__()
        self._screen_name, self._keymap, self._can = screen, keymap, can

    def title_text(self) -> str:
        return "Keys"

    def lines(self) -> Sequence[Text]:
        width = min(int(self.app.size.width * 0.9), 140) - 6
        return help_lines(self._screen_name, self._keymap, width, self._can)
