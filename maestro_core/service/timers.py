"""The timers of an agent root: one job for each cadence with a schedule and producer = "timer"."""

from __future__ import annotations

import time
from collections import Counter
from datetime import tzinfo

from maestro_core.errors import Refused
from maestro_core.schedule.calendar import Inexpressible
from maestro_core.schedule.launchd_times import launchd_times
from maestro_core.schedule.systemd_times import on_calendar
from maestro_core.service.job import Job
from maestro_core.service.manager import Kind, Manager, Times
from maestro_core.settings import Settings
from maestro_core.settings_schedule import foreign_zone, machine_zone, zone


def timed(settings: Settings) -> list[str]:
    """The cadences that timers enqueue."""
    return sorted(name for name in settings.cadences if settings.producer(name) == "timer")


def timer_jobs(
    manager: Manager, settings: Settings, year: int | None = None
) -> tuple[list[Job], list[Inexpressible]]:
    """The jobs that are wanted, and the schedules that this manager cannot say.

    Raises:
        Refused: two cadences that differ in case alone would share a file.
    """
    names = timed(settings)
    twins = [name for name, count in Counter(map(str.lower, names)).items() if count > 1]
    if twins:
        raise Refused(
            f"cadences that differ in case alone cannot both have timers: {', '.join(twins)}",
            "rename one, or let the consumer enqueue it",
        )
    jobs, impossible = [], []
    for name in names:
        try:
            jobs.append(manager.tick_job(name, times(manager.kind, settings, name, year)))
        except Inexpressible as error:
            impossible.append(Inexpressible(f"{name}: {error.schedule}", error.why))
    return jobs, impossible


def times(kind: Kind, settings: Settings, cadence: str, year: int | None = None) -> Times:
    """When its timer fires. Raises Inexpressible."""
    schedule = settings.cadences[cadence].schedule or ""
    name = settings.schedules.time_zone or foreign_zone()
    tz: tzinfo = zone(name)
    begin = time.localtime().tm_year if year is None else year
    if kind == "systemd":
        return Times(systemd=tuple(on_calendar(schedule, tz, name, begin)))
    return Times(launchd=launchd_times(schedule, tz, machine_zone(), begin))
