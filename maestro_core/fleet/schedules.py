"""Due times of a fleet: each is enqueued once, by whichever consumer looks first.

The last due tick of a cadence is a row, compared and set in the transaction that enqueues: its
id begins with the due time, so a later one sorts behind it. A tick that ran and is gone is not
made again by a host that looks late. Times are the server's.
"""

from __future__ import annotations

import json

from maestro_core.fleet import arrivals, rows
from maestro_core.fleet.connect import Connection
from maestro_core.fleet.engine import PostgresEngine
from maestro_core.fleet.gates import FLEET
from maestro_core.models import Receipt, Tick

_ADVANCE = """
INSERT INTO maestro_gates AS g (scope, name, document) VALUES ($1, $2, $3::jsonb)
ON CONFLICT (scope, name) DO UPDATE
SET document = $3::jsonb, revision = g.revision + 1, updated = now()
WHERE (g.document ->> 'id') COLLATE "C" < ($3::jsonb ->> 'id') COLLATE "C"
RETURNING revision
"""


class FleetOutlet:
    """See schedule/produce.py `Outlet`."""

    def __init__(self, engine: PostgresEngine) -> None:
        self._engine = engine

    def now(self) -> float:
        return self._engine.link.now()

    def waits(self, tick_id: str) -> bool:
        view = self._engine.find(tick_id)
        return view is not None and view.where == "inbox"

    def enqueue(self, tick: Tick) -> Receipt:
        new = rows.new_row(tick)

        def work(connection: Connection) -> Receipt:
            with connection.transaction():
                if not _advanced(connection, tick):
                    return Receipt(tick.id, False)
                [receipt] = arrivals.enqueue(connection, [new])
                return receipt

        return self._engine.link.run(work)


def _advanced(connection: Connection, tick: Tick) -> bool:
    note = json.dumps({"id": tick.id})
    args = (FLEET, f"schedule:{tick.cadence}", note)
    return bool(connection.execute(_ADVANCE, args).fetchall())
