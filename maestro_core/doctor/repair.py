"""Safe repairs for `doctor --fix`: previewed first, and nothing that could lose anything.

Makes missing folders of the bus, takes .env away from other users, removes temp files that a
killed writer left behind. Nothing else.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from maestro_core.clock import Clock
from maestro_core.files import FileSystem, remove
from maestro_core.layout import Layout

STRAY_SECONDS = 36 * 3600.0
"""Nobody needs this long to write a file."""


class Repair(Struct, frozen=True):
    """One thing that may be done; `check` is the finding's id, `what` says it in words."""

    check: str
    what: str
    act: Callable[[], None]


class Repaired(Struct, frozen=True):
    """What came of a repair; `error` None = done."""

    what: str
    error: str | None


def plan_repairs(layout: Layout, fs: FileSystem, clock: Clock) -> list[Repair]:
    """What `apply_repairs` would do; changes nothing."""
    return [*_folders(layout, fs), *_env_mode(layout), *_strays(layout, fs, clock)]


def apply_repairs(repairs: list[Repair]) -> list[Repaired]:
    """Do them; one that fails keeps no other from being tried."""
    return [Repaired(one.what, _tried(one.act)) for one in repairs]


def _tried(act: Callable[[], None]) -> str | None:
    try:
        act()
    except OSError as error:
        return error.strerror or str(error)
    return None


def _folders(layout: Layout, fs: FileSystem) -> list[Repair]:
    return [
        Repair("bus.folders", f"make the folder {_short(layout, path)}", _maker(fs, path))
        for path in layout.folders()
        if not fs.exists(path)
    ]


def _maker(fs: FileSystem, path: Path) -> Callable[[], None]:
    def act() -> None:
        fs.make_folder(path)
        fs.flush_folder(path.parent)

    return act


def _env_mode(layout: Layout) -> list[Repair]:
    try:
        mode = stat.S_IMODE(os.stat(layout.env_file).st_mode)
    except OSError:
        return []
    if not mode & 0o077:
        return []
    what = f"take .env away from other users (chmod 600, it is {mode:03o})"
    return [Repair("env.permissions", what, lambda: layout.env_file.chmod(0o600))]


def _strays(layout: Layout, fs: FileSystem, clock: Clock) -> list[Repair]:
    old = stray_files(layout, fs, clock)
    return [
        Repair(
            "bus.strays", f"remove the stray temp file {_short(layout, path)}", _remover(fs, path)
        )
        for path in old
    ]


def _remover(fs: FileSystem, path: Path) -> Callable[[], None]:
    def act() -> None:
        remove(fs, path)

    return act


def stray_files(layout: Layout, fs: FileSystem, clock: Clock) -> list[Path]:
    """Regular files in tmp/ that are older than any writer needs."""
    horizon = clock.wall() - STRAY_SECONDS
    try:
        names = sorted(fs.names(layout.tmp))
    except OSError:
        return []
    paths = [layout.tmp / name for name in names]
    return [path for path in paths if path.is_file() and fs.modified(path) < horizon]


def _short(layout: Layout, path: Path) -> str:
    return str(path.relative_to(layout.root))
