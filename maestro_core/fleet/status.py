"""The server as `maestro-tui bus status` shows it. Reads only: a read-only role will do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from maestro_core.errors import BusError
from maestro_core.fleet import letters, schema
from maestro_core.fleet.hosts import Hosts, HostView
from maestro_core.fleet.open import open_link
from maestro_core.layout import Layout
from maestro_core.settings_types import BusSettings

STALE = 10.0
"""Seconds of silence after which a host is not said to be live."""


class BusStatus(Struct, frozen=True):
    """`counts` and `hosts` are empty where the schema does not fit."""

    server: str
    schema: schema.SchemaState | None
    """None where the server cannot be reached; `away` says why."""
    away: BusError | None = None
    counts: dict[str, int] = {}
    hosts: tuple[HostView, ...] = ()

    def document(self) -> dict[str, Any]:
        """With stable keys. Ages are seconds by the server's clock."""
        found, away = self.schema, self.away
        problem = found.words if found else away and away.message
        return {
            "where": self.server,
            "schema": found.ours if found else None,
            "engine": found.engine if found else None,
            "problem": problem,
            "remedy": (found.remedy if found else away and away.hint) if problem else None,
            "counts": self.counts,
            "hosts": [_host(view) for view in self.hosts],
        }


def read_status(
    layout: Layout, bus: BusSettings, environ: Mapping[str, str] | None = None
) -> BusStatus:
    """Raises BusError when libraries are missing, SettingsError for a useless address."""
    link = open_link(layout, bus, read_only=True, check=False, environ=environ)
    try:
        found = schema.state(link)
        if found.words is not None:
            return BusStatus(link.target.shown, found)
        counts = {str(where): n for where, n in link.run(letters.counts).items()}
        return BusStatus(link.target.shown, found, None, counts, tuple(Hosts(link).all()))
    except BusError as error:
        return BusStatus(link.target.shown, None, error)
    finally:
        link.close()


def state_of(view: HostView) -> str:
    """live | stopped | stale, or `announced` for one that has not beaten yet."""
    if view.beat is None:
        return "announced"
    if view.beat.stopped_at:
        return "stopped"
    return "stale" if view.age > STALE else "live"


def _host(view: HostView) -> dict[str, Any]:
    beat = view.beat
    return {
        "host": view.host,
        "state": state_of(view),
        "age_seconds": round(view.age, 3),
        "version": beat.version if beat else None,
        "pid": beat.pid if beat else None,
        "trouble": beat.trouble if beat else None,
        "running": [
            {"run_id": run.run_id, "cadence": run.cadence, "tick_id": run.tick_id}
            for run in (beat.running if beat else ())
        ],
        "cadences": list(view.cadences),
    }
