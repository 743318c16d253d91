"""The questions that a snapshot of a fleet asks of its server, each with a bounded answer.

Counts walk over an index and never over the ticks themselves.
"""

# ruff: noqa: S608 -- only constants of the program are put into statements

from __future__ import annotations

from typing import Any

import msgspec

from maestro_core.fleet.connect import Link, Row
from maestro_core.models import RunRow

MOST_GATES = 20_000
MOST_HOSTS = 2000
KEPT_DAYS = 7
"""Days after which a host that was never heard of again is not shown any more."""

_WAITING = """
SELECT entrypoint AS name, count(*) AS n,
    count(*) FILTER (WHERE execute_after > now()) AS later,
    extract(epoch FROM min(execute_after) FILTER (WHERE execute_after > now()))::float8 AS next
FROM pgqueuer WHERE status = 'queued' GROUP BY entrypoint
"""
_IN_STATUS = """
SELECT entrypoint AS name, count(*) AS n FROM pgqueuer
WHERE status = $1::text::pgqueuer_status GROUP BY entrypoint
"""
_GATES = f"""
SELECT scope, name, document, extract(epoch FROM updated)::float8 AS at
FROM maestro_gates WHERE document <> '{{}}'::jsonb ORDER BY scope, name LIMIT {MOST_GATES}
"""
_HOSTS = f"""
SELECT host, cadences, beat, address, root, extract(epoch FROM beat_at)::float8 AS at
FROM maestro_hosts WHERE beat_at > now() - interval '{KEPT_DAYS} days'
ORDER BY host LIMIT {MOST_HOSTS}
"""
_RECENT = """
SELECT r.host, r.document FROM maestro_cadences c, LATERAL (
    SELECT host, document, ended FROM maestro_runs
    WHERE cadence = c.name AND ended IS NOT NULL ORDER BY ended DESC LIMIT $1
) r ORDER BY c.name, r.ended
"""
_COST_TODAY = """
SELECT coalesce(sum(cost_usd), 0)::float8 AS usd FROM maestro_runs
WHERE ended >= date_trunc('day', now(), 'UTC')
"""


def waiting(link: Link) -> list[Row]:
    """`name`, `n`; `later` of them are not due yet, `next` is when the first is (server)."""
    return link.rows(_WAITING)


def in_status(link: Link, status: str) -> dict[str, int]:
    return {row["name"]: row["n"] for row in link.rows(_IN_STATUS, status)}


def quarantined(link: Link) -> int:
    [row] = link.rows("SELECT count(*) AS n FROM maestro_quarantine")
    return int(row["n"])


def gates(link: Link) -> list[Row]:
    """What stands: `scope`, `name`, `document`, `at` (server)."""
    return link.rows(_GATES)


def hosts(link: Link) -> list[Row]:
    return link.rows(_HOSTS)


def recent(link: Link, per_cadence: int) -> dict[str, list[RunRow]]:
    """The last ended runs of every cadence, oldest first."""
    found: dict[str, list[RunRow]] = {}
    for row in link.rows(_RECENT, per_cadence):
        if (run := run_of(row)) is not None:
            found.setdefault(run.cadence, []).append(run)
    return found


def cost_today(link: Link) -> float:
    """USD, by the server's day (UTC)."""
    return float(link.rows(_COST_TODAY)[0]["usd"])


_RUN: msgspec.json.Decoder[RunRow] = msgspec.json.Decoder(RunRow)


def run_of(row: Any) -> RunRow | None:
    """None for a row of a version that this program does not understand."""
    try:
        return msgspec.structs.replace(_RUN.decode(bytes(row["document"])), host=row["host"])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
