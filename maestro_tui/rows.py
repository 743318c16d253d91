"""Filtering and sorting the rows of a list. Pure; runs in a thread when there are many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from maestro_tui.query import Fields, Query, matches

Row = TypeVar("Row")

MANY = 4000
"""More rows than this are arranged in a thread."""


class Order(NamedTuple):
    """How rows are sorted; `key` None = as they came."""

    key: Callable[[Any], Any] | None = None
    reverse: bool = False


class Arranged(NamedTuple, Generic[Row]):
    """Rows that pass, in their order, and how many there were."""

    rows: Sequence[Row]
    total: int


def arrange_rows(
    rows: Sequence[Row],
    query: Query,
    order: Order,
    fields: Callable[[Row, float], Fields],
    now: float,
) -> Arranged[Row]:
    """Rows that match, sorted; a stable sort, so that equal rows keep their order."""
    found = [row for row in rows if matches(query, fields(row, now))] if query else list(rows)
    if order.key is not None:
        found.sort(key=order.key)
    if order.reverse:
        found.reverse()
    return Arranged(found, len(rows))
