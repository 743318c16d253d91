"""Runs that ended on any host, and their sums. Functions on a connection."""

# ruff: noqa: S608 -- only names of columns, constants of this file, are put into statements

from __future__ import annotations

from collections.abc import Sequence

from maestro_core.fleet.connect import Link
from maestro_core.fleet_view.queries import run_of
from maestro_core.models import RunRow
from maestro_core.observe.documents import moment
from maestro_core.session.ledger import CostKey, CostRow

_KEYS: dict[CostKey, str] = {
    "day": "to_char(started AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
    "cadence": "cadence",
    "model": "coalesce(model, '')",
}


def runs(
    link: Link, *, limit: int, cadence: str | None, before: str | None, contains: str | None
) -> list[RunRow]:
    """Ended runs, newest first, their times as their hosts told them."""
    found = link.rows(
        "SELECT host, document FROM maestro_runs WHERE ($2::text IS NULL OR cadence = $2)"
        " AND ($3::float8 IS NULL OR started < to_timestamp($3))"
        " AND ($4::text IS NULL OR strpos(words, $4) > 0)"
        " ORDER BY started DESC, run_id LIMIT $1",
        limit,
        cadence,
        _before(link, before),
        contains.casefold().replace("\0", "") if contains else None,
    )
    return [run for row in found if (run := run_of(row)) is not None]


def _before(link: Link, before: str | None) -> float | None:
    """When that run started, else that ISO time; long ago for what is neither."""
    if before is None:
        return None
    found = link.rows(
        "SELECT extract(epoch FROM started)::float8 AS at FROM maestro_runs WHERE run_id = $1",
        before,
    )
    if found:
        return float(found[0]["at"])
    return moment(before) or 0.0


def run(link: Link, run_id: str) -> RunRow | None:
    found = link.rows("SELECT host, document FROM maestro_runs WHERE run_id = $1", run_id)
    return run_of(found[0]) if found else None


def costs(link: Link, by: Sequence[CostKey], since: str) -> list[CostRow]:
    """Sums by day (UTC), cadence and/or model of the runs that ended since an ISO time."""
    keys = ", ".join(f"{_KEYS[one]} AS key{number}" for number, one in enumerate(by))
    places = ", ".join(str(number + 1) for number in range(len(by)))
    sums = ", ".join(f"sum(tokens[{place}])::bigint AS t{place}" for place in (1, 2, 3, 4))
    found = link.rows(
        f"SELECT {keys}, count(*) AS runs, count(*) FILTER (WHERE outcome = 'ok') AS ok, {sums},"
        " sum(cost_usd)::float8 AS usd, sum(seconds)::float8 AS seconds FROM maestro_runs"
        f" WHERE ended >= $1::text::timestamptz GROUP BY {places} ORDER BY {places}",
        since,
    )
    return [
        CostRow(
            tuple(row[f"key{number}"] for number in range(len(by))), runs=row["runs"], ok=row["ok"],
            tokens_in=row["t1"], tokens_out=row["t2"], tokens_cache_read=row["t3"],
            tokens_cache_write=row["t4"], cost_usd=row["usd"], seconds=row["seconds"],
        )
        for row in found
    ]  # fmt: skip
