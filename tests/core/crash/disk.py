"""A disk in memory that knows what a power cut may leave of it.

After each operation `images` lays out every legal state of the platter:
- contents that were not flushed are whole, torn or empty;
- with a journal, name changes reach the disk in order: any prefix of those not yet flushed,
  and a rename is whole or not at all;
- without one, each name of each folder is on its own: any value that it had since its folder
  was last flushed, so a rename may be there twice or nowhere.
A folder whose own name was not flushed may be gone with all that is in it. What lies in tmp/
is garbage by definition and left out.

`fail_at` makes the n-th operation from now fail, before or (`fail_late`) after it took effect,
and with `fail_on` all that follow.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from maestro_core.clock import Clock

if TYPE_CHECKING:
    from maestro_core.files import StrPath

Image = frozenset[tuple[str, bytes]]
"""Paths and contents, outside of tmp/."""


@dataclass(frozen=True)
class Machine:
    """What kind of file system there is."""

    links: bool = True
    journals: tuple[bool, ...] = (True, False)
    """With a journal, without one, or either."""


USUAL = Machine()
WITHOUT_LINKS = Machine(links=False, journals=(True,))
"""exFAT and the like; nothing is promised there without a journal."""


class Inode:
    """A file: its bytes, and whether they are on the disk."""

    __slots__ = ("data", "flushed", "modified")

    def __init__(self, data: bytes, modified: float, *, flushed: bool = False) -> None:
        self.data = data
        self.flushed = flushed
        self.modified = modified

    def variants(self) -> tuple[bytes, ...]:
        if self.flushed or not self.data:
            return (self.data,)
        return (self.data, self.data[: len(self.data) // 2], b"")


Change = tuple[str, str, Inode | None]
"""Folder, name, and what the name means from now on."""
Names = dict[tuple[str, str], Inode]


class CrashDisk:
    """FileSystem in memory. `after` is called after each operation that changes something."""

    def __init__(self, clock: Clock, machine: Machine = USUAL) -> None:
        self.after: Callable[[], None] | None = None
        self.machine = machine
        self.folders: dict[str, dict[str, Inode]] = {}
        self.operations = 0
        self.accesses = 0
        self.failed_to_unlink = False
        self._unlinking = ""
        self.fail_at = 0
        self.fail_late = False
        self.fail_on = False
        self.fault = errno.EIO
        self._new_folders: set[str] = set()
        self._clock = clock
        self._committed: Names = {}  # with a journal: up to the last commit
        self._log: list[list[Change]] = []  # with a journal: groups since then
        self._past: dict[tuple[str, str], list[Inode | None]] = {}  # without: values since flush
        self._version = 0

    @classmethod
    def of(
        cls, image: Image, folders: Iterable[str], clock: Clock, machine: Machine = USUAL
    ) -> CrashDisk:
        """The disk as a machine finds it when it comes up again."""
        disk = cls(clock, machine)
        disk.folders = {folder: {} for folder in folders}
        for path, data in image:
            folder, name = _split(path)
            inode = Inode(data, clock.wall(), flushed=True)
            disk.folders[folder][name] = disk._committed[folder, name] = inode
        return disk

    # ---- FileSystem ----------------------------------------------------------------------

    def read(self, path: StrPath, limit: int) -> bytes:
        self._maybe_fail(path)
        return self._inode(path).data[: limit + 1]

    def create(self, path: StrPath, data: bytes) -> None:
        folder, name = self._place(path)
        if name in self.folders[folder]:
            raise _error(errno.EEXIST, path)
        self._change(path, (folder, name, Inode(data, self._clock.wall())))

    def flush(self, path: StrPath) -> None:
        inode = self._inode(path)
        with self._operation(path):
            inode.flushed = True

    def flush_folder(self, path: StrPath) -> None:
        folder = self._folder(path)
        with self._operation(path):
            self._commit(folder)

    def _commit(self, folder: str) -> None:
        touching = [i for i, group in enumerate(self._log) if any(c[0] == folder for c in group)]
        count = touching[-1] + 1 if touching else 0
        for group in self._log[:count]:
            _apply(self._committed, group)
        del self._log[:count]
        for key in [key for key in self._past if key[0] == folder]:
            del self._past[key]
        self._new_folders = {one for one in self._new_folders if _split(one)[0] != folder}

    def rename(self, source: StrPath, target: StrPath) -> None:
        inode = self._inode(source)
        self._change(target, (*self._place(source), None), (*self._place(target), inode))

    def link(self, source: StrPath, target: StrPath) -> None:
        inode, (folder, name) = self._inode(source), self._place(target)
        if name in self.folders[folder]:
            raise _error(errno.EEXIST, target)
        if not self.machine.links:
            raise _error(errno.EPERM, target)
        self._change(target, (folder, name, inode))

    def unlink(self, path: StrPath) -> None:
        self._inode(path)
        self._unlinking = str(path)
        self._change(path, (*self._place(path), None))

    def names(self, folder: StrPath) -> list[str]:
        return list(self.folders[self._folder(folder)])

    def exists(self, path: StrPath) -> bool:
        folder, name = _split(path)
        return name in self.folders.get(folder, ()) or str(path) in self.folders

    def modified(self, path: StrPath) -> float:
        return self._inode(path).modified

    def settled(self, folder: StrPath) -> int:
        return self._version

    def device(self, path: StrPath) -> int:
        return 1

    def room(self, path: StrPath) -> tuple[int, int]:
        return 1 << 40, -1

    def make_folder(self, path: StrPath) -> None:
        folder = str(path)
        if folder not in self.folders:
            with self._operation(path):
                if (parent := _split(folder)[0]) and parent not in self.folders:
                    self.make_folder(parent)
                self.folders[folder] = {}
                self._new_folders.add(folder)

    def lock(self, path: StrPath, *, wait: bool = True) -> AbstractContextManager[None]:
        return nullcontext()

    # ---- what others do ------------------------------------------------------------------

    def put(self, path: StrPath, data: bytes) -> None:
        """A file that another program left there, and flushed with its folder."""
        folder, name = self._place(path)
        self._commit(folder)
        inode = Inode(data, self._clock.wall(), flushed=True)
        self.folders[folder][name] = self._committed[folder, name] = inode
        self._past.pop((folder, name), None)
        self._version += 1

    def settle(self) -> None:
        """All that was written is on the platter."""
        for folder in list(self.folders):
            self._commit(folder)
        self._new_folders.clear()

    # ---- what a power cut leaves ---------------------------------------------------------

    def images(self) -> set[Image]:
        """Every legal state of the platter at this moment."""
        found: set[Image] = set()
        for journal in self.machine.journals:
            for names in self._ordered() if journal else self._unordered():
                found.update(_contents(names))
        return found

    def live(self) -> Image:
        """What every process sees; what a kill of one leaves."""
        return frozenset(
            (f"{folder}/{name}", inode.data)
            for folder, files in self.folders.items()
            if not _is_tmp(folder)
            for name, inode in files.items()
        )

    def unflushed(self) -> tuple[object, ...]:
        """A key that two disks share when the same may be lost from them."""
        groups = tuple(tuple((f, n, i and i.data) for f, n, i in g) for g in self._log)
        past = tuple((key, tuple(i and i.data for i in was)) for key, was in self._past.items())
        return groups, past

    def _ordered(self) -> Iterator[Names]:
        names = dict(self._committed)
        yield names
        for group in self._log:
            names = dict(names)
            _apply(names, group)
            yield names

    def _unordered(self) -> Iterator[Names]:
        now = {
            (folder, name): inode
            for folder, files in self.folders.items()
            if not _is_tmp(folder)
            for name, inode in files.items()
        }
        keys = list(self._past)
        for choice in product(*({id(v): v for v in self._past[key]}.values() for key in keys)):
            names = dict(now)
            _apply(names, [(*key, inode) for key, inode in zip(keys, choice, strict=True)])
            yield names
        if self._new_folders:
            yield {key: i for key, i in now.items() if not self._may_vanish(key[0])}

    def _may_vanish(self, folder: str) -> bool:
        return any(f"{folder}/".startswith(f"{new}/") for new in self._new_folders)

    # ---- inside --------------------------------------------------------------------------

    def _change(self, path: StrPath, *changes: Change) -> None:
        with self._operation(path):
            self._carry_out(changes)

    def _carry_out(self, changes: tuple[Change, ...]) -> None:
        outside = [change for change in changes if not _is_tmp(change[0])]
        for folder, name, inode in outside:
            was = self._past.setdefault((folder, name), [self.folders[folder].get(name)])
            was.append(inode)
        if outside:
            self._log.append(outside)
        for folder, name, inode in changes:
            if inode is None:
                del self.folders[folder][name]
            else:
                self.folders[folder][name] = inode

    @contextmanager
    def _operation(self, path: StrPath) -> Iterator[None]:
        if not self.fail_late:
            self._maybe_fail(path)
        yield
        self.operations += 1
        self._version += 1
        if self.after is not None:
            self.after()
        if self.fail_late:
            self._maybe_fail(path)

    def _maybe_fail(self, path: StrPath) -> None:
        self.accesses += 1
        if self.fail_at > 0:
            self.fail_at -= 1
            if not self.fail_at:
                self.failed_to_unlink = self._unlinking == str(path)
                self.fail_at = -1 if self.fail_on else 0
                raise _error(self.fault, path)
        elif self.fail_at < 0:
            raise _error(self.fault, path)

    def _inode(self, path: StrPath) -> Inode:
        folder, name = self._place(path)
        try:
            return self.folders[folder][name]
        except KeyError:
            raise _error(errno.ENOENT, path) from None

    def _place(self, path: StrPath) -> tuple[str, str]:
        folder, name = _split(path)
        return self._folder(folder), name

    def _folder(self, path: StrPath) -> str:
        if str(path) not in self.folders:
            raise _error(errno.ENOENT, path)
        return str(path)


def _apply(names: Names, group: list[Change]) -> None:
    for folder, name, inode in group:
        if inode is None:
            names.pop((folder, name), None)
        else:
            names[folder, name] = inode


def _contents(names: Names) -> Iterator[Image]:
    inodes = {id(inode): inode for inode in names.values()}
    for choice in product(*(inode.variants() for inode in inodes.values())):
        data = dict(zip(inodes, choice, strict=True))
        yield frozenset((f"{f}/{n}", data[id(inode)]) for (f, n), inode in names.items())


def _split(path: StrPath) -> tuple[str, str]:
    folder, _, name = str(path).rpartition("/")
    return folder, name


def _is_tmp(folder: str) -> bool:
    return folder.endswith("/tmp")


def _error(number: int, path: StrPath) -> OSError:
    return OSError(number, os.strerror(number), str(path))
