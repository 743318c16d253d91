"""The outside world of a consumer, each part replaceable: that is what simulations do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from maestro_core.bus.engine import Engine
from maestro_core.clock import Clock
from maestro_core.consumer.breaker import BreakerPolicy, breaker_policy
from maestro_core.consumer.budgets import Tally
from maestro_core.consumer.gate_store import Gates
from maestro_core.consumer.gates import GateBook
from maestro_core.consumer.holds import FileMarkers, Markers
from maestro_core.consumer.jobs import InlineJobs
from maestro_core.control.commands import Ack, Command
from maestro_core.control.mailbox import Mailbox
from maestro_core.files import FileSystem
from maestro_core.journal import Journal
from maestro_core.layout import Layout
from maestro_core.models import Beat, Claim, Receipt, RunResult, Tick
from maestro_core.schedule.produce import FileOutlet, Outlet
from maestro_core.session.api import Launcher
from maestro_core.settings import ConsumerSettings, Settings


class SettingsSource(Protocol):
    """The settings in force. `error` says why newer ones were refused; None = they are fine."""

    settings: Settings
    error: str | None

    @property
    def pending(self) -> bool:
        """A change was seen and waits to settle: poll again within a second."""
        ...

    def poll(self) -> bool:
        """Look whether the files changed; True when `settings` is new."""
        ...


class Commands(Protocol):
    """Operators' commands and the answers to them. OSError or BusError: try again later."""

    def pending(self) -> list[Command]:
        """Those that have no answer yet, oldest first."""
        ...

    def acknowledge(self, ack: Ack) -> None:
        """Store the answer durably, then the command is done with."""
        ...


def tell_nobody(*_args: object) -> None:
    """Nobody outside wants to know."""


class Ports:
    """Engine, children, clock, disk, journal and settings of one agent root.

    Gates, markers and mailbox are files unless others are given. `publish_beat` is told of
    every written beat, `publish_run` of every settled run (claim, result, run id); OSError or
    BusError from them is trouble of the pass. `outlet` takes the ticks that are due.
    """

    def __init__(
        self, layout: Layout, *, engine: Engine, launcher: Launcher, jobs: InlineJobs,
        settings: SettingsSource, clock: Clock, fs: FileSystem, journal: Journal,
        wake: Callable[[], None], tally: Tally = lambda _since: {},
        gates: Gates | None = None, markers: Markers | None = None,
        mailbox: Commands | None = None,
        publish_beat: Callable[[Beat], None] = tell_nobody,
        publish_run: Callable[[Claim, RunResult, str], None] = tell_nobody,
        outlet: Outlet | None = None,
    ) -> None:  # fmt: skip
        self.layout = layout
        self.engine = engine
        self.launcher = launcher
        self.jobs = jobs
        self.settings_source = settings
        self.clock = clock
        self.fs = fs
        self.journal = journal
        self.wake = wake
        self.tally = tally
        self.gates: Gates = gates or GateBook(layout, clock, fs)
        self.markers: Markers = markers or FileMarkers(layout, fs)
        self.mailbox: Commands = mailbox or Mailbox(layout, fs, clock)
        self.publish_beat = publish_beat
        self.publish_run = publish_run
        self.outlet: Outlet = outlet or FileOutlet(layout, fs, clock, self._enqueue)

    def _enqueue(self, tick: Tick) -> Receipt:
        return self.engine.enqueue(tick)

    @property
    def settings(self) -> Settings:
        return self.settings_source.settings

    @property
    def limits(self) -> ConsumerSettings:
        return self.settings_source.settings.consumer

    @property
    def breaker(self) -> BreakerPolicy:
        return breaker_policy(self.limits)

    def to_wall(self, steady: float) -> float:
        """A steady deadline as wall epoch seconds."""
        return steady - self.clock.steady() + self.clock.wall()
