"""The end of a log that lies on another machine, as bytes that grow: each look at it gives the
last so many bytes, and what is new is put behind what is known. A `ByteSource`.

What was written faster than it was told is missing in between; the place is marked.
"""

from __future__ import annotations

from collections.abc import Callable

from maestro_core.errors import MaestroError
from maestro_core.observe.logfile_bytes import Change, Reader, State

GAP = b"[... some of the output was not told ...]\n"
MOST_KEPT = 8 << 20
"""Bytes; of more the older half goes."""
_OVERLAP = 4096
"""Bytes of the known end that are looked for in a new look."""


class TailBytes:
    """`look` gives the newest end, None for none; what it raises is told as trouble.

    `refresh` calls it: whoever shows the log calls `refresh` where it may block.
    """

    def __init__(self, look: Callable[[], bytes | None]) -> None:
        self._look = look
        self._data = b""
        self.state: State = "waiting"
        self.trouble: str | None = None

    @property
    def size(self) -> int:
        return len(self._data)

    def refresh(self) -> Change:
        try:
            seen = self._look()
        except MaestroError as error:
            self.trouble = error.message
            return "same"
        self.trouble = None
        if seen is None:
            return "same"
        self.state = "live"
        known = len(self._data)
        self._data += behind(self._data, seen)
        if len(self._data) > MOST_KEPT:
            self._data = self._data[-MOST_KEPT // 2 :]
            return "restarted"
        return "grown" if len(self._data) > known else "same"

    def read(self, offset: int, count: int) -> bytes:
        return self._data[offset : offset + count] if count > 0 else b""

    def reader(self) -> Reader:
        return self.read


def behind(known: bytes, seen: bytes) -> bytes:
    """What of `seen`, a later end of the same output, comes after `known`."""
    if not known or seen == known:
        return seen if not known else b""
    if seen.startswith(known):
        return seen[len(known) :]
    end = known[-_OVERLAP:]
    place = seen.rfind(end)
    return seen[place + len(end) :] if place >= 0 else GAP + seen
