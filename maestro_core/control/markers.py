"""Operators' level state as files: paused/<cadence>.json and state/emergency-stop.

That the name exists is what counts; the content only says who, when and why. Each function
returns what the marker said before ({} when it said nothing readable), None when there was
none. Raises BusError with a remedy.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from maestro_core import files
from maestro_core.errors import BusError
from maestro_core.files import FileSystem
from maestro_core.layout import Layout

Note = dict[str, Any]
_LIMIT = 1 << 16


def read_note(fs: FileSystem, path: Path) -> Note | None:
    """The marker's content; {} for any that is no JSON object, None when there is no marker."""
    if not fs.exists(path):
        return None
    try:
        document = json.loads(fs.read(path, _LIMIT))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def pause(layout: Layout, fs: FileSystem, cadence: str, note: Note) -> Note | None:
    path = layout.paused / f"{cadence}.json"
    before = read_note(fs, path)
    try:
        _write(layout, fs, path, note)
    except OSError as error:
        raise BusError(f"{path} cannot be written: {error.strerror}") from error
    return before


def resume(layout: Layout, fs: FileSystem, cadence: str) -> Note | None:
    return _take_away(layout, fs, layout.paused / f"{cadence}.json")


def engage(layout: Layout, fs: FileSystem, note: Note) -> Note | None:
    """Engage the emergency stop. On a full disk an empty file has to do, and does."""
    path = layout.emergency_stop
    before = read_note(fs, path)
    try:
        _write(layout, fs, path, note)
    except OSError as error:
        if before is None:
            _touch(fs, path, error)
        elif note.get("kill") and not before.get("kill"):
            raise BusError(f"{path} cannot be rewritten to ask for a kill: {error}") from error
    return before


def clear(layout: Layout, fs: FileSystem) -> Note | None:
    return _take_away(layout, fs, layout.emergency_stop)


def _write(layout: Layout, fs: FileSystem, path: Path, note: Note) -> None:
    files.ensure_folders(fs, (layout.bus.parent, layout.bus, layout.tmp, path.parent))
    text = json.dumps(note, indent=2, ensure_ascii=False) + "\n"
    files.replace(fs, layout.tmp, path, text.encode("utf-8", "backslashreplace"))


def _touch(fs: FileSystem, path: Path, cause: OSError) -> None:
    try:
        fs.create(path, b"")
    except FileExistsError:
        return
    except OSError as error:
        raise BusError(
            f"the emergency stop could not be engaged: {cause}",
            f"make the file {path} by hand, its content does not matter",
        ) from error
    with suppress(OSError):  # it holds from now on, which is what counts; a power cut is worse luck
        fs.flush_folder(path.parent)


def _take_away(layout: Layout, fs: FileSystem, path: Path) -> Note | None:
    """Remove the marker; a folder in its place is moved to quarantine as it is."""
    before = read_note(fs, path)
    if before is None:
        return None
    try:
        files.remove(fs, path)
    except OSError:
        _move_away(layout, fs, path)
    return before


def _move_away(layout: Layout, fs: FileSystem, path: Path) -> None:
    try:
        fs.make_folder(layout.quarantine)
        fs.rename(path, layout.quarantine / f"{path.name[:200]}.{files.temp_name()}")
    except OSError as error:
        raise BusError(
            f"{path} cannot be removed: {error.strerror}", "look at the folder's permissions"
        ) from error
