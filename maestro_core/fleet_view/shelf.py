"""The dead letters of a fleet as a list that is read again and again: what is known already is
not fetched a second time. Any number of them; only those that are asked for are ever fetched.
"""

# ruff: noqa: S608 -- only constants of the program are put into statements

from __future__ import annotations

from collections.abc import Iterator

from maestro_core.fleet import rows
from maestro_core.fleet.connect import Link
from maestro_core.models import TickView

BATCH = 1000
MOST_KEPT = 40_000
"""Letters that are remembered; beyond that they are fetched again."""

_KEYS = """
SELECT id, extract(epoch FROM updated)::float8 AS since FROM pgqueuer
WHERE status = 'failed' ORDER BY updated DESC, id LIMIT $1
"""
_KEYS_OF_CADENCE = """
SELECT id, extract(epoch FROM updated)::float8 AS since FROM pgqueuer
WHERE status = 'failed' AND entrypoint = $2 ORDER BY updated DESC, id LIMIT $1
"""
_FETCH = f"SELECT {rows.COLUMNS} FROM pgqueuer WHERE id = ANY($1) AND status = 'failed'"

_Key = tuple[int, float]


class Shelf:
    """One thread at a time. `since` of what it gives is server time."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._known: dict[_Key, TickView] = {}

    def newest_first(self, cadence: str | None, limit: int | None) -> Iterator[TickView]:
        """Raises BusError. Letters that go meanwhile are left out."""
        found = (
            self._link.rows(_KEYS, limit)
            if cadence is None
            else self._link.rows(_KEYS_OF_CADENCE, limit, cadence)
        )
        keys: list[_Key] = [(row["id"], row["since"]) for row in found]
        if limit is None and cadence is None:
            self._forget(keys)
        for start in range(0, len(keys), BATCH):
            yield from self._views(keys[start : start + BATCH])

    def _views(self, keys: list[_Key]) -> list[TickView]:
        missing = [job for job, since in keys if (job, since) not in self._known]
        fresh: dict[_Key, TickView] = {}
        for row in self._link.rows(_FETCH, missing) if missing else ():
            if (view := rows.view_of(row)) is not None:
                fresh[row["id"], row["since"]] = view
        if len(self._known) < MOST_KEPT:
            self._known |= fresh
        found = (self._known.get(key) or fresh.get(key) for key in keys)
        return [view for view in found if view is not None]

    def _forget(self, keys: list[_Key]) -> None:
        there = frozenset(keys)
        self._known = {key: view for key, view in self._known.items() if key in there}
