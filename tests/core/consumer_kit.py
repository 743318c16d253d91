"""A consumer on a fake clock with children that do as they are told: histories, not sleeps.

`Kit.run_for` drives passes exactly as the driver does, but moves the clock instead of
waiting. The bus, the markers and consumer.json are real files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from maestro_core.bus.directory import DirectoryEngine
from maestro_core.clock import FakeClock, iso
from maestro_core.consumer.heart import stopped_cleanly
from maestro_core.consumer.jobs import Job, JobResult
from maestro_core.consumer.loop import Consumer
from maestro_core.consumer.ports import Ports
from maestro_core.control.apply import Applier
from maestro_core.control.commands import Actor, Command
from maestro_core.files import OsFiles
from maestro_core.journal import Journal, read_journal
from maestro_core.layout import Layout
from maestro_core.models import Running, RunResult, Tick
from maestro_core.session.api import RunSpec, StopKind
from maestro_core.settings import CadenceSettings, ConsumerSettings, Settings
from tests.support import read_json

Script = Callable[[RunSpec], tuple[float, RunResult]]
BEAT = 60.0
OK = RunResult(outcome="ok", exit_code=0)
FAIL = RunResult(outcome="failed", exit_code=1, failure_class="unknown", reason="exit 1: boom")


def always(result: RunResult, seconds: float = 1.0) -> Script:
    return lambda _spec: (seconds, result)


class FakeWork:
    """A child that ends after the seconds of its script, or `grace` after a stop."""

    def __init__(self, spec: RunSpec, clock: FakeClock, seconds: float, result: RunResult) -> None:
        self.spec = spec
        self._clock = clock
        self._ends_at = clock.awake() + seconds
        self._result = result
        self._started_at = iso(clock.wall())

    def running(self) -> Running:
        tick = self.spec.tick
        return Running(
            self.spec.run_id, tick.id, tick.cadence, 4242, self._started_at, None, None, None
        )

    def poll(self) -> RunResult | None:
        return self._result if self._clock.awake() >= self._ends_at else None

    def renew(self) -> None:
        """Its claim cannot run out here."""

    def stop(self, kind: StopKind, *, at_once: bool = False) -> None:
        self._result = RunResult(outcome=kind, exit_code=-1, signal=15, reason=f"{kind}")
        self._ends_at = self._clock.awake() + (0.0 if at_once else 2.0)


class FakeLauncher:
    """Starts FakeWork by a script; remembers every start."""

    def __init__(self, clock: FakeClock, script: Script) -> None:
        self.clock = clock
        self.script = script
        self.starts: list[RunSpec] = []
        self.orphans_of: list[frozenset[str]] = []

    def start(self, spec: RunSpec, wake: Callable[[], None]) -> FakeWork:
        self.starts.append(spec)
        seconds, result = self.script(spec)
        return FakeWork(spec, self.clock, seconds, result)

    def prune(self, before: float) -> int:
        return 0

    def prepare(self) -> None:
        """Nothing to get ready."""

    def close(self) -> None:
        """Nothing was got ready."""

    def end_orphans(self, tick_ids: frozenset[str]) -> list[str]:
        self.orphans_of.append(tick_ids)
        return []

    def cadences(self) -> list[str]:
        return [spec.tick.cadence for spec in self.starts]


class FakeJobs:
    """Guards that answer with `code` on the next pass."""

    def __init__(self) -> None:
        self.code = 0
        self.commands: list[tuple[str, ...]] = []

    def command(
        self, argv: tuple[str, ...], wake: Callable[[], None],
        marks: Mapping[str, str] | None = None,
    ) -> Job:  # fmt: skip
        self.commands.append(argv)
        return _Answered(JobResult(self.code == 0, f"exit {self.code}", self.code))

    def call(self, function: Callable[[], JobResult], wake: Callable[[], None]) -> Job:
        return _Answered(function())


class QuickDisk(OsFiles):
    """Real files without the flushes: these histories cut no power."""

    def flush(self, path: Any) -> None:
        pass

    def flush_folder(self, path: Any) -> None:
        pass


class FullDisk(QuickDisk):
    """A disk without a free block while `full` is set; renames go on."""

    full = False

    def create(self, path: Any, data: bytes) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        super().create(path, data)


class _Answered:
    def __init__(self, result: JobResult) -> None:
        self._result = result

    def poll(self) -> JobResult | None:
        return self._result

    def stop(self) -> None:
        """It has answered already."""


class FixedSettings:
    """Settings that a test changes by hand."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.error: str | None = None
        self.changed = False
        self.pending = False

    def poll(self) -> bool:
        changed, self.changed = self.changed, False
        return changed


class Kit:
    """One agent root with a consumer. `limits` are [consumer] keys."""

    def __init__(
        self, root: Path, script: Script | None = None, *, clock: FakeClock | None = None,
        cadences: dict[str, CadenceSettings] | None = None, fs: OsFiles | None = None,
        **limits: Any,
    ) -> None:  # fmt: skip
        self.layout = Layout(root)
        self.fs = fs or QuickDisk()
        for folder in (*self.layout.folders(), self.layout.triggers):
            OsFiles().make_folder(folder)
        self.clock = clock or FakeClock()
        self.settings = FixedSettings(
            Settings(consumer=ConsumerSettings(**limits), cadences=cadences or {})
        )
        self.launcher = FakeLauncher(self.clock, script or always(OK))
        self.jobs = FakeJobs()
        self.engine = self.new_engine()
        self.consumer = self._consumer()
        self.pause = 0.0

    def new_engine(self, owner: str = "test") -> DirectoryEngine:
        return DirectoryEngine(self.layout, clock=self.clock, fs=self.fs, owner=owner)

    def _consumer(self) -> Consumer:
        ports = Ports(
            self.layout, engine=self.engine, launcher=self.launcher, jobs=self.jobs,
            settings=self.settings, clock=self.clock, fs=self.fs,
            journal=Journal(self.layout, self.clock), wake=lambda: None,
        )  # fmt: skip
        return Consumer(ports, mode="daemon", beat_seconds=BEAT)

    # -- driving

    def start(self) -> Kit:
        self.consumer.start(afresh=stopped_cleanly(self.layout, OsFiles()))
        return self

    def run_for(self, seconds: float) -> None:
        """Passes until the clock has moved that far; a look before each, as after a hint."""
        end = self.clock.steady() + seconds
        while True:
            self.consumer.look()
            pause = self.consumer.step()
            left = end - self.clock.steady()
            if left <= 0:
                return
            self.clock.advance(min(pause, left))

    def stop(self) -> None:
        self.consumer.begin_stop()
        while len(self.consumer.flights):
            self.clock.advance(self.consumer.step())
        self.consumer.finish()

    def restart(self, *, crash: bool) -> None:
        if not crash:
            self.stop()
        self.engine.close()
        self.engine = self.new_engine("after")
        self.consumer = self._consumer()
        self.start()

    # -- the world outside

    def prompt(self, cadence: str) -> None:
        self.layout.prompt(cadence).write_text(f"Do {cadence}.\n")

    def drop(self, cadence: str, count: int = 1, **fields: Any) -> list[str]:
        """Ticks as another program drops them; the cadence gets a prompt."""
        if cadence not in self.settings.settings.cadences:
            self.prompt(cadence)
        ids = []
        for _ in range(count):
            self._number = getattr(self, "_number", 0) + 1
            tick = Tick(
                id=f"t{self._number:04d}-{cadence}", cadence=cadence, source="test",
                enqueued_at=iso(self.clock.wall()), **fields,
            )  # fmt: skip
            ids.append(self.engine.enqueue(tick).id)
        return ids

    def command(self, verb: Any, *targets: str, **fields: Any) -> bool:
        """An operator's command, applied as the consumer does it."""
        applier = Applier(
            self.engine, self.consumer.gates, self.clock, self.settings.settings.consumer,
            cancel=self.consumer.cancel, lift_budget=self.consumer.keeper.budgets.lift,
        )  # fmt: skip
        actor = Actor(user="op", via="cli")
        at = iso(self.clock.wall())
        command = Command(id="c1", verb=verb, targets=targets, at=at, actor=actor, **fields)
        return applier.apply(command).ok

    # -- looking

    @property
    def stats(self) -> Any:
        return self.consumer.stats

    def names(self, folder: str) -> list[str]:
        return sorted(path.stem for path in getattr(self.layout, folder).glob("*.json"))

    def tick(self, folder: str, tick_id: str) -> dict[str, Any]:
        document: dict[str, Any] = read_json(getattr(self.layout, folder) / f"{tick_id}.json")
        return document

    def beat(self) -> dict[str, Any]:
        document: dict[str, Any] = msgspec.json.decode(self.layout.consumer_json.read_bytes())
        return document

    def stages(self) -> list[str]:
        return [entry["stage"] for entry in read_journal(self.layout, limit=10_000)]
