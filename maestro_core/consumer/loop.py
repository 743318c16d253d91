"""One pass of the consumer: what ended, what was asked, what may run. Never blocks.

Consumer.step() duties, in this order:
1. settle runs that ended              4. close circuits and holds that ran out
2. apply operators' commands           5. enqueue what is due, claim and start what may run
3. take new settings                   6. tell what was set aside, count skips, beat

Owner: one thread, that of the driver. Everything outside comes through `Ports`.
"""

from __future__ import annotations

import os

from maestro_core.clock import iso
from maestro_core.consumer.desk import Desk
from maestro_core.consumer.flight import Flight, Flights
from maestro_core.consumer.gatekeeper import Gatekeeper
from maestro_core.consumer.heart import BEAT_SECONDS, Heart, cadence_beat, hold_beat
from maestro_core.consumer.leases import Leases
from maestro_core.consumer.policy import CLAIMS_PER_PASS
from maestro_core.consumer.ports import Ports
from maestro_core.consumer.recovery import take_over
from maestro_core.consumer.settle import Settler
from maestro_core.consumer.starter import Starter, job_result
from maestro_core.consumer.tidy import Tidy
from maestro_core.consumer.trouble import Trouble
from maestro_core.errors import BusAway, BusError, ClaimLost, MaestroError
from maestro_core.models import Beat, CadenceBeat, Claim, RunResult, Stats
from maestro_core.schedule.scheduler import Scheduler

STOPPING_POLL = 0.2
RUNNING_POLL = 1.0
SETTLE_POLL = 0.3
RECENT_CADENCES = 500
"""So many that ran stay in consumer.json without being in the settings: ticks can name any."""
LEAVE_SECONDS = 5.0
"""How long a consumer that is to end waits for a server that is away."""
RIPE_POLL = 0.25
"""How soon a file that should be looked at, but could not, is looked at again."""


class Consumer:
    """`start` once, `step` again and again, `begin_stop` and `finish` at the end."""

    def __init__(self, ports: Ports, *, mode: str, beat_seconds: float = BEAT_SECONDS) -> None:
        self.ports = ports
        self.stats = Stats(started_at=iso(ports.clock.wall()))
        self.gates = ports.gates
        self.flights = Flights()
        self.keeper = Gatekeeper(ports, self.gates, self.flights, self.stats)
        self.settler = Settler(ports.engine, self.gates, ports.journal, ports.clock, self.stats)
        self.heart = Heart(ports.layout, ports.fs, ports.clock, mode, beat_seconds)
        self.scheduler = Scheduler(ports.layout, ports.fs, ports.outlet)
        self.stopping = False
        self._stopping_at = 0.0
        self._trouble = Trouble(ports.journal)
        self._recent: dict[str, None] = {}
        self._cadences: dict[str, CadenceBeat] = {}
        self._starter = Starter(ports, self.keeper, self.flights, self.settler)
        self._desk = Desk(
            ports, self._trouble, cancel=self.cancel, lift_budget=self.keeper.budgets.lift,
        )  # fmt: skip
        self._looked_at = 0.0
        self._more_waits = False
        self._tidy = Tidy(ports)
        self._leases = Leases(ports, self.flights, self.settler, self._trouble)

    # -- life

    def start(self, *, afresh: bool, looping: bool = False) -> None:
        """Take over from the last owner. Raises OSError or BusError when the bus is unusable.

        Args:
            looping: the service has ended badly again and again; it tells that itself.
        """
        ports = self.ports
        opened = self.gates.load(ports.breaker, afresh=afresh)
        crashed = not afresh and ports.fs.exists(ports.layout.consumer_json)
        recovered = take_over(ports.engine, ports.launcher, self.settler, ports.journal)
        ports.journal.write(
            "info", "consumer_started", pid=os.getpid(), mode=self.heart.mode,
            after="clean stop" if afresh else "crash or first start",
            recovered=recovered, circuits_restored=opened, crashed=crashed,
            **({"looping": True} if looping else {}),
        )  # fmt: skip
        self.look()

    def look(self) -> None:
        """Take in what changed on the bus (after a hint, and now and then without one)."""
        self._looked_at = self.ports.clock.steady()
        with self._trouble.standing("cannot read the bus"):
            self.ports.engine.refresh()

    def step(self) -> float:
        """One pass; returns how many seconds may go by until the next one."""
        self._trouble.begin_pass()
        if self._look_is_due():
            self.look()
        self._land()
        self._desk.work()
        self._take_settings()
        self._refresh_gates()
        if not self.stopping:
            self._leases.take_over()
            self._enqueue_due()
            self._drain()
            with self._trouble.caught("cannot tidy up"):
                self._tidy.work()
        self.keeper.session_started = False  # what is claimable is asked between passes
        with self._trouble.caught("cannot count what waits"):
            self._tell_rejected()
            self.keeper.count_skips()
        self.beat()
        self._trouble.end_pass()
        return self._pause()

    @property
    def trouble(self) -> str | None:
        """What keeps it from its work now."""
        return self._trouble.now

    def is_idle(self) -> bool:
        """Nothing runs, and nothing can be claimed now; False while that cannot be known."""
        if len(self.flights):
            return False
        with self._trouble.standing("cannot tell what waits"):
            return not self.keeper.anything_claimable()
        return False

    def begin_stop(self, *, at_once: bool = False) -> None:
        """Claim no more and end what runs; its ticks go back with their attempt."""
        if not self.stopping:
            self.ports.journal.write("info", "consumer_stopping", running=len(self.flights))
            self._stopping_at = self.ports.clock.steady()
        self.stopping = True
        self.flights.stop("shutdown", at_once=at_once)
        for flight in self.flights:
            if flight.work is None and flight.result is None:  # a guard, a doctor's round
                flight.result = RunResult(outcome="shutdown", exit_code=-1)

    def finish(self) -> None:
        """Say goodbye: the next start is afresh."""
        self.ports.journal.write("info", "consumer_stopped", pid=os.getpid())
        self.beat(stopped=True)

    def cancel(self, run_id: str) -> bool:
        """Begin to end that run; False when it does not run."""
        return self.flights.stop("cancelled", run_id=run_id)

    # -- the pass

    def _land(self) -> None:
        for flight in self.flights:
            answer = flight.job.poll() if flight.job is not None else None
            if answer is not None and flight.kind == "guard" and flight.result is None:
                self._after_guard(flight)
                continue
            if flight.result is None and flight.work is not None:
                flight.result = flight.work.poll()
            elif flight.result is None and answer is not None:
                flight.result = job_result(answer)
            if flight.result is not None:
                self._settle(flight, flight.result)

    def _after_guard(self, flight: Flight) -> None:
        answer = flight.job.poll() if flight.job is not None else None
        if answer is None:
            return
        self.flights.land(flight)
        try:
            self.keeper.read_markers()  # it may have asked for long
            if self.stopping or self.keeper.stop is not None:
                reason = "shutdown" if self.stopping else "emergency_stop"
                self.settler.put_back(flight.claim, reason=reason)
            else:
                self._starter.after_guard(flight.claim, answer)
        except ClaimLost as error:
            self._claim_lost(flight.claim, str(error))
        except (OSError, BusError) as error:
            self.flights.add(flight)
            self._trouble.tell("cannot go on after a guard", error)

    def _settle(self, flight: Flight, result: RunResult) -> None:
        try:
            if not flight.lost:
                self.settler.settle(
                    flight.claim, result, self.ports.limits,
                    inline=flight.inline, run_id=flight.run_id,
                )  # fmt: skip
        except ClaimLost as error:
            self._claim_lost(flight.claim, str(error))
        except (OSError, BusError) as error:
            self._trouble.tell(f"cannot settle {flight.claim.tick.id}", error)
            if not (isinstance(error, BusAway) and self._leaves_behind(flight, result)):
                return
        self.flights.land(flight)
        self.keeper.slot_freed()
        self.keeper.budgets.add(flight.claim.tick.cadence, result.usage.cost_usd)
        if flight.run_id:
            with self._trouble.caught("cannot tell of a run"):
                self.ports.publish_run(flight.claim, result, flight.run_id)

    def _leaves_behind(self, flight: Flight, result: RunResult) -> bool:
        """A consumer that is to end does not wait for a server: its own next start, or after
        the lease another host, takes the claim over."""
        if not self.stopping or self.ports.clock.steady() - self._stopping_at < LEAVE_SECONDS:
            return False
        tick = flight.claim.tick
        self.ports.journal.write(
            "error", "left_behind", id=tick.id, cadence=tick.cadence, run_id=flight.run_id,
            outcome=result.outcome, error="the bus is away: what became of it could not be told",
        )  # fmt: skip
        return True

    def _take_settings(self) -> None:
        source = self.ports.settings_source
        before = source.error
        if source.poll():
            self.ports.journal.write("info", "settings_taken")
            self.keeper.settings_changed()
        if source.error and source.error != before:
            self.ports.journal.write("error", "settings_refused", error=source.error)

    def _refresh_gates(self) -> None:
        try:
            self.keeper.refresh()
        except (OSError, BusError) as error:  # what is paused is not known: nothing is claimed
            self._trouble.tell("cannot read the markers", error)
        for problem in self.gates.problems:
            self._trouble.tell(problem)
        self.gates.problems.clear()

    def _enqueue_due(self) -> None:
        try:
            for made in self.scheduler.run(self.ports.settings):
                if made.word != "covered":
                    due = iso(made.due)
                    self.ports.journal.write(
                        "info", "scheduled", cadence=made.cadence, id=made.tick_id, due=due
                    )
                    self.look()
        except (OSError, MaestroError) as error:
            self._trouble.tell("cannot enqueue what is due", error)

    def _drain(self) -> None:
        self._more_waits = False
        for _ in range(CLAIMS_PER_PASS):
            if self.trouble is not None:
                return
            try:
                if self.keeper.stop_now():
                    return
                claim = self.ports.engine.claim(
                    held=lambda one: self.keeper.held(one) is not None, rank=self._rank
                )
                if claim is None:
                    return
            except (OSError, BusError) as error:
                self._trouble.tell("cannot claim", error)
                return
            self.stats.ticks += 1
            self._start(claim)
            self._land()
        self._more_waits = True  # nothing on the disk will tell of it: our own claims give no hint

    def _rank(self, cadence: str) -> int:
        settings = self.ports.settings.cadences.get(cadence)
        return settings.priority if settings is not None else 0

    def _start(self, claim: Claim) -> None:
        try:
            self._starter.start(claim)
        except (OSError, BusError) as error:
            self._trouble.tell(f"cannot start {claim.tick.id}", error)
            stranded = Flight(claim, "builtin")  # goes back as soon as the disk allows
            stranded.result = RunResult(outcome="shutdown", exit_code=-4)
            self.flights.add(stranded)

    def _claim_lost(self, claim: Claim, why: str) -> None:
        """Somebody else has the tick: what became of it here no longer counts."""
        self.ports.journal.write("error", "claim_lost", id=claim.tick.id, error=why)

    def _look_is_due(self) -> bool:
        """Without a hint: now and then, and when a file that was still being written is ripe."""
        clock = self.ports.clock
        if clock.steady() - self._looked_at >= self.ports.limits.poll_seconds:
            return True
        ready_at = self._next_ready_at()
        return ready_at is not None and ready_at <= clock.wall()

    def _next_ready_at(self) -> float | None:
        with self._trouble.standing("cannot tell what waits"):
            return self.ports.engine.next_ready_at()
        return None

    # -- telling

    def _tell_rejected(self) -> None:
        for name, reason in self.ports.engine.rejected():
            self.ports.journal.write("error", "quarantined", name=name, error=reason)

    def beat(self, *, stopped: bool = False) -> None:
        """Write consumer.json if it is due or says something new."""
        ports = self.ports
        if self.heart.due_in() <= 0:
            self._leases.keep()
        with self._trouble.caught("cannot tell how the cadences stand"):
            self._cadences = self._cadence_beats()
        beat = Beat(
            **self.heart.identity(),
            stats=self.heart.copied(self.stats),
            running=self.flights.running(),
            cadences=self._cadences,
            settings_error=ports.settings_source.error,
            trouble=self.trouble or ports.journal.trouble,
            hold=hold_beat(self.gates, ports.clock),
            stopped_at=iso(ports.clock.wall()) if stopped else None,
        )
        with self._trouble.caught("cannot write consumer.json"):
            if not self.heart.beat(beat):
                return
        with self._trouble.standing("cannot tell the others of itself"):
            ports.publish_beat(beat)

    def _cadence_beats(self) -> dict[str, CadenceBeat]:
        """Every cadence that there is something to say about, and those that ran last."""
        for flight in self.flights:
            name = flight.claim.tick.cadence
            self._recent.pop(name, None)
            self._recent[name] = None
        while len(self._recent) > RECENT_CADENCES:
            del self._recent[next(iter(self._recent))]
        names = self.ports.settings.cadences.keys() | self.ports.engine.waiting().keys()
        names |= self.keeper.paused | {name for name, _ in self.gates.items()}
        policy, clock = self.ports.breaker, self.ports.clock
        return {
            name: cadence_beat(self.gates, name, self.keeper.held(name), policy, clock)
            for name in sorted(names | self._recent.keys())
        }

    def _pause(self) -> float:
        """Seconds until something is due: a beat, a deadline, a look without a hint."""
        clock, hold = self.ports.clock, self.gates.hold
        now = clock.steady()
        pauses = [
            self._looked_at + self.ports.limits.poll_seconds - now,
            self.heart.due_in() or BEAT_SECONDS,
        ]
        deadlines = [hold.until] if hold else []
        for _, state in self.gates.items():
            deadlines += [state.open_until, state.next_allowed_at]
        pauses += [deadline - now for deadline in deadlines if deadline > now]
        if (ready_at := self._next_ready_at()) is not None:
            left = ready_at - clock.wall()
            pauses.append(left if left > 0 or self.trouble is None else RIPE_POLL)
        with self._trouble.standing("cannot tell the time of the bus"):
            if (due_in := self.scheduler.due_in()) is not None:
                pauses.append(due_in)
        if self._more_waits and not self.stopping:
            pauses.append(0.0)
        if len(self.flights):
            pauses.append(STOPPING_POLL if self.stopping else RUNNING_POLL)
        if self.ports.settings_source.pending:
            pauses.append(SETTLE_POLL)
        return max(0.01, min(pauses))
