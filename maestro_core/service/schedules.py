"""Every schedule of an agent root: when it is due, who enqueues it, how its timer stands."""

from __future__ import annotations

from itertools import islice

from msgspec import Struct

from maestro_core.errors import MaestroError
from maestro_core.files import OsFiles
from maestro_core.layout import Layout
from maestro_core.schedule.book import ScheduleBook
from maestro_core.schedule.decide import Record
from maestro_core.service.job import TICK, Job
from maestro_core.service.manager import Manager
from maestro_core.service.timers import timer_jobs
from maestro_core.settings import Producer, Settings
from maestro_core.settings_schedule import dues_after, zone

NEXT = 3
"""Due times ahead that are told."""


class Entry(Struct, frozen=True, kw_only=True):
    """One cadence with a schedule. Times are wall epoch seconds."""

    cadence: str
    schedule: str
    producer: Producer
    next_due: tuple[float, ...]
    last: Record | None
    job: str
    """installed | not loaded | outdated | missing | impossible | leftover | not needed | unknown"""
    why: str | None = None


class Overview(Struct, frozen=True, kw_only=True):
    """`manager` None = this machine has none that we know."""

    entries: tuple[Entry, ...]
    time_zone: str | None
    manager: str | None
    unavailable: str | None
    """Why timers cannot be loaded here and now."""
    leftovers: tuple[str, ...] = ()
    """Cadences with a timer that is not wanted any more."""


def overview(layout: Layout, settings: Settings, manager: Manager | None, now: float) -> Overview:
    """Reads files, and asks the manager for each timer. Raises Refused for a foreign file."""
    why = manager.unavailable() if manager is not None else "no launchd and no systemd here"
    told = _jobs(manager, settings, reachable=why is None) if manager is not None else {}
    names = [name for name, own in sorted(settings.cadences.items()) if own.schedule is not None]
    book = ScheduleBook(layout, OsFiles())
    return Overview(
        entries=tuple(_entry(settings, name, book, told, now) for name in names),
        time_zone=settings.schedules.time_zone,
        manager=manager.kind if manager is not None else None,
        unavailable=why,
        leftovers=tuple(sorted(name for name, (job, _) in told.items() if job == "leftover")),
    )


def _entry(
    settings: Settings, cadence: str, book: ScheduleBook, told: dict[str, tuple[str, str | None]],
    now: float,
) -> Entry:  # fmt: skip
    schedule = settings.cadences[cadence].schedule or ""
    producer = settings.producer(cadence) or "timer"
    dues = dues_after(schedule, now, zone(settings.schedules.time_zone))
    job, why = told.get(cadence, ("not needed" if producer == "consumer" else "unknown", None))
    return Entry(
        cadence=cadence, schedule=schedule, producer=producer,
        next_due=tuple(islice(dues, NEXT)), last=_remembered(book, cadence), job=job, why=why,
    )  # fmt: skip


def _remembered(book: ScheduleBook, cadence: str) -> Record | None:
    try:
        return book.read(cadence)
    except OSError:
        return None  # what cannot be read is not known; the doctor says why


def _jobs(
    manager: Manager, settings: Settings, *, reachable: bool
) -> dict[str, tuple[str, str | None]]:
    """Cadence -> (how its timer stands, why), for those that have or should have one."""
    try:
        wanted, impossible = timer_jobs(manager, settings)
    except MaestroError as error:
        return {name: ("impossible", str(error)) for name in settings.cadences}
    present = {job.name: job for job in manager.present(TICK)}
    told: dict[str, tuple[str, str | None]] = {
        job.name.removeprefix(TICK): ("leftover", "its timer is not wanted any more")
        for job in present.values()
    }
    for job in wanted:
        told[job.name.removeprefix(TICK)] = _standing(manager, job, present, reachable=reachable)
    for one in impossible:
        told[one.schedule.partition(":")[0]] = ("impossible", f"{one.why}; {one.hint}")
    return told


def _standing(
    manager: Manager, job: Job, present: dict[str, Job], *, reachable: bool
) -> tuple[str, str | None]:
    there = present.get(job.name)
    if there is None:
        return "missing", None
    if manager.essence(there) != manager.essence(job):
        return "outdated", None
    if reachable and not manager.state(job.name).loaded:
        return "not loaded", None
    return "installed", None
