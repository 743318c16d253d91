"""The disk fails in the middle of a verb, once or for good, before or after it took effect;
the program lives on, the disk comes back, and the verb is tried again.

Nothing acknowledged may be lost at any moment, power cuts included, and the second try ends
where an undisturbed first one would have.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass

from maestro_core.bus.inbox import STUCK_SECONDS
from maestro_core.errors import BusError

from .check import check
from .disk import USUAL, Machine
from .explore import Explorer, Path, replay
from .world import (
    LAYOUT,
    PLACES,
    VERBS,
    Broken,
    Facts,
    Refusal,
    World,
    facts_on,
    look,
    settle_abandoned,
)

FALLIBLE = ("enqueue", "claim", "complete", "retry", "dead_letter", "put_back", "restart",
            "retry_dead", "discard", "restore", "prune", "garbage")  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """The n-th operation fails with that error number."""

    at: int
    number: int
    late: bool
    for_good: bool

    def __str__(self) -> str:
        kind = "late " if self.late else ""
        return f"{kind}{errno.errorcode[self.number]} at {self.at}{'+' if self.for_good else ''}"


def every_fault(operations: int) -> Iterator[Fault]:
    for at in range(1, operations + 1):
        yield Fault(at, errno.EIO, late=False, for_good=False)
        yield Fault(at, errno.EIO, late=True, for_good=False)
        yield Fault(at, errno.ENOSPC, late=False, for_good=True)


class FaultExplorer(Explorer):
    """Follows histories as the explorer does, and lets the last verb of each fail everywhere."""

    def __init__(self, depth: int, machine: Machine = USUAL) -> None:
        super().__init__(depth, machine=machine)
        self.faults = 0

    def _step(self, world: World, path: Path) -> None:
        before, begun = world.facts, world.disk.accesses
        world.do(path[-1])
        if path[-1] not in FALLIBLE or path[0] != "enqueue":
            return  # not a verb of the bus, or no bus yet that somebody made undisturbed
        for fault in every_fault(world.disk.accesses - begun):
            try:
                self._fail(path, fault, before, world.facts)
            except (AssertionError, BusError, OSError) as error:
                raise Broken(f"{' '.join(path)}, {fault}: {error!r}") from error

    def _fail(self, path: Path, fault: Fault, before: Facts, after: Facts) -> None:
        self.faults += 1
        world, verb = replay(path[:-1], self._machine), path[-1]
        world.disk.fail_at, world.disk.fault = fault.at, fault.number
        world.disk.fail_late, world.disk.fail_on = fault.late, fault.for_good
        held = dict(world.claims)
        try:
            VERBS[verb][1](world)
            before = after
        except (BusError, Refusal):
            world.claims = held
        finally:
            world.disk.fail_at = 0
        self._check_platter(world, before, after)
        if not (fault.for_good or world.disk.failed_to_unlink):
            _check_tidy(world)
        if before != after:
            self._try_again(world, verb, before, after)

    def _try_again(self, world: World, verb: str, before: Facts, after: Facts) -> None:
        world.clock.advance(STUCK_SECONDS)
        try:
            AGAIN.get(verb, VERBS[verb][1])(world)
            before = after
        except (Refusal, FileExistsError):
            pass  # the first try did it after all, and nobody confirms it
        found = facts_on(world.disk.live())
        expected = {name: fact for name, fact in after.items() if fact.where in PLACES}
        if found != expected:
            raise Broken(f"after a second try {found}, wanted {expected}")
        self._check_platter(world, before, after)

    def _check_platter(self, world: World, before: Facts, after: Facts) -> None:
        for image in world.disk.images():
            check(image, before, after, self._machine)


def _check_tidy(world: World) -> None:
    left = world.disk.folders.get(str(LAYOUT.tmp))
    if left:
        raise Broken(f"{len(left)} temp files are left behind")


def _restart_again(world: World) -> None:
    settle_abandoned(world.engine)


AGAIN = {"restart": _restart_again, "garbage": look}
"""Where a second try is not simply the same once more."""
