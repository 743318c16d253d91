"""What is to be done with a claimed tick: which mode its cadence has, and what that means."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from maestro_core.files import FileSystem
from maestro_core.layout import Layout
from maestro_core.models import Tick
from maestro_core.session.api import RunSpec
from maestro_core.settings import CadenceSettings, Handler, Settings

BuiltIn = Literal["heartbeat", "housekeeping", "doctor"]


class Plan(Struct, frozen=True):
    """`kind`: session, command (an inline command), builtin, guard (ask its command first),
    look (ask first whether a file matches `argv[0]`), idle (a guard found nothing to do),
    unknown."""

    kind: Literal["session", "command", "builtin", "guard", "look", "idle", "unknown"]
    builtin: BuiltIn | None = None
    argv: tuple[str, ...] = ()


SESSION = Plan("session")


def plan_for(tick: Tick, settings: Settings, layout: Layout, fs: FileSystem) -> Plan:
    """Looks at the settings and for the prompt; changes nothing."""
    cadence = settings.cadences.get(tick.cadence)
    if cadence is None:
        return SESSION if fs.exists(layout.prompt(tick.cadence)) else Plan("unknown")
    if cadence.mode == "inline":
        return _inline(cadence)
    if cadence.mode == "guarded" and cadence.guard:
        if cadence.guard.command:
            return Plan("guard", argv=cadence.guard.command)
        if cadence.guard.files:
            return Plan("look", argv=(cadence.guard.files,))
    return SESSION


def passed_guard(cadence: CadenceSettings | None) -> Plan:
    """A guard that saw no reason to escalate: the handler if there is one, else nothing to do."""
    if cadence is not None and cadence.handler is not None:
        return _inline(cadence)
    return Plan("idle")


def takes_slot(cadence: CadenceSettings | None) -> bool:
    """Whether every tick of it needs a sub-session: then it is not claimed without a slot."""
    return cadence is None or cadence.mode == "escalate"


def spec_for(
    tick: Tick, run_id: str, settings: Settings, argv: tuple[str, ...], lease: float | None
) -> RunSpec:
    """The run of a tick; `argv` is an inline command, () for claude. `lease`: seconds for which
    a claim lasts, None = for ever."""
    cadence = settings.cadences.get(tick.cadence) or CadenceSettings()
    timeout = cadence.timeout_seconds or settings.consumer.timeout_seconds
    return RunSpec(
        run_id=run_id,
        tick=tick,
        timeout_seconds=timeout,
        kill_grace_seconds=settings.consumer.kill_grace_seconds,
        lease_seconds=lease or 0.0,
        model=cadence.model,
        max_turns=cadence.max_turns,
        permission_mode=cadence.permission_mode,
        args=cadence.args,
        command=argv or None,
    )


def _inline(cadence: CadenceSettings) -> Plan:
    if isinstance(cadence.handler, Handler):
        return Plan("command", argv=cadence.handler.command)
    return Plan("builtin", builtin=cadence.handler or "heartbeat")
