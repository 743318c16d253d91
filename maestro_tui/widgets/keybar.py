"""The last line of every screen: the keys that matter here, made from the key table.

While rows are marked or a filter is on, it says that first.
"""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text

from maestro_tui.keys import Key, shown
from maestro_tui.presentation.cells import choose, fit, line
from maestro_tui.widgets.canvas import Canvas


class KeyBar(Canvas):
    """See the module docstring."""

    ground = "surface"
    DEFAULT_CSS = "KeyBar { height: 1; dock: bottom; }"

    def __init__(self, keys: list[Key]) -> None:
        super().__init__(id="keybar")
        self._keys = keys
        self._note = Text("", end="")
        self.keymap: Mapping[str, str] = {}
        self.changes = True
        """False in a read-only console: acts are left out."""

    def note(self, text: Text) -> None:
        """What stands in front: marks, filter; empty text = nothing."""
        self._note = text
        self.repaint()

    def paint(self) -> list[Text]:
        width = self.size.width
        live = (key for key in self._keys if self.changes or key.risk == "none")
        keys = [key for key in live if shown(key, self.keymap)]
        chunks = [(key.footer * 2, _hint(key, self.keymap)) for key in keys]
        note = line(" ", self._note, "  ") if self._note.plain else line(" ")
        general = [(order, chunk) for order, chunk in chunks if order >= 18]
        tail = choose(general, max(12, width // 3))
        room = width - note.cell_len - tail.cell_len - 3
        left = line(note, choose([chunk for chunk in chunks if chunk[0] < 18], max(0, room)))
        return [line(fit(left, max(0, width - tail.cell_len - 1)), tail, " ")]


def _hint(key: Key, keymap: Mapping[str, str]) -> Text:
    name = shown(key, keymap).split(" ")[0]
    style = "key" if key.risk == "none" else "key.danger"
    return line((name, style), (f" {key.hint or key.label.lower()}", "muted"))
