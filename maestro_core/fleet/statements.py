"""The engine's statements on PgQueuer's table. A settle needs the claim's token ($2), so that it
is refused once the claim was lost; each is logged as PgQueuer does it.
"""

from __future__ import annotations

from maestro_core.fleet import rows

SETTLE = """
WITH mine AS (
    UPDATE pgqueuer SET status = $4::text::pgqueuer_status, attempts = $5, payload = $6,
        priority = $7, execute_after = to_timestamp($8::float8), updated = now(),
        queue_manager_id = NULL, slot = NULL
    WHERE id = $1 AND queue_manager_id = $2 AND status = 'picked'
    RETURNING id, entrypoint, priority
), logged AS (
    INSERT INTO pgqueuer_log (job_id, status, entrypoint, priority, traceback)
    SELECT id, $4::text::pgqueuer_status, entrypoint, priority, $3::jsonb FROM mine
)
SELECT id FROM mine
"""

COMPLETE = """
WITH mine AS (
    DELETE FROM pgqueuer WHERE id = $1 AND queue_manager_id = $2 AND status = 'picked'
    RETURNING id, entrypoint, priority
), logged AS (
    INSERT INTO pgqueuer_log (job_id, status, entrypoint, priority, traceback)
    SELECT id, 'successful', entrypoint, priority, $3::jsonb FROM mine
)
SELECT id FROM mine
"""

UNCLAIM = """
WITH mine AS (
    UPDATE pgqueuer SET status = 'queued', updated = now(), queue_manager_id = NULL, slot = NULL
    WHERE queue_manager_id = ANY($1::uuid[]) AND status = 'picked'
    RETURNING id, entrypoint, priority
), logged AS (
    INSERT INTO pgqueuer_log (job_id, status, entrypoint, priority)
    SELECT id, 'queued', entrypoint, priority FROM mine
)
SELECT id FROM mine
"""

OWNER = "('x' || left(queue_manager_id::text, 8))::bit(32)::int"
"""The number of the consumer that made a claim: the first 32 bits of the claim's token."""

ABANDONED = f"""
UPDATE pgqueuer SET queue_manager_id = gen_random_uuid(), heartbeat = now(), updated = now()
WHERE id IN (
    SELECT id FROM pgqueuer WHERE status = 'picked' AND {OWNER} <> $1
    AND (heartbeat < now() - make_interval(secs => $3)
             AND pg_postmaster_start_time() < now() - make_interval(secs => $3)
         OR {OWNER} IN (SELECT number FROM maestro_consumers WHERE host = $2 AND number < $1))
    FOR UPDATE SKIP LOCKED
)
RETURNING {rows.COLUMNS}
"""

RANK = """
UPDATE pgqueuer q SET priority = ranked.own
FROM unnest($1::text[], $2::int[]) AS ranked(cadence, own)
WHERE q.entrypoint = ranked.cadence AND q.status = 'queued' AND q.priority = 0
RETURNING q.id
"""

HEARTBEAT = """
UPDATE pgqueuer SET heartbeat = now()
WHERE queue_manager_id = ANY($1::uuid[]) AND status = 'picked'
RETURNING queue_manager_id
"""
