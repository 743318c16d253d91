"""Cursor, marks and range over a list of ids. Pure: no widget, no I/O.

Cursor and marks belong to ids and not to positions: new rows never move them. Where the row
under the cursor goes away, the cursor takes the row that stood nearest below.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class Selection:
    """State of one list. `ids` is the order in which rows are shown."""

    def __init__(self) -> None:
        self.ids: Sequence[str] = ()
        self.cursor: str | None = None
        self.marks: set[str] = set()
        self.anchor: str | None = None
        """Where a range began; None = no range is on."""
        self._places: dict[str, int] = {}

    @property
    def index(self) -> int:
        """Position of the cursor; 0 where there is nothing."""
        return self._places.get(self.cursor, 0) if self.cursor is not None else 0

    def place(self, row_id: str) -> int | None:
        return self._places.get(row_id)

    def show(self, ids: Sequence[str]) -> None:
        """Take the rows that are shown now; cursor and marks stay with their ids."""
        was, order = self.index, self.ids
        self._places = {row_id: index for index, row_id in enumerate(ids)}
        self.ids = ids
        if self.cursor not in self._places:
            self.cursor = self._nearest(order, was)
        if self.anchor not in self._places:
            self.anchor = None

    def _nearest(self, order: Sequence[str], was: int) -> str | None:
        for row_id in order[was : was + 1000]:
            if row_id in self._places:
                return row_id
        return self.ids[min(was, len(self.ids) - 1)] if self.ids else None

    def move(self, step: int) -> None:
        self.to(self.index + step)

    def to(self, index: int) -> None:
        if self.ids:
            self.cursor = self.ids[min(max(index, 0), len(self.ids) - 1)]

    def select(self, row_id: str) -> bool:
        """Put the cursor on that row; False when it is not shown."""
        if row_id not in self._places:
            return False
        self.cursor = row_id
        return True

    # ---- marks ----------------------------------------------------------------------------

    def toggle(self, row_ids: Iterable[str]) -> None:
        """Mark all of them, or unmark them when all are marked."""
        wanted = set(row_ids)
        if wanted <= self.marks:
            self.marks -= wanted
        else:
            self.marks |= wanted

    def start_range(self) -> None:
        """Begin a range at the cursor, or end it and keep what it covers as marks."""
        if self.anchor is None:
            self.anchor = self.cursor
            return
        self.marks |= set(self.range_ids())
        self.anchor = None

    def range_ids(self) -> Sequence[str]:
        """Rows between the anchor and the cursor, both included."""
        if self.anchor is None:
            return ()
        low, high = sorted((self._places[self.anchor], self.index))
        return self.ids[low : high + 1]

    def clear(self) -> bool:
        """Drop range and marks; False when there was nothing to drop."""
        had = bool(self.marks) or self.anchor is not None
        self.marks, self.anchor = set(), None
        return had

    def chosen(self) -> list[str]:
        """Marked rows that are shown, in their order; without marks the one under the cursor."""
        wanted = self.marks | set(self.range_ids())
        found = [row_id for row_id in self.ids if row_id in wanted] if wanted else []
        return found or ([self.cursor] if self.cursor is not None else [])
