"""Which run a person means by a run id, a tick id, a cadence, or nothing: running ones first.

Stateless; any thread.
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from maestro_core.files import OsFiles
from maestro_core.layout import Layout
from maestro_core.models import Running, RunRow, Usage
from maestro_core.observe.beat import read_beat
from maestro_core.observe.documents import read_document
from maestro_core.session.ledger import Ledger


class FoundRun(Struct, frozen=True):
    """A run and whether the consumer says that it goes on."""

    row: RunRow
    going_on: bool


def running_now(layout: Layout) -> tuple[Running, ...]:
    """What consumer.json says is running, however old it is."""
    return read_beat(read_document(OsFiles(), layout.consumer_json)).running


def find_running(layout: Layout, word: str | None) -> Running | None:
    """The one running run that is meant; None when there is none, or more than one."""
    running = running_now(layout)
    if word is None:
        return running[0] if running else None
    for name in ("run_id", "tick_id", "cadence"):
        found = [run for run in running if getattr(run, name) == word]
        if len(found) == 1:
            return found[0]
    return None


def find_run(layout: Layout, ledger: Ledger, word: str | None) -> FoundRun | None:
    """The run that is meant, a running one before the newest of the ledger."""
    if (running := find_running(layout, word)) is not None:
        known = ledger.get(running.run_id) or _row_of(running)
        return FoundRun(known, going_on=known.ended_at is None)
    row = (ledger.get(word) if word is not None else None) or _newest(ledger, word)
    return FoundRun(row, going_on=False) if row is not None else None


def log_path(layout: Layout, stored: str | None) -> Path | None:
    """A stored log path inside the agent root; None for any other: it is data, not trusted."""
    if not stored:
        return None
    root = layout.root.resolve()
    path = (root / stored).resolve()
    return path if path.is_relative_to(root) else None


def _newest(ledger: Ledger, word: str | None) -> RunRow | None:
    """The newest run, of a cadence or a tick where one is named."""
    if word is None:
        rows = ledger.rows(limit=1)
    else:
        rows = ledger.rows(cadence=word, limit=1) or [
            row for row in ledger.rows(contains=word, limit=100) if row.tick_id == word
        ]
    return rows[0] if rows else None


def _row_of(running: Running) -> RunRow:
    """What consumer.json knows of a run that the ledger does not have."""
    return RunRow(
        run_id=running.run_id, tick_id=running.tick_id, cadence=running.cadence,
        attempt=running.attempt, started_at=running.started_at, ended_at=None, outcome=None,
        failure_class=None, exit_code=None, signal=None, usage=Usage(),
        stdout_path=running.stdout_path, stderr_path=running.stderr_path, reason=None,
        pid=running.pid, duration=None,
    )  # fmt: skip
