"""Copying over SSH: OSC 52, with tmux passthrough and a size that terminals take."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING

from maestro_core.text import visible
from maestro_tui.presentation.cells import masked

if TYPE_CHECKING:
    from textual.app import App

LIMIT = 74_994
"""Bytes before encoding: many terminals drop more than 100,000 encoded ones."""


def sequence(text: str, *, tmux: bool) -> str:
    """The escape sequence that asks the terminal to take `text`."""
    payload = base64.b64encode(text.encode("utf-8", "replace")).decode("ascii")
    osc = f"\x1b]52;c;{payload}\x07"
    return f"\x1bPtmux;\x1b{osc}\x1b\\" if tmux else osc


def send(app: App[None], text: str) -> str:
    """Send `text`, made safe and masked, to the terminal; what to tell the operator."""
    clean = visible(masked(text), keep="\n\t")
    data = clean.encode("utf-8", "replace")
    cut = len(data) > LIMIT
    if cut:
        clean = data[:LIMIT].decode("utf-8", "ignore")
    driver = app._driver
    if driver is None:
        return "there is no terminal to send it to"
    driver.write(sequence(clean, tmux=bool(os.environ.get("TMUX"))))
    size = f"{min(len(data), LIMIT):,} bytes"
    return f"sent {size} to your terminal's clipboard" + (" (the rest was cut)" if cut else "")
