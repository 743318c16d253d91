"""The folders of the bus and the durable moves between them.

A move publishes the new version at its target and flushes that name before the old one goes,
so that a tick is on the disk at every moment, with or without a journal. What a stop in the
middle leaves, the same tick in two folders, `twins` tells apart. One thread.
"""

from __future__ import annotations

import json
import os
import zlib
from functools import partial
from typing import Any, Literal

from maestro_core import files
from maestro_core.bus import codec
from maestro_core.clock import Clock, iso
from maestro_core.errors import BadTick, BusError
from maestro_core.files import FileSystem
from maestro_core.layout import Layout
from maestro_core.models import Tick

Shelf = Literal["inbox", "claimed", "dlq", "trash", "quarantine"]
REASON = ".reason.json"
_NAME_BYTES = 200
"""A longer name is cut in quarantine: suffixes have to fit into 255 bytes."""


class Shelves:
    """Paths, reading, and the moves. Errors are OSError, for the engine to explain."""

    def __init__(self, layout: Layout, fs: FileSystem, clock: Clock) -> None:
        self.fs = fs
        self._clock = clock
        self._layout = layout
        self.tmp = str(layout.tmp)
        self.folder: dict[Shelf, str] = {
            "inbox": str(layout.inbox),
            "claimed": str(layout.claimed),
            "dlq": str(layout.dlq),
            "trash": str(layout.trash),
            "quarantine": str(layout.quarantine),
        }
        self._needed = (*self.folder.values(), str(layout.dedupe), self.tmp)

    def prepare(self) -> None:
        """Make what is missing, and flush what a process that was killed had not.

        BusError when the folders are not on one file system.
        """
        bus = str(self._layout.bus)
        files.ensure_folders(self.fs, (str(self._layout.bus.parent), bus, *self._needed))
        home = self.fs.device(bus)
        foreign = [folder for folder in self._needed if self.fs.device(folder) != home]
        if foreign:
            raise BusError(
                f"{foreign[0]} is on another file system than {bus}",
                "ticks move between these folders by rename: put them on one disk",
            )
        for shelf in self.folder:
            self.flush(shelf)

    def restore(self) -> bool:
        """Make folders again that somebody has removed; whether there were any."""
        if all(self.fs.exists(folder) for folder in self._needed):
            return False
        self.prepare()
        return True

    def path(self, shelf: Shelf, tick_id: str) -> str:
        return f"{self.folder[shelf]}/{tick_id}{codec.SUFFIX}"

    def has(self, shelf: Shelf, tick_id: str) -> bool:
        return self.fs.exists(self.path(shelf, tick_id))

    def ids(self, shelf: Shelf) -> list[str]:
        """Ids of the files with a tick's name, unordered."""
        found = (codec.tick_name(name) for name in self.fs.names(self.folder[shelf]))
        return [tick_id for tick_id in found if tick_id is not None]

    def load(self, shelf: Shelf, tick_id: str) -> tuple[Tick, dict[str, Any]]:
        """The tick, and its claim ({} if none). BadTick also for a file of the wrong kind."""
        path = self.path(shelf, tick_id)
        try:
            data = self.fs.read(path, codec.OWN_LIMIT)
        except OSError as error:
            if (reason := codec.unreadable(error)) is None:
                raise
            raise BadTick(reason) from error
        modified = partial(self.fs.modified, path)
        return codec.decode_claimed(data, tick_id, modified, own=shelf != "inbox")

    # ---- moves ---------------------------------------------------------------------------

    def grab(self, tick_id: str) -> bool:
        """inbox -> claimed, for one of those who try: the name in claimed/ is the lock.

        True: the file has both names now. False: no hard links here, it was renamed.
        FileNotFoundError: gone. FileExistsError: a tick of this id is claimed.
        """
        return files.give_name(self.fs, self.path("inbox", tick_id), self.path("claimed", tick_id))

    def place(self, shelf: Shelf, tick_id: str, data: bytes) -> None:
        """A new file, whose name is not flushed yet. One that is in the way is set aside."""
        path = self.path(shelf, tick_id)
        try:
            files.place(self.fs, self.tmp, path, data)
        except FileExistsError:
            if self.holds(shelf, tick_id, data):
                return  # an earlier try came this far
            self._make_way(shelf, tick_id)
            files.place(self.fs, self.tmp, path, data)

    def rewrite(self, shelf: Shelf, tick_id: str, data: bytes) -> None:
        """Another version at the same place, durably."""
        files.replace(self.fs, self.tmp, self.path(shelf, tick_id), data)

    def flush(self, shelf: Shelf) -> None:
        self.fs.flush_folder(self.folder[shelf])

    def drop(self, shelf: Shelf, tick_id: str) -> None:
        """Take the name away, not flushed; one that is gone already is fine."""
        try:
            self.fs.unlink(self.path(shelf, tick_id))
        except FileNotFoundError:
            pass

    def set_aside(self, shelf: Shelf, name: str, reason: str) -> None:
        """Move a file, whatever it is, to quarantine, with its reason beside it."""
        source = f"{self.folder[shelf]}/{name}"
        spot = self._spot(name, source)
        note = {"at": iso(self._clock.wall()), "name": _printable(name), "from": shelf,
                "reason": reason}  # fmt: skip
        data = json.dumps(note, indent=2).encode() + b"\n"
        files.replace(self.fs, self.tmp, spot + REASON, data)
        linked = self.fs.exists(spot) or files.give_name(self.fs, source, spot)
        self.flush("quarantine")
        if linked:
            self.fs.unlink(source)
        self.flush(shelf)

    def holds(self, shelf: Shelf, tick_id: str, data: bytes) -> bool:
        """Whether exactly these bytes are there."""
        try:
            return self.fs.read(self.path(shelf, tick_id), codec.OWN_LIMIT) == data
        except FileNotFoundError:
            return False
        except OSError as error:
            if codec.unreadable(error) is None:
                raise
            return False

    def _make_way(self, shelf: Shelf, tick_id: str) -> None:
        reason = f"another tick with the id {tick_id} came to {shelf} from within the bus"
        self.set_aside(shelf, tick_id + codec.SUFFIX, reason)

    def _spot(self, name: str, source: str) -> str:
        """A free path in quarantine, or the one where an earlier try has put the same bytes."""
        raw = os.fsencode(name)
        if len(raw) > _NAME_BYTES:
            name = f"{os.fsdecode(raw[:_NAME_BYTES])}~{zlib.crc32(raw):08x}"
        base = f"{self.folder['quarantine']}/{name}"
        number = 0
        while self.fs.exists(spot := f"{base}.{number}" if number else base):
            if self._same_bytes(spot, source):
                break
            number += 1
        return spot

    def _same_bytes(self, one: str, other: str) -> bool:
        try:
            return self.fs.read(one, codec.OWN_LIMIT) == self.fs.read(other, codec.OWN_LIMIT)
        except OSError:
            return False


def _printable(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace")
