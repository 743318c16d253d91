"""What can be taken back, newest first. Pure."""

from __future__ import annotations

from typing import NamedTuple

from maestro_tui.acts import Plan

DEPTH = 50


class Entry(NamedTuple):
    """An act that was done and when (wall epoch seconds)."""

    plan: Plan
    at: float


class UndoStack:
    """Acts whose plan has an `undo`."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    def push(self, plan: Plan, at: float) -> None:
        self._entries = [*self._entries[-DEPTH + 1 :], Entry(plan, at)]

    def pop(self) -> Entry | None:
        return self._entries.pop() if self._entries else None

    def __len__(self) -> int:
        return len(self._entries)
