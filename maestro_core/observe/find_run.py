"""Which run a person means by a run id, a tick id, a cadence, or nothing: running ones first.

Stateless; any thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from maestro_core.layout import Layout
from maestro_core.models import Running, RunRow, Usage
from maestro_core.observe.reads import FileReads, Reads


class FoundRun(Struct, frozen=True):
    """A run and whether its consumer says that it goes on."""

    row: RunRow
    going_on: bool


def find_running(layout: Layout, word: str | None) -> Running | None:
    """The one running run of this root that is meant; None when there is none, or several."""
    return pick(FileReads(layout).running(), word)


def pick(running: Sequence[Running], word: str | None) -> Running | None:
    """The one of these that is meant; None when there is none, or more than one."""
    if word is None:
        return running[0] if running else None
    for name in ("run_id", "tick_id", "cadence"):
        found = [run for run in running if getattr(run, name) == word]
        if len(found) == 1:
            return found[0]
    return None


def find_run(reads: Reads, word: str | None) -> FoundRun | None:
    """The run that is meant, a running one before the newest that ended."""
    if (running := pick(reads.running(), word)) is not None:
        known = reads.run(running.run_id) or row_of(running)
        return FoundRun(known, going_on=known.ended_at is None)
    row = (reads.run(word) if word is not None else None) or _newest(reads, word)
    return FoundRun(row, going_on=False) if row is not None else None


def log_path(layout: Layout, stored: str | None) -> Path | None:
    """The file of a stored log path, inside the agent root or where its folder of logs is a link
    to; None for any other: it is data, not trusted. In a root that was moved it is found by its
    name, which has its time."""
    if not stored:
        return None
    path, folder = (layout.root / stored).resolve(), layout.subsessions.resolve()
    if any(path.is_relative_to(home) for home in (layout.root.resolve(), folder)):
        return path
    moved = folder / path.name
    return moved if moved.is_file() and not moved.is_symlink() else None


def _newest(reads: Reads, word: str | None) -> RunRow | None:
    """The newest run, of a cadence or a tick where one is named."""
    if word is None:
        rows = reads.runs(limit=1)
    else:
        rows = reads.runs(cadence=word, limit=1) or [
            row for row in reads.runs(contains=word, limit=100) if row.tick_id == word
        ]
    return rows[0] if rows else None


def row_of(running: Running) -> RunRow:
    """What its consumer tells of a run that no ledger has."""
    return RunRow(
        run_id=running.run_id, tick_id=running.tick_id, cadence=running.cadence,
        attempt=running.attempt, started_at=running.started_at, ended_at=None, outcome=None,
        failure_class=None, exit_code=None, signal=None, usage=Usage(),
        stdout_path=running.stdout_path, stderr_path=running.stderr_path, reason=None,
        pid=running.pid, duration=None, host=running.host,
    )  # fmt: skip
