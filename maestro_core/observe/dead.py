"""Dead letters as people read them: newest first, and grouped by what went wrong.

Only as many files are read as are asked for, so a hundred thousand of them cost one listing.
Stateless; any thread.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from msgspec import Struct

from maestro_core.bus import codec
from maestro_core.errors import BadTick, BusError
from maestro_core.files import OsFiles
from maestro_core.layout import Layout
from maestro_core.models import Tick, TickView
from maestro_core.observe.signature import signature

Place = Literal["dlq", "trash"]


class DeadGroup(Struct, frozen=True):
    """Dead letters with one signature, newest first. `newest`, `oldest`: epoch seconds."""

    signature: str
    letters: tuple[TickView, ...]
    newest: float
    oldest: float

    @property
    def cadences(self) -> tuple[str, ...]:
        return tuple(sorted({view.tick.cadence for view in self.letters}))


def dead_letters(
    layout: Layout,
    *,
    where: Place = "dlq",
    cadence: str | None = None,
    contains: str | None = None,
    limit: int | None = None,
) -> list[TickView]:
    """Dead letters (or discarded ones), newest first; files that are no tick are left out.

    `contains` is looked for in id, cadence, source and errors, whatever its case.

    Raises:
        BusError: the folder cannot be read.
    """
    wanted = contains.casefold() if contains else None
    found: list[TickView] = []
    for view in _newest_first(layout.dlq if where == "dlq" else layout.trash, where):
        if limit is not None and len(found) >= limit:
            break
        if cadence is not None and view.tick.cadence != cadence:
            continue
        if wanted is None or wanted in searched(view.tick):
            found.append(view)
    return found


def count_dead(layout: Layout, where: Place = "dlq") -> int:
    """How many there are. Raises BusError."""
    return len(_listed(layout.dlq if where == "dlq" else layout.trash))


def grouped(letters: Iterable[TickView]) -> list[DeadGroup]:
    """Groups by signature; the one with the newest dead letter first."""
    groups: dict[str, list[TickView]] = {}
    for view in letters:
        groups.setdefault(signature(view.tick.last_error), []).append(view)
    made = [
        DeadGroup(name, tuple(views), max(_times(views)), min(_times(views)))
        for name, views in groups.items()
    ]
    return sorted(made, key=lambda group: -group.newest)


def _times(views: Sequence[TickView]) -> list[float]:
    return [view.since for view in views]


def _newest_first(folder: Path, where: Place) -> Iterator[TickView]:
    fs = OsFiles()
    for modified, tick_id in sorted(_listed(folder), reverse=True):
        try:
            data = fs.read(folder / f"{tick_id}.json", codec.OWN_LIMIT)
            yield TickView(codec.decode(data, tick_id, partial(float, modified)), where, modified)
        except (OSError, BadTick):
            continue  # gone meanwhile, or no tick: whoever owns the folder deals with it


def _listed(folder: Path) -> list[tuple[float, str]]:
    """(modification time, tick id) of the folder's tick files."""
    try:
        with os.scandir(folder) as entries:
            ids = ((entry, codec.tick_name(entry.name)) for entry in entries)
            return [(_modified(entry), tick_id) for entry, tick_id in ids if tick_id is not None]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BusError(f"{folder} cannot be read: {error.strerror}") from error


def _modified(entry: os.DirEntry[str]) -> float:
    try:
        return entry.stat(follow_symlinks=False).st_mtime
    except OSError:
        return 0.0


def searched(tick: Tick) -> str:
    """What a search looks in, whatever its case: casefolded."""
    errors = [failure.reason for failure in tick.failures]
    words = [tick.id, tick.cadence, tick.source, tick.last_error or "", *errors]
    return "\n".join(words).casefold()
