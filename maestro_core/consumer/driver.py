"""Runs a consumer on the real machine: takes the lock, then waits between passes.

The same in the console's worker thread and in `maestro-tui run`. `run` belongs to one
thread; `stop` may be called from any thread or signal handler.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Literal

from maestro_core.bus.feed import Feed
from maestro_core.clock import Clock, SystemClock
from maestro_core.consumer.bus_ports import BusMaker, Place, directory_bus
from maestro_core.consumer.heart import stopped_cleanly
from maestro_core.consumer.jobs import ThreadJobs
from maestro_core.consumer.loop import Consumer
from maestro_core.consumer.ownership import Ownership
from maestro_core.consumer.ports import Ports
from maestro_core.errors import BusError, MaestroError
from maestro_core.files import OsFiles
from maestro_core.journal import Journal
from maestro_core.layout import Layout
from maestro_core.models import RunRow
from maestro_core.notices.sender import Sender
from maestro_core.notices.tap import NotingJournal
from maestro_core.session.api import Launcher
from maestro_core.session.ledger import Ledger
from maestro_core.settings import SettingsWatcher

LOCK_WAIT = 3.0
"""Seconds: an operator's command may hold the lock for a moment."""

END_WAIT = 5.0
"""Seconds for runs to end after an error in the consumer itself."""


class Driver:
    """One consumer's life. Raises Busy (somebody else has the lock) or SettingsError from `run`.

    Called in its thread: `on_start` once the lock is held, the settings are good and the bus is
    taken over; `on_pass` after every pass, a sign of life that cannot lie. `bus` says where
    ticks, gates, markers and commands are.
    """

    def __init__(
        self, layout: Layout, *, mode: Literal["console", "daemon"], clock: Clock | None = None,
        launcher: Launcher | None = None, feed: Feed | None = None,
        on_pass: Callable[[], None] = lambda: None, on_start: Callable[[], None] = lambda: None,
        bus: BusMaker = directory_bus, looping: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        self._layout = layout
        self._mode = mode
        self._clock = clock or SystemClock()
        self._launcher = launcher
        self._feed = feed
        self._on_pass = on_pass
        self._on_start = on_start
        self._make_bus = bus
        self._looping = looping
        self._senders: list[Sender] = []
        self._stops = 0

    def stop(self) -> None:
        """End cleanly: runs are ended with their grace time. A second call skips the grace."""
        self._stops += 1
        if self._feed is not None:
            self._feed.wake()

    def run(self, *, until_idle: bool = False, ownership: Ownership | None = None) -> int:
        """Work until `stop` (or until nothing can be claimed now); returns the exit code."""
        owned = ownership or Ownership.acquire(self._layout, what=self._mode, wait=LOCK_WAIT)
        try:
            return self._run(owned, until_idle=until_idle)
        finally:
            owned.release()
            self._close_senders()  # may take some seconds: nobody should wait for the lock

    def _run(self, owned: Ownership, *, until_idle: bool) -> int:
        fs = OsFiles()
        for folder in self._layout.folders():
            fs.make_folder(folder)
        with ExitStack() as closing:  # each is closed, last one first, whatever another raises
            feed = self._feed = self._feed or self._make_feed()
            closing.callback(feed.close)
            ports = self._ports(feed, closing)
            consumer = Consumer(ports, mode=self._mode)
            closing.callback(_end_runs, consumer)
            afresh = stopped_cleanly(self._layout, fs)
            consumer.start(afresh=afresh, looping=self._looping())
            ports.launcher.prepare()
            self._on_start()
            self._loop(consumer, feed, owned, until_idle=until_idle)
            consumer.finish()
        if not owned.still_ours():
            raise BusError(
                f"{self._layout.consumer_lock} was deleted or replaced under this consumer",
                "what ran was ended and put back; start it again",
            )
        return 0

    def _close_senders(self) -> None:
        while self._senders:
            self._senders.pop().close()

    def _loop(self, consumer: Consumer, feed: Feed, owned: Ownership, *, until_idle: bool) -> None:
        begun = 0
        while True:
            if self._stops > begun:
                begun = self._stops
                consumer.begin_stop(at_once=begun > 1)
            pause = consumer.step()
            self._on_pass()
            if consumer.stopping and not len(consumer.flights):
                return
            if until_idle and self._idle(consumer):
                return
            if not consumer.stopping and not owned.still_ours():
                consumer.ports.journal.write("error", "lock_lost", pid=os.getpid())
                self._stops += 1
            if "inbox" in feed.wait(0.0 if self._stops > begun else pause):
                consumer.look()

    def _idle(self, consumer: Consumer) -> bool:
        """Idle, and still so after a fresh look at the inbox."""
        if not consumer.is_idle():
            return False
        consumer.look()
        return consumer.is_idle()

    def _make_feed(self) -> Feed:
        from maestro_core.bus.watch import consumer_feed  # its native part is slow to load

        return consumer_feed(self._layout)

    def _ports(self, feed: Feed, closing: ExitStack) -> Ports:
        fs = OsFiles()
        settings = SettingsWatcher(self._layout)
        journal = self._noting(settings)
        ledger = Ledger.open(self._layout.ledger)
        closing.callback(ledger.close)
        told = ToldRuns(ledger)
        place = Place(
            self._layout,
            self._clock,
            fs,
            settings,
            settings.redact,
            told.row,
            told.newest,
            feed.tell,
            closing,
        )
        bus = self._make_bus(place)
        launcher = self._launcher or self._make_launcher(settings, journal, ledger)
        closing.callback(launcher.close)
        return Ports(
            self._layout,
            engine=bus.engine,
            gates=bus.gates,
            markers=bus.markers,
            mailbox=bus.mailbox,
            publish_beat=bus.publish_beat,
            publish_run=bus.publish_run,
            outlet=bus.outlet,
            launcher=launcher,
            jobs=ThreadJobs(self._layout),
            settings=settings,
            clock=self._clock,
            fs=fs,
            journal=journal,
            wake=feed.wake,
            tally=LedgerTally(ledger, journal),
        )

    def _noting(self, settings: SettingsWatcher) -> Journal:
        """The journal; what people outside should know of it is sent to them."""
        plain = Journal(self._layout, self._clock, settings.redact)
        sender = Sender(
            self._layout, lambda: settings.settings, plain, self._clock, settings.redact
        )
        self._senders.append(sender)
        return NotingJournal(self._layout, self._clock, settings.redact, tell=sender.post)

    def _make_launcher(
        self, settings: SettingsWatcher, journal: Journal, ledger: Ledger
    ) -> Launcher:
        from maestro_core.session.runner import SubSessionLauncher

        return SubSessionLauncher(
            self._layout,
            lambda: settings.settings,
            self._clock,
            journal,
            ledger,
            redact=settings.redact,
        )


class LedgerTally:
    """USD by cadence, from the ledger. One in trouble is told of once and stops nobody."""

    def __init__(self, ledger: Ledger, journal: Journal) -> None:
        self._ledger = ledger
        self._journal = journal
        self._told: str | None = None

    def __call__(self, since: str) -> dict[str, float] | None:
        try:
            costs = self._ledger.costs(["cadence"], since)
        except MaestroError as error:
            if str(error) != self._told:
                self._told = str(error)
                self._journal.write("error", "ledger_trouble", error=self._told)
            return None
        self._told = None
        return {row.key[0]: row.cost_usd for row in costs}


class ToldRuns:
    """The ledger's rows for whoever tells of them elsewhere; trouble is LedgerTally's to tell."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def row(self, run_id: str) -> RunRow | None:
        try:
            return self._ledger.get(run_id)
        except MaestroError:
            return None

    def newest(self, limit: int) -> list[RunRow]:
        try:
            return self._ledger.rows(limit=limit)
        except MaestroError:
            return []


def _end_runs(consumer: Consumer) -> None:
    """After an error in the consumer itself: nothing that it started may outlive it."""
    consumer.flights.stop("shutdown", at_once=True)
    deadline = time.monotonic() + END_WAIT
    works = [flight.work for flight in consumer.flights if flight.work is not None]
    while time.monotonic() < deadline and any(work.poll() is None for work in works):
        time.sleep(0.02)
