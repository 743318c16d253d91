"""Ledger rows out of the journal, for a ledger that was damaged. Pure.

The journal has no tokens and no cost; everything else that a row tells stands in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from maestro_core.models import RunRow, Usage
from maestro_core.session.failures import policy_for

_ENDS = {
    "subsession_completed": "ok", "inline_completed": "ok", "subsession_cancelled": "cancelled",
    "subsession_failed": "failed", "inline_failed": "failed", "put_back": "shutdown",
}  # fmt: skip

Entry = dict[str, Any]


def rows_from_journal(entries: Iterable[Entry]) -> list[RunRow]:
    """The runs that these entries (oldest first) tell of, in the order of their start.

    A run whose end is not told has none: whoever takes over closes it.
    """
    rows: dict[str, RunRow] = {}
    for entry in entries:
        run_id, stage = entry.get("run_id"), entry.get("stage")
        if not isinstance(run_id, str):
            continue
        if stage in ("subsession_spawn", "inline_spawn"):
            rows[run_id] = _begun(run_id, entry)
        elif stage in _ENDS and run_id in rows:
            rows[run_id] = _ended(rows[run_id], entry, _ENDS[stage])
    return list(rows.values())


def _begun(run_id: str, entry: Entry) -> RunRow:
    return RunRow(
        run_id=run_id,
        tick_id=_text(entry, "id") or "?",
        cadence=_text(entry, "cadence") or "?",
        attempt=_whole(entry, "attempt") or 1,
        started_at=_text(entry, "ts") or "",
        ended_at=None, outcome=None, failure_class=None, exit_code=None, signal=None,
        usage=Usage(),
        stdout_path=_text(entry, "stdout"),
        stderr_path=_text(entry, "stderr"),
        reason=None,
        pid=_whole(entry, "pid"),
        duration=None,
    )  # fmt: skip


def _ended(row: RunRow, entry: Entry, outcome: str) -> RunRow:
    failure = _text(entry, "failure_class")
    if outcome == "failed":
        outcome = policy_for(failure).outcome
    elif outcome == "shutdown":
        outcome = _text(entry, "reason") or outcome
    told = "stdout_path" in entry
    return replace(
        row,
        ended_at=_text(entry, "ts") or row.started_at,
        outcome=outcome,
        failure_class=failure,
        exit_code=_whole(entry, "exit_code"),
        reason=_text(entry, "error") or (_text(entry, "reason") if outcome != "ok" else None),
        duration=(_whole(entry, "duration_ms") or 0) / 1000,
        stdout_path=_text(entry, "stdout_path") if told else row.stdout_path,
        stderr_path=_text(entry, "stderr_path") if told else row.stderr_path,
    )


def _text(entry: Entry, name: str) -> str | None:
    value = entry.get(name)
    return value if isinstance(value, str) else None


def _whole(entry: Entry, name: str) -> int | None:
    value = entry.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
