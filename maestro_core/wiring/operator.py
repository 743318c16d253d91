"""The operator of an agent root, on whichever bus it has."""

from __future__ import annotations

from collections.abc import Callable

from maestro_core.clock import Clock, SystemClock
from maestro_core.control.acts import Acts, FileActs
from maestro_core.control.commands import Actor
from maestro_core.control.operator import WAIT_SECONDS, Operator
from maestro_core.journal import Journal
from maestro_core.layout import Layout
from maestro_core.wiring.server import server_bus


def acts_of(
    layout: Layout, *, clock: Clock | None = None, redact: Callable[[str], str] = str,
    wait_seconds: float = WAIT_SECONDS, on_wait: Callable[[str], None] | None = None,
) -> Acts:  # fmt: skip
    """Nothing is connected yet. Raises SettingsError: what is said of the bus cannot be used."""
    clock = clock or SystemClock()
    journal, bus = Journal(layout, clock, redact), server_bus(layout)
    if bus is None:
        return FileActs(layout, clock, journal, wait_seconds, on_wait)
    from maestro_core.fleet.acts import FleetActs

    return FleetActs(layout, bus, clock, journal, wait_seconds, on_wait)


def operator_of(
    layout: Layout, *, actor: Actor, read_only: bool = False, clock: Clock | None = None,
    redact: Callable[[str], str] = str, on_wait: Callable[[str], None] | None = None,
) -> Operator:  # fmt: skip
    """Acts in that person's name. Raises SettingsError, or BusError: libraries are missing."""
    acts = acts_of(layout, clock=clock, redact=redact, on_wait=on_wait)
    return Operator(layout, actor=actor, read_only=read_only, clock=clock, redact=redact, acts=acts)
