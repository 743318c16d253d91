"""The world around one agent root: who drops ticks, what breaks, who presses keys, and when.

`World(seed).live(days)` plays it and checks after every pass (books.py); any broken
invariant is a `Broken` with the simulated time. `settle_down` stops all faults and shows
that the queue drains.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from pathlib import Path

from maestro_core.bus.directory import DirectoryEngine
from maestro_core.bus.producer import make_document, publish_tick
from maestro_core.clock import FakeClock, iso
from maestro_core.consumer.heart import stopped_cleanly
from maestro_core.consumer.loop import Consumer
from maestro_core.consumer.ports import Ports
from maestro_core.control.commands import Actor, Command, Verb
from maestro_core.control.mailbox import encode
from maestro_core.errors import MaestroError
from maestro_core.layout import Layout
from maestro_core.settings import CadenceSettings, ConsumerSettings, Settings
from tests.core.consumer_kit import FakeJobs
from tests.simulation.books import Books, SimJournal
from tests.simulation.children import Broken, Children, Nature, SimLauncher
from tests.simulation.disk import ProcessKilled, SimDisk

HOUR, DAY = 3600.0, 86400.0
START = 1_800_000_000.0

NATURES = {
    "mail": Nature(fails=0.05, seconds=120),
    "memo": Nature(fails=0.3, seconds=600),
    "flaky": Nature(fails=0.7, seconds=60),
    "broken": Nature(fails=1.0, seconds=20),
    "poison": Nature(seconds=300, kills=0.9),
}
RATES: dict[str, float] = {
    "tick": 40, "burst": 0.3, "garbage": 0.5, "kill": 1.0, "power_cut": 0.4, "full": 0.3,
    "io_errors": 0.3, "restart": 0.5, "jump": 0.3, "sleep": 0.3, "quota": 0.2, "pause": 0.5,
    "stop": 0.3, "circuit": 1.5, "dead": 2.0, "cancel": 0.7,
}  # fmt: skip
"""How often a day each thing happens, on average."""

Plant = Callable[["World"], None]


class World:
    """See the module docstring. `plant` sabotages each new consumer, to test the checks."""

    def __init__(self, seed: int, plant: Plant | None = None) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.clock = FakeClock(START)
        self.disk = SimDisk(self.clock, self.rng)
        self.layout = Layout("/agent")
        self.children = Children(self.clock, self.rng, NATURES)
        self.books = Books(self)
        self.plant = plant
        self.consumer: Consumer | None = None
        self.engine: DirectoryEngine | None = None
        self.launcher = SimLauncher(self.children, self.clock)
        self.counts: dict[str, int] = dict.fromkeys(RATES, 0)
        self.restart_at = 0.0
        self.deaths = 0
        self._number = 0
        self._events: list[tuple[float, int, str]] = []
        self._undo: list[tuple[float, int, Callable[[], None]]] = []
        self._lay_out()

    # -- playing

    def live(self, days: float) -> None:
        """Play that many days. Raises Broken."""
        end = self.clock.steady() + days * DAY
        for kind in RATES:
            self._plan(kind)
        while self.clock.steady() < end:
            self._happen()
            pause = self._pass()
            self.books.check()
            self._advance(pause)

    def settle_down(self) -> float:
        """Stop every fault and show that all that waits is worked off; days it took."""
        self._calm()
        begun = self.clock.steady()
        while self.clock.steady() - begun < 60 * DAY:
            pause = self._pass()
            self.books.check()
            if self.consumer is not None and self.consumer.is_idle() and not self._left():
                self.books.check(full=True)
                return (self.clock.steady() - begun) / DAY
            self.clock.advance(max(1.0, min(pause, self._child_end(), HOUR)))
        raise Broken(f"{self._left()} ticks never drain after all faults have stopped")

    # -- the consumer's life

    def _pass(self) -> float:
        try:
            if self.consumer is None:
                return self._start()
            self.consumer.look()
            return self.consumer.step()
        except ProcessKilled:
            self.crash()
            return 1.0

    def _start(self) -> float:
        if self.clock.steady() < self.restart_at:
            return self.restart_at - self.clock.steady()
        consumer = self._new_consumer()
        try:
            consumer.start(afresh=stopped_cleanly(self.layout, self.disk))
        except (OSError, MaestroError):
            self.restart_at = self.clock.steady() + 60
            return 60.0
        self.consumer = consumer
        if self.plant is not None:
            self.plant(self)
        return consumer.step()

    def _new_consumer(self) -> Consumer:
        self.engine = DirectoryEngine(
            self.layout, clock=self.clock, fs=self.disk, owner=str(self._number)
        )
        ports = Ports(
            self.layout, engine=self.engine, launcher=self.launcher, jobs=FakeJobs(),
            settings=_Fixed(), clock=self.clock, fs=self.disk, journal=SimJournal(self.books),
            wake=lambda: None,
        )  # fmt: skip
        return Consumer(ports, mode="daemon", beat_seconds=HOUR)

    def crash(self) -> None:
        """The consumer's process is gone; its children live on."""
        self.deaths += 1
        self.books.died([child.spec for child in self.children.alive.values()])
        self.consumer = self.engine = None
        self.restart_at = self.clock.steady() + self.rng.uniform(1, 120)

    # -- what happens

    def _happen(self) -> None:
        now = self.clock.steady()
        while self._undo and self._undo[0][0] <= now:
            heapq.heappop(self._undo)[2]()
        while self._events and self._events[0][0] <= now:
            kind = heapq.heappop(self._events)[2]
            self.counts[kind] += 1
            getattr(self, f"_on_{kind}")()
            self._plan(kind)
        if (killer := self.children.consumer_killer) is not None:
            self.children.consumer_killer = None
            if killer in self.children.alive and self.consumer is not None:
                self.crash()

    def _on_tick(self, cadence: str | None = None) -> None:
        self._number += 1
        name = cadence or self.rng.choices(list(NATURES), (10, 5, 3, 2, 0.3))[0]
        later = self.clock.wall() + self.rng.uniform(0, 2 * HOUR)
        document = make_document(
            name, source="sim", now_wall=self.clock.wall(), tick_id=f"t{self._number:06d}",
            priority=self.rng.choice((0, 0, 0, 5)),
            not_before=iso(later) if self.rng.random() < 0.1 else None,
        )  # fmt: skip
        kill_in, self.disk.kill_in = self.disk.kill_in, None
        try:
            publish_tick(self.layout, document, fs=self.disk)
            self.books.enqueued(document["id"])
        except (OSError, MaestroError):
            self.books.doubtful(document["id"])
        finally:
            self.disk.kill_in = kill_in

    def _on_burst(self) -> None:
        for _ in range(self.rng.randint(5, 40)):
            self._on_tick()

    def _on_garbage(self) -> None:
        name = self.rng.choice(("x.json", "half.json", ".hidden", "t.json~"))
        data = self.rng.choice((b"", b"{", b"\x00" * 50, b'{"id": 5}', b"[" * 500))
        self.disk.put(self.layout.inbox / name, data)

    def _on_kill(self) -> None:
        self.disk.kill_in = self.rng.randint(1, 60)

    def _on_power_cut(self) -> None:
        self.crash()
        self.children.alive.clear()
        self.disk.power_cut()
        self.disk.kill_in = None

    def _on_full(self) -> None:
        self.disk.full = True
        self._later(HOUR, lambda: setattr(self.disk, "full", False))

    def _on_io_errors(self) -> None:
        self.disk.fail_rate = self.rng.choice((0.01, 0.1, 0.5))
        self._later(HOUR, lambda: setattr(self.disk, "fail_rate", 0.0))

    def _on_restart(self) -> None:
        """A clean stop: what runs is ended and put back, then a start afresh."""
        consumer = self.consumer
        if consumer is None or self.disk.full or self.disk.fail_rate:
            return
        self.disk.kill_in = None
        consumer.begin_stop()
        while len(consumer.flights):
            self.clock.advance(consumer.step())
        consumer.finish()
        self.consumer = self.engine = None
        self.restart_at = self.clock.steady() + self.rng.uniform(0, 60)

    def _on_jump(self) -> None:
        self.clock.jump(self.rng.uniform(-DAY, DAY))

    def _on_sleep(self) -> None:
        self.clock.sleep_machine(self.rng.uniform(HOUR, 10 * HOUR))

    def _on_quota(self) -> None:
        self.children.quota_until = self.clock.wall() + self.rng.uniform(HOUR, 5 * HOUR)

    def _on_pause(self) -> None:
        marker = self.layout.paused / f"{self.rng.choice(list(NATURES))}.json"
        self.disk.put(marker, b"{}")
        self._later(3 * HOUR, lambda: self.disk.drop(marker))

    def _on_stop(self) -> None:
        self.disk.put(self.layout.emergency_stop, self.rng.choice((b"", b'{"kill": true}')))
        self._later(2 * HOUR, lambda: self.disk.drop(self.layout.emergency_stop))

    def _on_circuit(self) -> None:
        verbs: list[Verb] = ["circuit_close", "circuit_open", "circuit_probe", "lift_hold"]
        verb = self.rng.choice(verbs)
        target = "*" if verb == "lift_hold" else self.rng.choice(list(NATURES))
        self._command(verb, [target], seconds=self.rng.uniform(60, 3 * HOUR))

    def _on_dead(self) -> None:
        verb: Verb = self.rng.choice(("dlq_retry", "dlq_retry", "dlq_discard", "dlq_restore"))
        folder = self.layout.trash if verb == "dlq_restore" else self.layout.dlq
        names = [name.removesuffix(".json") for name in self.disk.names(folder)]
        if names:
            self._command(verb, self.rng.sample(names, min(len(names), self.rng.randint(1, 5))))

    def _on_cancel(self) -> None:
        if self.children.alive:
            self._command("cancel", [self.rng.choice(list(self.children.alive))])

    def _command(self, verb: Verb, targets: list[str], seconds: float | None = None) -> None:
        self._number += 1
        command = Command(
            id=f"c{self._number:06d}", verb=verb, targets=tuple(targets),
            at=iso(self.clock.wall()), actor=Actor(user="sim", via="cli"),
            seconds=seconds if verb == "circuit_open" else None,
        )  # fmt: skip
        self.disk.put(self.layout.control / f"{command.id}.json", encode(command))

    # -- inside

    def _plan(self, kind: str) -> None:
        at = self.clock.steady() + self.rng.expovariate(RATES[kind] / DAY)
        self._number += 1
        heapq.heappush(self._events, (at, self._number, kind))

    def _later(self, longest: float, act: Callable[[], None]) -> None:
        self._number += 1
        at = self.clock.steady() + self.rng.uniform(60, longest)
        heapq.heappush(self._undo, (at, self._number, act))

    def _advance(self, pause: float) -> None:
        """To the next thing that happens. A pass may come late: nothing may depend on that."""
        now = self.clock.steady()
        nearest = [self._events[0][0] - now, self._child_end(), max(pause, 60.0)]
        if self._undo:
            nearest.append(self._undo[0][0] - now)
        self.clock.advance(max(0.05, min(nearest)))

    def _child_end(self) -> float:
        ends = self.children.next_end()
        return HOUR if ends is None else max(0.0, ends - self.clock.awake())

    def _calm(self) -> None:
        self.disk.calm()
        self.children.calm = True
        self.children.consumer_killer = None
        self._events.clear()
        self._undo.clear()
        self.disk.drop(self.layout.emergency_stop)
        for name in self.disk.names(self.layout.paused):
            self.disk.drop(self.layout.paused / name)

    def _left(self) -> int:
        ticks = [n for n in self.disk.names(self.layout.inbox) if n.startswith("t0")]
        return len(ticks) + len(self.disk.names(self.layout.claimed))

    def _lay_out(self) -> None:
        for folder in (*self.layout.folders(), self.layout.triggers, self.layout.root / "state"):
            self.disk.make_folder(folder)
        for cadence in NATURES:
            self.disk.put(Path(self.layout.prompt(cadence)), b"Do it.\n")


class _Fixed:
    """Settings that never change."""

    settings = Settings(
        consumer=ConsumerSettings(poll_seconds=HOUR),
        cadences={name: CadenceSettings() for name in NATURES},
    )
    error = None
    pending = False

    def poll(self) -> bool:
        return False
