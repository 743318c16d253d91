"""Files of one JSON object a line: appended whole, read from the end.

Many processes append to one file at the same time: each line is one `write` on a descriptor
opened for appending, so lines never mix. A line cut short by a full disk or a crash is closed
by the next writer and passed over by readers.

Imported by `enqueue`, so it stays free of slow imports. Stateless; safe from any thread.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import time
from pathlib import Path

from maestro_core.files import FILE_MODE, OsFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

BLOCK = 1 << 16
LINE_LIMIT = 1 << 20
"""Longer lines are passed over when reading, so that memory stays bounded."""


def encode_line(entry: dict[str, Any]) -> bytes:
    """One line of UTF-8 JSON with its newline. Whatever JSON cannot say is written as text."""
    text = json.dumps(_plain(entry), ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace") + b"\n"


def append_line(path: Path, line: bytes) -> None:
    """Append `line` by one write; a half line before it is closed first.

    Raises:
        OSError: the disk refused, took only part of it, or `path` is no regular file.
    """
    fd = _open_for_append(path)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        data = line if _ends_with_newline(fd) else b"\n" + line
        if os.write(fd, data) != len(data):
            raise OSError(errno.ENOSPC, "only part of the line was written", str(path))
    finally:
        os.close(fd)


def lines_from_end(path: Path, block: int = BLOCK) -> Iterator[bytes | None]:
    """The lines of a file, last first, but empty ones; None in place of one over LINE_LIMIT.

    A last line without its newline is left out: it is still being written, or was cut.
    Nothing at all for a file that is missing, unreadable or not a regular file.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    try:
        info = os.fstat(fd)
        if stat.S_ISREG(info.st_mode):
            yield from _backwards(fd, info.st_size, block)
    finally:
        os.close(fd)


def parse_line(line: bytes | None) -> dict[str, Any] | None:
    """The object on a line; None when it is no JSON object (torn, too long, not UTF-8)."""
    if line is None:
        return None
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def map_strings(value: Any, change: Callable[[str], str], depth: int = 8) -> Any:
    """`value` with every string in it changed; what lies deeper than `depth` becomes text."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict | list | tuple) and depth == 0:
        return change(str(value))
    if isinstance(value, dict):
        return {change(str(k)): map_strings(v, change, depth - 1) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [map_strings(one, change, depth - 1) for one in value]
    return value


def _open_for_append(path: Path) -> int:
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.open(path, flags, FILE_MODE)
    except FileNotFoundError:
        if not path.parents[2].is_dir():
            raise  # the agent root was moved away: a log line must not bring its folder back
        OsFiles().make_folder(path.parent)
        return os.open(path, flags, FILE_MODE)


def _ends_with_newline(fd: int) -> bool:
    """Looked at a few times: a long line that another process is writing grows page by page."""
    for _ in range(4):
        size = os.fstat(fd).st_size
        if size == 0 or os.pread(fd, 1, size - 1) == b"\n":
            return True
        time.sleep(0.0005)
    return False


def _backwards(fd: int, size: int, block: int) -> Iterator[bytes | None]:
    """Lines from the end. `held` is the part of a line whose beginning is not read yet."""
    held: list[bytes] = []
    length, started = 0, False
    while size > 0:
        count = min(block, size)
        size -= count
        pieces = os.pread(fd, count, size).split(b"\n")
        for piece in reversed(pieces[1:]):
            if started and (piece or held):
                yield _joined(piece, held, length)
            held, length, started = [], 0, True
        length += len(pieces[0])
        if pieces[0] and length <= LINE_LIMIT:
            held.append(pieces[0])
    if started and held:
        yield _joined(b"", held, length)


def _joined(first: bytes, held: list[bytes], length: int) -> bytes | None:
    if length + len(first) > LINE_LIMIT:
        return None
    return first + b"".join(reversed(held))


def _plain(value: Any, depth: int = 8) -> Any:
    """`value` as JSON can say it: odd types and infinities as text, bounded in depth."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    if depth and isinstance(value, dict):
        return {str(key): _plain(one, depth - 1) for key, one in value.items()}
    if depth and isinstance(value, list | tuple | set | frozenset):
        return [_plain(one, depth - 1) for one in value]
    return str(value)
