"""The same tick in two folders: what a stop in the middle of a move leaves behind.

Which of the two is the newer is told from what each kind of move writes. Two ticks that only
share an id (a producer used it again) are no twins and both stay. Pure functions.
"""

from __future__ import annotations

from zlib import crc32

from maestro_core.models import Tick

NAMESAKE_OF = "namesake_of"
"""The field of a dead letter that had to take another id: the id that it had."""


def same_origin(one: Tick, other: Tick) -> bool:
    """Whether both are versions of one enqueued tick."""
    return (one.cadence, one.enqueued_at) == (other.cadence, other.enqueued_at)


def claimed_is_newer(claimed: Tick, waiting: Tick) -> bool:
    """Of twins in claimed/ and inbox/: a claim (or an unfinished put-back, which may as well be
    undone) has one attempt more than the waiting one; a retry or a recovery equally many."""
    return claimed.attempts > waiting.attempts


def finished_dying(claimed: Tick, dead: Tick) -> bool:
    """Whether `dead` is what a dead-letter of `claimed` writes: one failure more."""
    same = same_origin(claimed, dead) and claimed.payload == dead.payload
    return same and dead.failures[:-1] == claimed.failures != dead.failures


def namesake(tick: Tick, mark: str) -> Tick:
    """The tick under another id, since its own is taken where it goes. The same mark gives the
    same id, so that a start after a stop in the middle finds it."""
    tick_id = f"{tick.id[:119]}.{crc32(mark.encode('utf-8', 'surrogatepass')):08x}"
    return tick.evolve(id=tick_id, extra={**tick.extra, NAMESAKE_OF: tick.id})


def was_revived(waiting: Tick, dead: Tick) -> bool:
    """Whether `waiting` is what a retry of the dead letter writes: attempts anew, failures kept."""
    return (
        same_origin(waiting, dead)
        and waiting.failures == dead.failures
        and waiting.attempts < max(1, dead.attempts)
    )
