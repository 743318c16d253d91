"""What a cadence waits for whose ticks wait and that is not held itself. Pure.

In short words for a card; `e` gives the whole chain.
"""

from __future__ import annotations

from maestro_core.observe.explain import no_slot
from maestro_core.observe.snapshot import CadenceView, Snapshot
from maestro_tui.presentation import times

AT_ONCE = "at the next pass"

_CONSUMERS = {
    "none": "until a consumer runs",
    "stopped": "until a consumer runs",
    "crashed": "until a consumer runs",
    "stale": "the consumer is silent",
}


def waits_for(snapshot: Snapshot, view: CadenceView) -> str:
    """What comes before its next run: the first that stops all, its due time, a free slot."""
    if snapshot.emergency_stop is not None:
        return "until the emergency stop is lifted"
    if snapshot.consumer.word != "live":
        return _CONSUMERS[snapshot.consumer.word]
    if snapshot.consumer.trouble:
        return "until the consumer is well"
    later = snapshot.later.get(view.name)
    if later is not None and later.count >= view.waiting:
        return f"not before {times.face(later.next_at, snapshot.at)}"
    return "for a free slot" if no_slot(snapshot, view) else AT_ONCE
