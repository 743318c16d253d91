"""The ledger: one row in state/cadence-bus/ledger.db for every run that was started.

One writer (whoever holds consumer.lock) and any number of read-only readers, in WAL mode.
A row is begun before its process exists and finished after its last process is gone, so
that an open row after a crash names what may still be alive. A damaged file is set aside
under a name that says so, and a new one is begun. Safe from any thread.
"""

# ruff: noqa: S608 -- only names of columns, constants of this file, are put into statements

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from maestro_core.errors import MaestroError
from maestro_core.files import FILE_MODE, OsFiles
from maestro_core.models import RunResult, RunRow
from maestro_core.session.ledger_rows import (
    COLUMNS,
    COST_KEYS,
    SCHEMA,
    SEARCHED,
    TABLE,
    CostKey,
    CostRow,
    OpenRow,
    open_row_of,
    row_of,
    values_of,
)

__all__ = ["CostKey", "CostRow", "Ledger", "LedgerTrouble", "OpenRow"]

BUSY_SECONDS = 2.0
CHECKED_BELOW = 64 << 20
"""A file larger than this is not checked page by page when it is opened."""

_DAMAGE = ("malformed", "not a database", "disk image", "file is encrypted")
_DAMAGE_HINT = (
    "it is damaged; a consumer that starts sets it aside, and takes over what can be read of it"
)


class LedgerTrouble(MaestroError):
    """The ledger could not be read or written now."""


class Ledger:
    """See the module docstring. Make one with `Ledger.open`."""

    def __init__(self, path: Path, read_only: bool) -> None:
        self.path = path
        self.read_only = read_only
        self.set_aside: Path | None = None
        """Where a damaged file was put; None = nothing was wrong with it."""
        self.salvaged = 0
        """Rows that could still be read from it and were taken over."""
        self._lock = threading.RLock()
        self._base: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    @classmethod
    def open(cls, path: Path, read_only: bool = False) -> Ledger:
        """Open for writing (made if absent, set aside if damaged), or for reading only.

        A reader may be opened before the file exists, and outlives its replacement.

        Raises:
            LedgerTrouble: it belongs to a newer version, or its folder cannot be used.
        """
        ledger = cls(path, read_only)
        if not read_only:
            ledger._open_for_writing()
        return ledger

    def close(self) -> None:
        """Close it; a reader opens it again at its next question."""
        with self._lock:
            if self._base is not None:
                self._base.close()
            self._base = None

    # ---- writing ------------------------------------------------------------------------

    def begin(self, row: RunRow, start_token: str | None = None) -> None:
        """Note a run that is about to start."""
        self._insert("INSERT", values_of(row) | {"start_token": start_token})

    def _insert(self, verb: str, values: dict[str, Any]) -> int:
        marks = ", ".join(f":{name}" for name in values)
        return self._write(f"{verb} INTO runs ({', '.join(values)}) VALUES ({marks})", values)

    def spawned(
        self, run_id: str, pid: int | None, start_token: str | None, keeper: tuple[int, str | None]
    ) -> None:
        """Note the processes of a run that has begun: its CLI's, and its keeper's."""
        self._write(
            "UPDATE runs SET pid = ?, start_token = ? WHERE run_id = ?", (pid, start_token, run_id)
        )
        self._write("INSERT OR REPLACE INTO keepers VALUES (?, ?, ?)", (run_id, *keeper))

    def finish(self, run_id: str, result: RunResult, ended_at: str) -> None:
        """Close a row. A row that nobody began, or that has an end, is left alone."""
        values = msgspec.structs.asdict(result.usage) | {
            "run_id": run_id, "ended_at": ended_at, "outcome": result.outcome,
            "failure_class": result.failure_class, "exit_code": result.exit_code,
            "signal": result.signal, "stdout_path": result.stdout_path,
            "stderr_path": result.stderr_path, "reason": result.reason,
            "duration": result.duration,
        }  # fmt: skip
        sets = ", ".join(f"{name} = :{name}" for name in values if name != "run_id")
        self._write(f"UPDATE runs SET {sets} WHERE run_id = :run_id AND ended_at IS NULL", values)
        self._write("DELETE FROM keepers WHERE run_id = ?", (run_id,))

    def add_missing(self, rows: Sequence[RunRow]) -> int:
        """Add runs of which there is no row, as they are; how many."""
        return sum(self._insert("INSERT OR IGNORE", values_of(row)) for row in rows)

    def prune(self, before: str) -> int:
        """Forget ended runs older than that ISO time; how many."""
        return self._write("DELETE FROM runs WHERE ended_at < ?", (before,))

    # ---- reading ------------------------------------------------------------------------

    def open_rows(self) -> list[OpenRow]:
        """Runs that have no end, oldest first."""
        found = self._read(
            "SELECT runs.run_id, tick_id, cadence, started_at, keepers.pid, keepers.start_token,"
            " runs.pid, runs.start_token, stdout_path, stderr_path FROM runs"
            " LEFT JOIN keepers USING (run_id) WHERE ended_at IS NULL ORDER BY seq"
        )
        return [open_row_of(tuple(one)) for one in found]

    def rows(
        self,
        cadence: str | None = None,
        limit: int = 100,
        before: str | None = None,
        contains: str | None = None,
    ) -> list[RunRow]:
        """Runs, newest first.

        Args:
            before: a run id (rows older than that run) or an ISO time (rows started before it).
            contains: any case, in id, tick, cadence, outcome, class, reason or model.
        """
        where: list[str] = ["1"]
        values: list[object] = []
        if cadence is not None:
            where.append("cadence = ?")
            values.append(cadence)
        if before is not None:
            known = self._read("SELECT seq FROM runs WHERE run_id = ?", (before,))
            where.append("seq < ?" if known else "started_at < ?")
            values.append(known[0]["seq"] if known else before)
        if contains:
            where.append(f"instr(lower({SEARCHED}), lower(?))")
            values.append(contains)
        sql = f"SELECT {COLUMNS} FROM runs WHERE {' AND '.join(where)} ORDER BY seq DESC LIMIT ?"
        return [row_of(one) for one in self._read(sql, (*values, limit))]

    def recent(self, per_cadence: int = 20) -> dict[str, tuple[RunRow, ...]]:
        """The last ended runs of every cadence, oldest first."""
        # A walk over the index from name to name: the cost is that of the answer,
        # not that of the whole ledger.
        names = self._read(
            "WITH RECURSIVE names(n) AS (SELECT min(cadence) FROM runs UNION ALL"
            " SELECT (SELECT min(cadence) FROM runs WHERE cadence > n) FROM names WHERE n NOT NULL)"
            " SELECT n FROM names WHERE n NOT NULL"
        )
        return {one["n"]: self._last_ended(one["n"], per_cadence) for one in names}

    def _last_ended(self, cadence: str, limit: int) -> tuple[RunRow, ...]:
        found = self._read(
            f"SELECT {COLUMNS} FROM runs WHERE cadence = ? AND ended_at NOT NULL"
            " ORDER BY seq DESC LIMIT ?",
            (cadence, limit),
        )
        return tuple(row_of(one) for one in reversed(found))

    def get(self, run_id: str) -> RunRow | None:
        """One run, or None."""
        found = self._read(f"SELECT {COLUMNS} FROM runs WHERE run_id = ?", (run_id,))
        return row_of(found[0]) if found else None

    def cost_since(self, since: str) -> float:
        """USD of the runs that ended at or after that ISO time."""
        found = self._read("SELECT total(cost_usd) AS c FROM runs WHERE ended_at >= ?", (since,))
        return float(found[0]["c"]) if found else 0.0

    def costs(self, by: Sequence[CostKey], since: str | None = None) -> list[CostRow]:
        """Sums by day (UTC), cadence and/or model of the runs that ended since an ISO time."""
        keys = ", ".join(COST_KEYS[one] for one in by)
        found = self._read(
            f"SELECT {keys}, count(*), sum(outcome = 'ok'), sum(tokens_in), sum(tokens_out),"
            " sum(tokens_cache_read), sum(tokens_cache_write), total(cost_usd), total(duration)"
            f" FROM runs WHERE ended_at >= ? GROUP BY {keys} ORDER BY {keys}",
            (since or "",),
        )
        return [CostRow(tuple(one)[: len(by)], *tuple(one)[len(by) :]) for one in found]

    # ---- the file -----------------------------------------------------------------------

    def _open_for_writing(self) -> None:
        with self._lock:
            try:
                self._base = _writer(self.path)
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise LedgerTrouble(f"{self.path}: {error}", "see its folder") from error
                self._begin_anew()

    def _begin_anew(self) -> None:
        self.close()
        self.set_aside = _set_aside(self.path)
        self._base = _writer(self.path)
        self.salvaged = _salvage(self.set_aside, self._base)

    def _write(self, sql: str, values: Any) -> int:
        if self.read_only:
            raise LedgerTrouble(f"{self.path} was opened for reading only")
        with self._lock:
            try:
                return self._execute(sql, values)
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise LedgerTrouble(f"{self.path}: {error}") from error
                self._begin_anew()
                return self._execute(sql, values)

    def _execute(self, sql: str, values: Any) -> int:
        if self._base is None:
            self._base = _writer(self.path)
        return self._base.execute(sql, values).rowcount

    def _read(self, sql: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
        with self._lock, self._trouble():
            base = self._reader() if self.read_only else self._base
            return [] if base is None else base.execute(sql, tuple(values)).fetchall()

    @contextmanager
    def _trouble(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            if self.read_only:
                self.close()
            hint = _DAMAGE_HINT if _is_damage(error) else ""
            raise LedgerTrouble(f"{self.path}: {error}", hint) from error

    def _reader(self) -> sqlite3.Connection | None:
        """A connection to the file that has the name now; None while there is none."""
        try:
            info = self.path.stat()
        except FileNotFoundError:
            self.close()
            return None
        _check_kind(info)
        if self._base is None or self._identity != (info.st_dev, info.st_ino):
            self.close()
            self._base = _connect(f"{self.path.as_uri()}?mode=ro")
            self._identity = (info.st_dev, info.st_ino)
        if self._base.execute("PRAGMA user_version").fetchone()[0] == 0:
            return None  # the writer is just making it
        return self._base


def sqlite_version() -> str:
    return sqlite3.sqlite_version


def _connect(uri: str) -> sqlite3.Connection:
    base = sqlite3.connect(
        uri, timeout=BUSY_SECONDS, isolation_level=None, uri=True, check_same_thread=False
    )
    base.row_factory = sqlite3.Row
    return base


def _writer(path: Path) -> sqlite3.Connection:
    """A sound database of our schema, in WAL mode, at that path."""
    if not path.exists():
        path.touch(FILE_MODE)
    _check_kind(path.stat())
    base = _connect(f"{path.as_uri()}?mode=rw")
    try:
        base.execute("PRAGMA journal_mode = WAL")
        base.execute("PRAGMA synchronous = NORMAL")
        if path.stat().st_size < CHECKED_BELOW:
            verdict = base.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise sqlite3.DatabaseError(f"malformed: {verdict}")
        _migrate(base, path)
    except BaseException:
        base.close()
        raise
    return base


def _check_kind(info: os.stat_result) -> None:
    """A pipe in its place would be waited on for ever."""
    if not stat.S_ISREG(info.st_mode):
        raise sqlite3.DatabaseError("not a database: it is no regular file")


def _migrate(base: sqlite3.Connection, path: Path) -> None:
    version = base.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA:
        raise LedgerTrouble(
            f"{path} was written by a newer version (schema {version}, this one knows {SCHEMA})",
            "update maestro-tui",
        )
    if version == 0:
        base.executescript(f"BEGIN; {TABLE} PRAGMA user_version = {SCHEMA}; COMMIT;")


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    return any(word in str(error) for word in _DAMAGE)


def _salvage(damaged: Path, base: sqlite3.Connection) -> int:
    """Copy what can still be read, from both ends towards the damage; how many rows."""
    if not damaged.is_file():
        return 0
    marks = ", ".join("?" for _ in COLUMNS.split(","))
    insert = f"INSERT OR IGNORE INTO runs ({COLUMNS}) VALUES ({marks})"
    kept = 0
    for order in ("seq", "seq DESC"):
        try:
            source = _connect(f"{damaged.as_uri()}?mode=ro")
            source.text_factory = lambda data: data.decode("utf-8", "replace")
            try:
                for row in source.execute(f"SELECT {COLUMNS} FROM runs ORDER BY {order}"):
                    kept += base.execute(insert, tuple(row)).rowcount
            finally:
                source.close()
        except sqlite3.Error:
            continue  # this is where the damage begins
    return kept


def _set_aside(path: Path) -> Path:
    """Rename the file and its companions; the first free name of ledger.db.damaged-N."""
    fs, number = OsFiles(), 1
    while fs.exists(target := path.with_name(f"{path.name}.damaged-{number}")):
        number += 1
    for tail in ("-wal", "-shm", ""):
        source = path.with_name(path.name + tail)
        if fs.exists(source):
            fs.rename(source, target.with_name(target.name + tail))
    return target
