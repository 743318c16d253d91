"""Ticks and level state of an agent root go to a server. See `move` for what is promised."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from maestro_core.bus.directory import DirectoryEngine
from maestro_core.errors import BadTick
from maestro_core.fleet.moves import SHELVES, Parcel, Shelf
from maestro_core.migrate.level import Side
from maestro_core.migrate.move import BATCH, Move, Report


def to_server(move: Move, folders: Side, server: Side) -> Report:
    """Move everything that can be moved; the report names what stays."""
    engine = DirectoryEngine(move.yard.layout, clock=move.clock, fs=move.yard.fs)
    engine.abandoned()  # the same tick in two folders, after a stop in the middle, is one again
    move.begin()
    move.report.level = folders.read()
    move.once_level(lambda: server.add(move.report.level))
    for shelf in SHELVES:
        if shelf == "inbox":
            engine.refresh()  # what is no tick goes to quarantine now
            move.report.aside += engine.rejected()
        _deliver(move, shelf, move.yard.staged(shelf))
        for ids in _batches(move, shelf):
            move.yard.pick_up(shelf, ids)
            _deliver(move, shelf, ids)
            move.tell(move.report)
    move.report.quarantined = engine.counts()["quarantine"]
    if not any(move.yard.on_shelf(shelf) for shelf in SHELVES):
        folders.clear()
    if not any(move.yard.staged(shelf) for shelf in SHELVES):
        move.end()
    return move.report


def _batches(move: Move, shelf: Shelf) -> Iterator[list[str]]:
    """What is on the shelf, again and again until nothing new has come."""
    seen = move.kept_ids(shelf) | set(move.yard.staged(shelf))
    while fresh := [one for one in move.yard.on_shelf(shelf) if one not in seen]:
        seen.update(fresh)
        usable = [one for one in fresh if _is_tick(move, shelf, one)]
        for start in range(0, len(usable), BATCH):
            yield usable[start : start + BATCH]


def _is_tick(move: Move, shelf: Shelf, tick_id: str) -> bool:
    try:
        move.yard.read_shelf(shelf, tick_id)
    except BadTick as fault:
        move.keep(shelf, tick_id, f"it is no tick: {fault.message}")
        return False
    return True


def _deliver(move: Move, shelf: Shelf, staged: Sequence[str]) -> None:
    """What is in the yard goes to the server; what that refuses goes back to its shelf."""
    for start in range(0, len(staged), BATCH):
        ids = staged[start : start + BATCH]
        refused = move.depot.arrive(shelf, [_parcel(move, shelf, one) for one in ids])
        arrived = [one for one in ids if one not in refused]
        move.yard.drop(shelf, arrived)
        move.depot.forget_arrived(shelf, arrived)
        move.report.moved[shelf] += len(arrived)
        for tick_id, reason in refused.items():
            back = move.yard.put_back(shelf, tick_id)
            where = "" if back else f"; it is in {move.yard.layout.moving}/{shelf}"
            move.keep(shelf, tick_id, reason + where)


def _parcel(move: Move, shelf: Shelf, tick_id: str) -> Parcel:
    parcel = move.yard.read(shelf, tick_id)
    return Parcel(parcel.tick, move.link.server_of(parcel.since))
