"""Overlay: says what an act will do and asks by its risk. Cancel has the focus.

Costly acts: `y` or the button. Final ones: a word must be typed first. A bulk act may be
tried on its first target alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Input

from maestro_core.observe.snapshot import Snapshot
from maestro_tui.acts import Plan
from maestro_tui.presentation.cells import data, line
from maestro_tui.screens.overlay import OverlayScreen


class ConfirmOverlay(OverlayScreen[Plan]):
    """Dismissed with the plan to carry out, or with None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "yes", "Yes", show=False),
        Binding("n", "close", "No", show=False),
        Binding("left,shift+tab", "app.focus_previous", "Left", show=False),
        Binding("right,tab", "app.focus_next", "Right", show=False),
    ]

    def __init__(self, plan: Plan, arrived: Callable[[], int] = int) -> None:
        super().__init__(classes="danger" if plan.risk == "final" else "")
        self._plan, self._arrived = plan, arrived

    def title_text(self) -> str:
        return f"{data(self._plan.title, 80)}"

    @property
    def HINT(self) -> str:  # type: ignore[override]
        if self._plan.word:
            return f"type {self._plan.word} · Esc cancels"
        return "y does it · Enter or Esc cancels"

    def lines(self) -> Sequence[Text]:
        out = [line((text, "text")) for text in self._plan.lines]
        if len(self._plan.targets) > 1 and (count := self._arrived()):
            out.append(line((f"{count:,} came since: left alone.", "warn")))
        if self._plan.word:
            typed = (self._plan.word, "key.danger")
            out += [line(""), line(("Type ", "muted"), typed, (" to go ahead.", "muted"))]
        return out

    def extra(self) -> Iterable[Widget]:
        if self._plan.word:
            yield Input(compact=True, id="word")
        yield Horizontal(*self._buttons(), id="buttons")

    def _buttons(self) -> Iterable[Button]:
        yield Button(Content("Cancel"), id="cancel", compact=True)
        if self._plan.canary is not None:
            yield Button(Content("One first"), id="canary", compact=True)
        yield Button(Content(self._plan.button), id="yes", classes="-yes", compact=True,
                     disabled=self._plan.word is not None)  # fmt: skip

    def on_mount(self) -> None:
        self.set_focus(self.query_one("#word" if self._plan.word else "#cancel"))

    def on_input_changed(self, event: Input.Changed) -> None:
        self.query_one("#yes", Button).disabled = not self._typed(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if self._typed(event.value):
            self.dismiss(self._plan)

    def _typed(self, text: str) -> bool:
        return text.strip().casefold() == (self._plan.word or "").casefold()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        chosen: dict[str | None, Any] = {"yes": self._plan, "canary": self._plan.canary}
        self.dismiss(chosen.get(event.button.id))

    def receive(self, snapshot: Snapshot) -> None:
        """Leaving waits for nothing that has ended meanwhile."""
        if self._plan.waits and not snapshot.running:
            self.dismiss(self._plan)

    def action_yes(self) -> None:
        if self._plan.word is None:
            self.dismiss(self._plan)
