"""What a cadence waits for whose ticks wait and that is not held itself. Pure.

In words for a card and for the 22 cells of a narrow table; `e` gives the whole chain.
"""

from __future__ import annotations

from typing import NamedTuple

from maestro_core.observe.explain import explain
from maestro_core.observe.snapshot import CadenceView, Snapshot
from maestro_tui.presentation import times
from maestro_tui.presentation.cells import data


class Waits(NamedTuple):
    """In words that follow on "waiting", and the style that says whether that is as it should."""

    text: str
    style: str = "text"


AT_ONCE = Waits("at the next pass")

_WORDS = {
    "emergency_stop": Waits("emergency stop is on", "bad"),
    "settings_error": Waits("settings are refused", "bad"),
    "no_consumer": Waits("until a consumer runs", "warn"),
    "trouble": Waits("consumer is in trouble", "bad"),
    "no_server": Waits("the server is away", "bad"),
    "no_host": Waits("no host can run it", "bad"),
    "hosts_away": Waits("its hosts are away", "warn"),
    "hosts_held": Waits("its hosts are held", "warn"),
    "no_prompt": Waits("no prompt: runs fail", "warn"),
    "slot": Waits("for a free slot"),
}
"""Code of an obstacle -> what it says on a card."""


def waits_for(snapshot: Snapshot, view: CadenceView) -> Waits:
    """What comes before its next run: the first of what `explain` finds in its way."""
    if not view.waiting or view.state != "closed" or view.running is not None:
        return AT_ONCE  # a card says something else then
    obstacle = next(iter(explain(snapshot, view.name).obstacles), None)
    if obstacle is None:
        return AT_ONCE
    if obstacle.code == "no_consumer" and snapshot.consumer.word == "stale":
        return Waits("the consumer is silent", "warn")
    if obstacle.code == "not_before" and obstacle.until is not None:
        return Waits(f"not before {times.face(obstacle.until, snapshot.at)}")
    return _WORDS.get(obstacle.code) or Waits(data(obstacle.says, 120), "warn")
