"""Screen 4: what the bus and the operators did, filtered and followed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from rich.text import Text

from maestro_core.bus.feed import Topic
from maestro_tui.presentation.cells import line
from maestro_tui.presentation.journal import (
    COLUMNS,
    JournalRow,
    details,
    fields,
    journal_rows,
    level_of,
)
from maestro_tui.query import Fields
from maestro_tui.rows import Arranged
from maestro_tui.screens.base import ListScreen, screen_bindings
from maestro_tui.widgets.keybar import KeyBar
from maestro_tui.widgets.table import Table

LIMIT = 2000
"""Entries that are read; older ones are in the files."""

LEVELS = (("all", frozenset[str]()), ("warnings and errors", frozenset({"warn", "error"})),
          ("errors", frozenset({"error"})))  # fmt: skip


class JournalScreen(ListScreen[JournalRow]):
    """See the module docstring. Newest last; the cursor stays at the end while following."""

    NAME = "journal"
    NOUN = "the journal"
    TOPICS: ClassVar[frozenset[Topic]] = frozenset({"journal"})
    BINDINGS: ClassVar[list[Any]] = screen_bindings("journal")

    def __init__(self) -> None:
        super().__init__()
        self.following = True
        self._level = 0
        self._seen: str | None = None
        """The newest entry when following was paused."""

    def make_table(self) -> Table[JournalRow]:
        return Table(COLUMNS, lambda row: row.id, id="journal")

    def read_rows(self) -> Sequence[JournalRow]:
        return journal_rows(self.console.backend.journal(LIMIT))

    def take(self, rows: Sequence[JournalRow]) -> None:
        wanted = LEVELS[self._level][1]
        self._rows_read = rows
        super().take([row for row in rows if not wanted or level_of(row.entry) in wanted])

    def show_rows(self, arranged: Arranged[JournalRow]) -> None:
        super().show_rows(arranged)
        if self.following:
            self.table.move_to(len(self.table.rows) - 1)

    def fields(self, row: JournalRow, now: float) -> Fields:
        return fields(row, now)

    def empty(self) -> Sequence[Text]:
        if not self.loaded:
            return (line(("reading the journal …", "muted")),)
        if self.filter or self._level:
            return (line(("no entry passes the filter", "muted")),)
        return (
            line(("The journal is empty", "title")),
            line(("It fills as soon as a consumer works: ", "muted"), ("maestro-tui run", "code")),
        )

    def show_note(self) -> None:
        super().show_note()
        if self.table.state.selection.marks or self.table.state.selection.anchor:
            return
        level = f"{LEVELS[self._level][0]}  " if self._level else ""
        if self.following:
            note = line((level, "warn"), ("● following", "ok"))
        else:
            note = line((level, "warn"), (f" PAUSED +{self._news()} new ", "badge.warn"))
        self.query_one(KeyBar).note(note)

    def _news(self) -> int:
        place = self.table.state.selection.place(self._seen) if self._seen else None
        return 0 if place is None else len(self.table.rows) - 1 - place

    def on_table_moved(self) -> None:
        """Moving up pauses following; reaching the end goes on."""
        rows, index = self.table.rows, self.table.state.selection.index
        at_end = index >= len(rows) - 1
        if self.following and not at_end:
            self._seen = rows[-1].id
        self.following = at_end
        self.show_note()

    def action_follow(self) -> None:
        self.following = True
        self.action_edge(1)
        self.show_note()

    def action_level(self) -> None:
        self._level = (self._level + 1) % len(LEVELS)
        self.take(self._rows_read)

    def action_open(self) -> None:
        self.action_details()

    def on_table_opened(self) -> None:
        self.action_open()

    def action_details(self) -> None:
        row = self.table.current
        if row is not None:
            self.console.show_lines("Journal entry", lambda _now: details(row))

    def copy_text(self, row: JournalRow) -> str:
        import json

        return json.dumps(row.entry, ensure_ascii=False)

    def action_log(self) -> None:
        """The log that the entry names."""
        row = self.table.current
        if row is None:
            return
        path = row.entry.get("stdout_path") or row.entry.get("stderr_path")
        self.console.open_log(path if isinstance(path, str) else None, str(row.entry.get("stage")))
