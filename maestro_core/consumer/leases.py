"""Claims as leases: they are kept while their work goes on, and given up when they are lost.

On a bus of this agent root's own only an operator's hand can take a claim away; on one that
others share, a lease runs out, and the claims of consumers that died have to be asked for
again and again. Owner: the consumer's thread.
"""

from __future__ import annotations

from maestro_core.consumer.flight import Flight, Flights
from maestro_core.consumer.ports import Ports
from maestro_core.consumer.recovery import take_over
from maestro_core.consumer.settle import Settler
from maestro_core.consumer.trouble import Trouble
from maestro_core.models import RunResult

TAKE_OVER_SECONDS = 10.0
"""How often the claims of others that are gone are asked for, on a shared bus."""


class Leases:
    """`keep` at every beat, `take_over` once a pass."""

    def __init__(self, ports: Ports, flights: Flights, settler: Settler, trouble: Trouble) -> None:
        self._ports = ports
        self._flights = flights
        self._settler = settler
        self._trouble = trouble
        self._took_over_at = ports.clock.steady()

    def keep(self) -> None:
        """Renew them. What is lost is ended as at a shutdown, and never settled."""
        ours = {flight.claim.token: flight for flight in self._flights if not flight.lost}
        claims = [flight.claim for flight in ours.values()]
        with self._trouble.standing("cannot keep its claims"):
            for claim in self._ports.engine.heartbeat(claims) if claims else []:
                self._lose(ours[claim.token])

    def take_over(self) -> None:
        """Others may have died while this one lives."""
        ports, now = self._ports, self._ports.clock.steady()
        if ports.engine.shared and now - self._took_over_at >= TAKE_OVER_SECONDS:
            self._took_over_at = now
            with self._trouble.standing("cannot take over from others"):
                take_over(ports.engine, ports.launcher, self._settler, ports.journal)

    def _lose(self, flight: Flight) -> None:
        flight.lost = True
        self._ports.journal.write(
            "error", "claim_lost", id=flight.claim.tick.id, cadence=flight.claim.tick.cadence,
            run_id=flight.run_id, error="somebody else has the claim: its run is ended",
        )  # fmt: skip
        if flight.work is not None:
            flight.work.stop("shutdown")
            return
        flight.stop_guard("shutdown")
        flight.result = flight.result or RunResult(outcome="shutdown", exit_code=-1)
