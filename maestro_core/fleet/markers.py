"""Pauses and the emergency stop of the whole fleet, as rows: that they exist is what counts.

Each function returns what the marker said before, None when there was none.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from maestro_core.fleet.connect import Link
from maestro_core.fleet.gates import FLEET, GateRow, GateRows

Note = dict[str, Any]
_STOP = "stop"
_PAUSE = "pause:"


def notes_of(rows: Iterable[GateRow]) -> dict[str, Note]:
    """The paused cadences among these rows, each with its note."""
    return {
        row.name[len(_PAUSE) :]: row.document["note"]
        for row in rows
        if row.scope == FLEET and row.name.startswith(_PAUSE) and row.document
    }


class FleetMarkers:
    """Operators' level state. Raises BusError when it cannot be known."""

    def __init__(self, link: Link) -> None:
        self._rows = GateRows(link)

    def paused(self) -> frozenset[str]:
        return frozenset(self.notes())

    def notes(self) -> dict[str, Note]:
        """The paused cadences: who, when, why."""
        return notes_of(self._rows.all(_PAUSE, FLEET))

    def stop(self) -> Note | None:
        """The emergency stop's note; None = none is engaged."""
        document = self._rows.get(FLEET, _STOP).document
        return document["note"] if document else None

    def pause(self, cadence: str, note: Note) -> Note | None:
        return self._set(_PAUSE + cadence, note)

    def resume(self, cadence: str) -> Note | None:
        return self._set(_PAUSE + cadence, None)

    def engage(self, note: Note) -> Note | None:
        return self._set(_STOP, note)

    def clear(self) -> Note | None:
        return self._set(_STOP, None)

    def _set(self, name: str, note: Note | None) -> Note | None:
        before: list[Note | None] = []

        def change(document: dict[str, Any]) -> dict[str, Any]:
            before.append(document.get("note"))
            return {} if note is None else {"note": note}

        self._rows.update(FLEET, name, change)
        return before[-1]
