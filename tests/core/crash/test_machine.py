"""Programs that nobody wrote down: any mixture of two consumers, other producers, an operator,
clocks that jump, disks that fail, kills and power cuts. Nothing acknowledged is ever lost or
done twice, and once the faults stop everything drains."""

from __future__ import annotations

import errno
import json
from collections import defaultdict
from itertools import count

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from maestro_core.bus.directory import DirectoryEngine
from maestro_core.clock import FakeClock, iso
from maestro_core.errors import BusError
from maestro_core.models import Claim, Tick

from .check import FOLDERS
from .disk import CrashDisk
from .world import LAYOUT, START, failure, settle_abandoned

CONSUMERS = st.sampled_from(["a", "b"])
CADENCES = ("memo", "inbox")
ENDINGS = ("complete", "retry", "dead_letter", "put_back")
ACTS = ("retry_dead", "discard_dead", "restore_dead", "unretry", "withdraw")
SHELVES = {str(LAYOUT.inbox), str(LAYOUT.claimed), str(LAYOUT.dlq), str(LAYOUT.trash)}


class BusMachine(RuleBasedStateMachine):
    """`known`: live (acknowledged), done (completed, acknowledged) or maybe (the disk failed)."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock(START)
        self.disk = CrashDisk(self.clock)
        self.disk.make_folder(LAYOUT.root)
        self.disk.settle()
        self.numbers, self.tokens, self.lives = count(), count(), count()
        self.known: dict[str, str] = {}
        self.attempts: dict[str, int] = {}
        self.engines: dict[str, DirectoryEngine] = {}
        self.owner: dict[str, str] = {}
        self.claims: dict[str, list[tuple[Claim, str]]] = {"a": [], "b": []}
        self.shaken = False
        for name in ("a", "b"):
            self.start(name)

    # ---- what happens ----------------------------------------------------------------------

    @rule(name=CONSUMERS, cadence=st.sampled_from(CADENCES), key=st.sampled_from([None, "k"]))
    def enqueue(self, name: str, cadence: str, key: str | None) -> None:
        tick_id = f"t{next(self.numbers)}"
        try:
            receipt = self.engines[name].enqueue(Tick(id=tick_id, cadence=cadence, dedupe_key=key))
        except BusError:
            self.known[tick_id], self.shaken = "maybe", True
            return
        if receipt.fresh:
            self.known[tick_id] = "live"
        else:
            assert self.places()[receipt.id], "the key of a tick that is nowhere"

    @rule(cadence=st.sampled_from(CADENCES))
    def another_program_drops_a_file(self, cadence: str) -> None:
        tick_id, at = f"t{next(self.numbers)}", iso(self.clock.wall())
        tick = {"id": tick_id, "cadence": cadence, "enqueued_at": at}
        self.disk.put(LAYOUT.inbox / f"{tick_id}.json", json.dumps(tick).encode())
        self.known[tick_id] = "live"

    @rule(name=CONSUMERS)
    def look(self, name: str) -> None:
        self.tried(self.engines[name].refresh)

    @rule(name=CONSUMERS, held=st.sets(st.sampled_from(CADENCES), max_size=1))
    def claim(self, name: str, held: set[str]) -> None:
        claim = self.tried(lambda: self.engines[name].claim(held=lambda one: one in held))
        if isinstance(claim, Claim):
            self.judge(claim)
            assert claim.tick.cadence not in held
            self.claims[name].append((claim, ""))

    @rule(name=CONSUMERS, ending=st.sampled_from(ENDINGS))
    def settle(self, name: str, ending: str) -> None:
        if self.claims[name]:
            claim, begun = self.claims[name].pop(0)
            self.end(name, claim, begun or ending)

    @rule(act=st.sampled_from(ACTS), data=st.data())
    @precondition(lambda self: self.known)
    def operate(self, act: str, data: st.DataObject) -> None:
        tick_id = data.draw(st.sampled_from(sorted(self.known)))
        self.tried(lambda: getattr(self.engines["a"], act)([tick_id]))
        if act in ("retry_dead", "unretry"):
            self.attempts.pop(tick_id, None)

    @rule(seconds=st.sampled_from([1.0, 60.0, 86400.0]))
    def time_goes_by(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(seconds=st.sampled_from([-86400.0, -3600.0, 3600.0]))
    def the_wall_clock_jumps(self, seconds: float) -> None:
        self.clock.jump(seconds)

    @rule(
        operation=st.integers(1, 12), late=st.booleans(), on=st.booleans(),
        number=st.sampled_from([errno.EIO, errno.ENOSPC]),
    )  # fmt: skip
    def the_disk_begins_to_fail(self, operation: int, late: bool, on: bool, number: int) -> None:
        self.disk.fail_at, self.disk.fail_late, self.disk.fail_on = operation, late, on
        self.disk.fault = number

    @rule()
    def the_disk_is_well_again(self) -> None:
        self.disk.fail_at = 0

    @rule(name=CONSUMERS)
    def kill(self, name: str) -> None:
        self.disk.fail_at = 0
        self.start(name)

    @rule(data=st.data())
    def cut_the_power(self, data: st.DataObject) -> None:
        image = data.draw(st.sampled_from(sorted(self.disk.images(), key=sorted)))
        self.disk = CrashDisk.of(image, FOLDERS, self.clock)
        self.restart()

    # ---- what must hold --------------------------------------------------------------------

    @invariant()
    def nothing_is_lost_and_nothing_done_comes_back(self) -> None:
        places = self.places()
        for tick_id, known in self.known.items():
            found = places[tick_id]
            if known == "done":
                assert not found, f"{tick_id} was done and is in {found}"
            if known == "live":
                assert found, f"{tick_id} is lost"
                assert len(found) == 1 or self.shaken, f"{tick_id} is in {found}"
        assert self.disk.folders.get(str(LAYOUT.quarantine), {}) == {}

    def teardown(self) -> None:
        self.restart()
        self.nothing_is_lost_and_nothing_done_comes_back()
        engine, seen = self.engines["a"], set[str]()
        while any(self.places()[one] for one in self.known):
            engine.restore_dead([v.tick.id for v in engine.page("trash")])
            engine.retry_dead([v.tick.id for v in engine.page("dlq")])
            claim = engine.claim(held=lambda _: False)
            assert claim is not None, "it does not drain"
            assert claim.tick.id not in seen, "done twice"
            seen.add(claim.tick.id)
            engine.complete(claim)
        assert seen >= {one for one, known in self.known.items() if known == "live"}

    # ---- how -------------------------------------------------------------------------------

    def start(self, name: str) -> None:
        """This consumer anew; what its last life had claimed is recovered."""
        self.claims[name] = []
        self.owner[name] = owner = f"{name}{next(self.lives)}"
        engine = DirectoryEngine(
            LAYOUT, clock=self.clock, fs=self.disk, owner=owner,
            alive=lambda one: one in self.owner.values(), token=lambda: f"{next(self.tokens)}",
        )  # fmt: skip
        self.engines[name] = engine
        settle_abandoned(engine)

    def restart(self) -> None:
        """Both at once, on a disk that is well."""
        self.disk.fail_at = 0
        self.owner.clear()
        for name in ("a", "b"):
            self.start(name)
        self.shaken = False

    def end(self, name: str, claim: Claim, ending: str) -> None:
        """Settle; what the disk refused is tried again later, in the same way."""
        engine, tick_id = self.engines[name], claim.tick.id
        rest = (failure(1),) if ending in ("retry", "dead_letter") else ()
        try:
            getattr(engine, ending)(claim, *rest)
        except BusError:
            self.claims[name].insert(0, (claim, ending))
            self.shaken = True
            if ending == "complete":
                self.known[tick_id] = "maybe"
            return
        if ending == "complete":
            self.known[tick_id] = "done"
        if ending == "put_back":
            self.attempts[tick_id] = claim.tick.attempts - 1

    def judge(self, claim: Claim) -> None:
        """Nobody else has it, it was not done before, and its attempts are not forgotten."""
        tick_id = claim.tick.id
        working = [one for found in self.claims.values() for one, ending in found if not ending]
        taken = [one.tick.id for one in working]  # what is being given back may be had already
        assert tick_id not in taken, "claimed twice"
        assert self.known[tick_id] != "done"
        assert claim.tick.attempts > self.attempts.get(tick_id, 0), "an attempt is forgotten"
        self.attempts[tick_id] = claim.tick.attempts

    def tried(self, act: object) -> object:
        try:
            found = act()  # type: ignore[operator]
        except BusError:
            self.shaken = True
            return None
        if isinstance(found, list):
            self.shaken |= any(not one.ok for one in found)
        return found

    def places(self) -> dict[str, list[str]]:
        """Folders by tick id."""
        found: dict[str, list[str]] = defaultdict(list)
        for path, _ in self.disk.live():
            folder, _, name = path.rpartition("/")
            if folder in SHELVES:
                found[name.removesuffix(".json")].append(folder.rpartition("/")[2])
        return found


def test_any_mixture_of_events_loses_nothing_and_drains_in_the_end() -> None:
    run_state_machine_as_test(
        BusMachine,
        settings=settings(
            max_examples=300, stateful_step_count=30, deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )  # fmt: skip
