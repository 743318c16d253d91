"""Keeps the board that was shown last for the next start. Called when the console is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maestro_tui.presentation.cells import masked
from maestro_tui.splash.cache import OldBoard, cache_path, forget, kept_lines, store
from maestro_tui.widgets.board import Board
from maestro_tui.widgets.strip import Strip

if TYPE_CHECKING:
    from maestro_tui.app_base import BaseApp


def keep_board(app: BaseApp) -> None:
    """If the board is in front and painted; a line that is to be spared gets none next time."""
    front, path = app.front(), cache_path(app.backend.layout.root)
    if app.wire_way == "eco":
        forget(path)
        return
    if front is None or front.NAME != "board" or app.snapshot is None:
        return
    strip, board = front.query_one(Strip).plain(), front.query_one(Board).plain()
    lines = kept_lines([masked(line) for line in (*strip[:1], *strip[2:], *board)])
    store(path, OldBoard(app.now, front.size.width, lines))
