"""Scenes: faults that need a process of their own. `python -m tests.catalogue.scenes NAME ROOT`
prints what was seen as one JSON document on its last line.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from maestro_core.clock import FakeClock
from maestro_core.layout import Layout
from tests.catalogue.kit import claim_any, engine_on, names
from tests.support import read_json, write_tick

SCENES: dict[str, Callable[[Layout], Any]] = {}


def scene(play: Callable[[Layout], Any]) -> Callable[[Layout], Any]:
    SCENES[play.__name__] = play
    return play


@scene
def unreadable(layout: Layout) -> Any:
    """A file of mode 000 beside a good one."""
    clock = FakeClock(time.time())
    write_tick(layout.inbox, "mine", "memo").chmod(0)
    write_tick(layout.inbox, "good", "memo")
    engine = engine_on(layout, clock=clock)
    claim = claim_any(engine)
    first = {"inbox": names(layout.inbox), "claimed": claim and claim.tick.id}
    clock.advance(10)
    assert claim_any(engine) is None
    return {
        "at once": first,
        "later": {"inbox": names(layout.inbox), "quarantine": names(layout.quarantine)},
        "reason": read_json(layout.quarantine / "mine.json.reason.json")["reason"],
    }


if __name__ == "__main__":
    print(json.dumps(SCENES[sys.argv[1]](Layout(Path(sys.argv[2])))))
