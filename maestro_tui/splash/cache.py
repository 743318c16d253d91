"""The last board of an agent root as plain lines, kept for the next start of this person's console.

One small file for each root beside the console's memory, never in the agent root: what others
read there is the agent's. Lines are made visible and masked before they are written, and made
visible again when they are read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from maestro_core import files
from maestro_core.text import visible
from maestro_tui.memory import memory_path

MOST_BYTES = 64 << 10
MOST_LINES = 80
WIDEST = 400


class OldBoard(NamedTuple):
    """`at` is wall time; no line is wider than `width` cells."""

    at: float
    width: int
    lines: tuple[str, ...]


def cache_path(root: Path, environ: Mapping[str, str] | None = None) -> Path:
    """Where the last board of that root is."""
    return memory_path(root, environ).with_suffix(".board")


def store(path: Path, board: OldBoard) -> None:
    """Keep it; a home that cannot be written costs the next start's picture and nothing else."""
    lines = [visible(line.rstrip()) for line in board.lines[:MOST_LINES]]
    document = {"at": board.at, "width": board.width, "lines": lines}
    data = json.dumps(document, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
    fs = files.OsFiles()
    try:
        fs.make_folder(path.parent)
        files.replace(fs, path.parent, path, data)
    except OSError:
        return


def forget(path: Path) -> None:
    """There is no board to show at the next start."""
    try:
        os.unlink(path)
    except OSError:
        return


def load(path: Path) -> OldBoard | None:
    """None when there is none, or it is not what `store` writes."""
    try:
        document = json.loads(files.OsFiles().read(path, MOST_BYTES))
        at, width, lines = document["at"], document["width"], document["lines"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    known = isinstance(at, int | float) and isinstance(width, int) and isinstance(lines, list)
    if not known or not all(isinstance(line, str) for line in lines):
        return None
    safe = tuple(visible(line, WIDEST) for line in lines[:MOST_LINES])
    return OldBoard(float(at), width, safe)


def kept_lines(lines: Sequence[str]) -> tuple[str, ...]:
    """Without the blank ones at the end."""
    found = list(lines)
    while found and not found[-1].strip():
        found.pop()
    return tuple(found)
