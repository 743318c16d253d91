"""Reads small JSON files that anybody may have written: torn, hostile or absent, never fatal.

What cannot be used comes back as a problem line for people. Stateless; any thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from maestro_core.clock import parse_iso
from maestro_core.files import FileSystem

LIMIT = 8 << 20
_FIRST, _LAST = -62135596800.0, 253402300799.0
_DECODE = msgspec.json.Decoder()

T = TypeVar("T")


class Document(Struct, frozen=True):
    """`content` {} when absent or unusable; `problem` says why it is unusable."""

    content: dict[str, Any]
    exists: bool
    problem: str | None = None


ABSENT = Document({}, exists=False)


def read_document(fs: FileSystem, path: Path) -> Document:
    """The JSON object at `path`."""
    try:
        data = fs.read(path, LIMIT)
    except (FileNotFoundError, NotADirectoryError):
        return ABSENT
    except OSError as error:
        return _unusable(path, error.strerror or str(error))
    if len(data) > LIMIT:
        return _unusable(path, f"larger than {LIMIT >> 20} MiB")
    try:
        content = _DECODE.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return _unusable(path, str(error))
    if not isinstance(content, dict):
        return _unusable(path, "not a JSON object")
    return Document(content, exists=True)


def _unusable(path: Path, reason: str) -> Document:
    return Document({}, exists=True, problem=f"{path.name} cannot be read: {reason}")


def moment(value: Any) -> float | None:
    """An ISO time as epoch seconds; None for what is no time."""
    try:
        epoch = parse_iso(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return epoch if _FIRST <= epoch <= _LAST else None


def text(value: Any, limit: int = 4000) -> str | None:
    """A string, cut to a length that a screen can bear; None for anything else."""
    return value[:limit] if isinstance(value, str) else None


def whole(value: Any) -> int:
    """A count: 0 for what is no whole number from 0 up."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a JSON list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def named(value: Any) -> dict[str, dict[str, Any]]:
    """The members of a JSON object that are objects."""
    if not isinstance(value, dict):
        return {}
    return {name: one for name, one in value.items() if isinstance(one, dict)}


def keep(old: T, new: T) -> T:
    """`old` when nothing changed, so that a screen may compare by identity."""
    return old if old == new else new
