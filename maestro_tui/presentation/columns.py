"""Columns of a table: what stands in them, how wide they are, which go first. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from rich.text import Text

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """One column. `width` cells at least; `grow` shares what is left; highest `drop` goes first."""

    key: str
    title: str
    width: int
    cell: Callable[[Row, float], Text]
    """Row and wall time -> what stands in it."""
    sort: Callable[[Row], Any] | None = None
    grow: int = 0
    drop: int = 0
    """0 = never dropped."""
    align: Literal["left", "right"] = "left"
    fill: Callable[[Row, float, int], Text] | None = None
    """In place of `cell`, for a cell that makes the best of its width."""
    ticks: bool = True
    """It depends on the time; the others are drawn once for a row."""


def arrange(
    columns: Sequence[Column[Row]], width: int, gap: int = 2
) -> list[tuple[Column[Row], int]]:
    """The columns that fit into `width`, each with its width."""
    kept = list(columns)

    def needed() -> int:
        return sum(column.width for column in kept) + gap * (len(kept) - 1)

    while needed() > width and any(column.drop for column in kept):
        kept.remove(max(kept, key=lambda column: column.drop))
    spare, shares = max(0, width - needed()), sum(column.grow for column in kept)
    widths = []
    for column in kept:
        extra = spare * column.grow // shares if shares else 0
        widths.append((column, column.width + extra))
    return widths
