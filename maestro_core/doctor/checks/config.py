"""config/cadences.toml and the MAESTRO_ variables, as the consumer would read them."""

from __future__ import annotations

from datetime import datetime

from maestro_core.doctor.context import Check, Context
from maestro_core.doctor.finding import Verdict, fail, ok, skip, warn
from maestro_core.settings_schedule import next_due, zone

_REFUSES = "the consumer refuses to start on this; a running one keeps its last good settings"


def valid(context: Context) -> Verdict:
    examined = context.examined
    if examined.problems:
        return fail("\n".join(examined.problems), f"correct these; {_REFUSES}")
    if examined.settings.warnings:
        return warn("\n".join(examined.settings.warnings), "correct or remove these")
    count = len(examined.settings.cadences)
    if not context.layout.cadences_toml.exists():
        return ok("no config/cadences.toml: every setting has its default")
    return ok(f"{count} cadence{'' if count == 1 else 's'} registered")


def schedules(context: Context) -> Verdict:
    wrong = [one for one in context.examined.problems if "] schedule: " in one]
    if wrong:
        return fail("\n".join(wrong), "write five fields: minute hour day month weekday")
    cadences = context.examined.settings.cadences
    planned = {name: one.schedule for name, one in cadences.items() if one.schedule}
    if not planned:
        return skip("no cadence has a schedule")
    now = context.clock.wall()
    meant = zone(context.examined.settings.schedules.time_zone)
    due = ((next_due(schedule, now, meant), name) for name, schedule in planned.items())
    at, name = min((at, name) for at, name in due if at is not None)
    when = datetime.fromtimestamp(at, meant).strftime("%Y-%m-%d %H:%M %Z")
    return ok(f"{len(planned)} with a schedule; the next is {name} at {when}")


CHECKS = (
    Check("settings.valid", "Settings", valid),
    Check("settings.schedules", "Schedules", schedules),
)
