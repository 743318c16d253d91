"""The ledger's table, and rows as structs and as columns. Pure: no database in here."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct

from maestro_core.models import RunRow, Usage

SCHEMA = 1

TABLE = """
CREATE TABLE runs (
  seq INTEGER PRIMARY KEY,
  run_id TEXT NOT NULL UNIQUE,
  tick_id TEXT NOT NULL,
  cadence TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  started_at TEXT NOT NULL,
  ended_at TEXT,
  outcome TEXT,
  failure_class TEXT,
  exit_code INTEGER,
  signal INTEGER,
  tokens_in INTEGER NOT NULL DEFAULT 0,
  tokens_out INTEGER NOT NULL DEFAULT 0,
  tokens_cache_read INTEGER NOT NULL DEFAULT 0,
  tokens_cache_write INTEGER NOT NULL DEFAULT 0,
  cost_usd REAL NOT NULL DEFAULT 0,
  model TEXT,
  turns INTEGER,
  session_id TEXT,
  stdout_path TEXT,
  stderr_path TEXT,
  reason TEXT,
  pid INTEGER,
  start_token TEXT,
  duration REAL
);
CREATE INDEX runs_cadence ON runs (cadence, seq);
CREATE INDEX runs_tick ON runs (tick_id);
CREATE INDEX runs_ended ON runs (ended_at);
CREATE INDEX runs_open ON runs (seq) WHERE ended_at IS NULL;
CREATE TABLE keepers (run_id TEXT PRIMARY KEY, pid INTEGER NOT NULL, start_token TEXT);
"""

USAGE_FIELDS = Usage.__struct_fields__
PLAIN_FIELDS = tuple(name for name in RunRow.__struct_fields__ if name not in ("usage", "host"))
COLUMNS = ", ".join((*PLAIN_FIELDS, *USAGE_FIELDS))
SEARCHED = " || ' ' || ".join(
    f"coalesce({name}, '')"
    for name in ("run_id", "tick_id", "cadence", "outcome", "failure_class", "reason", "model")
)
CostKey = Literal["day", "cadence", "model"]
COST_KEYS: dict[CostKey, str] = {
    "day": "substr(started_at, 1, 10)",
    "cadence": "cadence",
    "model": "coalesce(model, '')",
}


class OpenRow(Struct, frozen=True):
    """A run without an end. The pids are worth something only with their start tokens."""

    run_id: str
    tick_id: str
    cadence: str
    started_at: str
    processes: tuple[tuple[int, str], ...]
    """(pid, start token) of its keeper and of its CLI, as far as they were noted."""
    stdout_path: str | None
    stderr_path: str | None


class CostRow(Struct, frozen=True):
    """Sums over the ended runs that share `key` (in the order that was asked for)."""

    key: tuple[str, ...]
    runs: int
    ok: int
    tokens_in: int
    tokens_out: int
    tokens_cache_read: int
    tokens_cache_write: int
    cost_usd: float
    seconds: float


def values_of(row: RunRow) -> dict[str, Any]:
    plain = {name: getattr(row, name) for name in PLAIN_FIELDS}
    return plain | msgspec.structs.asdict(row.usage)


def row_of(found: Any) -> RunRow:
    usage = Usage(**{name: found[name] for name in USAGE_FIELDS})
    return RunRow(usage=usage, **{name: found[name] for name in PLAIN_FIELDS})


def open_row_of(found: tuple[Any, ...]) -> OpenRow:
    run_id, tick_id, cadence, started_at, keeper, keeper_token, pid, token, out, err = found
    pairs = ((keeper, keeper_token), (pid, token))
    known = tuple((one, mark) for one, mark in pairs if one is not None and mark is not None)
    return OpenRow(run_id, tick_id, cadence, started_at, known, out, err)
