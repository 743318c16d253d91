"""A consumer's bus where a fleet shares it: a BusMaker (see consumer/bus_ports.py).

Prompts, settings, ledger, journal and logs stay in the agent root; ticks, gates, markers and
commands are on the server. All of it goes over one connection, in the consumer's thread.
"""

from __future__ import annotations

import os
import socket

from maestro_core import files
from maestro_core.bus_setting import bus_of
from maestro_core.clock import Clock
from maestro_core.consumer.bus_ports import Bus, Place
from maestro_core.consumer.holds import FileMarkers
from maestro_core.consumer.ports import SettingsSource
from maestro_core.control.mailbox import Mailbox
from maestro_core.errors import BusError
from maestro_core.files import FileSystem
from maestro_core.fleet.feed import Listener
from maestro_core.fleet.gates import FLEET, GateBoard
from maestro_core.fleet.hosts import Hosts
from maestro_core.fleet.intake import HostEngine
from maestro_core.fleet.mailbox import FleetMailbox
from maestro_core.fleet.markers import FleetMarkers
from maestro_core.fleet.open import PATIENCE, host_of, open_link
from maestro_core.fleet.schedules import FleetOutlet
from maestro_core.fleet.shared_gates import SharedGates
from maestro_core.fleet.stop import JoinedMailbox, JoinedMarkers
from maestro_core.fleet.voice import Tails, Voice
from maestro_core.layout import NAME, Layout

_HINTS = frozenset({"queue", "gates", "commands"})
"""What a consumer acts on; heartbeats and ended runs of others are for consoles."""

LOOKS = 6
"""Calls that may fail in a row, each after all its patience, within the lease of what runs."""

_QUIET = 0.2
_LABELS_SECONDS = 1.0


def fleet_bus(place: Place) -> Bus:
    """The server of this agent root. Raises BusError, Busy, SettingsError or OSError."""
    layout, clock, bus = place.layout, place.clock, bus_of(place.layout)
    host, labels = host_of(bus), Labels(layout, place.fs, place.settings, clock)
    patience = min(PATIENCE, bus.lease_seconds / LOOKS)
    link = open_link(layout, bus, clock=clock, patience=patience)
    place.closing.callback(link.close)
    hosts = Hosts(
        link, host, place_of(layout, place.fs), address=socket.gethostname(), root=str(layout.root)
    )
    hosts.take(bus.lease_seconds)
    place.closing.callback(_leave, hosts)
    engine = HostEngine(
        link, layout, place.fs, clock=clock, host=host, per_cadence=bus.per_cadence,
        lease=bus.lease_seconds, runs_here=lambda cadence: cadence in labels.names(),
    )  # fmt: skip
    place.closing.callback(engine.close_inbox)
    listener = Listener(link.target, clock, place.tell, payloads=_HINTS, quiet=_QUIET)
    place.closing.callback(listener.close)
    board = GateBoard(link, FLEET, host)
    tails = Tails(hosts, layout.root, place.redact)
    voice = Voice(hosts, tails, labels.names, place.run_row, place.newest_runs)
    return Bus(
        engine,
        SharedGates(link, clock, host, board),
        JoinedMarkers(FleetMarkers(link), board, FileMarkers(layout, place.fs)),
        JoinedMailbox(FleetMailbox(link, host), Mailbox(layout, place.fs, clock)),
        voice.beat,
        voice.run,
        FleetOutlet(engine),
    )


class Labels:
    """The cadences that this host can run: those of its settings, and those with a prompt."""

    def __init__(
        self, layout: Layout, fs: FileSystem, settings: SettingsSource, clock: Clock
    ) -> None:
        self._layout = layout
        self._fs = fs
        self._settings = settings
        self._clock = clock
        self._looked_at = float("-inf")
        self._names: frozenset[str] = frozenset()

    def names(self) -> frozenset[str]:
        """Looked up anew every second."""
        now = self._clock.steady()
        if not 0 <= now - self._looked_at < _LABELS_SECONDS:
            self._looked_at = now
            self._names = frozenset({*self._settings.settings.cadences, *self._prompts()})
        return self._names

    def _prompts(self) -> list[str]:
        try:
            names = self._fs.names(self._layout.triggers)
        except (FileNotFoundError, NotADirectoryError):
            return []
        stems = (name.removesuffix(".md") for name in names if name.endswith(".md"))
        return [stem for stem in stems if NAME.match(stem)]


def place_of(layout: Layout, fs: FileSystem) -> str:
    """What tells this agent root on this machine from all others, and from a copy of it."""
    try:
        number = fs.read(layout.host_id, 64).decode("ascii", "replace").strip()
    except FileNotFoundError:
        number = os.urandom(8).hex()
        files.replace(fs, layout.tmp, layout.host_id, f"{number}\n".encode())
    return f"{number}@{socket.gethostname()}"


def _leave(hosts: Hosts) -> None:
    """Without a server nobody can be told: the name is free again after the lease."""
    try:
        hosts.leave()
    except BusError:
        return
