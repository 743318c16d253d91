"""Ticks and level state of a server go to the folders of an agent root. See `move` for what
is promised."""

from __future__ import annotations

from maestro_core.fleet import letters
from maestro_core.fleet.moves import SHELVES, Parcel, Shelf
from maestro_core.migrate.level import Side
from maestro_core.migrate.move import BATCH, Move, Report


def to_folders(move: Move, folders: Side, server: Side) -> Report:
    """Move everything that can be moved; the report names what stays."""
    move.yard.shelves.prepare()
    move.begin()
    move.report.level = server.read()
    move.once_level(lambda: folders.add(move.report.level))
    for shelf in SHELVES:
        _land(move, shelf)  # what an earlier try has left
        while _take(move, shelf):
            _land(move, shelf)
            move.tell(move.report)
    left = move.link.run(letters.counts)
    move.report.running = left["claimed"]
    move.report.quarantined = left["quarantine"]
    if not any(left[one] for one in ("claimed", *SHELVES)):
        server.clear()
    if not any(move.yard.staged(shelf) for shelf in SHELVES):
        move.end()
    return move.report


def _take(move: Move, shelf: Shelf) -> bool:
    """Whether there is more."""
    move.depot.take(shelf, BATCH, sorted(move.kept_ids(shelf)))
    return bool(move.depot.under_way(shelf, 1))


def _land(move: Move, shelf: Shelf) -> None:
    """What is under way comes to the shelf; what the folders cannot have goes back."""
    while parcels := move.depot.under_way(shelf, BATCH):
        wanted = []
        for parcel in parcels:
            reason = move.yard.objection(shelf, parcel.tick)
            if reason is None:
                wanted.append(Parcel(parcel.tick, move.link.wall_of(parcel.since)))
            else:
                move.depot.give_back(shelf, [parcel])
                move.keep(shelf, parcel.tick.id, reason)
        move.yard.stage(shelf, wanted)
        move.depot.landed(shelf, [one.tick.id for one in wanted])
        _publish(move, shelf)
    _publish(move, shelf)


def _publish(move: Move, shelf: Shelf) -> None:
    staged = move.yard.staged(shelf)
    refused = move.yard.publish(shelf)
    move.report.moved[shelf] += len(staged) - len(refused)
    known = move.kept_ids(shelf)
    for tick_id, reason in refused.items():
        if tick_id not in known:
            move.keep(shelf, tick_id, f"{reason}; it is in {move.yard.layout.moving}/{shelf}")
