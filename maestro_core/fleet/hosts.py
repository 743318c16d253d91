"""What each host tells of itself: its heartbeat, what it can run, its runs and their tails."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from maestro_core.errors import BusError, Busy
from maestro_core.fleet.connect import Link
from maestro_core.models import Beat, RunRow

TAIL_LIMIT = 64 << 10
"""Bytes of a run's output that are published at most: its end."""


_PUBLISH_RUN = """
INSERT INTO maestro_runs (run_id, host, cadence, tick_id, started, ended, outcome, model, cost_usd,
    seconds, tokens, words, document)
VALUES ($1, $2, $3, $4, $5::text::timestamptz, $6::text::timestamptz, $7, $8, $9, $10,
    $11::bigint[], $12, $13)
ON CONFLICT (run_id) DO UPDATE SET ended = excluded.ended, outcome = excluded.outcome,
    model = excluded.model, cost_usd = excluded.cost_usd, seconds = excluded.seconds,
    tokens = excluded.tokens, words = excluded.words, document = excluded.document
"""


class HostView(Struct, frozen=True):
    """A host as the console shows it. `age` is seconds since its last heartbeat, by the server."""

    host: str
    age: float
    cadences: tuple[str, ...]
    beat: Beat | None


class Hosts:
    """Read by consoles; `host` may be given to publish as that host.

    `address` and `root`: the name of its machine and its agent root there, so that a person on
    another one can look at the logs.
    """

    def __init__(
        self, link: Link, host: str = "", place: str = "", *, address: str = "", root: str = ""
    ) -> None:
        self._link = link
        self._host = host
        self._place = place
        self._address = address
        self._root = root

    def take(self, silent: float) -> None:
        """Be that host. `place` tells this agent root from every other one.

        Raises:
            Busy: another agent root goes by that name, and was heard of within `silent` seconds:
                each would take the other's claims for its own.
        """
        if not self._link.rows(
            "INSERT INTO maestro_hosts AS h (host, place, address, root) VALUES ($1, $2, $4, $5)"
            " ON CONFLICT (host) DO UPDATE"
            " SET place = $2, address = $4, root = $5, beat_at = now()"
            " WHERE h.place IN ('', $2) OR h.beat_at < now() - make_interval(secs => $3)"
            " RETURNING host",
            self._host,
            self._place,
            silent,
            self._address,
            self._root,
        ):
            raise Busy(
                f"another agent root works on this bus as {self._host!r}",
                "give this one a name of its own: [bus] host in config/cadences.toml",
            )

    def leave(self) -> None:
        """Somebody else may be that host."""
        self._link.execute(
            "UPDATE maestro_hosts SET place = '' WHERE host = $1 AND place = $2",
            self._host,
            self._place,
        )

    def announce(self, cadences: frozenset[str]) -> None:
        """Which cadences this host can run."""
        self._link.execute(
            "INSERT INTO maestro_hosts (host, cadences) VALUES ($1, $2::text[])"
            " ON CONFLICT (host) DO UPDATE SET cadences = $2::text[]",
            self._host,
            sorted(cadences),
        )

    def publish_beat(self, beat: Beat) -> None:
        """Raises BusError, also when somebody else has become that host."""
        if not self._link.execute(
            "INSERT INTO maestro_hosts AS h (host, beat, place) VALUES ($1, $2, $3)"
            " ON CONFLICT (host) DO UPDATE SET beat = $2, beat_at = now() WHERE h.place = $3",
            self._host,
            msgspec.json.encode(beat),
            self._place,
        ):
            raise BusError(
                f"another agent root works on this bus as {self._host!r}",
                "restart this one, with a name of its own in [bus] host",
            )

    def publish_run(self, row: RunRow) -> None:
        usage = row.usage
        self._link.execute(
            _PUBLISH_RUN, row.run_id, self._host, row.cadence, row.tick_id, row.started_at,
            row.ended_at, row.outcome, _plain(usage.model), usage.cost_usd, row.duration or 0.0,
            [usage.tokens_in, usage.tokens_out, usage.tokens_cache_read, usage.tokens_cache_write],
            _words(self._host, row), msgspec.json.encode(row),
        )  # fmt: skip

    def known_runs(self, run_ids: Sequence[str]) -> set[str]:
        """Those of them of which it is known that they ended."""
        sql = "SELECT run_id FROM maestro_runs WHERE run_id = ANY($1) AND ended IS NOT NULL"
        return {row["run_id"] for row in self._link.rows(sql, list(run_ids))}

    def publish_tail(self, run_id: str, tail: bytes) -> None:
        """The end of a run's output, cut to TAIL_LIMIT."""
        self._link.execute(
            "INSERT INTO maestro_tails (run_id, host, tail) VALUES ($1, $2, $3)"
            " ON CONFLICT (run_id) DO UPDATE SET tail = $3, at = now()",
            run_id,
            self._host,
            tail[-TAIL_LIMIT:],
        )

    def all(self) -> list[HostView]:
        found = self._link.rows(
            "SELECT host, extract(epoch FROM now() - beat_at)::float8 AS age, cadences, beat"
            " FROM maestro_hosts ORDER BY host"
        )
        return [
            HostView(row["host"], row["age"], tuple(row["cadences"]), _beat(row["beat"]))
            for row in found
        ]

    def runs(self, *, host: str | None = None, limit: int = 100) -> list[tuple[str, RunRow]]:
        """(host, run), newest first."""
        found = self._link.rows(
            "SELECT host, document FROM maestro_runs WHERE $1::text IS NULL OR host = $1"
            " ORDER BY started DESC, run_id LIMIT $2",
            host,
            limit,
        )
        return [
            (row["host"], msgspec.json.decode(bytes(row["document"]), type=RunRow)) for row in found
        ]

    def tail(self, run_id: str) -> bytes | None:
        found = self._link.rows("SELECT tail FROM maestro_tails WHERE run_id = $1", run_id)
        return bytes(found[0]["tail"]) if found else None


def _words(host: str, row: RunRow) -> str:
    """What a search looks in, in lower case: as the ledger's does, and the host."""
    found = (row.run_id, row.tick_id, row.cadence, row.outcome, row.failure_class, row.reason,
             row.usage.model, host)  # fmt: skip
    return _plain("\n".join(word for word in found if word).casefold()) or ""


def _plain(text: str | None) -> str | None:
    """As a column of text takes it: it came from a program's output."""
    return text and text.encode("utf-8", "replace").decode().replace("\0", "")


def _beat(data: bytes | None) -> Beat | None:
    """None for a beat of a version that this program does not understand."""
    try:
        return None if data is None else msgspec.json.decode(bytes(data), type=Beat)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
