"""Operators' acts on the fleet: append-only rows with the database login that did them."""

from __future__ import annotations

import json
from typing import Any

from maestro_core.fleet.connect import Link


def record(link: Link, entry: dict[str, Any]) -> None:
    """Append one act, as it stands in operators.jsonl. Time and login are the server's."""
    link.execute("INSERT INTO maestro_audit (document) VALUES ($1::jsonb)", json.dumps(entry))


def page(link: Link, *, limit: int = 100, before: int | None = None) -> list[dict[str, Any]]:
    """Newest first, each with `number`, `login` and `at` (server epoch seconds); `before` is
    the number of the last one of the page before."""
    found = link.rows(
        "SELECT number, login, extract(epoch FROM at)::float8 AS at, document FROM maestro_audit"
        " WHERE $1::bigint IS NULL OR number < $1 ORDER BY number DESC LIMIT $2",
        before,
        limit,
    )
    return [
        row["document"] | {"number": row["number"], "login": row["login"], "at": row["at"]}
        for row in found
    ]
