"""What must hold, checked from outside: by the files, the process table and the journal.

lost        an acknowledged tick is in exactly one place until it is done or pruned
repeated    a run that was settled as done never starts again
attempts    a waiting tick has spent no more attempts than it has failures
circuits    circuit-open.json names exactly the open circuits
blocked     a cadence that may run is not kept waiting by one that may not
poison      no tick outlives three deaths of its consumer
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from maestro_core.clock import iso
from maestro_core.session.api import RunSpec
from tests.simulation.children import Broken

if TYPE_CHECKING:
    from tests.simulation.world import World

PLACES = ("inbox", "claimed", "dlq", "trash")
DONE = ("subsession_completed", "inline_completed")
FULL_EVERY = 25


class Books:
    """Kept by the world; `check` after each pass."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._live: set[str] = set()
        self._doubtful: set[str] = set()
        self._deaths: dict[str, set[str]] = {}
        self._passes = 0
        self._stuck = 0
        self._ticks_before = -1
        self.done = 0
        self.stages: dict[str, int] = {}

    # -- what is told

    def enqueued(self, tick_id: str) -> None:
        self._live.add(tick_id)

    def doubtful(self, tick_id: str) -> None:
        """An enqueue that failed: it may be there or not, but only once."""
        self._doubtful.add(tick_id)

    def journalled(self, stage: str, fields: dict[str, Any]) -> None:
        self.stages[stage] = self.stages.get(stage, 0) + 1
        if stage == "dlq_retry":
            for tick_id in fields["targets"]:
                self._deaths.pop(tick_id, None)
        if stage in DONE:
            tick_id = fields["id"]
            self._live.discard(tick_id)
            self._world.children.finished.add(tick_id)
            self.done += 1

    def died(self, running: list[RunSpec]) -> None:
        """The consumer died with those runs under it."""
        for spec in running:
            runs = self._deaths.setdefault(spec.tick.id, set())
            runs.add(spec.run_id)
            if len(runs) > 3:
                self._broken("poison", f"{spec.tick.id} has outlived {len(runs)} deaths")
        self._ticks_before = -1

    # -- what must hold

    def check(self, *, full: bool = False) -> None:
        self._passes += 1
        self._check_circuits()
        self._check_blocked()
        if full or self._passes % FULL_EVERY == 0:
            self._check_places()
            self._check_attempts()

    def _check_places(self) -> None:
        found: dict[str, list[str]] = {}
        for place in PLACES:
            for name in self._world.disk.names(getattr(self._world.layout, place)):
                if name.startswith("t0"):
                    found.setdefault(name.removesuffix(".json"), []).append(place)
        for tick_id, places in found.items():
            if len(places) > 1 and self._at_peace():
                self._broken("lost", f"{tick_id} is in {' and '.join(places)}")
            if tick_id in self._world.children.finished:
                self._broken("repeated", f"{tick_id} is done and stands in {places[0]}")
        for tick_id in self._live - found.keys() - self._world.children.ended_well:
            self._broken("lost", f"{tick_id} is nowhere")

    def _check_attempts(self) -> None:
        folder = self._world.layout.inbox
        for name in self._world.disk.names(folder):
            if not name.startswith("t0"):
                continue
            tick = json.loads(self._world.disk.read(folder / name, 1 << 20))
            spent = tick.get("attempts", 0) - tick.get("recoveries", 0)
            if spent > len(tick.get("failures", [])):
                self._broken("attempts", f"{name} spent {spent} with too few failures")

    def _check_circuits(self) -> None:
        consumer, disk = self._world.consumer, self._world.disk
        if consumer is None or consumer.gates.dirty or consumer.trouble or disk.fail_rate:
            return
        now = self._world.clock.steady()
        truth = {name for name, state in consumer.gates.items() if state.open_until > now}
        path = self._world.layout.circuit_open
        told = json.loads(disk.read(path, 1 << 20))["open"] if disk.exists(path) else {}
        if set(told) != truth:
            self._broken("circuits", f"the file says {sorted(told)}, open are {sorted(truth)}")

    def _check_blocked(self) -> None:
        """Claimable ticks and no claim, pass after pass: something stands in the way."""
        consumer = self._world.consumer
        if consumer is None or not self._at_peace():
            self._stuck = 0
            return
        idle = consumer.stats.ticks == self._ticks_before
        self._ticks_before = consumer.stats.ticks
        ready = consumer.keeper.stop is None and consumer.keeper.anything_claimable()
        self._stuck = self._stuck + 1 if idle and ready else 0
        if self._stuck > 5:
            self._broken("blocked", "a cadence that may run is not claimed")

    def _at_peace(self) -> bool:
        """A consumer works, and the disk lets it: nothing is half done."""
        consumer, disk = self._world.consumer, self._world.disk
        return consumer is not None and not (consumer.trouble or disk.full or disk.fail_rate)

    def _broken(self, which: str, what: str) -> None:
        when = iso(self._world.clock.steady())
        raise Broken(f"{which}: {what} (seed {self._world.seed}, {when})")


class SimJournal:
    """The journal's interface; the books read it."""

    trouble = None

    def __init__(self, books: Books) -> None:
        self._books = books

    def write(self, level: str, stage: str, **fields: Any) -> None:
        self._books.journalled(stage, fields)
