"""The starts of the service, so that a crash loop is seen and slows down instead of burning on.

state/cadence-bus/service.json, written by `maestro-tui run --service` alone: an entry for
each start; one without an end belongs to a process that was killed or crashed.
"""

from __future__ import annotations

import errno
import os
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from maestro_core import __version__, files
from maestro_core.clock import Clock, iso, parse_iso
from maestro_core.files import FileSystem
from maestro_core.layout import Layout

KEPT = 50
LONG_LIFE = 600.0
"""Seconds: a process that lived longer ends a loop, however it ended."""

FREE = 2
"""So many bad ends in a row cost no delay."""
FIRST_DELAY, LONGEST_DELAY = 10.0, 300.0
LOOP = 3
"""So many bad ends in a row are called a crash loop."""
_LIMIT = 1 << 18


class Start(Struct, frozen=True, kw_only=True):
    """`ended` None: it lives, or it ended without a word. `error` None: a clean end."""

    at: str
    pid: int
    version: str
    ended: str | None = None
    error: str | None = None


class StartBook:
    """Reads and writes the file; one process at a time writes."""

    def __init__(self, layout: Layout, fs: FileSystem, clock: Clock) -> None:
        self._layout = layout
        self._fs = fs
        self._clock = clock
        self._path = layout.bus / "service.json"

    def read(self) -> list[Start]:
        """Oldest first; a damaged file counts as none."""
        try:
            document = msgspec.json.decode(self._fs.read(self._path, _LIMIT))
            return msgspec.convert(document["starts"], list[Start], strict=True)
        except (OSError, msgspec.MsgspecError, RecursionError, KeyError, TypeError):
            return []

    def begin(self) -> int:
        """Note a start; how many bad ends in a row there were before it. Raises OSError."""
        before = self.read()
        now = iso(self._clock.wall())
        self._write([*before, Start(at=now, pid=os.getpid(), version=__version__)])
        return bad_ends(before, self._clock.wall())

    def end(self, error: str | None) -> None:
        """Note how this process ends. Raises OSError."""
        starts = self.read()
        ended = iso(self._clock.wall())
        for index in range(len(starts) - 1, -1, -1):
            if starts[index].pid == os.getpid() and starts[index].ended is None:
                starts[index] = replace(starts[index], ended=ended, error=error)
                break
        self._write(starts)

    def _write(self, starts: list[Start]) -> None:
        document: dict[str, Any] = {"starts": msgspec.to_builtins(starts[-KEPT:])}
        data = msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
        if not self._fs.exists(self._layout.root):  # moved away: it must not come back empty
            raise FileNotFoundError(errno.ENOENT, "the agent root is gone", str(self._layout.root))
        files.ensure_folders(self._fs, (self._layout.bus, self._layout.tmp))
        files.replace(self._fs, self._layout.tmp, self._path, data)


def bad_ends(starts: list[Start], now: float) -> int:
    """How many of the last starts ended badly, one right after the other."""
    count, following = 0, now
    for start in reversed(starts):
        begun = _moment(start.at, following)
        ended = _moment(start.ended, following) if start.ended else following
        clean = start.ended is not None and start.error is None
        if clean or ended - begun > LONG_LIFE:
            return count
        count, following = count + 1, begun
    return count


class Loop(Struct, frozen=True):
    """A crash loop that goes on: bad ends in a row, and how the last one ended."""

    bad: int
    reason: str


def loop_now(starts: list[Start], now: float) -> Loop | None:
    """The crash loop at `now` (wall epoch seconds); None = there is none, or nobody has started it
    for so long that it is over."""
    before = [one for one in starts if one.ended is not None or one is not starts[-1]]
    bad = bad_ends(before, now)
    if bad < LOOP or now - _moment(starts[-1].at, now) > LONG_LIFE:
        return None
    return Loop(bad, before[-1].error or "killed or crashed")


def delay(bad: int) -> float:
    """Seconds to wait before the next try after so many bad ends in a row."""
    if bad < FREE:
        return 0.0
    doubled: float = FIRST_DELAY * 2.0 ** min(bad - FREE, 20)
    return min(doubled, LONGEST_DELAY)


def _moment(text: str, otherwise: float) -> float:
    try:
        return parse_iso(text)
    except ValueError:
        return otherwise
