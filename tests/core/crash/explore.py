"""Every history of up to `depth` verbs, stopped after every operation, in every legal state.

Histories that lead to the same state are followed once; a state of the platter that was
checked with the same facts is not checked again.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from .check import Broken, check, forget_recoveries, recovery_of
from .disk import USUAL, Image, Machine
from .world import LAYOUT, VERBS, Facts, World

Path = tuple[str, ...]
KILLABLE = frozenset({
    "enqueue", "claim", "complete", "retry", "dead_letter", "put_back", "restart",
    "retry_dead", "discard", "restore", "prune",
})  # fmt: skip
"""Verbs that are also followed from a kill of the process after each operation."""


@dataclass
class Tally:
    """What was covered."""

    histories: int = 0
    operations: int = 0
    states: int = 0
    """Laid out, those seen before included."""
    different: int = 0
    """Recovered from and checked."""
    verbs: set[str] = field(default_factory=set)


class Explorer:
    """Breadth first, so that the first thing found broken is a short history."""

    def __init__(
        self,
        depth: int,
        *,
        machine: Machine = USUAL,
        kills: bool = False,
        verbs: tuple[str, ...] = tuple(VERBS),
    ) -> None:
        self.tally = Tally()
        self._depth = depth
        self._machine = machine
        self._killable = KILLABLE if kills else frozenset()
        self._verbs = verbs
        self._checked: set[tuple[Image, int, int]] = set()
        self._todo: deque[Path] = deque()
        self._seen: set[tuple[object, ...]] = set()
        self._facts: dict[tuple[object, ...], int] = {}

    def run(self) -> Tally:
        """Raises Broken with the history, the operation and the kind of disk."""
        forget_recoveries()
        self._todo.append(())
        while self._todo:
            path = self._todo.popleft()
            for verb in self._verbs:
                if (operations := self._follow(path, verb)) and verb in self._killable:
                    for stop in range(1, operations):
                        self._follow(path, f"{verb}@{stop}")
        return self.tally

    def _follow(self, path: Path, verb: str) -> int:
        """One history further; how many operations that took, 0 when it is not possible."""
        world = replay(path, self._machine)
        if world.outcome(verb) is None:
            return 0
        begun = world.disk.operations
        self._step(world, (*path, verb))
        key = world.key()
        if len(path) + 1 < self._depth and key not in self._seen:
            self._seen.add(key)
            self._todo.append((*path, verb))
        return world.disk.operations - begun

    def _step(self, world: World, path: Path) -> None:
        before, after, story = world.facts, world.outcome(path[-1]), " ".join(path)
        assert after is not None
        self.tally.histories += 1
        self.tally.verbs.add(path[-1].partition("@")[0])

        def stop_here() -> None:
            self.tally.operations += 1
            self._lay_out(world, before, after, f"{story}, in the last one")

        world.disk.after = stop_here
        try:
            world.do(path[-1])
        except AssertionError as error:
            raise Broken(f"{story}: {error}") from error
        world.disk.after = None
        self._lay_out(world, world.facts, world.facts, f"{story}, after it")
        if (left := world.disk.folders[str(LAYOUT.tmp)]) and "@" not in story:
            raise Broken(f"{story}: {len(left)} files are left in tmp")

    def _lay_out(self, world: World, before: Facts, after: Facts, where: str) -> None:
        for image in world.disk.images():
            if self._check(image, before, after, where):
                for stopped in recovery_of(image, self._machine).stops:
                    self._check(stopped, before, after, f"{where}, and in the recovery")

    def _check(self, image: Image, before: Facts, after: Facts, where: str) -> bool:
        """False when it was checked before."""
        self.tally.states += 1
        key = (image, self._number(before), self._number(after))
        if key in self._checked:
            return False
        self._checked.add(key)
        self.tally.different += 1
        try:
            check(image, before, after, self._machine)
        except Broken as broken:
            raise Broken(f"{where}: {broken}") from None
        return True

    def _number(self, facts: Facts) -> int:
        return self._facts.setdefault(tuple(sorted(facts.items())), len(self._facts))


def replay(path: Path, machine: Machine = USUAL) -> World:
    """The world after these verbs."""
    world = World(machine)
    for verb in path:
        world.do(verb)
    return world
