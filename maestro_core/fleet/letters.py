"""The queue's table, looked at and acted on by operators: pages, counts, dead letters, trash.

Functions on an open connection; an act of many ids goes in batches of one transaction each,
so that a hundred thousand letters neither hold a lock for long nor half-move.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import psycopg

from maestro_core.bus import codec, twins
from maestro_core.bus.revival import dead_again, revived
from maestro_core.errors import BadTick, Refused
from maestro_core.fleet import rows
from maestro_core.fleet.arrivals import TRIES, holders_of
from maestro_core.fleet.connect import Connection, Row
from maestro_core.fleet.rows import COLUMNS
from maestro_core.models import ActResult, Tick, TickView, Where

Act = Callable[[Connection, list[str]], dict[str, str]]
"""Does it to those ids; the refusals, by id, in words."""

BATCH = 500

# ---- what is where --------------------------------------------------------------------------


def counts(connection: Connection) -> dict[Where | str, int]:
    found: dict[Where | str, int] = {"inbox": 0, "claimed": 0, "dlq": 0}
    for row in connection.execute(
        "SELECT status::text AS status, count(*) AS n FROM pgqueuer GROUP BY status"
    ):
        where: Where | str = rows.WHERES.get(row["status"]) or str(row["status"])
        found[where] = row["n"]
    [other] = connection.execute(
        "SELECT (SELECT count(*) FROM maestro_trash) AS trash,"
        " (SELECT count(*) FROM maestro_quarantine) AS quarantine"
    ).fetchall()
    return found | other


def ready_cadences(connection: Connection, per_cadence: int) -> set[str]:
    found = connection.execute(
        "SELECT name FROM maestro_cadences WHERE EXISTS (SELECT FROM pgqueuer"
        " WHERE entrypoint = name AND status = 'queued' AND execute_after < now())"
        " AND ($1 = 0 OR $1 > (SELECT count(*) FROM pgqueuer"
        " WHERE entrypoint = name AND status = 'picked'))",
        (per_cadence,),
    )
    return {row["name"] for row in found}


def next_ready_at(connection: Connection) -> float | None:
    """Server time of the earliest not_before that lies ahead."""
    [row] = connection.execute(
        "SELECT extract(epoch FROM min(first.at))::float8 AS at FROM maestro_cadences,"
        " LATERAL (SELECT min(execute_after) AS at FROM pgqueuer WHERE entrypoint = name"
        " AND status = 'queued' AND execute_after >= now()) first"
    ).fetchall()
    at: float | None = row["at"]
    return at


_ORDER: dict[Where, str] = {
    "inbox": "priority DESC, id",
    "claimed": "priority DESC, id",
    "dlq": "updated DESC, id",
}


def page(
    connection: Connection, where: Where, cadence: str | None, limit: int, offset: int
) -> list[TickView]:
    """`since` in server time."""
    if where == "trash":
        return _trash(connection, cadence, limit, offset)
    only = "" if cadence is None else "AND entrypoint = $4"
    found = connection.execute(
        f"SELECT {COLUMNS} FROM pgqueuer WHERE status = $1::text::pgqueuer_status {only}"
        f" ORDER BY {_ORDER[where]} LIMIT $2 OFFSET $3",
        [rows.STATUS[where], limit, offset] + ([] if cadence is None else [cadence]),
    ).fetchall()
    return [view for row in found if (view := rows.view_of(row)) is not None]


def _trash(connection: Connection, cadence: str | None, limit: int, offset: int) -> list[TickView]:
    found = connection.execute(
        "SELECT tick_id, document, extract(epoch FROM at)::float8 AS since FROM maestro_trash"
        " WHERE $1::text IS NULL OR cadence = $1 ORDER BY at DESC, tick_id LIMIT $2 OFFSET $3",
        (cadence, limit, offset),
    ).fetchall()
    return [TickView(_thrown(row), "trash", row["since"]) for row in found]


def _thrown(row: Row) -> Tick:
    return codec.decode(bytes(row["document"]), row["tick_id"], float)


def find(connection: Connection, tick_id: str) -> TickView | None:
    found = connection.execute(
        f"SELECT {COLUMNS} FROM pgqueuer WHERE headers ->> 'id' = $1 AND headers ? 'id'",
        (tick_id,),
    ).fetchall()
    if found:
        return rows.view_of(found[0])
    thrown = connection.execute(
        "SELECT tick_id, document, extract(epoch FROM at)::float8 AS since FROM maestro_trash"
        " WHERE tick_id = $1",
        (tick_id,),
    ).fetchall()
    return TickView(_thrown(thrown[0]), "trash", thrown[0]["since"]) if thrown else None


# ---- acts -----------------------------------------------------------------------------------


def in_batches(connection: Connection, act: Act, ids: Sequence[str]) -> list[ActResult]:
    """The results in the order of `ids`. What was done in a batch stays done when a later one
    fails."""
    results = []
    for start in range(0, len(ids), BATCH):
        batch = list(ids[start : start + BATCH])
        refused = _tried(connection, act, list(dict.fromkeys(batch)))
        seen: set[str] = set()
        for one in batch:
            said = refused.get(one, "it is named twice" if one in seen else "")
            results.append(ActResult(one, not said, said))
            seen.add(one)
    return results


def _tried(connection: Connection, act: Act, batch: list[str]) -> dict[str, str]:
    """Once more when a producer took an id or a key between the look and the act."""
    for attempt in range(TRIES):
        try:
            with connection.transaction():
                return act(connection, batch)
        except (psycopg.errors.UniqueViolation, psycopg.errors.DeadlockDetected):
            if attempt == TRIES - 1:
                raise
    return {}


def _locked(connection: Connection, ids: list[str], where: Where) -> dict[str, Row]:
    """The rows with those ids that are there, locked until the transaction ends."""
    found = connection.execute(
        f"SELECT {COLUMNS}, dedupe_key FROM pgqueuer WHERE headers ->> 'id' = ANY($1)"
        " AND headers ? 'id' AND status = $2::text::pgqueuer_status ORDER BY id FOR UPDATE",
        (ids, rows.STATUS[where]),
    ).fetchall()
    return {row["headers"]["id"]: row for row in found}


def _absent(ids: list[str], there: dict[str, Row], where: Where) -> dict[str, str]:
    return {one: f"there is no such tick in {where}" for one in ids if one not in there}


def retry(connection: Connection, ids: list[str]) -> dict[str, str]:
    """Dead letters wait again; those whose dedupe key lives stay dead."""
    there = _locked(connection, ids, "dlq")
    refused = _absent(ids, there, "dlq")
    keys = [row["dedupe_key"] for row in there.values() if row["dedupe_key"] is not None]
    holders = holders_of(connection, keys)
    moved: list[tuple[Row, Tick]] = []
    for tick_id in ids:
        if (row := there.get(tick_id)) is None:
            continue
        key = row["dedupe_key"]
        if key is not None and key in holders:
            said = f"{holders[key]} is waiting or running with the same dedupe key"
            refused[tick_id] = said
            continue
        if key is not None:
            holders[key] = tick_id
        _change(row, revived, moved, refused)
    _write(connection, moved, "queued")
    return refused


def unretry(connection: Connection, ids: list[str]) -> dict[str, str]:
    """Retried letters that nobody claimed since are dead again."""
    there = _locked(connection, ids, "inbox")
    refused = _absent(ids, there, "inbox")
    moved: list[tuple[Row, Tick]] = []
    for row in there.values():
        _change(row, dead_again, moved, refused)
    _write(connection, moved, "failed")
    return refused


def _change(
    row: Row, change: Callable[[Tick], Tick], moved: list[tuple[Row, Tick]], refused: dict[str, str]
) -> None:
    try:
        moved.append((row, change(rows.tick_of(row))))
    except (Refused, BadTick) as error:
        refused[row["headers"]["id"]] = error.message


def _write(connection: Connection, moved: list[tuple[Row, Tick]], status: str) -> None:
    """These rows as those ticks, in that state; logged as PgQueuer does."""
    connection.execute(
        """
        WITH new AS (
            SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::int[], $4::float8[])
            AS t(id, payload, attempts, ready)
        ), moved AS (
            UPDATE pgqueuer q SET status = $5::text::pgqueuer_status, payload = new.payload,
                attempts = new.attempts, execute_after = to_timestamp(new.ready), updated = now()
            FROM new WHERE q.id = new.id RETURNING q.id, q.entrypoint, q.priority
        )
        INSERT INTO pgqueuer_log (job_id, status, entrypoint, priority)
        SELECT id, $5::text::pgqueuer_status, entrypoint, priority FROM moved
        """,
        (
            [row["id"] for row, _ in moved],
            [codec.encode(tick) for _, tick in moved],
            [tick.attempts for _, tick in moved],
            [codec.key_of(tick).ready_at for _, tick in moved],
            status,
        ),
    )


def discard(connection: Connection, ids: list[str]) -> dict[str, str]:
    return _throw_away(connection, ids, "dlq")


def withdraw(connection: Connection, ids: list[str]) -> dict[str, str]:
    return _throw_away(connection, ids, "inbox")


def _throw_away(connection: Connection, ids: list[str], where: Where) -> dict[str, str]:
    there = _locked(connection, ids, where)
    refused = _absent(ids, there, where)
    moved: list[tuple[Row, Tick]] = []
    for row in there.values():
        _change(row, lambda tick: tick, moved, refused)
    make_room(connection, list(there))
    connection.execute(
        "INSERT INTO maestro_trash (tick_id, cadence, document, at) SELECT t.*, now()"
        " FROM unnest($1::text[], $2::text[], $3::bytea[]) AS t",
        (
            [tick.id for _, tick in moved],
            [tick.cadence for _, tick in moved],
            [codec.encode(tick) for _, tick in moved],
        ),
    )
    delete(connection, [row["id"] for row, _ in moved])
    return refused


def delete(connection: Connection, jobs: list[int]) -> None:
    """Rows leave the queue; logged as PgQueuer does."""
    connection.execute(
        "WITH gone AS (DELETE FROM pgqueuer WHERE id = ANY($1) RETURNING id, entrypoint, priority)"
        " INSERT INTO pgqueuer_log (job_id, status, entrypoint, priority)"
        " SELECT id, 'deleted', entrypoint, priority FROM gone",
        (jobs,),
    )


def set_aside(connection: Connection, row: Row, reason: str) -> str:
    """A job that is no tick leaves the queue, with the reason; the name that it has aside."""
    name = (row["headers"] or {}).get("id") or f"job-{row['id']}"
    connection.execute(
        "WITH gone AS (DELETE FROM pgqueuer WHERE id = $1 RETURNING payload)"
        " INSERT INTO maestro_quarantine (name, reason, content)"
        " SELECT $2, $3, payload FROM gone",
        (row["id"], name, reason),
    )
    return str(name)


def make_room(connection: Connection, ids: list[str]) -> None:
    """What lies in the trash under these ids takes other ones."""
    for row in connection.execute(
        "SELECT tick_id, document FROM maestro_trash WHERE tick_id = ANY($1) FOR UPDATE", (ids,)
    ).fetchall():
        older = _thrown(row)
        other = twins.namesake(older, bytes(row["document"]).decode())
        connection.execute(
            "UPDATE maestro_trash SET tick_id = $2, document = $3 WHERE tick_id = $1",
            (older.id, other.id, codec.encode(other)),
        )


def restore(connection: Connection, ids: list[str]) -> dict[str, str]:
    """From the trash back to the dead letters."""
    found = connection.execute(
        "DELETE FROM maestro_trash t WHERE tick_id = ANY($1) AND NOT EXISTS"
        " (SELECT FROM pgqueuer WHERE headers ->> 'id' = t.tick_id AND headers ? 'id')"
        " RETURNING tick_id, document",
        (ids,),
    ).fetchall()
    there = {row["tick_id"]: row for row in found}
    refused = {}
    for one in ids:
        if one not in there:
            view = find(connection, one)
            on_bus = view is not None and view.where != "trash"
            there_is = f"a tick with this id is in {view.where}" if on_bus and view else ""
            refused[one] = there_is or "there is no such tick in trash"
    if there:
        back = [rows.new_row(_thrown(row)) for row in found]
        made = rows.insert(connection, back, "failed")
        if len(made) < len(back):
            raise psycopg.errors.UniqueViolation("another act took the same place in the order")
    return refused


OLD = {
    "trash": "maestro_trash WHERE at",
    "acks": "maestro_commands WHERE acked",
    "tails": "maestro_tails WHERE at",
    "runs": "maestro_runs WHERE ended",
    "hosts": "maestro_hosts WHERE beat_at",
    "log": "pgqueuer_log WHERE created",
}
SWEEP = 5000


def sweep(connection: Connection, kind: str, older_than: float) -> int:
    """Drop some rows that are older than that server time; less than SWEEP = no more are."""
    table, _, when = OLD[kind].partition(" WHERE ")
    return connection.execute(
        f"DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table}"
        f" WHERE {when} < to_timestamp($1::float8) LIMIT $2))",
        (older_than, SWEEP),
    ).rowcount
