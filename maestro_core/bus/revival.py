"""A dead letter that waits again, and its way back while nobody has taken it. Pure functions.

What a retry sets to zero stands in the field `retried` of the waiting file until the tick is
claimed, so that an operator can take the retry back exactly.
"""

from __future__ import annotations

from typing import Any

from maestro_core.errors import Refused
from maestro_core.models import Tick

RETRIED = "retried"


def revived(tick: Tick) -> Tick:
    """A dead letter as it waits again: attempts anew, failures kept."""
    was = {"attempts": tick.attempts, "recoveries": tick.recoveries}
    return tick.evolve(attempts=0, recoveries=0, extra={**tick.extra, RETRIED: was})


def taken(tick: Tick) -> Tick:
    """A waiting tick as it is claimed: one attempt more, and a retry is for good now."""
    extra = {name: value for name, value in tick.extra.items() if name != RETRIED}
    return tick.evolve(attempts=tick.attempts + 1, extra=extra)


def dead_again(tick: Tick) -> Tick:
    """A retried tick as the dead letter that it was. Refused where it is none, or was claimed."""
    was = tick.extra.get(RETRIED)
    if not isinstance(was, dict):
        raise Refused("it is no dead letter that waits again, or a consumer has had it since")
    extra = {name: value for name, value in tick.extra.items() if name != RETRIED}
    return tick.evolve(
        attempts=_count(was.get("attempts")), recoveries=_count(was.get("recoveries")), extra=extra
    )


def _count(value: Any) -> int:
    """What another program may have written there is no count."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0
