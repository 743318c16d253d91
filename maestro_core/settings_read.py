"""Reads a settings file that a person wrote: whole, small, UTF-8, never waiting on a pipe.

Unlike files of the bus these may be links: people keep them in other places.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

LIMIT = 128 << 10
"""A settings file over this many bytes is a mistake."""


MOST_FAULTS = 50
"""Of one kind are told; people correct the first ones first."""


def told(faults: Sequence[str]) -> tuple[str, ...]:
    """The first faults, and how many more there are."""
    more = len(faults) - MOST_FAULTS
    return (*faults[:MOST_FAULTS], *([f"and {more} more"] if more > 0 else []))


class Unreadable(Exception):
    """The file is there and cannot be used; the text says why, with the line where it has one."""


def read_text(path: Path) -> str | None:
    """The text without a byte order mark; None when there is no such file.

    Raises:
        Unreadable: no regular file, too large, not UTF-8, NUL inside, or an error of the disk.
    """
    try:
        data = _read(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror or error}") from error
    return _decoded(data)


def _read(path: Path) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise Unreadable("is not a regular file")
        with os.fdopen(fd, "rb", closefd=False) as file:
            data = file.read(LIMIT + 1)
    finally:
        os.close(fd)
    if len(data) > LIMIT:
        raise Unreadable(f"is larger than {LIMIT >> 10} KiB")
    return data


def _decoded(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"line {_line(data, error.start)}: is not UTF-8") from error
    if "\0" in text:
        raise Unreadable(f"line {_line(data, data.index(0))}: holds a NUL byte")
    return text


def _line(data: bytes, offset: int) -> int:
    return data.count(b"\n", 0, offset) + 1
