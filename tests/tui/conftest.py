"""Every console test: no state or config of this machine's person, no blinking cursor."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input

from maestro_tui.presentation.cells import mask_with


@pytest.fixture(autouse=True)
def nobody_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty home, and a text cursor that stands still."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "TMUX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Input.cursor_blink, "_default", False)
    mask_with(str)
