"""The JSON documents of the reading commands: stable keys, ISO times, nothing shortened.

A key is never renamed or removed within one schema_version; new ones may come.
"""

from __future__ import annotations

from typing import Any

from msgspec import to_builtins

from maestro_core.cli.words import iso_or_none
from maestro_core.models import RunRow, TickView, tick_document
from maestro_core.observe.dead import DeadGroup
from maestro_core.observe.explain import Explanation
from maestro_core.observe.reader import SnapshotReader
from maestro_core.observe.signature import signature
from maestro_core.observe.snapshot import (
    CadenceView,
    ConsumerView,
    FleetView,
    HostView,
    MarkerView,
    Snapshot,
)

_TIMES = ("started_at", "beat_at", "next_allowed_at", "open_until", "next_due", "at", "until")


def status(snapshot: Snapshot) -> dict[str, Any]:
    """`error` says why nothing is known of the bus; what is not known is null then, or empty."""
    known = snapshot.unknown is None
    return {
        "root": snapshot.root,
        "agent": snapshot.agent,
        "at": iso_or_none(snapshot.at),
        "consumer": consumer(snapshot.consumer, snapshot.at),
        "emergency_stop": marker(snapshot.emergency_stop),
        "counts": to_builtins(snapshot.counts) if known else None,
        "cost_today_usd": round(snapshot.cost_today, 6) if known else None,
        "running": to_builtins(snapshot.running),
        **cadences(snapshot),
        "problems": list(snapshot.problems),
        "fleet": None if snapshot.fleet is None else fleet(snapshot.fleet, snapshot.at),
    }


def cadences(snapshot: Snapshot) -> dict[str, Any]:
    known = snapshot.unknown is None
    return {
        "error": snapshot.unknown,
        "cadences": [cadence(view) for view in snapshot.cadences] if known else [],
    }


def fleet(view: FleetView, now: float) -> dict[str, Any]:
    """The server and its hosts; `away` says why all of it is as it was at `seen_at`."""
    return {
        "server": view.server,
        "here": view.here,
        "away": view.away,
        "seen_at": iso_or_none(view.seen_at),
        "stopped_here": marker(view.stopped_here),
        "hosts": [host(one, now) for one in view.hosts],
    }


def host(view: HostView, now: float) -> dict[str, Any]:
    """`state` live | stale | gone | stopped | silent; times on the clock of who asks."""
    plain = _with_iso(to_builtins(view))
    state, name = plain.pop("word"), plain.pop("host")
    return {
        "host": name,
        "state": state,
        "beat_age_seconds": None if view.beat_at is None else round(now - view.beat_at, 3),
        "clock_ahead_seconds": plain.pop("skew"),
    } | plain


def consumer(view: ConsumerView, now: float) -> dict[str, Any]:
    """`state` live | stale | stopped | crashed | none; `stale` when an old beat is all there is."""
    age = None if view.beat_at is None else round(now - view.beat_at, 3)
    plain = _with_iso(to_builtins(view))
    word = plain.pop("word")
    return {"state": word, "stale": word in ("stale", "crashed"), "beat_age_seconds": age} | plain


def cadence(view: CadenceView) -> dict[str, Any]:
    """One cadence; `recent` are the outcomes of its last runs, oldest first."""
    plain = _with_iso(to_builtins(view))
    plain["paused"] = marker(view.paused)
    plain["recent"] = [row.outcome for row in view.recent]
    last = view.recent[-1] if view.recent else None
    plain["last_run"] = run(last) if last else None
    return plain


def marker(view: MarkerView | None) -> dict[str, Any] | None:
    return None if view is None else _with_iso(to_builtins(view))


def run(row: RunRow) -> dict[str, Any]:
    """A ledger row; the usage is one flat object with every key."""
    plain: dict[str, Any] = to_builtins(row)
    plain["usage"] = {name: getattr(row.usage, name) for name in row.usage.__struct_fields__}
    return plain


def dead_letter(view: TickView) -> dict[str, Any]:
    return tick_document(view.tick) | {
        "since": iso_or_none(view.since),
        "signature": signature(view.tick.last_error),
    }


def dead_group(group: DeadGroup) -> dict[str, Any]:
    return {
        "signature": group.signature,
        "count": len(group.letters),
        "cadences": list(group.cadences),
        "newest": iso_or_none(group.newest),
        "oldest": iso_or_none(group.oldest),
        "ids": [view.tick.id for view in group.letters],
    }


def explanation(found: Explanation, reader: SnapshotReader, unknown: str | None) -> dict[str, Any]:
    """`unknown`: why nothing is known of the bus."""
    plain: dict[str, Any] = to_builtins(found) | {"error": unknown}
    plain["obstacles"] = [_with_iso(one) for one in plain["obstacles"]]
    return plain | {"settled": reader.settled}


def _with_iso(plain: dict[str, Any]) -> dict[str, Any]:
    """Epoch seconds of the known names as ISO times."""
    return {
        name: iso_or_none(value) if name in _TIMES and isinstance(value, float) else value
        for name, value in plain.items()
    }
