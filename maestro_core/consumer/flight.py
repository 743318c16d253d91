"""What is being worked on right now: claimed ticks with the run or job that works on them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from maestro_core.consumer.jobs import Job
from maestro_core.models import Claim, Running, RunResult
from maestro_core.session.api import StopKind, Work

FlightKind = Literal["session", "command", "guard", "builtin"]


class Flight:
    """One claimed tick. `result` is kept until the bus has taken it (a full disk may refuse)."""

    def __init__(
        self, claim: Claim, kind: FlightKind, *, run_id: str = "",
        work: Work | None = None, job: Job | None = None,
    ) -> None:  # fmt: skip
        self.claim = claim
        self.kind = kind
        self.run_id = run_id
        self.work = work
        self.job = job
        self.result: RunResult | None = None
        self.lost = False
        """Somebody else has its claim: it is ended and never settled."""
        self.fenced = False
        """It was ended because the bus was silent for too long."""

    def stop_guard(self, kind: StopKind) -> None:
        """End a guard's processes: its tick goes back as that of a run would."""
        if self.kind == "guard" and self.job is not None and self.result is None:
            self.job.stop()
            self.result = RunResult(outcome=kind, exit_code=-1)

    @property
    def inline(self) -> bool:
        return self.kind != "session"


class Flights:
    """All of them, by cadence: a cadence never has two at once."""

    def __init__(self) -> None:
        self._by_cadence: dict[str, Flight] = {}

    def __iter__(self) -> Iterator[Flight]:
        return iter(list(self._by_cadence.values()))

    def __len__(self) -> int:
        return len(self._by_cadence)

    def __contains__(self, cadence: str) -> bool:
        return cadence in self._by_cadence

    def add(self, flight: Flight) -> None:
        self._by_cadence[flight.claim.tick.cadence] = flight

    def land(self, flight: Flight) -> None:
        self._by_cadence.pop(flight.claim.tick.cadence, None)

    def sessions(self) -> int:
        """Sub-sessions that take a slot."""
        return sum(1 for one in self._by_cadence.values() if one.kind == "session")

    def running(self) -> tuple[Running, ...]:
        """Not those that have ended and only wait for the bus to hear of it."""
        works = [one.work for one in self if one.work is not None and one.result is None]
        return tuple(work.running() for work in works)

    def stop(self, kind: StopKind, *, run_id: str | None = None, at_once: bool = False) -> bool:
        """Begin to end one run, or all of them; True when there was one."""
        works = [one.work for one in self if one.work and run_id in (None, one.run_id)]
        for work in works:
            work.stop(kind, at_once=at_once)
        if run_id is None:
            for one in self:
                one.stop_guard(kind)
        return bool(works)
