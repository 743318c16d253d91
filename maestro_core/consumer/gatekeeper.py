"""Says which cadences may run now, and keeps the books on those that may not.

Joins everything that can hold a cadence: markers of operators, the circuit, back-off, a
hold over all, its own running tick, and free slots. Owner: the consumer's thread.
"""

from __future__ import annotations

from maestro_core.clock import iso
from maestro_core.consumer.breaker import after_expiry, gate
from maestro_core.consumer.budgets import Budgets
from maestro_core.consumer.flight import Flights
from maestro_core.consumer.gate_store import Gates
from maestro_core.consumer.holds import (
    COUNTED,
    EmergencyStop,
    Held,
    SkipCounter,
)
from maestro_core.consumer.plan import takes_slot
from maestro_core.consumer.ports import Ports
from maestro_core.models import Stats


class Gatekeeper:
    """`refresh` once a pass, `held` as often as needed."""

    def __init__(self, ports: Ports, gates: Gates, flights: Flights, stats: Stats) -> None:
        self._ports = ports
        self._gates = gates
        self._flights = flights
        self._stats = stats
        self._skips = SkipCounter()
        self._stop_counted = 0
        self._deferred: set[str] = set()
        self._midnight = 0.0
        self.budgets = Budgets(ports.clock, ports.tally)
        self.paused: frozenset[str] = frozenset()
        self.stop: EmergencyStop | None = None
        self.session_started = False
        """A sub-session was started in this pass: the next one waits for the next pass."""

    # -- questions

    def held(self, cadence: str) -> Held | None:
        """The first reason why this cadence may not run now; None = it may."""
        if cadence in self.paused:
            return Held("paused")
        settings = self._ports.settings.cadences.get(cadence)
        hold = self._gates.hold
        if settings is None or settings.mode != "inline":
            if hold is not None:
                return Held("hold", hold.until, f"{hold.kind}: {hold.reason}")
            if (over := self.budgets.over(cadence, self._ports.settings)) is not None:
                return Held("budget", self._midnight, over)
        breaker = gate(self._gates.get(cadence), self._ports.clock.steady(), self._ports.breaker)
        if not breaker.allowed:
            return Held("open" if breaker.word == "open" else "backoff", breaker.until)
        if cadence in self._flights:
            return Held("busy")
        if not self.slot_free() and (takes_slot(settings) or cadence in self._deferred):
            return Held("slot")
        return None

    def slot_free(self) -> bool:
        """Whether a sub-session may start in this pass."""
        limit = self._ports.limits.max_concurrent
        return not self.session_started and self._flights.sessions() < limit

    def stop_now(self) -> bool:
        """Ask the disk, not the memory of this pass, whether an emergency stop is engaged."""
        self.stop = self._ports.markers.emergency_stop()
        return self.stop is not None

    def anything_claimable(self) -> bool:
        if self.stop is not None:
            return False
        return any(self.held(cadence) is None for cadence in self._ports.engine.ready_cadences())

    # -- changes

    def refresh(self) -> None:
        """A new pass: read the markers, close what ran out. OSError: they cannot be read."""
        self.session_started = False
        self.read_markers()
        self._age_circuits()
        self._age_hold()
        self._watch_budgets()

    def read_markers(self) -> None:
        """What operators want now. The stop first: it needs no listing, so it works when nothing
        else can be read. Raises OSError."""
        before = self.stop
        if self.stop_now():
            self._engage(before)
        elif before is not None:
            self._ports.journal.write("info", "emergency_stop_cleared")
        self.paused = self._ports.markers.paused()

    def defer(self, cadence: str) -> bool:
        """Its guard wants a sub-session and no slot is free; True when that is news."""
        news = cadence not in self._deferred
        self._deferred.add(cadence)
        return news

    def slot_freed(self) -> None:
        self._deferred.clear()

    def lift_hold(self, why: str) -> None:
        if (hold := self._gates.hold) is not None:
            self._gates.set_hold(None)
            self._ports.journal.write("info", "hold_lifted", kind=hold.kind, reason=why)

    def settings_changed(self) -> None:
        """A new key may be what an auth hold waits for."""
        if self._gates.hold is not None and self._gates.hold.kind == "auth":
            self.lift_hold("settings changed")

    def count_skips(self) -> None:
        """Held ticks are counted once a hold, not once a poll."""
        waiting = self._ports.engine.waiting()
        if self.stop is not None:
            total = sum(waiting.values())
            self._stats.skipped_emergency_stop += max(0, total - self._stop_counted)
            self._stop_counted = max(total, self._stop_counted)
        for cadence, count in waiting.items():
            self._count_skip(cadence, self.held(cadence), count)

    def _count_skip(self, cadence: str, held: Held | None, waiting: int) -> None:
        fresh, is_new = self._skips.newly(cadence, held, waiting)
        if held is None or held.word not in COUNTED:
            return
        stage = COUNTED[held.word]
        setattr(self._stats, stage, getattr(self._stats, stage) + fresh)
        if is_new:
            retry_at = iso(self._ports.to_wall(held.until))
            self._ports.journal.write(
                "warn", stage, cadence=cadence, waiting=waiting, retry_at=retry_at
            )

    def _engage(self, before: EmergencyStop | None) -> None:
        stop = self.stop
        if stop is None:
            return
        if before is None:
            self._stop_counted = 0
            self._ports.journal.write(
                "error", "emergency_stop", by=stop.by, reason=stop.reason, kill=stop.kill
            )
        if stop.kill and not (before and before.kill):
            self._flights.stop("emergency_stop")

    def _age_circuits(self) -> None:
        now, policy = self._ports.clock.steady(), self._ports.breaker
        for cadence, state in self._gates.items():
            if after_expiry(state, now, policy) != state:
                stage = "circuit_half_open" if policy.probe else "circuit_closed"
                self._gates.update(cadence, lambda one: after_expiry(one, now, policy))
                self._ports.journal.write("info", stage, cadence=cadence, reason="open time over")
        self._gates.flush()

    def _age_hold(self) -> None:
        hold = self._gates.hold
        if hold is not None and hold.until and hold.until <= self._ports.clock.steady():
            self.lift_hold("time over")

    def _watch_budgets(self) -> None:
        self.budgets.refresh()
        clock = self._ports.clock
        self._midnight = self.budgets.day_ends_at() - clock.wall() + clock.steady()
        for name, spent, limit in self.budgets.new_warnings(self._ports.settings):
            self._ports.journal.write(
                "warn", "budget_warning", cadence=name, spent_usd=round(spent, 4), warn_usd=limit
            )
        for name, reason in self.budgets.new_holds(self._ports.settings):
            self._ports.journal.write("warn", "budget_hold", cadence=name, reason=reason)
