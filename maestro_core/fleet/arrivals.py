"""Ticks on their way into the queue: together or not at all, each id and each dedupe key once.

Functions on an open connection. Producers that meet at one millisecond take turns.
"""

from __future__ import annotations

import psycopg

from maestro_core.errors import BusError
from maestro_core.fleet import rows
from maestro_core.fleet.connect import Connection
from maestro_core.fleet.rows import NewRow
from maestro_core.models import Receipt

TRIES = 10
_TURNS = 64
_PATIENCE = 100
"""Tries of a producer: those that come anew do not wait for their turn the first time."""


def enqueue(connection: Connection, new: list[NewRow], status: str = "queued") -> list[Receipt]:
    """One transaction; see PostgresEngine.enqueue_many. With the status `failed` they come as
    dead letters, whose dedupe keys stand in nobody's way."""
    turns = sorted({row.base // rows.PER_MILLISECOND % _TURNS for row in new})
    for attempt in range(_PATIENCE):
        try:
            with connection.transaction():
                if attempt:  # somebody else is at the same milliseconds: one after the other
                    connection.execute(_TURN, (turns,))
                return _enqueue(connection, new, status)
        except (psycopg.errors.UniqueViolation, psycopg.errors.DeadlockDetected):
            continue
    raise BusError("too many producers at once for this millisecond", "try again")


_TURN = "SELECT pg_advisory_xact_lock(base) FROM unnest($1::bigint[]) AS base"


def _enqueue(connection: Connection, new: list[NewRow], status: str) -> list[Receipt]:
    there: dict[str, Receipt] = {}
    left = {row.tick_id: row for row in new}
    while left:
        made = rows.insert(connection, list(left.values()), status)
        there |= {tick_id: Receipt(tick_id, True) for tick_id in made}
        left = {one: row for one, row in left.items() if one not in there}
        if left:
            there |= _taken(connection, left, keyed=status == "queued")
            if not made and not left.keys() & there.keys():
                raise psycopg.errors.UniqueViolation("another took the same place in the order")
            left = {one: row for one, row in left.items() if one not in there}
    return [there[row.tick_id] for row in new]


def _taken(connection: Connection, left: dict[str, NewRow], *, keyed: bool) -> dict[str, Receipt]:
    """Those whose dedupe key (where keys count) or id is on the bus already."""
    keys = {row.dedupe_key for row in left.values() if keyed and row.dedupe_key is not None}
    holders = holders_of(connection, list(keys))
    found = connection.execute(
        "SELECT headers ->> 'id' AS id FROM pgqueuer WHERE headers ->> 'id' = ANY($1)"
        " AND headers ? 'id'",
        (list(left),),
    ).fetchall()
    known = {row["id"]: Receipt(row["id"], False) for row in found}
    held = {
        one: Receipt(holders[row.dedupe_key], False)
        for one, row in left.items()
        if row.dedupe_key is not None and row.dedupe_key in holders
    }
    return known | held


def holders_of(connection: Connection, keys: list[str]) -> dict[str, str]:
    """Dedupe keys of waiting and running ticks -> their ids."""
    if not keys:
        return {}
    found = connection.execute(
        "SELECT dedupe_key, headers ->> 'id' AS id FROM pgqueuer"
        " WHERE dedupe_key = ANY($1) AND status = ANY (ARRAY['queued'::pgqueuer_status,"
        " 'picked'::pgqueuer_status]) AND dedupe_key IS NOT NULL",
        (keys,),
    ).fetchall()
    return {row["dedupe_key"]: row["id"] for row in found}
