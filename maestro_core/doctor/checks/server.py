"""The server of a fleet: it is there, has the tables of this version, tells of changes, has this
machine's time, hears of its hosts, and nobody listens in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from maestro_core.bus_setting import bus_of
from maestro_core.clock import SystemClock
from maestro_core.doctor.context import Check, Context
from maestro_core.doctor.finding import Verdict, fail, ok, skip, unchecked, warn
from maestro_core.errors import MaestroError
from maestro_core.settings_types import BusSettings

if TYPE_CHECKING:
    from maestro_core.fleet.hosts import HostView
    from maestro_core.fleet.probe import Probe

MOST_AHEAD = 5.0
"""Seconds: times are the server's, but cron and the logs are not."""
FORGOTTEN = 7 * 86400.0
"""Seconds of silence after which nobody waits for a host any more."""


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
        seen = _probe(context, bus) if found.schema and not found.schema.words else None
    except MaestroError as error:
        return fail(error.message, error.hint)
    document = found.document()
    if document["problem"]:
        return fail(document["problem"], document["remedy"])
    live = sum(state_of(view) == "live" for view in found.hosts)
    said = f"{target.shown}: schema {document['schema']}, {live} of {len(found.hosts)} hosts live"
    wrong = [*_of_probe(seen), *_of_hosts(found.hosts)]
    if not target.verified:
        wrong.append(
            (
                "whoever is between could read and change everything",
                "add ?sslmode=verify-full to its address",
            )
        )
    if not wrong:
        return ok(said)
    told, remedies = zip(*wrong, strict=True)
    return warn("; ".join((said, *told)), "\n".join(remedies))


def _probe(context: Context, bus: BusSettings) -> Probe:
    from maestro_core.fleet.open import open_link
    from maestro_core.fleet.probe import probe

    link = open_link(context.layout, bus, read_only=True, check=False, environ=context.environ)
    try:
        return probe(link, SystemClock())
    finally:
        link.close()


def _of_probe(seen: Probe | None) -> Iterator[tuple[str, str]]:
    if seen is None:
        return
    if not seen.hears:
        yield (
            "hints do not arrive (LISTEN/NOTIFY): everything is noticed late",
            "connect to the server itself, not through a pooler of transactions",
        )
    if abs(seen.ahead) > MOST_AHEAD:
        side = "ahead of" if seen.ahead > 0 else "behind"
        yield (
            f"this machine's clock is {abs(seen.ahead):.0f} s {side} the server's",
            "let both machines set their clocks (NTP)",
        )


def _of_hosts(hosts: Sequence[HostView]) -> Iterator[tuple[str, str]]:
    from maestro_core.fleet.status import state_of

    silent = [view for view in hosts if state_of(view) == "stale" and view.age < FORGOTTEN]
    if silent:
        names = ", ".join(f"{view.host} ({view.age:.0f} s)" for view in silent[:5])
        more = f" and {len(silent) - 5} more" if len(silent) > 5 else ""
        yield f"not heard of: {names}{more}", "look whether a consumer runs on those hosts"


CHECKS = (Check("bus.server", "Server of the fleet", server, 12.0),)
