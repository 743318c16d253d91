"""What a person reads of a fleet beside its snapshot (observe/reads.py `Reads`): the runs of all
hosts, dead letters, costs, the audit beside this root's own journal, the end of a run's output.

The connection is made at the first question and comes back by itself. Any thread; one at a time.
"""

# ruff: noqa: S608 -- only constants of the program are put into statements

from __future__ import annotations

import heapq
import posixpath
import shlex
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, TypeVar

from maestro_core.clock import Clock, iso
from maestro_core.errors import BusAway
from maestro_core.fleet import audit, letters, rows, schema
from maestro_core.fleet.connect import Link
from maestro_core.fleet_view import history, queries
from maestro_core.fleet_view.hosts import HostBook
from maestro_core.fleet_view.shelf import Shelf
from maestro_core.fleet_view.times import Ahead
from maestro_core.journal import Entry, JournalPage, backwards, filtered
from maestro_core.layout import Layout
from maestro_core.models import Running, RunRow, TickView
from maestro_core.observe.dead import Place, searched
from maestro_core.observe.find_run import row_of
from maestro_core.observe.reads import PublishedTail
from maestro_core.observe.snapshot import HostView
from maestro_core.session.ledger import CostKey, CostRow

_LOOSE = 0.5
_AUDIT_PAGE = 200
_TRASH_PAGE = 500

T = TypeVar("T")


class FleetReads:
    """See the module docstring."""

    def __init__(
        self, layout: Layout, link: Link, clock: Clock, *, here: str, lease: float
    ) -> None:
        self._layout = layout
        self._link = link
        self._clock = clock
        self._here = here
        self._lease = lease
        self._lock = threading.RLock()
        self._checked = -1
        self._ahead = Ahead(_LOOSE)
        self._book = HostBook(here)
        self._shelf = Shelf(link)

    def close(self) -> None:
        self._link.close()

    def _ask(self, question: Callable[[], T]) -> T:
        """On a connection whose schema was looked at. Raises BusError."""
        with self._lock:
            if self._link.connections != self._checked:
                schema.check(self._link)
                self._checked = self._link.connections
            return question()

    # ---- hosts and runs ---------------------------------------------------------------------

    def hosts(self) -> tuple[HostView, ...]:
        return self._ask(self._hosts)

    def _hosts(self) -> tuple[HostView, ...]:
        [row] = self._link.rows("SELECT extract(epoch FROM now())::float8 AS at")
        now = self._clock.wall()
        ahead = self._ahead.take(row["at"] - now)
        seen = self._book.read(queries.hosts(self._link), ahead)
        return tuple(one.at(now, self._lease, away=False, hold=None) for one in seen)

    def running(self) -> tuple[Running, ...]:
        return tuple(run for host in self.hosts() for run in host.running)

    def runs(
        self, *, limit: int, cadence: str | None = None, before: str | None = None,
        contains: str | None = None,
    ) -> list[RunRow]:  # fmt: skip
        """Those that go on first."""
        return self._ask(lambda: self._runs(limit, cadence, before, contains))

    def _runs(
        self, limit: int, cadence: str | None, before: str | None, contains: str | None
    ) -> list[RunRow]:
        going = [row_of(run) for host in self._hosts() for run in host.running]
        wanted = (contains or "").casefold()
        going = [
            row
            for row in going
            if before is None and cadence in (None, row.cadence) and wanted in _words(row)
        ]
        ended = history.runs(
            self._link, limit=limit, cadence=cadence, before=before, contains=contains
        )
        done = {row.run_id for row in ended}
        newest = sorted(
            (row for row in going if row.run_id not in done), key=lambda row: row.started_at
        )
        return [*reversed(newest), *(self._moved(row) for row in ended)][:limit]

    def run(self, run_id: str) -> RunRow | None:
        def found() -> RunRow | None:
            row = history.run(self._link, run_id)
            return None if row is None else self._moved(row)

        return self._ask(found)

    def _moved(self, row: RunRow) -> RunRow:
        return self._book.moved(row, self._ahead.seconds)

    def costs(self, by: Sequence[CostKey], since: str) -> list[CostRow]:
        return self._ask(lambda: history.costs(self._link, by, since))

    # ---- dead letters -----------------------------------------------------------------------

    def dead(
        self, where: Place = "dlq", *, cadence: str | None = None, contains: str | None = None,
        limit: int | None = None,
    ) -> list[TickView]:  # fmt: skip
        return self._ask(lambda: self._dead(where, cadence, contains, limit))

    def _dead(
        self, where: Place, cadence: str | None, contains: str | None, limit: int | None
    ) -> list[TickView]:
        wanted = contains.casefold() if contains else None
        most = limit if wanted is None else None
        source = self._shelf.newest_first(cadence, most) if where == "dlq" else self._trash(cadence)
        found: list[TickView] = []
        for view in source:
            if limit is not None and len(found) >= limit:
                break
            if wanted is None or wanted in searched(view.tick):
                found.append(self._local(view))
        return found

    def _trash(self, cadence: str | None) -> Iterator[TickView]:
        offset = 0
        while page := self._page("trash", cadence, offset):
            yield from page
            offset += len(page)

    def _page(self, where: Place, cadence: str | None, offset: int) -> list[TickView]:
        return self._link.run(
            lambda connection: letters.page(connection, where, cadence, _TRASH_PAGE, offset)
        )

    def dead_of(self, ids: Collection[str]) -> list[TickView]:
        sql = (
            f"SELECT {rows.COLUMNS} FROM pgqueuer WHERE headers ->> 'id' = ANY($1)"
            " AND headers ? 'id' AND status = 'failed' ORDER BY updated DESC, id"
        )
        found = self._ask(lambda: self._link.rows(sql, list(ids)))
        views = (rows.view_of(row) for row in found)
        return [self._local(view) for view in views if view is not None]

    def count_dead(self, where: Place = "dlq") -> int:
        table = "pgqueuer WHERE status = 'failed'" if where == "dlq" else "maestro_trash"
        [row] = self._ask(lambda: self._link.rows(f"SELECT count(*) AS n FROM {table}"))
        return int(row["n"])

    def _local(self, view: TickView) -> TickView:
        return TickView(view.tick, view.where, round(view.since - self._ahead.seconds, 3))

    # ---- what happened ----------------------------------------------------------------------

    def journal(
        self, *, limit: int, cadence: str | None = None, level: str | None = None,
        contains: str | None = None, operators: bool = True,
    ) -> JournalPage:  # fmt: skip
        """This root's own journal, each entry with its `host`; operators' acts of the whole
        fleet, at the server's time. What stands only in this root's operators.jsonl comes too,
        and stands alone while the server is away."""
        own = (self._named(entry) for entry in backwards(self._layout, operators=False))
        sources: list[Iterator[Entry | None]] = [own]
        missing = None
        if operators:
            acts, missing = self._known_acts(limit)
            known = {_act(entry) for entry in acts}
            here = (entry for entry in backwards(self._layout, operators=True, journal=False)
                    if entry is None or _act(entry) not in known)  # fmt: skip
            sources += [iter(acts), (self._named(entry) for entry in here)]
        merged = heapq.merge(*sources, key=_moment, reverse=True)
        page = filtered(merged, limit=limit, cadence=cadence, level=level, contains=contains)
        return JournalPage(page.entries, page.broken, missing)

    def _named(self, entry: Entry | None) -> Entry | None:
        return None if entry is None else {"host": self._here} | entry

    def _known_acts(self, limit: int) -> tuple[list[Entry], str | None]:
        """And why there are none: this root's own must be readable then above all."""
        try:
            return list(self._acts(limit)), None
        except BusAway as away:
            return [], away.message

    def _acts(self, limit: int) -> Iterator[Entry]:
        """Of the fleet's audit, newest first."""
        self._ask(self._hosts)  # for the clocks
        left, before = limit, None
        while left > 0:
            page = self._ask(lambda: audit.page(self._link, limit=_AUDIT_PAGE, before=before))  # noqa: B023
            for entry in page:
                yield self._told(entry)
            left -= len(page)
            if len(page) < _AUDIT_PAGE:
                return
            before = page[-1]["number"]

    def _told(self, entry: Entry) -> Entry:
        """At the server's time; `acted_at` is what the operator's machine took it for."""
        acted, at = entry.get("ts"), float(entry["at"]) - self._ahead.seconds
        plain = {name: value for name, value in entry.items() if name not in ("at", "number", "ts")}
        return {
            "ts": iso(at), "level": "info", "stage": "operator", "acted_at": acted
        } | plain  # fmt: skip

    # ---- output -----------------------------------------------------------------------------

    def tail(self, row: RunRow) -> PublishedTail | None:
        if row.host in (None, self._here):
            return None
        found = self._ask(
            lambda: self._link.rows(
                "SELECT t.host, t.tail, extract(epoch FROM now() - t.at)::float8 AS age,"
                " coalesce(h.address, '') AS address, coalesce(h.root, '') AS root"
                " FROM maestro_tails t LEFT JOIN maestro_hosts h USING (host)"
                " WHERE t.run_id = $1",
                row.run_id,
            )
        )
        if not found:
            return None
        one = found[0]
        command = ssh_command(one["address"] or one["host"], one["root"], row.stdout_path)
        return PublishedTail(one["host"], bytes(one["tail"]), one["age"], command)


def ssh_command(address: str, root: str, path: str | None) -> str:
    """The shell command that shows the whole log on the host that has it."""
    there = posixpath.join(root, path or "") or "."
    return f"ssh -t {shlex.quote(address)} {shlex.quote(f'less +F {shlex.quote(there)}')}"


def _words(row: RunRow) -> str:
    return "\n".join((row.run_id, row.tick_id, row.cadence, row.host or "")).casefold()


def _act(entry: dict[str, Any]) -> tuple[str, str, str]:
    """What tells one act from another: when it was done, what it was, to what."""
    acted = entry.get("acted_at") or entry.get("ts")
    return str(acted), str(entry.get("verb")), str(entry.get("targets"))


def _moment(entry: Entry | None) -> str:
    """Broken lines come out at once, so that they are counted where they stand."""
    return "9" if entry is None else str(entry.get("ts"))
