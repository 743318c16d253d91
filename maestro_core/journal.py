"""The bus journal: logs/cadence-bus/YYYY-MM-DD.jsonl, one object a line, a file a day (UTC).

`Journal` writes, for whoever acts, from any thread and any process. `read_page` reads the
newest entries first across days and never holds more than it returns.
"""

from __future__ import annotations

import heapq
import os
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from msgspec import Struct

from maestro_core.clock import Clock, iso
from maestro_core.jsonl import append_line, encode_line, lines_from_end, map_strings, parse_line
from maestro_core.layout import Layout

DAY = re.compile(r"\d{4}-\d{2}-\d{2}\.jsonl\Z")

Entry = dict[str, Any]


class Journal:
    """Writes entries. Thread-safe, because each entry is one append and nothing is shared."""

    def __init__(self, layout: Layout, clock: Clock, redact: Callable[[str], str] = str) -> None:
        self._layout = layout
        self._clock = clock
        self._redact = redact
        self.trouble: str | None = None
        """Why the last entry could not be written; None = it was."""

    def write(self, level: str, stage: str, **fields: Any) -> None:
        """Append one entry, secrets masked. Trouble with the disk is remembered, never raised."""
        ts = iso(self._clock.wall())
        entry = {"ts": ts, "level": level, "stage": stage}
        entry |= {name: map_strings(value, self._redact) for name, value in fields.items()}
        try:
            append_line(self._layout.journal(ts), encode_line(entry))
        except OSError as error:
            self.trouble = f"the journal cannot be written: {error}"
        else:
            self.trouble = None


class JournalPage(Struct, frozen=True):
    """Entries, newest last; `broken` counts lines passed over because they are no object."""

    entries: list[Entry]
    broken: int
    missing: str | None = None
    """Of a fleet: why what was done on other hosts is not among them."""


def read_page(
    layout: Layout,
    *,
    limit: int,
    cadence: str | None = None,
    level: str | None = None,
    contains: str | None = None,
    operators: bool = False,
) -> JournalPage:
    """The newest `limit` entries that pass every filter.

    `contains` is looked for in every name and value, whatever its case. With `operators`
    the operators' acts are merged in by time (stage `operator`).
    """
    source = backwards(layout, operators=operators)
    return filtered(source, limit=limit, cadence=cadence, level=level, contains=contains)


def backwards(layout: Layout, *, operators: bool, journal: bool = True) -> Iterator[Entry | None]:
    """Entries newest first, of the journal and/or of operators.jsonl; None for a line that is
    no object."""
    if not operators:
        return _journal_backwards(layout)
    return _merged(layout) if journal else _operators_backwards(layout)


def filtered(
    source: Iterable[Entry | None], *, limit: int, cadence: str | None = None,
    level: str | None = None, contains: str | None = None,
) -> JournalPage:  # fmt: skip
    """The newest `limit` of these (newest first) that pass; see `read_page`."""
    broken = 0
    entries: list[Entry] = []
    matches = _matcher(cadence, level, contains)
    for entry in source:
        if len(entries) >= limit:
            break
        if entry is None:
            broken += 1
        elif matches(entry):
            entries.append(entry)
    return JournalPage(entries[::-1], broken)


def read_journal(
    layout: Layout,
    *,
    limit: int,
    cadence: str | None = None,
    level: str | None = None,
    contains: str | None = None,
) -> list[Entry]:
    """The entries of `read_page` alone, newest last."""
    page = read_page(layout, limit=limit, cadence=cadence, level=level, contains=contains)
    return page.entries


def journal_days(layout: Layout) -> list[Path]:
    """The journal's files, newest day first."""
    try:
        names = os.listdir(layout.logs)
    except OSError:
        return []
    return [layout.logs / name for name in sorted(names, reverse=True) if DAY.match(name)]


def _journal_backwards(layout: Layout) -> Iterator[Entry | None]:
    files = chain.from_iterable(lines_from_end(path) for path in journal_days(layout))
    return (parse_line(line) for line in files)


def _operators_backwards(layout: Layout) -> Iterator[Entry | None]:
    for line in lines_from_end(layout.operators_log):
        entry = parse_line(line)
        if entry is None:
            yield None
        else:
            yield {"ts": None, "level": "info", "stage": "operator"} | entry


def _merged(layout: Layout) -> Iterator[Entry | None]:
    both = (_journal_backwards(layout), _operators_backwards(layout))
    return heapq.merge(*both, key=_moment, reverse=True)


def _moment(entry: Entry | None) -> str:
    """Broken lines come out at once, so that they are counted where they stand."""
    return "9" if entry is None else str(entry.get("ts"))


def _matcher(
    cadence: str | None, level: str | None, contains: str | None
) -> Callable[[Entry], bool]:
    wanted = contains.casefold() if contains else None

    def matches(entry: Entry) -> bool:
        if cadence is not None and cadence not in _cadences(entry):
            return False
        if level is not None and entry.get("level") != level:
            return False
        return wanted is None or wanted in " ".join(_words(entry)).casefold()

    return matches


def _cadences(entry: Entry) -> list[Any]:
    targets = entry.get("targets")
    return [entry.get("cadence"), *(targets if isinstance(targets, list) else ())]


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, one in value.items():
            yield name
            yield from _words(one)
    elif isinstance(value, list):
        for one in value:
            yield from _words(one)
    else:
        yield str(value)
