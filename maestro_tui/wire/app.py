"""An app whose frames go over the wire, and the check that this Textual is one it knows.

`WiredApp.wire` is None where the wire is off: then everything is Textual's own. A fault in the
wire turns it off for good and draws the screen anew the stock way.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import textual
from rich.color import ColorSystem
from textual import events
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.app import App
from textual.screen import Screen

from maestro_tui.wire.link import Wire

PROVEN = ("8.2.8",)
"""Versions of Textual whose insides the wire was proven with, cell for cell."""
FOCUS_REST = 60.0
"""Seconds between two redraws because the window came to the front."""


def unknown_textual() -> str | None:
    """Why the wire cannot be used with this Textual; None = it can."""
    if not _is_proven():
        return f"Textual {textual.__version__} is not one it was proven with ({', '.join(PROVEN)})"
    wanted = {ChopsUpdate: {"chops", "spans", "chop_ends"}, LayoutUpdate: {"strips", "region"}}
    for kind, names in wanted.items():
        if not names <= set(inspect.signature(kind).parameters):
            return f"Textual's {kind.__name__} is another one"
    if list(inspect.signature(App._display).parameters) != ["self", "screen", "renderable"]:
        return "Textual's way of showing a screen is another one"
    return None


def _is_proven() -> bool:
    """The folder that an installer leaves beside it says so; asking `textual.__version__`
    imports what takes longer than all the rest of a start of the wire."""
    beside = Path(textual.__file__).parents[1]
    named = any((beside / f"textual-{one}.dist-info").is_dir() for one in PROVEN)
    return named or textual.__version__ in PROVEN


class WiredApp(App[None]):
    """See the module docstring."""

    wire: Wire | None = None
    wire_note: str | None = None
    """Why the wire is off although it was wanted; None = it is on, or nobody wanted it."""
    wire_way = "on"
    """on, off (stock) or eco."""
    _redrawn_at = float("-inf")

    def start_wire(self) -> None:
        """Send frames over the wire from now on, if the driver and this Textual allow it."""
        from maestro_tui.terminal import TerminalDriver

        driver = self._driver
        if not isinstance(driver, TerminalDriver) or self.wire is not None:
            return
        if self.wire_way == "off":
            return
        self.wire_note = unknown_textual()
        if self.wire_note is None:
            system = self.console._color_system or ColorSystem.TRUECOLOR
            eco = self.wire_way == "eco"
            self.wire = driver.wire = Wire(driver, eco=eco, system=system)
            self.wire.open()
            if self.wire_way == "eco":
                self.animation_level = "none"

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        wire = self.wire
        if wire is None or not isinstance(renderable, CompositorUpdate):
            super()._display(screen, renderable)
            return
        try:
            if self._running and not self._closed and not self._batch_count:
                wire.synchronized = self._sync_available
                wire.show(renderable, self._cursor_in_screen())
        except Exception as error:
            self._lose_wire(error)
        finally:
            self.post_display_hook()

    def _cursor_in_screen(self) -> tuple[int, int]:
        x, y = self.screen.outer_size.clamp_offset(self.cursor_position)
        return x, y

    def _lose_wire(self, error: Exception) -> None:
        """Stock from now on: a screen that is drawn slowly is better than none."""
        self.wire_note = f"it failed: {error!r}"
        if self.wire is not None:
            self.wire.close()
        self.wire = None
        self.log.error(f"the wire is off, {self.wire_note}")
        self.call_later(self.refresh, layout=True)

    # ---- when the terminal may show something else than we think ---------------------------

    def redraw(self) -> None:
        """Say every cell again."""
        if self.wire is not None:
            self.wire.redraw()
        self.refresh(layout=True)
        self.screen.refresh(layout=True)

    def on_resize(self, _event: events.Resize) -> None:
        if self.wire is not None:
            self.wire.forget()

    def on_app_focus(self) -> None:
        """Others may have written over us while the window lay behind; not worth a slow line."""
        wire = self.wire
        if wire is None or wire.flow.slow or wire.flow.speed is None:
            return
        now = self._loop.time() if self._loop is not None else 0.0
        if now - self._redrawn_at > FOCUS_REST:
            self._redrawn_at = now
            wire.forget()
