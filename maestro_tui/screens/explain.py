"""Overlay: why a cadence is not running, live."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType

from maestro_core.observe.explain import explain
from maestro_core.observe.snapshot import Snapshot
from maestro_tui.keys import TABLE, action_of
from maestro_tui.presentation.cells import data, line
from maestro_tui.presentation.explain import explain_lines
from maestro_tui.screens.overlay import OverlayScreen

LIFTING = ("act.close", "act.probe", "act.pause", "act.enqueue", "act.stop_run", "screen.doctor")


class ExplainOverlay(OverlayScreen[None]):
    """Follows the snapshots while it is open."""

    DEFAULT_CLASSES = "wide"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key.keys, f'lift("{action_of(key)}")', key.label, show=False, id=key.id)
        for key in TABLE
        if key.id in LIFTING
    ]

    def __init__(self, cadence: str) -> None:
        super().__init__()
        self._cadence = cadence

    @property
    def HINT(self) -> str:  # type: ignore[override]
        return "Esc closes" if self.console.backend.read_only else "its key lifts it · Esc closes"

    def title_text(self) -> str:
        return f"Why is {data(self._cadence, 60)} not running?"

    def lines(self) -> Sequence[Text]:
        snapshot = self.console.snapshot
        if snapshot is None:
            return [line(("reading the agent root …", "muted"))]
        found, changes = explain(snapshot, self._cadence), not self.console.backend.read_only
        return explain_lines(found, self.console.now, changes=changes)

    def action_lift(self, action: str) -> None:
        """A key that lifts what is in the way: it acts as it would on the screen below."""
        front = self.console.front()
        self.dismiss(None)
        self.console.call_later(self.console.run_action, action, front)

    def receive(self, _snapshot: Snapshot) -> None:
        self.show()
