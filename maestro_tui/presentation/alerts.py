"""What of an agent a person wants to be called for, as one line each. Pure.

A key stands for a state that lasts: a notice is due when its key appears, never while it stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from maestro_core.observe.snapshot import CadenceView, Snapshot
from maestro_tui.presentation.cells import plural
from maestro_tui.presentation.words import HOLDS

if TYPE_CHECKING:
    from maestro_core.observe.agent_line import AgentLine

_GONE = {
    "stale": "the consumer is gone: its heartbeat is STALE",
    "crashed": "the consumer is gone: it crashed or was killed",
    "stopped": "the consumer was stopped",
    "none": "the consumer is gone",
}


def standing(snapshot: Snapshot) -> dict[str, str]:
    """Key -> line of everything that is not as it should be."""
    consumer = snapshot.consumer
    found = _overall(consumer.word, consumer.hold.kind if consumer.hold else None)
    if consumer.loop is not None:
        found["loop"] = f"crash loop: {consumer.loop.bad} bad ends in a row: {consumer.loop.reason}"
    if (stop := snapshot.emergency_stop) is not None:
        found["stop"] = f"emergency stop by {stop.by or 'somebody'}{_because(stop.reason)}"
    if consumer.trouble is not None:
        found["trouble"] = f"trouble: {consumer.trouble}"
    if consumer.settings_error is not None:
        found["settings"] = f"settings refused: {consumer.settings_error}"
    for view in snapshot.cadences:
        found.update(_of_cadence(view, held=consumer.hold is not None))
    return found


def standing_of_line(line: AgentLine) -> dict[str, str]:
    """The same, as far as an agent's line on the board of all tells it."""
    if line.problem is not None:
        return {"problem": line.problem}
    found = _overall(line.consumer, line.hold_kind)
    if line.word == "estop":
        found["stop"] = f"emergency stop{_because(line.why)}"
    opened = (held for held in line.held if held.state in ("open", "half_open"))
    return found | {f"open {held.cadence}": f"circuit of {held.cadence} opened" for held in opened}


def new_dead(before: int, after: int) -> str | None:
    """The line for dead letters that came; None = none did."""
    return f"{plural(after - before, 'new dead letter')}" if after > before else None


def _overall(consumer: str, hold: str | None) -> dict[str, str]:
    found = {}
    if consumer in _GONE:
        found["consumer"] = _GONE[consumer]
    if hold is not None:
        word = HOLDS[hold].word if hold in HOLDS else hold
        found[f"hold {hold}"] = f"every cadence waits: {word}"
    return found


def _of_cadence(view: CadenceView, *, held: bool) -> Iterator[tuple[str, str]]:
    if view.state in ("open", "half_open"):  # a probe that fails again is no news
        after = f" after {plural(view.failures, 'failure')}" if view.failures else ""
        yield f"open {view.name}", f"circuit of {view.name} opened{after}"
    elif view.state == "quota" and not held:
        yield f"budget {view.name}", f"{view.name} is held{_because(view.reason)}"


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""
