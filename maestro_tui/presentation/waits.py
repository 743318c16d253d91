"""What a cadence waits for whose ticks wait and that is not held itself. Pure.

In short words for a card; `e` gives the whole chain.
"""

from __future__ import annotations

from typing import NamedTuple

from maestro_core.observe.explain import no_slot
from maestro_core.observe.snapshot import CadenceView, Snapshot
from maestro_tui.presentation import times


class Waits(NamedTuple):
    """In words that follow on "waiting", and the style that says whether that is as it should."""

    text: str
    style: str = "text"


AT_ONCE = Waits("at the next pass")

_CONSUMERS = {
    "none": "until a consumer runs",
    "stopped": "until a consumer runs",
    "crashed": "until a consumer runs",
    "stale": "the consumer is silent",
}


def waits_for(snapshot: Snapshot, view: CadenceView) -> Waits:
    """What comes before its next run: the first that stops all, its due time, a free slot."""
    if snapshot.emergency_stop is not None:
        return Waits("until the emergency stop is lifted", "bad")
    if snapshot.consumer.word != "live":
        return Waits(_CONSUMERS[snapshot.consumer.word], "warn")
    if snapshot.consumer.trouble:
        return Waits("until the consumer is well", "bad")
    later = snapshot.later.get(view.name)
    if later is not None and later.count >= view.waiting:
        return Waits(f"not before {times.face(later.next_at, snapshot.at)}")
    return Waits("for a free slot") if no_slot(snapshot, view) else AT_ONCE
