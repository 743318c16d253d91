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
from maestro_core.consumer.flight import Flight, Flights
from maestro_core.consumer.gatekeeper import Gatekeeper
from maestro_core.consumer.gates import GateBook
from maestro_core.consumer.heart import BEAT_SECONDS, Heart, cadence_beat, hold_beat
from maestro_core.consumer.policy import CLAIMS_PER_PASS
from maestro_core.consumer.ports import Ports
from maestro_core.consumer.recovery import take_over
from maestro_core.consumer.settle import Settler
from maestro_core.consumer.starter import Starter, job_result
from maestro_core.control.apply import Applier
from maestro_core.control.mailbox import Mailbox
from maestro_core.errors import BusError, ClaimLost, MaestroError
from maestro_core.models import Beat, CadenceBeat, Claim, RunResult, Stats
from maestro_core.schedule.scheduler import Scheduler

STOPPING_POLL = 0.2
RUNNING_POLL = 1.0
SETTLE_POLL = 0.3


class Consumer:
    """`start` once, `step` again and again, `begin_stop` and `finish` at the end."""

    def __init__(self, ports: Ports, *, mode: str, beat_seconds: float = BEAT_SECONDS) -> None:
        self.ports = ports
        self.stats = Stats(started_at=iso(ports.clock.wall()))
        self.gates = GateBook(ports.layout, ports.clock, ports.fs)
        self.flights = Flights()
        self.keeper = Gatekeeper(ports, self.gates, self.flights, self.stats)
        self.settler = Settler(ports.engine, self.gates, ports.journal, ports.clock, self.stats)
        self.heart = Heart(ports.layout, ports.fs, ports.clock, mode, beat_seconds)
        self.mailbox = Mailbox(ports.layout, ports.fs, ports.clock)
        self.scheduler = Scheduler(ports.layout, ports.fs, ports.clock)
        self.stopping = False
        self.trouble: str | None = None
        self._told: set[str] = set()
        self._known: set[str] = set()
        self._starter = Starter(ports, self.keeper, self.flights, self.settler)
        self._looked_at = 0.0

    # -- life

    def start(self, *, afresh: bool) -> None:
        """Take over from the last owner. Raises OSError or BusError when the bus is unusable."""
        ports = self.ports
        opened = self.gates.load(ports.breaker, afresh=afresh)
        crashed = not afresh and ports.fs.exists(ports.layout.consumer_json)
        recovered = take_over(ports.engine, ports.launcher, self.settler, ports.journal)
        ports.journal.write(
            "info", "consumer_started", pid=os.getpid(), mode=self.heart.mode,
            after="clean stop" if afresh else "crash or first start",
            recovered=recovered, circuits_restored=opened, crashed=crashed,
        )  # fmt: skip
        self.look()

    def look(self) -> None:
        """Take in what changed on the bus (after a hint, and now and then without one)."""
        self._looked_at = self.ports.clock.steady()
        try:
            self.ports.engine.refresh()
        except (OSError, BusError) as error:
            self._in_trouble("cannot read the bus", error)

    def step(self) -> float:
        """One pass; returns how many seconds may go by until the next one."""
        self.trouble = None
        if self.ports.clock.steady() - self._looked_at >= self.ports.limits.poll_seconds:
            self.look()
        self._land()
        self._apply_commands()
        self._take_settings()
        self._refresh_gates()
        if not self.stopping:
            self._enqueue_due()
            self._drain()
        self.keeper.session_started = False  # what is claimable is asked between passes
        self._tell_rejected()
        self.keeper.count_skips()
        self.beat()
        if self.trouble is None:
            self._told.clear()
        return self._pause()

    def is_idle(self) -> bool:
        """Nothing runs, and nothing can be claimed now."""
        return not len(self.flights) and not self.keeper.anything_claimable()

    def begin_stop(self, *, at_once: bool = False) -> None:
        """Claim no more and end what runs; its ticks go back with their attempt."""
        if not self.stopping:
            self.ports.journal.write("info", "consumer_stopping", running=len(self.flights))
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
            if self.stopping or self.keeper.stop is not None:
                self.ports.engine.put_back(flight.claim)
            else:
                self._starter.after_guard(flight.claim, answer)
        except (OSError, BusError) as error:
            self.flights.add(flight)
            self._in_trouble("cannot go on after a guard", error)

    def _settle(self, flight: Flight, result: RunResult) -> None:
        tick_id = flight.claim.tick.id
        try:
            self.settler.settle(
                flight.claim, result, self.ports.limits, inline=flight.inline, run_id=flight.run_id
            )
        except ClaimLost as error:
            self.ports.journal.write("error", "claim_lost", id=tick_id, error=str(error))
        except (OSError, BusError) as error:
            self._in_trouble(f"cannot settle {tick_id}", error)
            return
        self.flights.land(flight)
        self.keeper.slot_freed()
        self.keeper.budgets.add(flight.claim.tick.cadence, result.usage.cost_usd)

    def _apply_commands(self) -> None:
        ports = self.ports
        try:
            for command in self.mailbox.pending():
                applier = Applier(
                    ports.engine, self.gates, ports.clock, ports.limits, cancel=self.cancel,
                    lift_budget=self.keeper.budgets.lift,
                )  # fmt: skip
                ack = applier.apply(command)
                ports.journal.write(
                    "warn", command.verb, targets=list(command.targets), ok=ack.ok,
                    by=command.actor.user, reason=command.reason,
                )  # fmt: skip
                self.mailbox.acknowledge(ack)
        except (OSError, BusError) as error:
            self._in_trouble("cannot apply commands", error)

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
        except OSError as error:  # what is paused is not known now, so nothing is claimed
            self._in_trouble("cannot read the markers", error)
        for problem in self.gates.problems:
            self._in_trouble(problem, None)
        self.gates.problems.clear()

    def _enqueue_due(self) -> None:
        try:
            for made in self.scheduler.run(self.ports.settings, self.ports.engine.enqueue):
                if made.word != "covered":
                    due = iso(made.due)
                    self.ports.journal.write(
                        "info", "scheduled", cadence=made.cadence, id=made.tick_id, due=due
                    )
                    self.look()
        except (OSError, MaestroError) as error:
            self._in_trouble("cannot enqueue what is due", error)

    def _drain(self) -> None:
        for _ in range(CLAIMS_PER_PASS):
            if self.trouble is not None or self.keeper.stop_now():
                return
            try:
                claim = self.ports.engine.claim(held=lambda one: self.keeper.held(one) is not None)
                if claim is None:
                    return
            except (OSError, BusError) as error:
                self._in_trouble("cannot claim", error)
                return
            self.stats.ticks += 1
            self._start(claim)
            self._land()

    def _start(self, claim: Claim) -> None:
        try:
            self._starter.start(claim)
        except (OSError, BusError) as error:
            self._in_trouble(f"cannot start {claim.tick.id}", error)
            stranded = Flight(claim, "builtin")  # goes back as soon as the disk allows
            stranded.result = RunResult(outcome="shutdown", exit_code=-4)
            self.flights.add(stranded)

    # -- telling

    def _tell_rejected(self) -> None:
        for name, reason in self.ports.engine.rejected():
            self.ports.journal.write("error", "quarantined", name=name, error=reason)

    def beat(self, *, stopped: bool = False) -> None:
        """Write consumer.json if it is due or says something new."""
        ports = self.ports
        beat = Beat(
            **self.heart.identity(),
            stats=self.heart.copied(self.stats),
            running=self.flights.running(),
            cadences=self._cadence_beats(),
            settings_error=ports.settings_source.error,
            trouble=self.trouble or ports.journal.trouble,
            hold=hold_beat(self.gates, ports.clock),
            stopped_at=iso(ports.clock.wall()) if stopped else None,
        )
        try:
            self.heart.beat(beat)
        except OSError as error:
            self._in_trouble("cannot write consumer.json", error)

    def _cadence_beats(self) -> dict[str, CadenceBeat]:
        """Every cadence that this consumer has heard of."""
        self._known |= self.ports.settings.cadences.keys() | self.ports.engine.waiting().keys()
        self._known |= self.keeper.paused | {name for name, _ in self.gates.items()}
        self._known |= {flight.claim.tick.cadence for flight in self.flights}
        policy, clock = self.ports.breaker, self.ports.clock
        return {
            name: cadence_beat(self.gates, name, self.keeper.held(name), policy, clock)
            for name in sorted(self._known)
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
        if (ready_at := self.ports.engine.next_ready_at()) is not None:
            pauses.append(ready_at - clock.wall())
        if (due_at := self.scheduler.next_at) is not None and due_at > clock.wall():
            pauses.append(due_at - clock.wall())
        if len(self.flights):
            pauses.append(STOPPING_POLL if self.stopping else RUNNING_POLL)
        if self.ports.settings_source.pending:
            pauses.append(SETTLE_POLL)
        return max(0.01, min(pauses))

    def _in_trouble(self, what: str, error: Exception | None) -> None:
        """Say it in the heartbeat, and once in the journal."""
        strerror = error.strerror if isinstance(error, OSError) else None
        self.trouble = f"{what}: {strerror or error}" if error is not None else what
        if self.trouble not in self._told:
            self._told.add(self.trouble)
            self.ports.journal.write("error", "trouble", error=self.trouble)
