"""Brings the machine's jobs to what is wanted: idempotent, and honest about what it did.

Files first, then the manager is told; a job that is kept is only loaded when it is not. What
is not loaded at the end is an error, so a second call finishes what a first one began.
"""

from __future__ import annotations

from msgspec import Struct

from maestro_core.errors import Refused
from maestro_core.service.job import Job, Step, steps
from maestro_core.service.manager import Manager

UNAVAILABLE_HINT = "see it with --dry-run; or let the consumer do it: docs/schedules.md"


class Report(Struct, frozen=True):
    """What was done, or would be: (act, job name), and for a dry run files and commands."""

    done: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, str], ...] = ()
    """(path, content) that would be written."""
    removals: tuple[str, ...] = ()
    """Paths that would be removed."""
    commands: tuple[tuple[str, ...], ...] = ()

    @property
    def changes(self) -> int:
        return sum(act != "keep" for act, _ in self.done)


def bring(manager: Manager, wanted: list[Job], prefix: str, *, dry_run: bool) -> Report:
    """Install, change and remove until the jobs named `prefix…` are exactly `wanted`.

    Raises:
        Refused: a file in the way is not ours, or nothing can be loaded here.
        ManagerFailed: a command failed; call again once that is mended.
    """
    plan = steps(wanted, manager.present(prefix))
    if dry_run:
        return _told(manager, plan)
    if plan:
        require(manager)
    _carry_out(manager, plan)
    return Report(tuple((step.act, step.job.name) for step in plan))


def require(manager: Manager) -> None:
    """Raises Refused when the manager cannot be reached here and now."""
    if (why := manager.unavailable()) is not None:
        raise Refused(why, UNAVAILABLE_HINT)


def _carry_out(manager: Manager, plan: list[Step]) -> None:
    for step in plan:
        if step.act == "remove":
            manager.unload(step.job)
            manager.remove(step.job)
        elif step.act != "keep":
            manager.write(step.job)
    if any(step.act != "keep" for step in plan):
        manager.refresh()
    for step in plan:
        if step.act != "remove":
            manager.load(step.job, changed=step.act == "change")


def _told(manager: Manager, plan: list[Step]) -> Report:
    files, removals, commands, loads = [], [], [], []
    for step in plan:
        paths = {name: str(manager.folder / name) for name in step.job.files}
        if step.act == "remove":
            commands += manager.commands("unload", step.job)
            removals += sorted(paths.values())
        elif step.act != "keep":
            files += [(paths[name], data.decode()) for name, data in step.job.files.items()]
            loads += manager.commands("load", step.job)
    changed = [step for step in plan if step.act != "keep"]
    refresh = manager.commands("refresh", changed[0].job) if changed else []
    commands += [*refresh, *loads]
    return Report(
        tuple((step.act, step.job.name) for step in plan),
        tuple(files),
        tuple(removals),
        tuple(tuple(command) for command in commands),
    )
