"""The engine's twin in memory, for tests and simulations: same promises, no disk.

A "death" of its consumer is a new `MemoryEngine` over the same `Store`.
One thread, except `enqueue`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

from maestro_core.bus import codec, twins
from maestro_core.bus.codec import key_of
from maestro_core.bus.index import Rank, Waiting, unranked
from maestro_core.bus.producer import encode_document
from maestro_core.bus.revival import dead_again, revived, taken
from maestro_core.clock import Clock, SystemClock, iso
from maestro_core.errors import BadTick, ClaimLost, Refused
from maestro_core.models import (
    ActResult,
    Claim,
    Failure,
    Receipt,
    Tick,
    TickView,
    Where,
    tick_document,
)

_WHERES: tuple[Where, ...] = ("inbox", "claimed", "dlq", "trash")


@dataclass
class Store:
    """What would be on the disk."""

    views: dict[Where, dict[str, TickView]] = field(
        default_factory=lambda: {where: {} for where in _WHERES}
    )
    tokens: dict[str, str] = field(default_factory=dict)
    numbers: count[int] = field(default_factory=count)


class MemoryEngine:
    """See bus/engine.py for what it promises."""

    lease: float | None = None

    def __init__(self, *, clock: Clock | None = None, store: Store | None = None) -> None:
        self.clock = clock or SystemClock()
        self.store = store or Store()
        self._views = self.store.views
        self._waiting = Waiting()
        self._ours: set[str] = set()
        self._adopted: dict[str, Claim] = {}
        self.refresh()

    def enqueue(self, tick: Tick) -> Receipt:
        tick = tick if tick.enqueued_at else tick.evolve(enqueued_at=iso(self.clock.wall()))
        try:
            codec.decode(encode_document(tick_document(tick)), tick.id, self.clock.wall)
        except BadTick as fault:
            raise Refused(f"tick {tick.id} cannot be enqueued: {fault.message}") from fault
        if (holder := self._holder(tick.dedupe_key)) is not None:
            return Receipt(holder, False)
        if any(tick.id in self._views[where] for where in ("inbox", "claimed", "dlq")):
            raise FileExistsError(tick.id)
        self._put("inbox", tick)
        return Receipt(tick.id, True)

    def refresh(self) -> bool:
        known, there = set(self._waiting.keys), self._views["inbox"]
        for tick_id in known - set(there):
            self._waiting.discard(tick_id)
        for tick_id in set(there) - known:
            self._waiting.add(key_of(there[tick_id].tick))
        return known != set(there)

    def claim(self, *, held: Callable[[str], bool], rank: Rank = unranked) -> Claim | None:
        self.refresh()
        key = self._waiting.best(held, self.clock.wall(), rank)
        if key is None:
            return None
        tick = self._take("inbox", key.id)
        return self._sign(taken(tick))

    def complete(self, claim: Claim) -> None:
        self._settle(claim)

    def retry(self, claim: Claim, failure: Failure) -> None:
        self._settle(claim)
        self._put("inbox", codec.with_failure(claim.tick, failure))

    def dead_letter(self, claim: Claim, failure: Failure) -> None:
        self._settle(claim)
        letter = codec.with_failure(claim.tick, failure)
        if letter.id in self._views["dlq"]:
            letter = twins.namesake(letter, claim.token)
        self._put("dlq", letter)

    def put_back(self, claim: Claim) -> None:
        self._settle(claim)
        self._put("inbox", claim.tick.evolve(attempts=max(0, claim.tick.attempts - 1)))

    def recovered(self, claim: Claim) -> None:
        self._settle(claim)
        self._put("inbox", claim.tick.evolve(recoveries=claim.tick.recoveries + 1))

    def abandoned(self) -> list[Claim]:
        for tick_id in set(self._views["claimed"]) - self._ours:
            self._adopted[tick_id] = self._sign(self._take("claimed", tick_id))
        return [self._adopted[tick_id] for tick_id in sorted(self._adopted)]

    def heartbeat(self, claims: Sequence[Claim]) -> list[Claim]:
        return [one for one in claims if self.store.tokens.get(one.tick.id) != one.token]

    def rejected(self) -> list[tuple[str, str]]:
        return []  # nothing that is no tick can get in

    def counts(self) -> dict[Where | str, int]:
        found: dict[Where | str, int] = {where: len(self._views[where]) for where in _WHERES}
        return found | {"quarantine": 0}

    def waiting(self) -> dict[str, int]:
        self.refresh()
        return self._waiting.by_cadence()

    def ready_cadences(self) -> set[str]:
        self.refresh()
        return self._waiting.ready(self.clock.wall())

    def next_ready_at(self) -> float | None:
        return self._waiting.next_ready_at(self.clock.wall())

    def page(
        self, where: Where, *, cadence: str | None = None, limit: int = 100, offset: int = 0
    ) -> list[TickView]:
        self.refresh()
        views = [v for v in self._views[where].values() if cadence in (None, v.tick.cadence)]
        if where in ("dlq", "trash"):
            views.sort(key=lambda view: (-view.since, view.tick.id))
        else:
            views.sort(key=lambda view: key_of(view.tick))
        return views[offset : offset + limit]

    def find(self, tick_id: str) -> TickView | None:
        views = (self._views[where].get(tick_id) for where in _WHERES)
        return next((view for view in views if view is not None), None)

    def retry_dead(self, ids: Sequence[str]) -> list[ActResult]:
        return [self._move(one, "dlq", "inbox", ("inbox", "claimed"), revived) for one in ids]

    def discard_dead(self, ids: Sequence[str]) -> list[ActResult]:
        return [self._move(one, "dlq", "trash", ()) for one in ids]

    def restore_dead(self, ids: Sequence[str]) -> list[ActResult]:
        return [self._move(one, "trash", "dlq", ("dlq",)) for one in ids]

    def unretry(self, ids: Sequence[str]) -> list[ActResult]:
        return [self._move(one, "inbox", "dlq", ("dlq",), dead_again) for one in ids]

    def withdraw(self, ids: Sequence[str]) -> list[ActResult]:
        return [self._move(one, "inbox", "trash", ()) for one in ids]

    def housekeep(self, older_than: float) -> dict[str, int]:
        old = [i for i, view in self._views["trash"].items() if view.since < older_than]
        for tick_id in old:
            del self._views["trash"][tick_id]
        return {"trash": len(old), "acks": 0, "tmp": 0, "dedupe": 0}

    def close(self) -> None:
        """Nothing is kept open."""

    def _move(
        self, tick_id: str, source: Where, target: Where, barred: Sequence[Where],
        change: Callable[[Tick], Tick] = lambda tick: tick,
    ) -> ActResult:  # fmt: skip
        if tick_id not in self._views[source]:
            return ActResult(tick_id, False, f"there is no such tick in {source}")
        for where in barred:
            if tick_id in self._views[where]:
                return ActResult(tick_id, False, f"a tick with this id is in {where}")
        tick = self._views[source][tick_id].tick
        if target == "inbox" and (holder := self._holder(tick.dedupe_key)) is not None:
            said = f"{holder} is waiting or running with the same dedupe key"
            return ActResult(tick_id, False, said)
        try:
            tick = change(tick)
        except Refused as refusal:
            return ActResult(tick_id, False, refusal.message)
        self._take(source, tick_id)
        if target == "trash" and (older := self._views["trash"].pop(tick_id, None)):
            self._put("trash", twins.namesake(older.tick, codec.encode(older.tick).decode()))
        self._put(target, tick)
        return ActResult(tick_id, True)

    def _holder(self, key: str | None) -> str | None:
        if key is None:
            return None
        live = (*self._views["inbox"].values(), *self._views["claimed"].values())
        return next((view.tick.id for view in live if view.tick.dedupe_key == key), None)

    def _put(self, where: Where, tick: Tick) -> None:
        self._views[where][tick.id] = TickView(tick, where, self.clock.wall())
        if where == "inbox":
            self._waiting.add(key_of(tick))

    def _take(self, where: Where, tick_id: str) -> Tick:
        self._waiting.discard(tick_id)
        return self._views[where].pop(tick_id).tick

    def _sign(self, tick: Tick) -> Claim:
        claim = Claim(tick, f"memory-{next(self.store.numbers)}")
        self._put("claimed", tick)
        self.store.tokens[tick.id] = claim.token
        self._ours.add(tick.id)
        return claim

    def _settle(self, claim: Claim) -> None:
        tick_id = claim.tick.id
        if self.store.tokens.get(tick_id) != claim.token:
            raise ClaimLost(f"the claim on {tick_id} is no longer ours", "another consumer has it")
        del self.store.tokens[tick_id]
        self._ours.discard(tick_id)
        self._adopted.pop(tick_id, None)
        self._take("claimed", tick_id)
