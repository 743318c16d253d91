"""Dead letters (or the trash) as one reader knows them: newest first by the file's time, so
that a page of 100,000 needs no body; cadences are read in slices, once for each file.

The engine keeps one for each folder, the console's reader another. One thread each.
"""

from __future__ import annotations

from collections import Counter
from functools import partial

from maestro_core.bus import codec
from maestro_core.bus.inbox import SLICE_LEAST, SLICE_SECONDS
from maestro_core.clock import Clock
from maestro_core.errors import BadTick
from maestro_core.files import FileSystem

UNKNOWN = "?"
"""The cadence of a letter that cannot be read."""


class Letters:
    """Ids of one folder with their times and, as far as read, cadences."""

    def __init__(self, fs: FileSystem, folder: str, clock: Clock) -> None:
        self._fs = fs
        self._folder = folder
        self._clock = clock
        self._stamp: int | None = None
        self._since: dict[str, float] = {}
        self._cadence: dict[str, str] = {}
        self._untimed: dict[str, None] = {}
        self._order: list[tuple[float, str]] | None = []

    def __len__(self) -> int:
        return len(self._since) + len(self._untimed)

    @property
    def unread(self) -> int:
        """Letters whose cadence is not known yet."""
        return len(self) - len(self._cadence)

    def refresh(self, seconds: float = SLICE_SECONDS, *, bodies: bool = True) -> bool:
        """Look at the folder and read a slice of what is new; True when something changed.

        Raises OSError when the folder cannot be read.
        """
        changed = self._look()
        end = self._clock.awake() + seconds
        changed = self._take_times(end) or changed
        return (bodies and self._take_cadences(end)) or changed

    def page(self, cadence: str | None, limit: int, offset: int) -> list[str]:
        """Ids, newest first, of those whose time is known (and cadence, where one is asked for)."""
        if self._order is None:
            self._order = sorted((-since, tick_id) for tick_id, since in self._since.items())
        if cadence is None:
            return [tick_id for _, tick_id in self._order[offset : offset + limit]]
        found = [one for _, one in self._order if self._cadence.get(one) == cadence]
        return found[offset : offset + limit]

    def by_cadence(self) -> dict[str, int]:
        """How many there are, by cadence, as far as read."""
        return dict(Counter(self._cadence.values()))

    def _look(self) -> bool:
        stamp = self._fs.settled(self._folder)
        if stamp is not None and stamp == self._stamp:
            return False
        found = {i for name in self._fs.names(self._folder) if (i := codec.tick_name(name))}
        self._stamp = stamp
        gone = [one for one in (*self._since, *self._untimed) if one not in found]
        fresh = [one for one in found if one not in self._since and one not in self._untimed]
        for tick_id in gone:
            self._forget(tick_id)
        self._untimed.update(dict.fromkeys(fresh))
        return bool(gone or fresh)

    def _forget(self, tick_id: str) -> None:
        for memory in (self._since, self._cadence, self._untimed):
            memory.pop(tick_id, None)
        self._order = None

    def _take_times(self, end: float) -> bool:
        for done, tick_id in enumerate(list(self._untimed)):
            if self._over(done, end):
                break
            try:
                self._since[tick_id] = self._fs.modified(self._path(tick_id))
            except FileNotFoundError:
                self._forget(tick_id)
            self._untimed.pop(tick_id, None)
            self._order = None
        return self._order is None

    def _take_cadences(self, end: float) -> bool:
        missing = len(self._since) - len(self._cadence)
        if not missing:
            return False
        for done, tick_id in enumerate([i for i in self._since if i not in self._cadence]):
            if self._over(done, end):
                break
            self._cadence[tick_id] = self._read(tick_id)
        return True

    def _read(self, tick_id: str) -> str:
        path = self._path(tick_id)
        try:
            data = self._fs.read(path, codec.OWN_LIMIT)
            return codec.peek(data, tick_id, partial(self._fs.modified, path)).cadence
        except (BadTick, OSError):
            return UNKNOWN  # `doctor` and the page itself say what is wrong with it

    def _path(self, tick_id: str) -> str:
        return f"{self._folder}/{tick_id}{codec.SUFFIX}"

    def _over(self, done: int, end: float) -> bool:
        return done >= SLICE_LEAST and not done % 64 and self._clock.awake() >= end
