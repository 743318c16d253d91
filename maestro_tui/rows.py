"""Filtering and sorting the rows of a list. Pure; runs in a thread when there are many."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
    shown: Sequence[Row] = ()
    """`rows` as the screen groups them."""


class Outdated(Exception):
    """Somebody asked for another arrangement meanwhile."""


def always() -> bool:
    return True


def arrange_rows(
    rows: Sequence[Row],
    query: Query,
    order: Order,
    fields: Callable[[Row, float], Fields],
    now: float,
    wanted: Callable[[], bool] = always,
) -> Arranged[Row]:
    """Rows that match, sorted; a stable sort, so that equal rows keep their order.

    Raises:
        Outdated: `wanted`, asked every thousand rows, said no.
    """
    found = list(_matching(rows, query, fields, now, wanted)) if query else list(rows)
    if order.key is not None:
        found.sort(key=order.key)
    if order.reverse:
        found.reverse()
    return Arranged(found, len(rows))


def _matching(
    rows: Sequence[Row],
    query: Query,
    fields: Callable[[Row, float], Fields],
    now: float,
    wanted: Callable[[], bool],
) -> Iterator[Row]:
    for number, row in enumerate(rows):
        if number % 1000 == 0 and not wanted():
            raise Outdated
        if matches(query, fields(row, now)):
            yield row
