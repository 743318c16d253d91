"""Circuits, back-off, holds, pauses and the emergency stop, shared by all consumers.

A row for each scope (`fleet` or a host's name) and subject, changed by compare-and-set on its
revision. Deadlines are stored in server time; what is handed out is in this process's steady
seconds. Any number of processes; one thread each.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct, structs

from maestro_core.clock import Clock
from maestro_core.errors import BusError
from maestro_core.fleet.connect import Link
from maestro_core.models import CadenceState

FLEET = "fleet"
_CADENCE = "cadence:"
_TRIES = 50

Document = dict[str, Any]


class GateRow(Struct, frozen=True):
    """One gate as it is stored. Revision 0 = there is none."""

    scope: str
    name: str
    revision: int
    document: Document


class GateRows:
    """The table of gates."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self._doubtful: dict[tuple[str, str], GateRow] = {}
        """What was written while the connection was lost: it may stand there already."""

    def all(self, prefix: str, *scopes: str) -> list[GateRow]:
        """Those of these scopes whose name begins with `prefix`."""
        found = self.link.rows(
            "SELECT scope, name, revision, document FROM maestro_gates"
            " WHERE scope = ANY($1) AND starts_with(name, $2) ORDER BY name, scope",
            list(scopes),
            prefix,
        )
        return [GateRow(**row) for row in found]

    def get(self, scope: str, name: str) -> GateRow:
        found = self.link.rows(
            "SELECT scope, name, revision, document FROM maestro_gates"
            " WHERE scope = $1 AND name = $2",
            scope,
            name,
        )
        return GateRow(**found[0]) if found else GateRow(scope, name, 0, {})

    def put(self, row: GateRow, document: Document) -> GateRow | None:
        """Compare-and-set: None when somebody changed it since `row` was read. An empty
        document stays as a row, so that its revision goes on counting."""
        if row.revision == 0:
            sql = (
                "INSERT INTO maestro_gates (scope, name, document) VALUES ($1, $2, $3::jsonb)"
                " ON CONFLICT DO NOTHING RETURNING revision"
            )
            args: tuple[object, ...] = (row.scope, row.name, json.dumps(document))
        else:
            sql = (
                "UPDATE maestro_gates SET document = $3::jsonb, revision = revision + 1,"
                " updated = now() WHERE scope = $1 AND name = $2 AND revision = $4"
                " RETURNING revision"
            )
            args = (row.scope, row.name, json.dumps(document), row.revision)
        after = GateRow(row.scope, row.name, row.revision + 1, document)
        try:
            found = self.link.rows(sql, *args)
        except BusError:
            self._doubtful[row.scope, row.name] = after
            raise
        return after if found else None

    def update(self, scope: str, name: str, change: Callable[[Document], Document]) -> GateRow:
        """Read, change, compare-and-set, again when somebody was quicker. `change` is pure.
        Called again after a BusError, it changes nothing twice."""
        for _ in range(_TRIES):
            before = self.get(scope, name)
            if self._doubtful.pop((scope, name), None) == before:
                return before
            document = change(before.document)
            if document == before.document:
                return before
            if (after := self.put(before, document)) is not None:
                return after
        raise BusError(f"the gate {name} is changed by others all the time", "try again")


class GateBoard:
    """All gates of some scopes, read with one statement: what a consumer goes by in a pass."""

    def __init__(self, link: Link, *scopes: str) -> None:
        self._rows = GateRows(link)
        self._scopes = scopes
        self.rows: list[GateRow] = []

    def read(self) -> None:
        """Raises BusError; then what was read before still stands."""
        self.rows = [row for row in self._rows.all("", *self._scopes) if row.document]


class FleetCircuits:
    """The breaker's memory of each cadence, one for the whole fleet."""

    def __init__(self, link: Link, clock: Clock) -> None:
        self._rows = GateRows(link)
        self._link = link
        self._clock = clock

    def items(self) -> list[tuple[str, CadenceState]]:
        return self.items_of(self._rows.all(_CADENCE, FLEET))

    def items_of(self, rows: Iterable[GateRow]) -> list[tuple[str, CadenceState]]:
        """Those among these rows."""
        return [
            (row.name[len(_CADENCE) :], self._state(row.document))
            for row in rows
            if row.scope == FLEET and row.name.startswith(_CADENCE) and row.document
        ]

    def update(self, cadence: str, change: Callable[[CadenceState], CadenceState]) -> CadenceState:
        """The state that stands now. `change` may be called again after a lost compare-and-set."""
        row = self._rows.update(
            FLEET, _CADENCE + cadence, lambda old: self._changed(old, change(self._state(old)))
        )
        return self._state(row.document)

    def _changed(self, old: Document, state: CadenceState) -> Document:
        return old if state == self._state(old) else self._document(state)

    def _state(self, document: Document) -> CadenceState:
        shift = self._clock.steady() - self._link.now()
        return CadenceState(
            failures=int(document.get("failures", 0)),
            next_allowed_at=_shifted(document.get("next_allowed_at"), shift),
            open_until=_shifted(document.get("open_until"), shift),
            forced=document.get("forced") is True,
        )

    def _document(self, state: CadenceState) -> Document:
        shift = self._link.now() - self._clock.steady()
        document = structs.asdict(state)
        for name in ("next_allowed_at", "open_until"):
            document[name] = _shifted(document[name], shift)
        return {name: value for name, value in document.items() if value}


def _shifted(at: float | None, shift: float) -> float:
    """A deadline on another clock; none stays none."""
    return round(at + shift, 3) if at else 0.0
