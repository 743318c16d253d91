"""Where a consumer's ticks, gates, markers and commands are: in the files of its agent root,
or wherever else a `BusMaker` says. Called by the driver, in its thread, once the lock is held.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from typing import NamedTuple

from maestro_core.bus.engine import Engine
from maestro_core.clock import Clock
from maestro_core.consumer.gate_store import Gates
from maestro_core.consumer.gates import GateBook
from maestro_core.consumer.holds import FileMarkers, Markers
from maestro_core.consumer.ports import Commands, tell_nobody
from maestro_core.control.mailbox import Mailbox
from maestro_core.files import FileSystem
from maestro_core.layout import Layout
from maestro_core.models import Beat, Claim, RunResult


class Bus(NamedTuple):
    """Everything of a consumer that several consumers could share."""

    engine: Engine
    gates: Gates
    markers: Markers
    mailbox: Commands
    publish_beat: Callable[[Beat], None] = tell_nobody
    publish_run: Callable[[Claim, RunResult, str], None] = tell_nobody


BusMaker = Callable[[Layout, Clock, FileSystem, ExitStack], Bus]
"""What it opens is closed by the stack. Raises OSError, BusError or SettingsError."""


def directory_bus(layout: Layout, clock: Clock, fs: FileSystem, closing: ExitStack) -> Bus:
    """The files of one agent root."""
    from maestro_core.bus.directory import DirectoryEngine

    engine = DirectoryEngine(layout, clock=clock, fs=fs, owner=f"{os.getpid()}")
    closing.callback(engine.close)
    return Bus(
        engine,
        GateBook(layout, clock, fs),
        FileMarkers(layout, fs),
        Mailbox(layout, fs, clock),
    )
