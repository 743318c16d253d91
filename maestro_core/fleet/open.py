"""A connection to the server of an agent root, checked. The door to everything in this package.

    from maestro_core.bus_setting import bus_of

    bus = bus_of(layout)                          # cheap; imports nothing of this package
    if bus.server is not None:
        from maestro_core.fleet.open import host_of, open_link

        link = open_link(layout, bus, read_only=True)
        hosts = Hosts(link).all()                 # Hosts, PostgresEngine, FleetMarkers, …
        link.close()

`read_only`: the server refuses every change, and a role that may only read is enough. A link
belongs to one thread at a time and comes back by itself after the server was away. This module
itself needs no library: where the optional ones are missing, `open_link` says what to install.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING

from maestro_core.clock import Clock, SystemClock
from maestro_core.envfile import read_env
from maestro_core.errors import BusError
from maestro_core.layout import Layout
from maestro_core.settings_types import BusSettings

if TYPE_CHECKING:
    from maestro_core.fleet.connect import Link, Target

EXTRA = "maestro-tui[fleet]"

PATIENCE = 15.0
"""Seconds that one call waits for a server that is connected and does not answer. TCP notices a
machine that is gone, not one that hangs with its connections open."""


def host_of(bus: BusSettings) -> str:
    """The name of this agent root's consumer among those of the fleet."""
    return bus.host or socket.gethostname()


def require() -> None:
    """BusError when the libraries for a server are not installed."""
    try:
        import pgqueuer
        import psycopg
    except ImportError as error:
        raise BusError(
            f"a bus on a server needs a library that is not installed: {error.name}",
            f'install "{EXTRA}"',
        ) from error
    del pgqueuer, psycopg


def target_of(layout: Layout, bus: BusSettings, environ: Mapping[str, str] | None = None) -> Target:
    """Where the server is; its text forms hold no password.

    Raises:
        BusError: the root's bus is no server, or the libraries for one are not installed.
        SettingsError: the address cannot be used.
    """
    if bus.server is None:
        raise BusError(f"the bus of {layout.root} is its own folders", "see docs/fleet.md")
    require()
    from maestro_core.fleet.connect import parse

    environ = os.environ if environ is None else environ
    return parse(bus.server, {**read_env(layout.env_file, environ).values, **environ})


def open_link(
    layout: Layout, bus: BusSettings, *, read_only: bool = False, check: bool = True,
    clock: Clock | None = None, environ: Mapping[str, str] | None = None,
    patience: float | None = PATIENCE,
) -> Link:  # fmt: skip
    """A live connection to a bus that has the schema of this program (`check`; without, it
    may have any, and nothing is connected yet). `patience`: seconds that one call may take,
    None = as long as it takes.

    Raises:
        BusError: no server, libraries missing, not reachable, or another schema: in words.
        SettingsError: the address cannot be used.
    """
    target = target_of(layout, bus, environ)
    from maestro_core.fleet import schema
    from maestro_core.fleet.connect import Link

    link = Link(target, clock or SystemClock(), read_only=read_only, patience=patience)
    if check:
        try:
            schema.check(link)
        except BaseException:
            link.close()
            raise
    return link
