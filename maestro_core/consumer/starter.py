"""Puts a claimed tick to work: a sub-session, an inline command, a built-in, or a guard first.

Owner: the consumer's thread. Nothing here blocks; guards and commands become flights.
"""

from __future__ import annotations

import os
from typing import Literal

from maestro_core.consumer.flight import Flight, Flights
from maestro_core.consumer.gatekeeper import Gatekeeper
from maestro_core.consumer.handlers import doctor_call, housekeep
from maestro_core.consumer.jobs import JobResult
from maestro_core.consumer.plan import Plan, passed_guard, plan_for, spec_for
from maestro_core.consumer.ports import Ports
from maestro_core.consumer.settle import Settler
from maestro_core.models import Claim, RunResult


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
            job = self._ports.jobs.command(plan.argv, self._ports.wake)
            self._flights.add(Flight(claim, "guard", job=job))
        else:
            self._inline(claim, plan)

    def after_guard(self, claim: Claim, answer: JobResult) -> None:
        """Exit 0 escalates; any other code means there is nothing for a sub-session to do."""
        if answer.ok:
            self._session(claim)
        elif answer.exit_code is None:
            self._finished(claim, answer)
        else:
            cadence = self._ports.settings.cadences.get(claim.tick.cadence)
            self._inline(claim, passed_guard(cadence))

    def _session(self, claim: Claim) -> None:
        if not self._keeper.slot_free():
            self._defer(claim)
        elif self._keeper.stop_now():
            self._ports.engine.put_back(claim)
        else:
            self._keeper.session_started = True
            self._launch(claim, "session", ())

    def _launch(
        self, claim: Claim, kind: Literal["session", "command"], argv: tuple[str, ...]
    ) -> None:
        run_id = f"{claim.tick.id[-64:]}.{claim.tick.attempts}.{os.urandom(3).hex()}"
        spec = spec_for(claim.tick, run_id, self._ports.settings, argv)
        work = self._ports.launcher.start(spec, self._ports.wake)
        self._flights.add(Flight(claim, kind, run_id=run_id, work=work))

    def _inline(self, claim: Claim, plan: Plan) -> None:
        if plan.kind == "unknown":
            self._settler.dead_letter(claim, _unknown(claim.tick.cadence), "unknown_cadence")
        elif plan.kind == "command":
            self._launch(claim, "command", plan.argv)
        elif plan.builtin == "doctor":
            call = doctor_call(self._ports.layout, self._ports.settings)
            job = self._ports.jobs.call(call, self._ports.wake)
            self._flights.add(Flight(claim, "builtin", job=job))
        elif plan.builtin == "housekeeping":
            self._finished(claim, self._housekeep())
        else:
            self._finished(claim, JobResult(True, plan.kind))

    def _housekeep(self) -> JobResult:
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
    failed_code = answer.exit_code if answer.exit_code is not None else 1
    return RunResult(
        outcome="ok" if answer.ok else "failed",
        exit_code=0 if answer.ok else failed_code,
        reason=None if answer.ok else answer.detail,
    )


def _unknown(cadence: str) -> str:
    return (
        "unknown cadence: it is not in config/cadences.toml and has no prompt"
        f" schedules/triggers/{cadence}.md"
    )
