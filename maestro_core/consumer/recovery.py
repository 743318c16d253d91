"""Taking over what the last consumer left, before anything new is claimed.

The order matters: first the orphaned processes are ended, then their ticks go back, so that
no tick ever runs twice at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from maestro_core.bus.engine import Engine
from maestro_core.consumer.policy import POISON_LIMIT, is_poison
from maestro_core.consumer.settle import Settler
from maestro_core.journal import Journal
from maestro_core.models import Claim
from maestro_core.session.api import Launcher


def take_over(engine: Engine, launcher: Launcher, settler: Settler, journal: Journal) -> int:
    """At the start: ends orphans, puts abandoned ticks back (or dead-letters poison); how many
    there were."""
    claims = engine.abandoned()
    for line in launcher.end_orphans(frozenset(claim.tick.id for claim in claims)):
        journal.write("warn", "orphan_ended", detail=line)
    return give_back(claims, engine, settler, journal)


def give_back(claims: Sequence[Claim], engine: Engine, settler: Settler, journal: Journal) -> int:
    """Ticks whose consumer died: back, or dead-lettered if they keep killing consumers."""
    for claim in claims:
        tick = claim.tick
        if is_poison(tick):
            reason = f"poison: its consumer died {POISON_LIMIT} times under it"
            settler.dead_letter(claim, reason, "poison_tick")
            continue
        engine.recovered(claim)
        journal.write(
            "warn", "recovered", id=tick.id, cadence=tick.cadence, attempt=tick.attempts,
            recoveries=tick.recoveries + 1,
        )  # fmt: skip
    return len(claims)
