"""What operators do with ticks at rest, and the clearing of what is old: the rest of the
directory engine. Moves go in batches, with one flush of each folder for all of a batch.

Called by whoever holds consumer.lock; one thread.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from maestro_core.bus import codec, twins
from maestro_core.bus.producer import disk_error, live_holder, record_holder, remember_key
from maestro_core.bus.revival import dead_again, revived
from maestro_core.bus.shelves import Shelf
from maestro_core.errors import BadTick, BusError, Refused
from maestro_core.layout import NAME
from maestro_core.models import ActResult, Tick

if TYPE_CHECKING:
    from maestro_core.bus.directory import DirectoryEngine

BATCH = 256
_TAKEN: dict[Shelf, tuple[Shelf, ...]] = {
    "inbox": ("inbox", "claimed"), "dlq": ("dlq",), "trash": (),
}  # fmt: skip
"""Where a tick of the same id stands in the way of a move there; in the trash the older one
yields: it takes another id."""
STRAY_SECONDS = 36 * 3600.0
"""A temp file older than that belongs to nobody (Maildir's rule)."""


def retry(engine: DirectoryEngine, ids: Sequence[str]) -> list[ActResult]:
    """Dead letters back to the inbox: attempts 0, failures kept."""
    results = _move(engine, ids, "dlq", "inbox", revived)
    for result in results:
        if result.ok:
            engine.arrived(result.id)
    return results


def discard(engine: DirectoryEngine, ids: Sequence[str]) -> list[ActResult]:
    """Dead letters to the trash."""
    return _move(engine, ids, "dlq", "trash", lambda tick: tick)


def restore(engine: DirectoryEngine, ids: Sequence[str]) -> list[ActResult]:
    """From the trash back to the dead letters."""
    return _move(engine, ids, "trash", "dlq", lambda tick: tick)


def unretry(engine: DirectoryEngine, ids: Sequence[str]) -> list[ActResult]:
    """Retried dead letters that still wait: back to the dead letters as they were."""
    return _gone(engine, _move(engine, ids, "inbox", "dlq", dead_again))


def withdraw(engine: DirectoryEngine, ids: Sequence[str]) -> list[ActResult]:
    """Waiting ticks to the trash."""
    return _gone(engine, _move(engine, ids, "inbox", "trash", lambda tick: tick))


def _gone(engine: DirectoryEngine, results: list[ActResult]) -> list[ActResult]:
    """The order forgets at once what waits no more."""
    for result in results:
        if result.ok:
            engine.inbox.waiting.discard(result.id)
    return results


def _move(
    engine: DirectoryEngine,
    ids: Iterable[str],
    source: Shelf,
    target: Shelf,
    change: Callable[[Tick], Tick],
) -> list[ActResult]:
    results: list[ActResult] = []
    todo = iter(dict.fromkeys(ids))
    work = _Batch(engine, source, target, change)
    while batch := list(islice(todo, BATCH)):
        results += _under_lock(engine, work, batch, f"cannot move from {source} to {target}")
    return results


def _under_lock(
    engine: DirectoryEngine, work: _Batch, batch: list[str], doing: str
) -> list[ActResult]:
    """A producer that hangs with the lock is the act's refusal: tried again and again it would
    hold the consumer up."""
    try:
        with engine.explained(doing), engine.fs.lock(engine.layout.dedupe_lock):
            engine.pay_owed()
            return work.run(batch)
    except BusError as error:
        cause = error.__cause__
        if not isinstance(cause, OSError) or cause.errno != errno.ETIMEDOUT:
            raise
        return [ActResult(tick_id, False, str(error)) for tick_id in batch]


class _Batch:
    """Place all, flush the target, take all away, flush the source."""

    def __init__(
        self, engine: DirectoryEngine, source: Shelf, target: Shelf, change: Callable[[Tick], Tick]
    ) -> None:
        self._engine = engine
        self._shelves = engine.shelves
        self._source = source
        self._target = target
        self._change = change

    def run(self, ids: list[str]) -> list[ActResult]:
        results = {tick_id: self._arrive(tick_id) for tick_id in ids}
        placed = [tick_id for tick_id, result in results.items() if result.ok]
        if placed and (trouble := self._finish(placed)):
            results |= {tick_id: ActResult(tick_id, False, trouble) for tick_id in placed}
        return list(results.values())

    def _arrive(self, tick_id: str) -> ActResult:
        data = None
        try:
            tick = self._find(tick_id)
            if self._target == "inbox":
                self._check_key(tick)
            data = codec.encode(self._change(tick))
            if self._target == "trash":
                self._let_yield(tick_id, data)
            self._shelves.place(self._target, tick_id, data)
        except (BadTick, Refused) as refusal:
            return ActResult(tick_id, False, refusal.message)
        except OSError as error:
            if data is not None:  # who knows whether it took effect
                self._engine.owed.append((self._target, tick_id, data))
            return ActResult(tick_id, False, str(disk_error("cannot move it", error)))
        return ActResult(tick_id, True)

    def _find(self, tick_id: str) -> Tick:
        taken: tuple[Shelf, ...] = _TAKEN[self._target]
        try:
            if not NAME.match(tick_id):
                raise FileNotFoundError
            tick, _ = self._shelves.load(self._source, tick_id)
        except FileNotFoundError:
            raise Refused(f"there is no such tick in {self._source}") from None
        for shelf in taken:
            if self._shelves.has(shelf, tick_id):
                raise Refused(f"a tick with this id is in {shelf}")
        return tick

    def _let_yield(self, tick_id: str, data: bytes) -> None:
        """What lies in the trash under this id goes on there under another one."""
        try:
            older, _ = self._shelves.load("trash", tick_id)
        except (FileNotFoundError, BadTick):
            return
        if codec.encode(older) == data:
            return  # an earlier try came this far
        older = twins.namesake(older, codec.encode(older).decode())
        self._shelves.place("trash", older.id, codec.encode(older))
        self._shelves.flush("trash")
        self._shelves.drop("trash", tick_id)

    def _check_key(self, tick: Tick) -> None:
        """Two live ticks with one dedupe key are what the key is there to prevent."""
        if tick.dedupe_key is None:
            return
        engine = self._engine
        holder = live_holder(engine.layout, tick.dedupe_key, engine.fs)
        if holder is not None:
            raise Refused(f"{holder} is waiting or running with the same dedupe key")
        remember_key(engine.layout, tick.dedupe_key, tick.id, engine.fs)

    def _finish(self, placed: list[str]) -> str | None:
        try:
            self._shelves.flush(self._target)
        except OSError as error:
            self._owe(self._target, placed)
            return str(disk_error("cannot move it", error))
        self._owe(self._source, placed)
        try:
            self._engine.pay_owed()
        except OSError as error:
            return str(disk_error("moved, but not confirmed by the disk", error))
        return None

    def _owe(self, shelf: Shelf, ids: list[str]) -> None:
        self._engine.owed.extend((shelf, tick_id, None) for tick_id in ids)
        self._engine.owed_flushes.add(shelf)


def housekeep(engine: DirectoryEngine, older_than: float) -> dict[str, int]:
    """Remove trash, acks, spent dedupe records and stray temp files; how many of each."""
    layout = engine.layout
    strays = max(older_than, engine.clock.wall() - STRAY_SECONDS)
    removed = {
        "trash": _sweep(engine, str(layout.trash), older_than),
        "acks": _sweep(engine, str(layout.acks), older_than),
        "tmp": _sweep(engine, str(layout.tmp), strays),
        "dedupe": 0,
    }
    with suppress(BlockingIOError), engine.fs.lock(layout.dedupe_lock, wait=False):
        removed["dedupe"] = _sweep(
            engine, str(layout.dedupe), older_than,
            keep=lambda path: record_holder(layout, path, engine.fs) is not None,
        )  # fmt: skip
    return removed  # a producer that holds the lock delays no consumer: there is a next time


def _sweep(
    engine: DirectoryEngine,
    folder: str,
    older_than: float,
    keep: Callable[[str], bool] = lambda _: False,
) -> int:
    count = 0
    try:
        names = engine.fs.names(folder)
    except FileNotFoundError:
        return 0
    for name in names:
        path = f"{folder}/{name}"
        try:
            if engine.fs.modified(path) < older_than and not keep(path):
                engine.fs.unlink(path)
                count += 1
        except (FileNotFoundError, IsADirectoryError, PermissionError):
            continue  # gone meanwhile, or none of ours
    engine.fs.flush_folder(folder)  # an earlier sweep may have failed before this
    return count
