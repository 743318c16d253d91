"""What is read of an agent root, on whichever bus it has: its snapshot, its lists, its hints.

Nothing is connected yet when these return. Raises SettingsError: what is said of the bus cannot
be used; BusError: libraries are missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from maestro_core.clock import Clock, SystemClock
from maestro_core.layout import Layout
from maestro_core.observe.reader import SnapshotReader
from maestro_core.wiring.server import server_bus

if TYPE_CHECKING:
    from maestro_core.bus.feed import Feed
    from maestro_core.observe.reads import Reads


def reader_of(layout: Layout, clock: Clock | None = None, *, whole: bool = False) -> SnapshotReader:
    """See SnapshotReader for `whole`."""
    bus, clock = server_bus(layout), clock or SystemClock()
    if bus is None:
        return SnapshotReader(layout, clock, whole=whole)
    from maestro_core.fleet.open import host_of, open_link
    from maestro_core.fleet_view.parts import FleetParts

    link = open_link(layout, bus, read_only=True, check=False, clock=clock)
    source = FleetParts(
        layout, link, clock, here=host_of(bus), lease=bus.lease_seconds, whole=whole
    )
    return SnapshotReader(layout, clock, source=source)


def reads_of(layout: Layout, clock: Clock | None = None) -> Reads:
    bus = server_bus(layout)
    if bus is None:
        from maestro_core.observe.reads import FileReads

        return FileReads(layout)
    from maestro_core.fleet.open import host_of, open_link
    from maestro_core.fleet_view.reads import FleetReads

    clock = clock or SystemClock()
    link = open_link(layout, bus, read_only=True, check=False, clock=clock)
    return FleetReads(layout, link, clock, here=host_of(bus), lease=bus.lease_seconds)


def feed_of(layout: Layout, clock: Clock | None = None, *, step_ms: int) -> Feed:
    """Hints from the files, and from the server too where there is one."""
    from maestro_core.bus.watch import WatchFeed

    bus, files = server_bus(layout), WatchFeed(layout, step_ms=step_ms)
    if bus is None:
        return files
    from maestro_core.fleet.open import target_of
    from maestro_core.fleet_view.feed import JoinedFeed

    return JoinedFeed(files, target_of(layout, bus), clock or SystemClock())
