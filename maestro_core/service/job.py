"""A job of the machine: its name and its files, and what an installation will do about it. Pure."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Act = Literal["add", "change", "keep", "remove"]

CONSUMER = "consumer"
TICK = "tick-"
"""A timer's job is named `tick-<cadence>`."""


class Job(Struct, frozen=True):
    """`files`: file name -> bytes, in the folder of the manager."""

    name: str
    files: dict[str, bytes]


class Step(Struct, frozen=True):
    """What happens to one job."""

    act: Act
    job: Job


def steps(wanted: list[Job], present: list[Job]) -> list[Step]:
    """Removals first, then the wanted ones by name; a job whose files are equal is kept."""
    there = {job.name: job for job in present}
    names = {job.name for job in wanted}
    removals = [Step("remove", there[name]) for name in sorted(there.keys() - names)]
    return removals + [Step(_act(job, there), job) for job in sorted(wanted, key=_name)]


def _act(job: Job, there: dict[str, Job]) -> Act:
    if job.name not in there:
        return "add"
    return "keep" if there[job.name].files == job.files else "change"


def _name(job: Job) -> str:
    return job.name
