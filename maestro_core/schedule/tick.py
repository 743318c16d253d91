"""The tick of a due time. Its id follows from cadence and due time, so whoever makes it a
second time finds it on the bus already. Pure.
"""

from __future__ import annotations

import hashlib

from maestro_core.clock import iso
from maestro_core.models import Tick


def due_key(cadence: str, due: float) -> str:
    """`<cadence>@<due time>`: the dedupe key."""
    return f"{cadence}@{iso(due)}"


def due_tick(cadence: str, due: float, *, source: str, priority: int, now: float) -> Tick:
    """The tick that a due time asks for. `due` and `now` are wall epoch seconds."""
    stamp = iso(due).translate({ord(mark): None for mark in "-:."}).lower()
    digest = hashlib.sha256(cadence.encode()).hexdigest()[:8]
    return Tick(
        id=f"{stamp}-{cadence.lower()[:99]}-{digest}",
        cadence=cadence,
        source=source,
        enqueued_at=iso(now),
        priority=priority,
        dedupe_key=due_key(cadence, due),
    )
