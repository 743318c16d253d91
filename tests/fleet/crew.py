"""Consumers as threads, each with a connection of its own: the engine's verbs as a consumer
uses them, over whatever line, and a record of who worked on what when.

Real consumer processes are tests/fleet/test_fault_processes.py; these are cheap enough for fifty.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from maestro_core.clock import SystemClock
from maestro_core.errors import BusError, ClaimLost
from maestro_core.fleet.connect import Link, Target
from maestro_core.fleet.engine import PostgresEngine
from maestro_core.models import Claim


class Record:
    """What ran, by tick and cadence, with what overlapped. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now: dict[str, str] = {}
        self.ran: dict[str, int] = {}
        self.settled: dict[str, int] = {}
        self.overlaps: list[str] = []

    def begin(self, claim: Claim, host: str) -> None:
        tick = claim.tick
        with self._lock:
            for name in (f"tick {tick.id}", f"cadence {tick.cadence}"):
                if name in self._now:
                    self.overlaps.append(f"{name}: {self._now[name]} and {host}")
                self._now[name] = host
            self.ran[tick.id] = self.ran.get(tick.id, 0) + 1

    def end(self, claim: Claim) -> None:
        with self._lock:
            self._now.pop(f"tick {claim.tick.id}", None)
            self._now.pop(f"cadence {claim.tick.cadence}", None)

    def done(self, claim: Claim) -> None:
        with self._lock:
            self.settled[claim.tick.id] = self.settled.get(claim.tick.id, 0) + 1


class Hand(threading.Thread):
    """One consumer. `seconds` is how long each tick takes; it ends what it cannot keep, in time.

    `die`: it stops where it stands, as after kill -9, and settles nothing.
    """

    def __init__(
        self, target: Target, host: str, record: Record, *, seconds: float = 0.0,
        lease: float = 60.0,
    ) -> None:  # fmt: skip
        super().__init__(name=host, daemon=True)
        self.link = Link(target, SystemClock(), patience=lease / 4)
        self.engine = PostgresEngine(self.link, host=host, lease=lease)
        self.host = host
        self.failures: list[BaseException] = []
        self.waits: list[float] = []
        """Seconds of each claim that got a tick."""
        self._record = record
        self._seconds = seconds
        self._lease = lease
        self.ended = threading.Event()
        self.dead = threading.Event()

    def run(self) -> None:
        try:
            while not (self.ended.is_set() or self.dead.is_set()):
                if (claim := self._next()) is None:
                    self.ended.wait(0.02)
                    continue
                self._work(claim)
        except BaseException as error:
            self.failures.append(error)
        finally:
            self.link.close()

    def _next(self) -> Claim | None:
        try:
            for lost in self.engine.abandoned():
                self.engine.recovered(lost)
            began = time.monotonic()
            claim = self.engine.claim(held=lambda _: False)
            if claim is not None:
                self.waits.append(time.monotonic() - began)
            return claim
        except BusError:
            return None

    def _work(self, claim: Claim) -> None:
        self._record.begin(claim, self.host)
        kept = self._until_done(claim)
        if self.dead.is_set():
            self._record.end(claim)  # its processes died with it
            return
        self._record.end(claim)
        self._settle(claim, kept)

    def _until_done(self, claim: Claim) -> bool:
        """Work, with heartbeats; False when it had to be ended before somebody else may run it."""
        started = kept_at = time.monotonic()
        while time.monotonic() - started < self._seconds:
            if self.dead.wait(min(self._lease / 10, self._seconds)):
                return False
            try:
                asked = time.monotonic()
                if self.engine.heartbeat([claim]):
                    return False
                kept_at = asked
            except BusError:
                if time.monotonic() - kept_at > self._lease * 2 / 3:
                    return False
        return True

    def _settle(self, claim: Claim, kept: bool) -> None:
        """As soon as the server hears; a claim that somebody else has is let go."""
        while not self.dead.is_set():
            try:
                (self.engine.complete if kept else self.engine.put_back)(claim)
            except ClaimLost:
                return
            except BusError:
                self.dead.wait(0.05)
            else:
                if kept:
                    self._record.done(claim)
                return


@contextmanager
def at_work(*hands: Hand) -> Iterator[None]:
    """They run while the context lasts; what went wrong in any of them is raised."""
    for hand in hands:
        hand.start()
    try:
        yield
    finally:
        for hand in hands:
            hand.ended.set()
        for hand in hands:
            hand.join(30)
    for hand in hands:
        for failure in hand.failures:
            raise failure
