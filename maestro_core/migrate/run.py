"""`migrate`: one move from its lock to its report."""

from __future__ import annotations

from maestro_core.clock import Clock, SystemClock
from maestro_core.consumer.breaker import BreakerPolicy
from maestro_core.consumer.ownership import Ownership
from maestro_core.files import FileSystem, OsFiles
from maestro_core.fleet.connect import Link
from maestro_core.layout import Layout
from maestro_core.migrate import plan
from maestro_core.migrate.level import FolderSide, ServerSide
from maestro_core.migrate.move import Direction, Move, Report, Tell
from maestro_core.migrate.to_folders import to_folders
from maestro_core.migrate.to_server import to_server
from maestro_core.migrate.yard import Yard


def migrate(
    layout: Layout, link: Link, to: Direction, *, policy: BreakerPolicy, host: str,
    dry_run: bool = False, clock: Clock | None = None, fs: FileSystem | None = None,
    tell: Tell = lambda _: None,
) -> Report:  # fmt: skip
    """Move the bus of this agent root, or go on with the move that is unfinished. `host` is its
    name among those of the fleet.

    Raises:
        Busy: a consumer works on this agent root.
        Refused: something has to be done first; the message says what.
        OSError, BusError: begin again once that is mended; nothing is lost or doubled.
    """
    clock, fs = clock or SystemClock(), fs or OsFiles()
    yard = Yard(layout, fs, clock)
    folders, server = FolderSide(layout, fs, clock, policy), ServerSide(link, clock, host)
    if dry_run:
        return plan.rehearse(yard, link, to, folders, server)
    lock = Ownership.acquire(layout, what="migrate")
    try:
        plan.refuse(yard, link, to)
        move = Move(yard, link, clock, to, tell)
        return (to_server if to == "server" else to_folders)(move, folders, server)
    finally:
        lock.release()
