"""What a start has to clear up: claims of consumers that are gone, and ticks that a stop in
the middle of a move left in two folders. A second run finds nothing more to do.

Called by whoever holds consumer.lock; one thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from maestro_core.bus import codec, twins
from maestro_core.bus.shelves import Shelf
from maestro_core.errors import BadTick
from maestro_core.models import Claim, Tick

if TYPE_CHECKING:
    from maestro_core.bus.directory import DirectoryEngine

_FEW = 5000
"""Up to so many names are looked up one by one in another folder; more by a listing."""


def abandoned(engine: DirectoryEngine) -> list[Claim]:
    """Claims whose owner is gone, each with a new token, so that the old one is refused."""
    _drop_twins(engine, "dlq", "inbox", twins.was_revived)
    _drop_twins(engine, "trash", "dlq", lambda one, other: one == other)
    _drop_twins(engine, "trash", "inbox", lambda one, other: one == other)
    found = (_take_over(engine, tick_id) for tick_id in sorted(_claimed_ids(engine)))
    return [claim for claim in found if claim is not None]


def _claimed_ids(engine: DirectoryEngine) -> list[str]:
    """Ids in claimed/; files with other names are set aside."""
    names = engine.fs.names(engine.shelves.folder["claimed"])
    for name in names:
        if codec.tick_name(name) is None and not name.startswith("."):
            engine.shelves.set_aside("claimed", name, "its name is not <id>.json")
    return [tick_id for name in names if (tick_id := codec.tick_name(name))]


def _take_over(engine: DirectoryEngine, tick_id: str) -> Claim | None:
    if tick_id in engine.claims:
        return engine.claims.adopted(tick_id)  # None: our own, being worked on
    try:
        tick, signature = engine.shelves.load("claimed", tick_id)
    except FileNotFoundError:
        return None
    except BadTick as fault:
        engine.shelves.set_aside("claimed", tick_id + codec.SUFFIX, fault.message)
        return None
    if _is_alive(engine, signature) or _was_moved_on(engine, tick, signature):
        return None
    if not signature:  # moved and not yet signed when it stopped: that was an attempt too
        tick = tick.evolve(attempts=tick.attempts + 1)
    return engine.claims.adopt(tick)


def _is_alive(engine: DirectoryEngine, signature: dict[str, Any]) -> bool:
    owner = signature.get("owner")
    return engine.alive is not None and isinstance(owner, str) and engine.alive(owner)


def _was_moved_on(engine: DirectoryEngine, tick: Tick, signature: dict[str, Any]) -> bool:
    """Settle which of the twins counts; True when the claimed one went."""
    for letter in (tick.id, twins.namesake(tick, str(signature.get("token"))).id):
        if (dead := _load(engine, "dlq", letter)) and twins.finished_dying(tick, dead):
            return _drop(engine, "claimed", tick.id)
    waiting = _load(engine, "inbox", tick.id)
    if waiting is None or not twins.same_origin(tick, waiting):
        return False
    if not signature or not twins.claimed_is_newer(tick, waiting):
        return _drop(engine, "claimed", tick.id)
    _drop(engine, "inbox", tick.id)
    engine.inbox.waiting.discard(tick.id)
    return False


def _drop_twins(
    engine: DirectoryEngine, old: Shelf, new: Shelf, superseded: Callable[[Tick, Tick], bool]
) -> None:
    """Take away what stands on `old` where its successor is on `new`."""
    for tick_id in _in_both(engine, old, new):
        one, other = _load(engine, new, tick_id), _load(engine, old, tick_id)
        if one is not None and other is not None and superseded(one, other):
            _drop(engine, old, tick_id)


def _in_both(engine: DirectoryEngine, old: Shelf, new: Shelf) -> list[str]:
    ids = engine.shelves.ids(old)
    if len(ids) <= _FEW:
        return [tick_id for tick_id in ids if engine.shelves.has(new, tick_id)]
    return sorted(set(ids).intersection(engine.shelves.ids(new)))


def _load(engine: DirectoryEngine, shelf: Shelf, tick_id: str) -> Tick | None:
    try:
        return engine.shelves.load(shelf, tick_id)[0]
    except (FileNotFoundError, BadTick):
        return None


def _drop(engine: DirectoryEngine, shelf: Shelf, tick_id: str) -> bool:
    engine.shelves.drop(shelf, tick_id)
    engine.shelves.flush(shelf)
    return True
