"""The server of a fleet: it is there, has the tables of this version, and nobody listens in."""

from __future__ import annotations

from maestro_core.bus_setting import bus_of
from maestro_core.doctor.context import Check, Context
from maestro_core.doctor.finding import Verdict, fail, ok, skip, unchecked, warn
from maestro_core.errors import MaestroError


def server(context: Context) -> Verdict:
    try:
        bus = bus_of(context.layout, context.environ)
        if bus.server is None:
            return skip("the bus is the folders of this agent root")
        if context.offline:
            return unchecked("offline: the server is not asked")
        from maestro_core.fleet.open import target_of
        from maestro_core.fleet.status import read_status, state_of

        target = target_of(context.layout, bus, context.environ)
        found = read_status(context.layout, bus, context.environ)
    except MaestroError as error:
        return fail(error.message, error.hint)
    document = found.document()
    if document["problem"]:
        return fail(document["problem"], document["remedy"])
    live = sum(state_of(view) == "live" for view in found.hosts)
    said = f"{target.shown}: schema {document['schema']}, {live} of {len(found.hosts)} hosts live"
    if not target.verified:
        return warn(
            f"{said}; whoever is between could read and change everything",
            "add ?sslmode=verify-full to its address",
        )
    return ok(said)


CHECKS = (Check("bus.server", "Server of the fleet", server, 12.0),)
