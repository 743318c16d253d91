"""The ticks of one folder, each read once and judged by the bus's own rules. Changes nothing."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

from msgspec import Struct

from maestro_core.bus import codec
from maestro_core.errors import BadTick
from maestro_core.files import FileSystem
from maestro_core.models import Tick


class Unusable(Struct, frozen=True):
    """A file that is no tick, and why."""

    name: str
    reason: str


class Shelf(Struct, frozen=True, kw_only=True):
    """`exists` False: there is no such folder."""

    exists: bool = False
    ticks: tuple[Tick, ...] = ()
    unusable: tuple[Unusable, ...] = ()
    problem: str | None = None
    """Why the folder cannot be read."""

    @property
    def by_cadence(self) -> dict[str, int]:
        return dict(sorted(Counter(tick.cadence for tick in self.ticks).items()))

    @property
    def oldest(self) -> str | None:
        return min((tick.enqueued_at for tick in self.ticks if tick.enqueued_at), default=None)


def read_shelf(fs: FileSystem, folder: Path, *, claimed: bool = False) -> Shelf:
    """Everything in a folder of ticks but hidden files. Never raises for what stands there."""
    try:
        names = sorted(name for name in fs.names(folder) if not name.startswith("."))
    except FileNotFoundError:
        return Shelf()
    except OSError as error:
        return Shelf(exists=True, problem=f"{folder}: {error.strerror or error}")
    ticks, unusable = [], []
    for name in names:
        found = _read(fs, folder / name, claimed=claimed)
        if isinstance(found, Tick):
            ticks.append(found)
        else:
            unusable.append(Unusable(name, found))
    return Shelf(exists=True, ticks=tuple(ticks), unusable=tuple(unusable))


def _read(fs: FileSystem, path: Path, *, claimed: bool) -> Tick | str:
    """The tick, or why it is none."""
    tick_id = codec.tick_name(path.name)
    if tick_id is None:
        return "its name is not <id>.json"
    try:
        data = fs.read(path, codec.OWN_LIMIT)
        modified = partial(fs.modified, path)
        if claimed:
            return codec.decode_claimed(data, tick_id, modified)[0]
        return codec.decode(data, tick_id, modified)
    except BadTick as error:
        return error.message
    except OSError as error:
        return error.strerror or str(error)
