"""The inbox as one reader knows it: which files came or went since the last look, read once
and kept in order. Reading is cut into slices, so that 100,000 new files delay nobody: what is
read can be claimed while the rest is still unknown.

The engine keeps one and sets bad files aside; the console's reader keeps another and changes
nothing. One thread each.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import partial

from maestro_core.bus import codec
from maestro_core.bus.index import Waiting
from maestro_core.clock import Clock
from maestro_core.errors import BadTick
from maestro_core.files import FileSystem

PATIENCE = 5.0
"""Seconds that a file may be unparsable after its last change: it may be half written."""
SLICE_SECONDS = 0.25
SLICE_LEAST = 1000
"""One slice reads for that long, and at least that many files."""
STUCK_SECONDS = 30.0
"""A file that could not be read or set aside is looked at again after that long."""
_PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR})
"""The process's own trouble, which may be over in a moment."""
PAUSE_SECONDS = 1.0

Reject = Callable[[str, str], bool]
"""Set a file (by name) aside with a reason; False when that could not be done."""


def leave_alone(_name: str, _reason: str) -> bool:
    """The `Reject` of a reader that changes nothing."""
    return False


class Inbox:
    """Names and keys of one folder of waiting ticks."""

    def __init__(
        self, fs: FileSystem, folder: str, clock: Clock, reject: Reject = leave_alone
    ) -> None:
        self.waiting = Waiting()
        self._fs = fs
        self._folder = folder
        self._clock = clock
        self._reject = reject
        self._stamp: int | None = None
        self._unread: dict[str, None] = {}
        self._later: dict[str, float] = {}  # name -> steady time of its next look
        self._first_seen: dict[str, float] = {}

    def __len__(self) -> int:
        """Files that are, or may be, ticks."""
        return len(self.waiting) + len(self._unread) + len(self._later)

    @property
    def unread(self) -> int:
        """Files whose turn to be read has not come."""
        return len(self._unread)

    def refresh(self, seconds: float = SLICE_SECONDS) -> bool:
        """Look at the folder and read a slice; True when something changed.

        Raises OSError when the folder cannot be read.
        """
        changed = self._look()
        return self.read(seconds) or changed

    def read(self, seconds: float = SLICE_SECONDS) -> bool:
        """Read a slice of what is known to be there; True when there was something to read.

        Raises OSError when a file could not be read, after the others were: it waits.
        """
        self._wake_later()
        end = self._clock.awake() + seconds
        done, trouble = 0, None
        for name in list(self._unread):
            if done >= SLICE_LEAST and not done % 64 and self._clock.awake() >= end:
                break
            done += 1
            try:
                self._read_one(name)
            except OSError as error:
                trouble = trouble or error
                pause = PAUSE_SECONDS if error.errno in _PASSING else STUCK_SECONDS
                self._later[name] = self._clock.steady() + pause
            self._unread.pop(name, None)
        if not self._unread:
            self._unread = {}  # an emptied dict keeps the room of all that were in it
        if trouble is not None:
            raise trouble
        return done > 0

    def arrived(self, name: str) -> None:
        """This file is known to be new: read it with the next slice."""
        self._unread[name] = None

    def next_look_at(self) -> float | None:
        """Wall time at which a file that waits to be finished is looked at again."""
        if self._unread:
            return self._clock.wall()
        if not self._later:
            return None
        return self._clock.wall() + min(self._later.values()) - self._clock.steady()

    # ---- which files ---------------------------------------------------------------------

    def _look(self) -> bool:
        stamp = self._fs.settled(self._folder)
        if stamp is not None and stamp == self._stamp:
            return False
        names = [name for name in self._fs.names(self._folder) if not name.startswith(".")]
        self._stamp = stamp
        fresh = [name for name in names if self._is_new(name)]
        gone = len(names) - len(fresh) < len(self) and self._drop_gone(set(names))
        self._unread.update(dict.fromkeys(sorted(fresh)))
        return bool(fresh) or gone

    def _is_new(self, name: str) -> bool:
        if name[-5:] == codec.SUFFIX and name[:-5] in self.waiting.keys:
            return False
        return name not in self._unread and name not in self._later

    def _drop_gone(self, names: set[str]) -> bool:
        """Forget what is not there. A listing may miss a file that is being renamed, so each
        is asked for by name first."""
        known = [tick_id + codec.SUFFIX for tick_id in self.waiting.keys]
        gone = [name for name in (*known, *self._unread, *self._later) if name not in names]
        gone = [name for name in gone if not self._fs.exists(f"{self._folder}/{name}")]
        for name in gone:
            self._forget(name)
        return bool(gone)

    def _forget(self, name: str) -> None:
        self.waiting.discard(name.removesuffix(codec.SUFFIX))
        for memory in (self._unread, self._later, self._first_seen):
            memory.pop(name, None)

    # ---- what is in them -----------------------------------------------------------------

    def _wake_later(self) -> None:
        now = self._clock.steady()
        for name in [name for name, due in self._later.items() if due <= now]:
            del self._later[name]
            self._unread[name] = None

    def _read_one(self, name: str) -> None:
        path = f"{self._folder}/{name}"
        tick_id = codec.tick_name(name)
        try:
            if tick_id is None:
                raise BadTick("its name is not <id>.json", young=True)
            data = self._fs.read(path, codec.OWN_LIMIT)
            self.waiting.add(codec.peek(data, tick_id, partial(self._fs.modified, path)))
            self._first_seen.pop(name, None)
        except FileNotFoundError:
            self._forget(name)
        except BadTick as fault:
            self._bad(name, fault)
        except OSError as error:
            reason = codec.unreadable(error)
            if reason is None:
                raise
            locked = error.errno in (errno.EACCES, errno.EPERM)  # its owner may open it yet
            self._bad(name, BadTick(reason, young=locked))

    def _bad(self, name: str, fault: BadTick) -> None:
        due = self._patience(name) if fault.young else None
        if due is not None:
            self._later[name] = due
        elif self._reject(name, fault.message):
            self._first_seen.pop(name, None)
        else:
            self._later[name] = self._clock.steady() + STUCK_SECONDS

    def _patience(self, name: str) -> float | None:
        """Steady time until which a file that may still be written is left alone; None = over."""
        now = self._clock.steady()
        try:
            age = self._clock.wall() - self._fs.modified(f"{self._folder}/{name}")
        except OSError:
            return None
        if age < 0:  # its time lies ahead: count from when we first saw it
            age = now - self._first_seen.setdefault(name, now)
        return now + PATIENCE - age if age < PATIENCE else None
