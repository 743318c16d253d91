"""A row of the queue <-> a tick, and the statements that put ticks in. Pure but for `insert`.

The job's id carries the order: milliseconds of `enqueued_at` << 20, plus a number inside that
millisecond, so that PgQueuer's "priority, then id" is ours. The payload is the tick's file;
the column `attempts` counts the claims that ended, and a picked row is one claim more.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from maestro_core.bus import codec
from maestro_core.bus.producer import encode_document
from maestro_core.bus.revival import taken
from maestro_core.errors import BadTick, Refused
from maestro_core.fleet.connect import Connection, Row
from maestro_core.models import Claim, Tick, TickView, Where, tick_document

PER_MILLISECOND = 1 << 20
_LATEST = ((1 << 63) - 1) // PER_MILLISECOND - 1

COLUMNS = "id, priority, entrypoint, status::text AS status, attempts, payload, headers, " \
    "queue_manager_id, extract(epoch FROM updated)::float8 AS since"  # fmt: skip

LONGEST_KEY = 512
"""Characters of a dedupe key that stand in its column: an index row holds some 2,700 bytes."""

WHERES: dict[str, Where] = {"queued": "inbox", "picked": "claimed", "failed": "dlq"}
STATUS: dict[Where, str] = {where: status for status, where in WHERES.items()}


class NewRow(NamedTuple):
    """A tick on its way into the queue. `base` is the first job id of its millisecond."""

    base: int
    at: int
    tick_id: str
    cadence: str
    priority: int
    ready_at: float
    dedupe_key: str | None
    payload: bytes
    attempts: int


def new_row(tick: Tick) -> NewRow:
    """Raises UsageError for bad names, Refused for what no reader would take."""
    data = encode_document(tick_document(tick))
    try:
        codec.decode(data, tick.id, float)
    except BadTick as fault:
        raise Refused(f"tick {tick.id} cannot be enqueued: {fault.message}") from fault
    key = codec.key_of(tick)
    micros = round(key.at * 1e6)
    base = min(max(micros // 1000, 0), _LATEST) * PER_MILLISECOND
    return NewRow(
        base, micros, tick.id, tick.cadence, tick.priority, key.ready_at,
        _key_column(tick.dedupe_key), data, tick.attempts,
    )  # fmt: skip


def _key_column(key: str | None) -> str | None:
    """A dedupe key as the server can compare it: any text is one, and the tick keeps it whole."""
    if key is None or (len(key) <= LONGEST_KEY and "\0" not in key):
        return key
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def tick_of(row: Row) -> Tick:
    """The tick in a row as it stands there; claimed ones as their consumer sees them.
    Raises BadTick."""
    tick_id = (row["headers"] or {}).get("id") or f"job-{row['id']}"
    tick = codec.decode(bytes(row["payload"] or b""), tick_id, lambda: row["since"])
    tick = tick.evolve(attempts=row["attempts"])
    return taken(tick) if row["status"] == "picked" else tick


def view_of(row: Row) -> TickView | None:
    """None for a row that is no tick."""
    try:
        return TickView(tick_of(row), WHERES[row["status"]], row["since"])
    except (BadTick, KeyError):
        return None


def claim_of(row: Row) -> Claim:
    """Raises BadTick. The token names the job and its claim."""
    return Claim(tick_of(row), f"{row['id']}:{row['queue_manager_id'].hex}")


_INSERT = """
WITH given AS MATERIALIZED (
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::int[],
        $6::float8[], $7::text[], $8::bytea[], $9::int[]) WITH ORDINALITY
        AS t(base, at, tick, entrypoint, priority, ready, dedupe_key, payload, attempts, ord)
), placed AS MATERIALIZED (
    SELECT given.*, row_number() OVER (PARTITION BY base ORDER BY at, tick COLLATE "C") - 1 AS n
    FROM given
), starts AS MATERIALIZED (
    SELECT base, coalesce(
        (SELECT max(q.id) + 1 FROM pgqueuer q WHERE q.id >= base AND q.id < base + 1048576), base
    ) AS first
    FROM (SELECT DISTINCT base FROM given) bases
), known AS (
    INSERT INTO maestro_cadences (name)
    SELECT DISTINCT entrypoint FROM given g
    WHERE NOT EXISTS (SELECT FROM maestro_cadences c WHERE c.name = g.entrypoint)
    ON CONFLICT DO NOTHING
), made AS (
    INSERT INTO pgqueuer AS q
        (id, priority, entrypoint, payload, execute_after, dedupe_key, headers, status,
         attempts, created, updated, heartbeat)
    SELECT first + n, priority, entrypoint, payload, to_timestamp(ready), dedupe_key,
        jsonb_build_object('id', tick, 'at', at), $10::text::pgqueuer_status,
        attempts, now(), now(), now()
    FROM placed JOIN starts USING (base) ORDER BY ord
    ON CONFLICT DO NOTHING
    RETURNING id, entrypoint, priority, headers ->> 'id' AS tick
), logged AS (
    INSERT INTO pgqueuer_log (job_id, status, entrypoint, priority)
    SELECT id, $10::text::pgqueuer_status, entrypoint, priority FROM made
)
SELECT made.tick, (g.at, g.tick COLLATE "C") < (last.at, last.tick) AS behind
FROM made JOIN given g USING (tick) LEFT JOIN (
    SELECT DISTINCT ON (base) base, (q.headers ->> 'at')::bigint AS at,
        (q.headers ->> 'id') COLLATE "C" AS tick
    FROM starts JOIN pgqueuer q ON q.id >= base AND q.id < base + 1048576 AND q.headers ? 'id'
    ORDER BY base, at DESC, tick DESC
) last USING (base)
"""
"""`behind`: a tick that was there has to come after it. Each millisecond is looked through once
for all that come into it, so that many moved together do not look at each other one by one."""

_REORDER = """
WITH later AS (
    SELECT q.id, row_number() OVER (
        ORDER BY (q.headers ->> 'at')::bigint, (q.headers ->> 'id') COLLATE "C"
    ) AS n
    FROM pgqueuer q WHERE q.id >= $1 AND q.id < $1 + 1048576 AND q.headers ? 'id'
    AND ((q.headers ->> 'at')::bigint, (q.headers ->> 'id') COLLATE "C") > ($2::bigint, $3::text)
), top AS (SELECT max(id) AS id FROM pgqueuer WHERE id >= $1 AND id < $1 + 1048576)
UPDATE pgqueuer q SET id = top.id + later.n FROM later, top
WHERE q.id = later.id AND q.status IN ('queued', 'failed')
AND top.id + (SELECT count(*) FROM later) < $1 + 1048576
"""
"""Those of a millisecond that come after a tick move behind all others, in order; where its
numbers are used up they stay in the order in which they came."""


def insert(connection: Connection, rows: list[NewRow], status: str = "queued") -> set[str]:
    """Puts rows in; the tick ids that were taken in. The others' ids or dedupe keys are there
    already, or another producer took the same place in the order: try again."""
    columns: list[Any] = [list(column) for column in zip(*rows, strict=True)]
    made = connection.execute(_INSERT, [*columns, status]).fetchall()
    by_id = {row.tick_id: row for row in rows}
    late: dict[int, NewRow] = {}
    for row in (by_id[one["tick"]] for one in made if one["behind"]):
        late[row.base] = min(late.get(row.base, row), row, key=lambda one: (one.at, one.tick_id))
    for row in late.values():  # they came late into it: those after the first of them move
        connection.execute(_REORDER, (row.base, row.at, row.tick_id))
    return {one["tick"] for one in made}
