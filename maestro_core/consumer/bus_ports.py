"""Where a consumer's ticks, gates, markers and commands are: in the files of its agent root,
or wherever else a `BusMaker` says. Called by the driver, in its thread, once the lock is held.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from maestro_core.bus.engine import Engine
from maestro_core.clock import Clock
from maestro_core.consumer.gate_store import Gates
from maestro_core.consumer.gates import GateBook
from maestro_core.consumer.holds import FileMarkers, Markers
from maestro_core.consumer.ports import Commands, SettingsSource, tell_nobody
from maestro_core.control.mailbox import Mailbox
from maestro_core.files import FileSystem
from maestro_core.layout import Layout
from maestro_core.models import Beat, Claim, RunResult, RunRow
from maestro_core.schedule.produce import Outlet


class Bus(NamedTuple):
    """Everything of a consumer that several consumers could share."""

    engine: Engine
    gates: Gates
    markers: Markers
    mailbox: Commands
    publish_beat: Callable[[Beat], None] = tell_nobody
    publish_run: Callable[[Claim, RunResult, str], None] = tell_nobody
    outlet: Outlet | None = None


class Place(NamedTuple):
    """What a bus is made from. It is closed by `closing`; `tell` takes hints from any thread."""

    layout: Layout
    clock: Clock
    fs: FileSystem
    settings: SettingsSource
    redact: Callable[[str], str]
    run_row: Callable[[str], RunRow | None]
    """A run's row of the ledger."""
    newest_runs: Callable[[int], Sequence[RunRow]]
    """So many of the ledger's rows, newest first."""
    tell: Callable[..., None]
    closing: ExitStack


BusMaker = Callable[[Place], Bus]
"""Raises OSError, BusError or SettingsError."""


def directory_bus(place: Place) -> Bus:
    """The files of one agent root."""
    from maestro_core.bus.directory import DirectoryEngine

    layout, clock, fs = place.layout, place.clock, place.fs
    engine = DirectoryEngine(layout, clock=clock, fs=fs, owner=f"{os.getpid()}")
    place.closing.callback(engine.close)
    return Bus(
        engine,
        GateBook(layout, clock, fs),
        FileMarkers(layout, fs),
        Mailbox(layout, fs, clock),
    )
