"""What the doctor asks of a server beyond its tables: its time, and whether hints arrive. Changes
nothing; a role that may only read will do."""

from __future__ import annotations

import time
import uuid

from msgspec import Struct

from maestro_core.clock import Clock
from maestro_core.fleet.connect import Connection, Link

HEAR_SECONDS = 3.0


class Probe(Struct, frozen=True):
    """`ahead`: seconds that this machine's clock is ahead of the server's. `hears`: a hint that
    was sent came back; between a pooler's connections it does not."""

    ahead: float
    hears: bool


def probe(link: Link, clock: Clock) -> Probe:
    """Raises BusError."""
    began = clock.wall()
    [row] = link.rows("SELECT extract(epoch FROM clock_timestamp())::float8 AS at")
    middle = (began + clock.wall()) / 2
    return Probe(middle - row["at"], link.run(_hears))


def _hears(connection: Connection) -> bool:
    channel = f"maestro_{uuid.uuid4().hex[:12]}"
    connection.execute(f"LISTEN {channel}")
    connection.execute("SELECT pg_notify($1, '')", (channel,))
    end = time.monotonic() + HEAR_SECONDS
    heard = False
    while not heard and (left := end - time.monotonic()) > 0:
        heard = any(
            note.channel == channel for note in connection.notifies(timeout=left, stop_after=1)
        )
    connection.execute(f"UNLISTEN {channel}")
    return heard
