"""The built-in handlers of inline cadences: short work; what walks folders is a job's.

What goes wrong in one is its answer, never the consumer's trouble.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable
from pathlib import Path

from maestro_core.bus.engine import Engine
from maestro_core.clock import Clock, iso
from maestro_core.consumer.jobs import JobResult
from maestro_core.errors import MaestroError
from maestro_core.journal import Journal
from maestro_core.layout import Layout
from maestro_core.session.api import Launcher
from maestro_core.settings import Settings

DAY = 86400.0
_OURS = re.compile(
    r"\.?\d{4}-\d\d-\d\d-.+\.(stdout\.log|stderr\.log|prompt\.md|tick\.json)(\.tmp)?\Z"
)
"""What runs leave. These folders may be links to other ones, and people put notes beside logs."""


def housekeep(
    layout: Layout, engine: Engine, launcher: Launcher, clock: Clock, retention_days: int
) -> Callable[[], JobResult]:
    """Drop what is older than the retention: trash, acks, stray files, rows; logs by the call.

    The bus and the ledger are the consumer's own and are seen to at once, the logs (there may
    be many thousand) by what is returned.
    """
    horizon = clock.wall() - retention_days * DAY
    dropped: dict[str, int] = {}
    troubles: list[str] = []
    try:
        dropped |= engine.housekeep(horizon)
        dropped["runs"] = launcher.prune(horizon)
    except (OSError, MaestroError) as error:
        troubles.append(_words(error))

    def logs() -> JobResult:
        dropped["logs"] = _drop_logs(layout, horizon, troubles)
        return _told(dropped, troubles)

    return logs


def files_guard(layout: Layout, pattern: str) -> Callable[[], JobResult]:
    """Whether a file matches, as a guard's answer: a folder may be slow, or large."""

    def look() -> JobResult:
        found = next(layout.root.glob(pattern), None) is not None
        return JobResult(found, "" if found else f"no file matches {pattern}", int(not found))

    return look


def doctor_call(layout: Layout, settings: Settings, journal: Journal) -> Callable[[], JobResult]:
    """The doctor's round as a job. What a check finds is news for the journal, no failure of
    the round: to run it again at once would find the same."""

    def call() -> JobResult:
        from maestro_core.doctor import run_checks  # httpx is slow to import

        findings = run_checks(layout, settings)
        failed = [one for one in findings if one.status == "fail"]
        journal.write(
            "error" if failed else "info", "doctor_round", checks=len(findings),
            failed=[one.id for one in failed],
            error="; ".join(f"{one.title}: {one.detail}" for one in failed) or None,
        )  # fmt: skip
        return JobResult(True, f"{len(findings)} checks")

    return call


def _told(dropped: dict[str, int], troubles: list[str]) -> JobResult:
    if troubles:
        more = f" (and {len(troubles) - 1} more)" if len(troubles) > 1 else ""
        return JobResult(False, f"could not drop all: {troubles[0]}{more}")
    said = ", ".join(f"{count} {kind}" for kind, count in dropped.items() if count)
    return JobResult(True, f"dropped {said}" if said else "nothing to drop")


def _drop_logs(layout: Layout, horizon: float, troubles: list[str]) -> int:
    """Journals by the day in their name, logs and prompts of sub-sessions by their age."""
    day = iso(horizon)[:10]
    journals = [one for one in _files(layout.logs, troubles) if _is_journal(one, before=day)]
    old = [
        path
        for folder in (layout.subsessions, layout.prompts)
        for path in _files(folder, troubles)
        if _OURS.match(path.name) and _modified(path) < horizon
    ]
    return sum(_dropped(path, troubles) for path in (*journals, *old))


def _files(folder: Path, troubles: list[str]) -> list[Path]:
    """What is no folder in there: folders and their contents are somebody else's."""
    try:
        return [path for path in folder.iterdir() if not _is_folder(path)]
    except FileNotFoundError:
        return []
    except OSError as error:
        troubles.append(_words(error))
        return []


def _is_journal(path: Path, *, before: str) -> bool:
    return path.match("????-??-??.jsonl") and path.name[:10] < before and not path.is_symlink()


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def _modified(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return float("inf")  # it is gone, or nobody can say: it stays


def _dropped(path: Path, troubles: list[str]) -> bool:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        troubles.append(f"{path.name}: {error.strerror}")
        return False
    return True


def _words(error: Exception) -> str:
    if isinstance(error, OSError):
        return (
            f"{Path(str(error.filename)).name}: {error.strerror}" if error.filename else str(error)
        )
    return str(error)
