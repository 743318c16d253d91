"""Simulated sub-sessions. They live in the world, not in the consumer: its death leaves them."""

from __future__ import annotations

import random
from collections.abc import Callable

from maestro_core.clock import FakeClock, iso
from maestro_core.models import Running, RunResult, Usage
from maestro_core.session.api import RunSpec, StopKind


class Broken(AssertionError):
    """An invariant does not hold; the message says which, where and when."""


class Child:
    """A process of the world."""

    def __init__(self, spec: RunSpec, started: float, ends: float, result: RunResult) -> None:
        self.spec = spec
        self.started = started
        self.ends = ends
        self.result = result


class Nature:
    """How a cadence behaves: a chance for each end, a length in seconds."""

    def __init__(self, *, fails: float = 0.0, seconds: float = 300.0, kills: float = 0.0) -> None:
        self.fails = fails
        self.seconds = seconds
        self.kills = kills


class Children:
    """The process table. Checks that no tick and no cadence ever runs twice at once."""

    def __init__(self, clock: FakeClock, rng: random.Random, natures: dict[str, Nature]) -> None:
        self._clock = clock
        self._rng = rng
        self._natures = natures
        self.alive: dict[str, Child] = {}
        self.finished: set[str] = set()
        """Ticks whose end was settled: they may never run again."""
        self.ended_well: set[str] = set()
        """Ticks of which some run ended well, settled or not."""
        self.starts = 0
        self.failures = 0
        self.calm = False
        self.quota_until = 0.0
        self.consumer_killer: str | None = None
        """A run that takes its consumer with it."""

    def start(self, spec: RunSpec) -> Child:
        for other in self.alive.values():
            if other.spec.tick.id == spec.tick.id:
                raise Broken(f"two runs of {spec.tick.id} at once")
            if other.spec.tick.cadence == spec.tick.cadence:
                raise Broken(f"two runs of the cadence {spec.tick.cadence} at once")
        if spec.tick.id in self.finished:
            raise Broken(f"{spec.tick.id} runs again after its run was settled as done")
        now = self._clock.awake()
        child = Child(spec, now, now + self._length(spec), self._result(spec))
        self.alive[spec.run_id] = child
        self.starts += 1
        return child

    def next_end(self) -> float | None:
        return min((child.ends for child in self.alive.values()), default=None)

    def end(self, child: Child) -> None:
        self.alive.pop(child.spec.run_id, None)

    def _length(self, spec: RunSpec) -> float:
        nature = self._natures.get(spec.tick.cadence, Nature())
        return 1.0 + self._rng.expovariate(1.0 / nature.seconds)

    def _result(self, spec: RunSpec) -> RunResult:
        nature = self._natures.get(spec.tick.cadence, Nature())
        if self.calm:
            return RunResult(outcome="ok", exit_code=0)
        if self._clock.wall() < self.quota_until:
            return RunResult(
                outcome="quota", exit_code=1, failure_class="quota", reason="limit",
                hold_until=self.quota_until,
            )  # fmt: skip
        if self._rng.random() < nature.kills:
            self.consumer_killer = spec.run_id
        if self._rng.random() < nature.fails:
            self.failures += 1
            return RunResult(outcome="failed", exit_code=1, reason="exit 1: simulated")
        return RunResult(outcome="ok", exit_code=0, usage=Usage(cost_usd=0.01))


class SimWork:
    """The consumer's handle on a child."""

    def __init__(self, children: Children, child: Child, clock: FakeClock) -> None:
        self.spec = child.spec
        self._children = children
        self._child = child
        self._clock = clock
        self._started_at = iso(clock.wall())

    def running(self) -> Running:
        tick = self.spec.tick
        return Running(
            self.spec.run_id, tick.id, tick.cadence, 1, self._started_at, None, None, None
        )

    def poll(self) -> RunResult | None:
        timeout = self._child.started + self.spec.timeout_seconds
        if self._clock.awake() >= timeout and self._child.ends > timeout:
            self._child.ends = timeout
            self._child.result = RunResult(outcome="timeout", exit_code=-1, reason="timeout")
        if self._clock.awake() < self._child.ends:
            return None
        self._children.end(self._child)
        if self._child.result.ok:
            self._children.ended_well.add(self.spec.tick.id)
        return self._child.result

    def renew(self) -> None:
        """Its claim cannot run out here."""

    def stop(self, kind: StopKind, *, at_once: bool = False) -> None:
        self._child.result = RunResult(outcome=kind, exit_code=-1, reason=kind)
        self._child.ends = self._clock.awake() + (0.0 if at_once else 1.0)


class SimLauncher:
    """One consumer's way to children; the next one finds those that it left."""

    def __init__(self, children: Children, clock: FakeClock) -> None:
        self._children = children
        self._clock = clock

    def start(self, spec: RunSpec, wake: Callable[[], None]) -> SimWork:
        return SimWork(self._children, self._children.start(spec), self._clock)

    def prune(self, before: float) -> int:
        return 0

    def prepare(self) -> None:
        """Nothing to get ready."""

    def close(self) -> None:
        """Nothing was got ready."""

    def end_orphans(self, tick_ids: frozenset[str]) -> list[str]:
        orphans = list(self._children.alive.values())
        for child in orphans:
            self._children.end(child)
        return [child.spec.run_id for child in orphans]
