"""Overlay: why a cadence is not running, live."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from maestro_core.observe.explain import explain
from maestro_core.observe.snapshot import Snapshot
from maestro_tui.presentation.cells import data, line
from maestro_tui.presentation.explain import explain_lines
from maestro_tui.screens.overlay import OverlayScreen


class ExplainOverlay(OverlayScreen[None]):
    """Follows the snapshots while it is open."""

    DEFAULT_CLASSES = "wide"

    def __init__(self, cadence: str) -> None:
        super().__init__()
        self._cadence = cadence

    def title_text(self) -> str:
        return f" Why is {data(self._cadence, 60)} not running? "

    def lines(self) -> Sequence[Text]:
        snapshot = self.console.snapshot
        if snapshot is None:
            return [line(("reading the agent root …", "muted"))]
        return explain_lines(explain(snapshot, self._cadence), self.console.now)

    def receive(self, _snapshot: Snapshot) -> None:
        self.show()
