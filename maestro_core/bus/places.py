"""Which path means which topic: the folders that a feed has to watch, and what a change in
one of them says. Pure, apart from resolving links once.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from maestro_core.bus.feed import EVERYTHING, Topic
from maestro_core.layout import Layout


class Places:
    """Paths of one agent root, as the system reports them (links resolved)."""

    def __init__(self, layout: Layout, topics: frozenset[Topic] = EVERYTHING) -> None:
        self._topics = topics
        bus = layout.bus
        whole: dict[str, Topic] = {
            str(layout.inbox): "inbox", str(layout.claimed): "claimed", str(layout.dlq): "dlq",
            str(layout.quarantine): "quarantine", str(layout.paused): "paused",
            str(layout.control): "control", str(layout.acks): "control",
            str(layout.logs): "journal", str(layout.subsessions): "subsessions",
            str(layout.triggers): "prompts",
        }  # fmt: skip
        single: dict[str, Topic] = {
            str(layout.consumer_json): "consumer", str(layout.consumer_lock): "consumer",
            str(layout.circuit_open): "circuit", str(layout.gates): "circuit",
            str(layout.ledger): "ledger", f"{layout.ledger}-wal": "ledger",
            str(layout.emergency_stop): "estop",
            str(layout.cadences_toml): "settings", str(layout.env_file): "settings",
        }  # fmt: skip
        self._whole = _resolved(whole, topics)
        self._single = _resolved(single, topics)
        parents = {path.rpartition("/")[0] for path in (*self._whole, *self._single)}
        # The folders above tell when one of those is deleted and made again.
        above = {str(path.resolve()) for path in (layout.root, bus.parent, bus)}
        self.folders = tuple(sorted({*self._whole, *parents, *above}))

    def topic(self, path: str) -> Topic | None:
        """What a change of this path is about; None for what nobody asked about."""
        found = self._single.get(path) or self._whole.get(path)
        if found is None:
            folder, _, name = path.rpartition("/")
            found = None if name.startswith(".") else self._whole.get(folder)
        return found

    def is_folder(self, path: str) -> bool:
        """Whether this is one of the folders to be watched."""
        return path in self.folders

    def present(self) -> dict[str, int]:
        """The folders that exist now, with their inodes."""
        return {folder: inode for folder in self.folders if (inode := _inode(folder))}

    def fingerprint(self) -> dict[str, int]:
        """Times of all that can be told by times: folders, and the single files."""
        found = {path: _changed(path) for path in (*self._whole, *self._single)}
        return {path: changed for path, changed in found.items() if changed}

    def differing(self, old: Mapping[str, int], new: Mapping[str, int]) -> frozenset[Topic]:
        """Topics whose times are not the same."""
        paths = (path for path in {*old, *new} if old.get(path) != new.get(path))
        return frozenset(self.topics_of(paths))

    def topics_of(self, paths: Iterable[str]) -> set[Topic]:
        return {topic for path in paths if (topic := self.topic(path))}


def _resolved(paths: dict[str, Topic], topics: frozenset[Topic]) -> dict[str, Topic]:
    """Links in the folder's path resolved; the file itself may be a link or missing."""
    return {
        str(Path(path).parent.resolve() / Path(path).name): topic
        for path, topic in paths.items()
        if topic in topics
    }


def _inode(path: str) -> int:
    try:
        return os.stat(path).st_ino
    except OSError:
        return 0


def _changed(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0
