"""Claims as leases: they are kept while their work goes on, and given up when they are lost.

On a bus of this agent root's own only an operator's hand can take a claim away; on one that
others share, a lease runs out, and the claims of consumers that died have to be asked for
again and again. Owner: the consumer's thread.
"""

from __future__ import annotations

from collections.abc import Iterable

from maestro_core.consumer.flight import Flight, Flights
from maestro_core.consumer.ports import Ports
from maestro_core.consumer.recovery import give_back
from maestro_core.consumer.settle import Settler
from maestro_core.consumer.trouble import Trouble
from maestro_core.models import RunResult

TAKE_OVER_SECONDS = 10.0
"""How often the claims of others that are gone are asked for, on a shared bus."""

SILENT_SHARE = 2 / 3
"""Of a lease may go by without an answer from the bus before what runs is ended."""

QUICK = 24
"""An answer within so small a part of the lease counts for the runs themselves."""

KILL_SECONDS = 15.0
"""With less left of a lease there is no time for a grace."""


class Leases:
    """`keep` at every beat, `take_over` once a pass."""

    def __init__(self, ports: Ports, flights: Flights, settler: Settler, trouble: Trouble) -> None:
        self._ports = ports
        self._flights = flights
        self._settler = settler
        self._trouble = trouble
        self._took_over_at = ports.clock.steady()
        self._kept_at: dict[str, float] = {}
        """Token -> when it was certainly ours, in steady seconds."""

    def keep(self) -> None:
        """Renew them. What is lost is ended, and never settled."""
        ours = {flight.claim.token: flight for flight in self._flights if not flight.lost}
        claims = [flight.claim for flight in ours.values()]
        now = self._ports.clock.steady()
        self._kept_at = {token: self._kept_at.get(token, now) for token in ours}
        with self._trouble.standing("cannot keep its claims"):
            lost = self._ports.engine.heartbeat(claims) if claims else []
            self._kept_at = dict.fromkeys(ours, now)
            self._renew(ours.values(), self._ports.clock.steady() - now)
            for claim in lost:
                self._lose(ours[claim.token])
        self._fence(ours)

    def _renew(self, flights: Iterable[Flight], took: float) -> None:
        """Tell what runs. A slow answer is none: who knows when the bus wrote it down."""
        lease = self._ports.engine.lease
        if lease is not None and took < lease / QUICK:
            for flight in flights:
                if flight.work is not None:
                    flight.work.renew()

    def _fence(self, ours: dict[str, Flight]) -> None:
        """End what nobody has confirmed for too long, while there is time: at the end of the
        lease another host may start the same tick. It is put back as soon as the bus hears."""
        lease = self._ports.engine.lease
        if lease is None:
            return
        now = self._ports.clock.steady()  # the try to reach the bus has taken its time
        for token, flight in ours.items():
            silent = now - self._kept_at[token]
            if silent > lease * SILENT_SHARE and flight.result is None and not flight.fenced:
                flight.fenced = True
                self._tell(flight, "lease_runs_out", "the bus is silent: its run is ended")
                self._end(flight, at_once=lease - silent < KILL_SECONDS)

    def take_over(self) -> None:
        """Others may have died while this one lives. What they ran, ran elsewhere: here every
        process is that of a run of our own."""
        ports, now = self._ports, self._ports.clock.steady()
        lease = ports.engine.lease
        if lease is None:
            return
        if now - self._took_over_at >= min(TAKE_OVER_SECONDS, lease / 2):
            self._took_over_at = now
            with self._trouble.standing("cannot take over from others"):
                give_back(ports.engine.abandoned(), ports.engine, self._settler, ports.journal)

    def _lose(self, flight: Flight) -> None:
        flight.lost = True
        self._tell(flight, "claim_lost", "somebody else has the claim: its run is ended")
        self._end(flight)

    def _tell(self, flight: Flight, stage: str, why: str) -> None:
        self._ports.journal.write(
            "error", stage, id=flight.claim.tick.id, cadence=flight.claim.tick.cadence,
            run_id=flight.run_id, error=why,
        )  # fmt: skip

    def _end(self, flight: Flight, *, at_once: bool = False) -> None:
        if flight.work is not None:
            flight.work.stop("lease", at_once=at_once)
            return
        flight.stop_guard("lease")
        flight.result = flight.result or RunResult(outcome="lease", exit_code=-1)
