"""The built-in handlers of inline cadences: short, in-process work."""

from __future__ import annotations

from collections.abc import Callable

from maestro_core.bus.engine import Engine
from maestro_core.clock import Clock, iso
from maestro_core.consumer.jobs import JobResult
from maestro_core.layout import Layout
from maestro_core.session.api import Launcher
from maestro_core.settings import Settings

DAY = 86400.0
TMP_AGE = 36 * 3600.0


def housekeep(
    layout: Layout, engine: Engine, launcher: Launcher, clock: Clock, retention_days: int
) -> JobResult:
    """Drop what is older than the retention: trash, acks, stray files, logs, ledger rows."""
    horizon = clock.wall() - retention_days * DAY
    dropped = engine.housekeep(horizon)
    dropped["runs"] = launcher.prune(horizon)
    dropped["logs"] = _drop_logs(layout, horizon)
    said = ", ".join(f"{count} {kind}" for kind, count in dropped.items() if count)
    return JobResult(True, f"dropped {said}" if said else "nothing to drop")


def doctor_call(layout: Layout, settings: Settings) -> Callable[[], JobResult]:
    """The doctor's round as a job: fails when a check fails."""

    def call() -> JobResult:
        from maestro_core.doctor import run_checks  # httpx is slow to import

        findings = run_checks(layout, settings)
        failed = [f"{one.title}: {one.detail}" for one in findings if one.status == "fail"]
        return JobResult(not failed, "; ".join(failed) or f"{len(findings)} checks")

    return call


def _drop_logs(layout: Layout, horizon: float) -> int:
    """Journals by the day in their name, sub-session logs by their age."""
    day = iso(horizon)[:10]
    old = [
        path
        for path in layout.logs.glob("????-??-??.jsonl")
        if path.name[:10] < day and not path.is_symlink()
    ]
    old += [path for path in layout.subsessions.glob("*") if _older(path.lstat().st_mtime, horizon)]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def _older(modified: float, horizon: float) -> bool:
    return modified < horizon
