"""The folders' side of a move: state/cadence-bus/moving/, where a tick is neither on its shelf
nor on the server, so that no consumer of either can have it.

Whoever holds consumer.lock; one thread. Errors are OSError, but for what the docstrings say.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from maestro_core import files
from maestro_core.bus import codec, twins
from maestro_core.bus.producer import live_holder, remember_key
from maestro_core.bus.shelves import Shelves
from maestro_core.clock import Clock
from maestro_core.errors import BadTick, BusError, Refused
from maestro_core.files import FileSystem
from maestro_core.fleet.moves import SHELVES, Parcel, Shelf
from maestro_core.layout import Layout
from maestro_core.models import Tick

_NOTE_LIMIT = 1 << 16


class Yard:
    """Files on their way. `since` of a parcel is wall epoch seconds here."""

    def __init__(self, layout: Layout, fs: FileSystem, clock: Clock) -> None:
        self.layout = layout
        self.fs = fs
        self.shelves = Shelves(layout, fs, clock)

    # ---- the move itself ---------------------------------------------------------------------

    @property
    def _note(self) -> Path:
        return self.layout.moving / "move.json"

    def note(self) -> dict[str, Any] | None:
        """The unfinished move that this agent root has part in. BusError for a damaged note."""
        try:
            note = json.loads(self.fs.read(self._note, _NOTE_LIMIT))
            str(note["move"]), str(note["to"]), str(note["server"])
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError) as error:
            raise BusError(
                f"{self._note} cannot be understood: {error}",
                "it names the move that is unfinished here; put it right by hand",
            ) from error
        return dict(note)

    def remember(self, note: dict[str, Any]) -> None:
        files.ensure_folders(self.fs, [self.layout.moving, *map(self._folder, SHELVES)])
        data = json.dumps(note, indent=2).encode() + b"\n"
        files.replace(self.fs, self.layout.tmp, self._note, data)

    def forget(self) -> None:
        """The move is over: the note goes, then the empty folders."""
        files.remove(self.fs, self._note)
        for shelf in SHELVES:
            self._folder(shelf).rmdir()
        self.layout.moving.rmdir()

    # ---- what is where -----------------------------------------------------------------------

    def on_shelf(self, shelf: Shelf | Literal["claimed"]) -> list[str]:
        try:
            return sorted(self.shelves.ids(shelf))
        except FileNotFoundError:
            return []

    def staged(self, shelf: Shelf) -> list[str]:
        try:
            names = self.fs.names(self._folder(shelf))
        except FileNotFoundError:
            return []
        return sorted(one for name in names if (one := codec.tick_name(name)))

    def read_shelf(self, shelf: Shelf, tick_id: str) -> Parcel:
        """Raises BadTick, FileNotFoundError."""
        tick, _ = self.shelves.load(shelf, tick_id)
        return Parcel(tick, self.fs.modified(self.shelves.path(shelf, tick_id)))

    def read(self, shelf: Shelf, tick_id: str) -> Parcel:
        """A staged one. Raises BadTick, FileNotFoundError."""
        path = self._path(shelf, tick_id)
        since = self.fs.modified(path)
        data = self.fs.read(path, codec.OWN_LIMIT)
        return Parcel(codec.decode(data, tick_id, lambda: since), since)

    # ---- folders -> server -------------------------------------------------------------------

    def pick_up(self, shelf: Shelf, ids: Sequence[str]) -> None:
        """From the shelf, durably: no consumer of these folders finds them any more."""
        for tick_id in ids:
            self.fs.rename(self.shelves.path(shelf, tick_id), self._path(shelf, tick_id))
        self._flush(shelf)
        self.shelves.flush(shelf)

    def put_back(self, shelf: Shelf, tick_id: str) -> bool:
        """To the shelf again; False where another tick has taken the name meanwhile."""
        if self.shelves.has(shelf, tick_id):
            return False
        self.fs.rename(self._path(shelf, tick_id), self.shelves.path(shelf, tick_id))
        self.shelves.flush(shelf)
        self._flush(shelf)
        return True

    def drop(self, shelf: Shelf, ids: Sequence[str]) -> None:
        """They are on the server: the files go, durably."""
        for tick_id in ids:
            self._unlink(shelf, tick_id)
        self._flush(shelf)

    # ---- server -> folders -------------------------------------------------------------------

    def objection(self, shelf: Shelf, tick: Tick) -> str | None:
        """Why a tick cannot come to that shelf. Letters are never objected to: `stage` names
        them anew."""
        if shelf != "inbox":
            return None
        for there in ("inbox", "claimed", "dlq"):
            if self.shelves.has(there, tick.id):
                return f"another tick with this id is in {there}"
        if tick.dedupe_key is not None:
            holder = live_holder(self.layout, tick.dedupe_key, self.fs)
            if holder is not None:
                return f"{holder} is waiting here with the same dedupe key"
        return None

    def stage(self, shelf: Shelf, parcels: Sequence[Parcel]) -> None:
        """Write them, durably, where no consumer looks. A second time changes nothing."""
        for parcel in parcels:
            other = twins.namesake(parcel.tick, codec.encode(parcel.tick).decode())
            for one in (parcel.tick, other):  # what an earlier try has left
                self._unlink(shelf, one.id)
            taken = shelf != "inbox" and self.shelves.has(shelf, parcel.tick.id)
            self._write(shelf, other if taken else parcel.tick, parcel.since)
        self._flush(shelf)

    def _write(self, shelf: Shelf, tick: Tick, since: float) -> None:
        temp = files.write_new(self.fs, self.layout.tmp, codec.encode(tick))
        os.utime(temp, (since, since))
        self.fs.rename(temp, self._path(shelf, tick.id))

    def publish(self, shelf: Shelf) -> dict[str, str]:
        """All that is staged there comes to its shelf, each by one rename. Returns those that
        cannot, with the reason: they stay staged."""
        refused: dict[str, str] = {}
        with self.fs.lock(self.layout.dedupe_lock):
            for tick_id in self.staged(shelf):
                try:
                    self._publish(shelf, tick_id)
                except (BadTick, Refused) as fault:
                    refused[tick_id] = fault.message
        self.shelves.flush(shelf)
        self._flush(shelf)
        return refused

    def _publish(self, shelf: Shelf, tick_id: str) -> None:
        tick = self.read(shelf, tick_id).tick
        if reason := self.objection(shelf, tick):
            raise Refused(reason)
        if self.shelves.has(shelf, tick_id):
            raise Refused(f"another tick with this id is in {shelf}")
        if shelf == "inbox" and tick.dedupe_key is not None:
            remember_key(self.layout, tick.dedupe_key, tick_id, self.fs)
        self.fs.rename(self._path(shelf, tick_id), self.shelves.path(shelf, tick_id))

    # ---- paths -------------------------------------------------------------------------------

    def _folder(self, shelf: Shelf) -> Path:
        return self.layout.moving / shelf

    def _path(self, shelf: Shelf, tick_id: str) -> str:
        return f"{self._folder(shelf)}/{tick_id}{codec.SUFFIX}"

    def _unlink(self, shelf: Shelf, tick_id: str) -> None:
        try:
            self.fs.unlink(self._path(shelf, tick_id))
        except FileNotFoundError:
            pass

    def _flush(self, shelf: Shelf) -> None:
        self.fs.flush_folder(self._folder(shelf))
