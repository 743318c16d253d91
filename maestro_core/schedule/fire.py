"""What `maestro-tui enqueue CADENCE --due` does: a timer says that it may be time.

The timer only wakes us; which due time it is, and whether it was enqueued before, is decided
here. So a timer may fire late, twice or once too often and a due time still comes once.
"""

from __future__ import annotations

from msgspec import Struct

from maestro_core import files
from maestro_core.bus.producer import publish_tick
from maestro_core.clock import SystemClock, iso
from maestro_core.errors import Refused
from maestro_core.layout import Layout
from maestro_core.models import Receipt, Tick, tick_document
from maestro_core.schedule.book import ScheduleBook
from maestro_core.schedule.produce import FileOutlet, Outlet, look
from maestro_core.settings import Settings, examine_settings


class Fired(Struct, frozen=True):
    """`tick_id` None = nothing was due. `note` says what a person should know, if anything."""

    tick_id: str | None
    fresh: bool = False
    note: str | None = None


def fire(
    layout: Layout, cadence: str, *, source: str, now: float | None = None,
    fs: files.FileSystem | None = None, outlet: Outlet | None = None,
) -> Fired:  # fmt: skip
    """Enqueue the cadence's latest due time unless that was done. `outlet` None = the folders.

    Raises:
        Refused: the cadence has no schedule.
        BusError, OSError: the disk would not have it.
    """
    disk = fs or files.OsFiles()
    settings = examine_settings(layout).settings  # faults elsewhere do not matter here
    producer = settings.producer(cadence)
    if producer is None:
        raise Refused(
            f"{cadence} has no schedule in {layout.cadences_toml}",
            "a timer for it is out of date: maestro-tui schedule install",
        )
    if producer == "consumer":
        note = f'nothing added: the consumer itself enqueues {cadence} (producer = "consumer")'
        return Fired(None, note=note)
    files.ensure_folders(disk, (layout.bus, layout.tmp, layout.schedule))
    with disk.lock(layout.schedule_lock):
        return _fire(layout, disk, settings, cadence, source, now, outlet)


def _fire(
    layout: Layout, fs: files.FileSystem, settings: Settings, cadence: str, source: str,
    now: float | None, outlet: Outlet | None,
) -> Fired:  # fmt: skip
    book = ScheduleBook(layout, fs)

    def enqueue(tick: Tick) -> Receipt:
        return Receipt(*publish_tick(layout, tick_document(tick), fs))

    outlet = outlet or FileOutlet(layout, fs, SystemClock(), enqueue)
    found = look(
        outlet, settings, cadence, before=book.read(cadence), source=source,
        now=outlet.now() if now is None else now, called=True,
    )  # fmt: skip
    if found.record is not None:
        book.write(cadence, found.record)
    if (produced := found.produced) is None:
        return Fired(None, note=f"nothing added: no due time of {cadence} is open")
    due = iso(produced.due)
    notes = {
        "covered": f"not added: {produced.tick_id} still waits and stands for {due} too",
        "there": f"not added: {produced.tick_id} is on the bus already",
    }
    return Fired(produced.tick_id, produced.word == "enqueued", notes.get(produced.word))
