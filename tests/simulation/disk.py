"""A disk in memory that forgets what was not flushed when the power goes.

The journalled model: a flush of a folder commits every name change made before it, as a
commit of a journal does; unflushed file contents are torn or lost. (Every legal state of
small histories, also without a journal, is the business of tests/core/crash.)
"""

from __future__ import annotations

import errno
import os
import random
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from maestro_core.clock import FakeClock


class ProcessKilled(BaseException):
    """The consumer's process ends here; not an Exception, so nobody handles it."""


class Node:
    """A file: what readers see, what is on the platter (None = nothing yet), its time."""

    __slots__ = ("data", "durable", "modified")

    def __init__(self, data: bytes, modified: float) -> None:
        self.data = data
        self.durable: bytes | None = None
        self.modified = modified


class SimDisk:
    """FileSystem for the simulation. `kill_in` operations from now the process dies."""

    def __init__(self, clock: FakeClock, rng: random.Random) -> None:
        self._clock = clock
        self._rng = rng
        self._folders: dict[str, dict[str, Node]] = {}
        self._committed: dict[str, dict[str, Node]] = {}
        self._pending: list[tuple[str, str, Node | None]] = []
        self._stamps: dict[str, int] = {}
        self.kill_in: int | None = None
        self.full = False
        self.fail_rate = 0.0
        self.operations = 0
        self.faults = 0

    # -- FileSystem

    def read(self, path: str | os.PathLike[str], limit: int) -> bytes:
        return self._node(path).data[: limit + 1]

    def create(self, path: str | os.PathLike[str], data: bytes) -> None:
        self._step(writes=True)
        folder, name = self._split(path)
        if name in self._names(folder):
            raise FileExistsError(errno.EEXIST, "File exists", str(path))
        self._set(folder, name, Node(data, self._clock.wall()))

    def flush(self, path: str | os.PathLike[str]) -> None:
        self._step()
        node = self._node(path)
        node.durable = node.data

    def flush_folder(self, path: str | os.PathLike[str]) -> None:
        self._step()
        self._commit(len(self._pending))

    def rename(self, source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
        self._step()
        node = self._node(source)
        (old, name), (new, to) = self._split(source), self._split(target)
        if self._names(new).get(to) is node:
            return
        self._set(new, to, node)
        self._set(old, name, None)

    def link(self, source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
        self._step()
        folder, name = self._split(target)
        if name in self._names(folder):
            raise FileExistsError(errno.EEXIST, "File exists", str(target))
        self._set(folder, name, self._node(source))

    def unlink(self, path: str | os.PathLike[str]) -> None:
        self._step()
        self._node(path)
        self._set(*self._split(path), None)

    def names(self, folder: str | os.PathLike[str]) -> list[str]:
        return list(self._names(os.fspath(folder)))

    def exists(self, path: str | os.PathLike[str]) -> bool:
        text = os.fspath(path)
        if text in self._folders:
            return True
        folder, name = self._split(text)
        return name in self._folders.get(folder, {})

    def modified(self, path: str | os.PathLike[str]) -> float:
        return self._node(path).modified

    def settled(self, folder: str | os.PathLike[str]) -> int | None:
        self._names(os.fspath(folder))
        return self._stamps.get(os.fspath(folder), 0)

    def device(self, path: str | os.PathLike[str]) -> int:
        return 1

    def room(self, path: str | os.PathLike[str]) -> tuple[int, int]:
        return (0 if self.full else 1 << 40, -1)

    def lock(
        self, path: str | os.PathLike[str], *, wait: bool = True
    ) -> AbstractContextManager[None]:
        return nullcontext()

    def make_folder(self, path: str | os.PathLike[str]) -> None:
        self._folders.setdefault(os.fspath(path), {})
        self._committed.setdefault(os.fspath(path), {})

    # -- the world

    def put(self, path: Path, data: bytes) -> None:
        """Something that is simply there, durable, whoever wrote it."""
        folder, name = self._split(path)
        self.make_folder(folder)
        node = Node(data, self._clock.wall())
        node.durable = data
        self._set(folder, name, node)
        self._commit(len(self._pending))

    def drop(self, path: Path) -> None:
        folder, name = self._split(path)
        if name in self._folders.get(folder, {}):
            self._set(folder, name, None)
            self._commit(len(self._pending))

    def calm(self) -> None:
        self.kill_in, self.full, self.fail_rate = None, False, 0.0

    def power_cut(self) -> None:
        """Names: some prefix of what was not committed. Contents: what was flushed, or torn."""
        self._commit(self._rng.randint(0, len(self._pending)))
        self._pending.clear()
        for folder, names in self._committed.items():
            for name, node in names.items():
                if node.durable is None:
                    torn = node.data[: self._rng.randint(0, len(node.data))]
                    node = names[name] = Node(torn, node.modified)
                elif node.durable != node.data:
                    node.data = node.durable
                node.durable = node.data
            self._folders[folder] = dict(names)
            self._touch(folder)

    # -- inside

    def _step(self, *, writes: bool = False) -> None:
        self.operations += 1
        if self.kill_in is not None:
            self.kill_in -= 1
            if self.kill_in <= 0:
                self.kill_in = None
                raise ProcessKilled
        if writes and self.full:
            self.faults += 1
            raise OSError(errno.ENOSPC, "No space left on device")
        if self.fail_rate and self._rng.random() < self.fail_rate:
            self.faults += 1
            raise OSError(errno.EIO, "Input/output error")

    def _names(self, folder: str) -> dict[str, Node]:
        try:
            return self._folders[folder]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", folder) from None

    def _node(self, path: str | os.PathLike[str]) -> Node:
        folder, name = self._split(path)
        try:
            return self._folders[folder][name]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "No such file", os.fspath(path)) from None

    def _set(self, folder: str, name: str, node: Node | None) -> None:
        names = self._names(folder)
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node
        self._pending.append((folder, name, node))
        self._touch(folder)

    def _commit(self, count: int) -> None:
        for folder, name, node in self._pending[:count]:
            names = self._committed.setdefault(folder, {})
            if node is None:
                names.pop(name, None)
            else:
                names[name] = node
        del self._pending[:count]

    def _touch(self, folder: str) -> None:
        self._stamps[folder] = self._stamps.get(folder, 0) + 1

    @staticmethod
    def _split(path: str | os.PathLike[str]) -> tuple[str, str]:
        folder, _, name = os.fspath(path).rpartition("/")
        return folder, name
