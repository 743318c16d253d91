"""Rows of maestro_gates -> what a snapshot shows of them: circuits, holds, pauses, the emergency
stop. Pure. Deadlines come as server time and leave as wall time of this machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, get_args

from msgspec import Struct

from maestro_core.clock import iso
from maestro_core.layout import NAME
from maestro_core.models import CadenceState, HoldBeat, HoldKind
from maestro_core.observe.circuits import Circuits
from maestro_core.observe.documents import text, whole
from maestro_core.observe.snapshot import MarkerView

_KINDS: tuple[str, ...] = get_args(HoldKind)
FLEET = "fleet"


class GateView(Struct, frozen=True):
    """What the gates say. `holds`: of hosts alone, by host."""

    circuits: Circuits = Circuits()
    paused: dict[str, MarkerView] = {}
    emergency_stop: MarkerView | None = None
    holds: dict[str, HoldBeat] = {}


def read_gates(rows: Iterable[Mapping[str, Any]], server_ahead: float) -> GateView:
    """`server_ahead`: seconds that the server's clock is ahead of this machine's."""
    states: dict[str, CadenceState] = {}
    paused: dict[str, MarkerView] = {}
    holds: dict[str, HoldBeat] = {}
    stop = None
    for row in rows:
        kind, _, cadence = str(row["name"]).partition(":")
        document = row["document"] if isinstance(row["document"], dict) else {}
        if kind == "hold":
            if (hold := _hold(document, server_ahead)) is not None:
                holds[row["scope"]] = hold
        elif row["scope"] != FLEET:
            continue
        elif kind == "cadence" and NAME.match(cadence):
            states[cadence] = _state(document, server_ahead)
        elif kind == "pause" and NAME.match(cadence):
            paused[cadence] = _marker(document, row["at"] - server_ahead)
        elif kind == "stop":
            stop = _marker(document, row["at"] - server_ahead)
    return GateView(Circuits(states, holds.pop(FLEET, None)), paused, stop, holds)


def _marker(document: Mapping[str, Any], at: float) -> MarkerView:
    note = document.get("note")
    note = note if isinstance(note, dict) else {}
    return MarkerView(round(at, 3), text(note.get("by"), 200), text(note.get("reason")))


def _state(document: Mapping[str, Any], ahead: float) -> CadenceState:
    return CadenceState(
        failures=whole(document.get("failures")),
        next_allowed_at=_wall(document.get("next_allowed_at"), ahead) or 0.0,
        open_until=_wall(document.get("open_until"), ahead) or 0.0,
        forced=document.get("forced") is True,
    )


def _hold(document: Mapping[str, Any], ahead: float) -> HoldBeat | None:
    kind = document.get("kind")
    if kind not in _KINDS:
        return None
    until, since = _wall(document.get("until"), ahead), _wall(document.get("since"), ahead)
    return HoldBeat(
        kind=kind,
        until=iso(until) if until else None,
        since=iso(since) if since else "",
        reason=text(document.get("reason")) or "",
    )


def _wall(at: Any, ahead: float) -> float | None:
    """A deadline of the server; None for none, and for what is no time."""
    if not isinstance(at, int | float) or isinstance(at, bool) or not 0 < at < 1e11:
        return None
    return round(at - ahead, 3)
