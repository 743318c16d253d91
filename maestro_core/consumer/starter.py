"""Puts a claimed tick to work: a sub-session, an inline command, a built-in, or a guard first.

Owner: the consumer's thread. Nothing here blocks; guards and commands become flights.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Literal

from maestro_core.consumer.flight import Flight, Flights
from maestro_core.consumer.gatekeeper import Gatekeeper
from maestro_core.consumer.handlers import doctor_call, files_guard, housekeep
from maestro_core.consumer.jobs import JobResult, answered, marks_of
from maestro_core.consumer.plan import Plan, passed_guard, plan_for, spec_for
from maestro_core.consumer.ports import Ports
from maestro_core.consumer.settle import Settler
from maestro_core.models import Claim, RunResult
from maestro_core.text import well_formed

BY_SIGNAL = -1
"""The exit code of what a signal has ended."""


class Starter:
    """`start` for a fresh claim, `after_guard` once its guard has answered."""

    def __init__(
        self, ports: Ports, keeper: Gatekeeper, flights: Flights, settler: Settler
    ) -> None:
        self._ports = ports
        self._keeper = keeper
        self._flights = flights
        self._settler = settler

    def start(self, claim: Claim) -> None:
        """Work on it by its plan. Raises OSError or BusError when the bus refuses."""
        plan = plan_for(claim.tick, self._ports.settings, self._ports.layout, self._ports.fs)
        if plan.kind == "session":
            self._session(claim)
        elif plan.kind == "guard":
            marks = marks_of(self._ports.layout, claim.tick.cadence, claim.tick.id)
            job = self._ports.jobs.command(plan.argv, self._ports.wake, marks)
            self._flights.add(Flight(claim, "guard", job=job))
        elif plan.kind == "look":
            look = files_guard(self._ports.layout, plan.argv[0])
            self._call(claim, "guard", look)
        else:
            self._inline(claim, plan)

    def after_guard(self, claim: Claim, answer: JobResult) -> None:
        """Exit 0 escalates; any other code means there is nothing for a sub-session to do.

        Meanwhile an operator or a hold may have stopped the cadence: then it goes back.
        """
        held = self._keeper.held(claim.tick.cadence)
        if held is not None and held.word != "slot":
            self._settler.put_back(claim, reason=held.word)
        elif answer.ok:
            self._session(claim)
        elif not answered(answer):
            self._finished(claim, answer)
        else:
            cadence = self._ports.settings.cadences.get(claim.tick.cadence)
            self._inline(claim, passed_guard(cadence))

    def _session(self, claim: Claim) -> None:
        if not self._keeper.slot_free():
            self._defer(claim)
        elif self._keeper.stop_now():
            self._settler.put_back(claim, reason="emergency_stop")
        else:
            self._keeper.session_started = True
            self._launch(claim, "session", ())

    def _launch(
        self, claim: Claim, kind: Literal["session", "command"], argv: tuple[str, ...]
    ) -> None:
        run_id = f"{claim.tick.id[-64:]}.{claim.tick.attempts}.{os.urandom(3).hex()}"
        lease = self._ports.engine.lease
        spec = spec_for(claim.tick, run_id, self._ports.settings, argv, lease)
        work = self._ports.launcher.start(spec, self._ports.wake)
        self._flights.add(Flight(claim, kind, run_id=run_id, work=work))

    def _inline(self, claim: Claim, plan: Plan) -> None:
        if plan.kind == "unknown":
            self._settler.dead_letter(claim, _unknown(claim.tick.cadence), "unknown_cadence")
        elif plan.kind == "command":
            self._launch(claim, "command", plan.argv)
        elif plan.builtin == "doctor":
            ports = self._ports
            self._call(claim, "builtin", doctor_call(ports.layout, ports.settings, ports.journal))
        elif plan.builtin == "housekeeping":
            self._call(claim, "builtin", self._housekeep())
        else:
            self._finished(claim, JobResult(True, plan.kind))

    def _call(
        self, claim: Claim, kind: Literal["guard", "builtin"], function: Callable[[], JobResult]
    ) -> None:
        job = self._ports.jobs.call(function, self._ports.wake)
        self._flights.add(Flight(claim, kind, job=job))

    def _housekeep(self) -> Callable[[], JobResult]:
        ports = self._ports
        days = ports.limits.log_retention_days
        return housekeep(ports.layout, ports.engine, ports.launcher, ports.clock, days)

    def _finished(self, claim: Claim, answer: JobResult) -> None:
        """It is done already; the next pass settles it, with every retry that a disk may need."""
        flight = Flight(claim, "builtin")
        flight.result = job_result(answer)
        self._flights.add(flight)

    def _defer(self, claim: Claim) -> None:
        """A guard asked for a sub-session and there is no slot: back, until one is free."""
        self._ports.engine.put_back(claim)
        if self._keeper.defer(claim.tick.cadence):
            self._ports.journal.write(
                "info", "deferred", id=claim.tick.id, cadence=claim.tick.cadence,
                active_subsessions=self._flights.sessions(),
            )  # fmt: skip


def job_result(answer: JobResult) -> RunResult:
    """A job's answer in the terms of a run."""
    code = answer.exit_code if answer.exit_code is not None else 1
    return RunResult(
        outcome="ok" if answer.ok else "failed",
        exit_code=0 if answer.ok else max(code, BY_SIGNAL),
        signal=-code if code < 0 else None,
        reason=None if answer.ok else well_formed(answer.detail),  # it may name files
    )


def _unknown(cadence: str) -> str:
    return (
        "unknown cadence: it is not in config/cadences.toml and has no prompt"
        f" schedules/triggers/{cadence}.md"
    )
