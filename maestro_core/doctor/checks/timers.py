"""Whether launchd or systemd has the timers that the schedules ask for."""

from __future__ import annotations

from maestro_core.doctor.context import Check, Context
from maestro_core.doctor.finding import Verdict, ok, skip, warn
from maestro_core.errors import MaestroError
from maestro_core.files import OsFiles
from maestro_core.service.identity import identity
from maestro_core.service.job import TICK
from maestro_core.service.manager import Manager, make_manager, manager_kind
from maestro_core.service.schedules import Overview, overview
from maestro_core.service.shell import SystemShell
from maestro_core.service.timers import timed

_BRING = "maestro-tui schedule install"
_FAULTS = ("missing", "outdated", "not loaded", "impossible")


def installed(context: Context) -> Verdict:
    wanted = timed(context.settings)
    try:
        manager = _manager(context)
        if not wanted and not manager.present(TICK):
            return skip("no cadence wants a timer: the consumer enqueues what is due")
        found = overview(context.layout, context.settings, manager, context.clock.wall())
    except MaestroError as error:
        if not wanted:
            return skip("no cadence wants a timer: the consumer enqueues what is due")
        names = ", ".join(wanted)
        return warn(f"{names}: nobody enqueues when due: {error.message}", error.hint or _BRING)
    return _judge(found, len(wanted))


def _judge(found: Overview, wanted: int) -> Verdict:
    faults = [
        f"{one.cadence}: {one.job}" + (f" ({one.why})" if one.why else "")
        for one in found.entries
        if one.producer == "timer" and one.job in _FAULTS
    ]
    faults += [f"{name}: its timer is not wanted any more" for name in found.leftovers]
    if faults:
        return warn("\n".join(faults), _BRING)
    if found.unavailable is not None:
        return warn(f"{wanted} installed, but none is loaded: {found.unavailable}", _BRING)
    return ok(f"{wanted} installed")


def _manager(context: Context) -> Manager:
    """This machine's. Raises Refused when it has none."""
    env, layout = context.environ, context.layout
    return make_manager(manager_kind(env), identity(layout, env), SystemShell(), env, OsFiles())


CHECKS = (Check("settings.timers", "Schedules installed", installed, 15.0),)
