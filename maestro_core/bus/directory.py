"""The engine over folders: one JSON file a tick, moved durably, ordered by an index in memory.

Verbs of the consumer are here, those of the operator in `dead`, what a start has to clear up
in `recovery`, how a claim is made and settled in `claims`. One thread, except `enqueue`.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from maestro_core import files
from maestro_core.bus import codec, dead, recovery
from maestro_core.bus.claims import Claims, NotNow
from maestro_core.bus.inbox import Inbox
from maestro_core.bus.index import Rank, unranked
from maestro_core.bus.letters import Letters
from maestro_core.bus.producer import disk_error, encode_document, publish_encoded
from maestro_core.bus.shelves import REASON, Shelf, Shelves
from maestro_core.clock import Clock, SystemClock, iso
from maestro_core.errors import BadTick, Refused
from maestro_core.files import FileSystem
from maestro_core.layout import NAME, Layout
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


def new_token() -> str:
    """Nobody else's."""
    return os.urandom(8).hex()


class DirectoryEngine:
    """See bus/engine.py for what it promises.

    Args:
        owner: who claims, as it stands in claimed files.
        alive: asked with the owner of a foreign claim; a live owner's claims are left alone.
            Without it every foreign claim counts as abandoned: right under consumer.lock.

    Raises BusError when the folders are not on one disk. A disk that fails at the start is no
    error yet: the first verb that needs it says so, and the bus is opened once it is back.
    """

    lease: float | None = None

    def __init__(
        self,
        layout: Layout,
        *,
        clock: Clock | None = None,
        fs: FileSystem | None = None,
        owner: str = "",
        alive: Callable[[str], bool] | None = None,
        token: Callable[[], str] = new_token,
    ) -> None:
        self.layout = layout
        self.clock = clock or SystemClock()
        self.fs = fs or files.OsFiles()
        self.shelves = Shelves(layout, self.fs, self.clock)
        self._prepared = False
        self.alive = alive
        self.claims = Claims(self.shelves, self.clock, owner, token)
        self.inbox = Inbox(self.fs, self.shelves.folder["inbox"], self.clock, self.reject)
        self._letters: dict[str, Letters] = {}
        self._arrivals: deque[str] = deque()
        self._is_new = True
        self._blocked: dict[str, codec.Key] = {}
        self._rejected: list[tuple[str, str]] = []
        self.owed: list[tuple[Shelf, str, bytes | None]] = []
        """Names that an interrupted move still has to take away; some only with these bytes."""
        self.owed_flushes: set[Shelf] = set()
        with suppress(OSError):
            self._open()  # a disk in trouble may come back: the verbs try again, and say so

    # ---- producers -----------------------------------------------------------------------

    def enqueue(self, tick: Tick) -> Receipt:
        tick = tick if tick.enqueued_at else tick.evolve(enqueued_at=iso(self.clock.wall()))
        document = tick_document(tick)
        data = encode_document(document)
        try:
            codec.decode(data, tick.id, self.clock.wall)
        except BadTick as fault:
            raise Refused(f"tick {tick.id} cannot be enqueued: {fault.message}") from fault
        tick_id, fresh = publish_encoded(self.layout, document, data, self.fs)
        self._arrivals.append(tick_id + codec.SUFFIX)
        return Receipt(tick_id, fresh)

    def refresh(self) -> bool:
        with self.explained("cannot read the inbox"):
            self.shelves.restore()
            self._is_new = False
            self._catch_up()
            self._unblock()
            return self.inbox.refresh()

    # ---- the consumer's verbs ------------------------------------------------------------

    def claim(self, *, held: Callable[[str], bool], rank: Rank = unranked) -> Claim | None:
        with self.explained("cannot claim"):
            self._catch_up()
            while key := self.inbox.waiting.best(held, self.clock.wall(), rank):
                if claim := self._take(key, held):
                    return claim
        return None

    def complete(self, claim: Claim) -> None:
        self._settle(claim)

    def retry(self, claim: Claim, failure: Failure) -> None:
        self._give_back(claim, codec.with_failure(claim.tick, failure))

    def dead_letter(self, claim: Claim, failure: Failure) -> None:
        with self.explained("cannot settle a claim"):
            letter = self.claims.letter(claim, codec.with_failure(claim.tick, failure))
        self._settle(claim, "dlq", letter)

    def put_back(self, claim: Claim) -> None:
        self._give_back(claim, claim.tick.evolve(attempts=max(0, claim.tick.attempts - 1)))

    def recovered(self, claim: Claim) -> None:
        self._give_back(claim, claim.tick.evolve(recoveries=claim.tick.recoveries + 1))

    def abandoned(self) -> list[Claim]:
        with self.explained("cannot recover claims"):
            self._finish_moves()  # without a look at the inbox: the first claim waits for one
            return recovery.abandoned(self)

    def heartbeat(self, claims: Sequence[Claim]) -> list[Claim]:
        with self.explained("cannot look after claims"):
            return self.claims.lost(claims)

    def _take(self, key: codec.Key, held: Callable[[str], bool]) -> Claim | None:
        """Try for one tick. None: the index has learned something; ask it again."""
        self.inbox.waiting.discard(key.id)
        try:
            return self.claims.take(key.id, lambda tick: self._must_wait(tick, held))
        except FileNotFoundError:
            if self.shelves.restore():
                self.inbox.waiting.add(key)
                raise
        except FileExistsError:
            self._blocked[key.id] = key
        except BadTick as fault:
            self._rejected.append((key.id + codec.SUFFIX, fault.message))
        except NotNow as other:  # it was edited while it waited
            self.inbox.waiting.add(codec.key_of(other.tick))
        except OSError:
            self.inbox.waiting.add(key)
            with suppress(OSError):
                self._undo_claims()
            raise
        return None

    def _must_wait(self, tick: Tick, held: Callable[[str], bool]) -> bool:
        return codec.key_of(tick).ready_at > self.clock.wall() or held(tick.cadence)

    def _undo_claims(self) -> None:
        for tick_id in self.claims.undo_half_made():
            self.arrived(tick_id)

    def _give_back(self, claim: Claim, tick: Tick) -> None:
        self._settle(claim, "inbox", tick)
        self.inbox.waiting.add(codec.key_of(tick))

    def _settle(self, claim: Claim, shelf: Shelf | None = None, tick: Tick | None = None) -> None:
        with self.explained("cannot settle a claim"):
            self.claims.settle(claim, shelf, tick)
        self._unblock(claim.tick.id)

    # ---- what is where -------------------------------------------------------------------

    def counts(self) -> dict[Where | str, int]:
        with self.explained("cannot read the bus"):
            found: dict[Where | str, int] = {one: len(self.shelves.ids(one)) for one in _WHERES}
            names = self.fs.names(self.shelves.folder["quarantine"])
        return found | {"quarantine": sum(not name.endswith(REASON) for name in names)}

    def waiting(self) -> dict[str, int]:
        with self.explained("cannot read the inbox"):
            self._take_arrivals()
        return self.inbox.waiting.by_cadence()

    def ready_cadences(self) -> set[str]:
        with self.explained("cannot read the inbox"):
            self._take_arrivals()
        return self.inbox.waiting.ready(self.clock.wall())

    def next_ready_at(self) -> float | None:
        times = (self.inbox.waiting.next_ready_at(self.clock.wall()), self.inbox.next_look_at())
        return min((one for one in times if one is not None), default=None)

    def page(
        self, where: Where, *, cadence: str | None = None, limit: int = 100, offset: int = 0
    ) -> list[TickView]:
        with self.explained(f"cannot list {where}"):
            ids = self._page_ids(where, cadence, limit, offset)
            views = [self.view(where, tick_id) for tick_id in ids]
        found = [view for view in views if view is not None]
        if where != "claimed":
            return found
        return [v for v in found if cadence in (None, v.tick.cadence)][offset : offset + limit]

    def _page_ids(self, where: Where, cadence: str | None, limit: int, offset: int) -> list[str]:
        if where == "claimed":
            return sorted(self.shelves.ids(where))
        if where == "inbox":
            self._take_arrivals()
            return [key.id for key in self.inbox.waiting.page(cadence, limit, offset)]
        letters = self._letters.get(where)
        if letters is None:
            letters = Letters(self.fs, self.shelves.folder[where], self.clock)
            self._letters[where] = letters
        letters.refresh(float("inf"), bodies=cadence is not None)
        return letters.page(cadence, limit, offset)

    def view(self, where: Where, tick_id: str) -> TickView | None:
        """The tick there; None when it is gone or no tick."""
        try:
            tick, _ = self.shelves.load(where, tick_id)
            return TickView(tick, where, self.fs.modified(self.shelves.path(where, tick_id)))
        except (FileNotFoundError, BadTick):
            return None

    def find(self, tick_id: str) -> TickView | None:
        if not NAME.match(tick_id):
            return None
        with self.explained("cannot read the bus"):
            looks = (self.view(where, tick_id) for where in (*_WHERES, "inbox"))
            return next((found for found in looks if found is not None), None)

    # ---- the operator's verbs ------------------------------------------------------------

    def retry_dead(self, ids: Sequence[str]) -> list[ActResult]:
        return dead.retry(self, ids)

    def discard_dead(self, ids: Sequence[str]) -> list[ActResult]:
        return dead.discard(self, ids)

    def restore_dead(self, ids: Sequence[str]) -> list[ActResult]:
        return dead.restore(self, ids)

    def unretry(self, ids: Sequence[str]) -> list[ActResult]:
        return dead.unretry(self, ids)

    def withdraw(self, ids: Sequence[str]) -> list[ActResult]:
        return dead.withdraw(self, ids)

    def housekeep(self, older_than: float) -> dict[str, int]:
        with self.explained("cannot clean up the bus"):
            return dead.housekeep(self, older_than)

    def close(self) -> None:
        """Nothing is kept open."""

    # ---- for the parts of the engine -----------------------------------------------------

    def rejected(self) -> list[tuple[str, str]]:
        """Names and reasons of the files set aside since the last call, for the journal."""
        found, self._rejected = self._rejected, []
        return found

    def reject(self, name: str, reason: str) -> bool:
        """Set a file of the inbox aside; False when the disk refuses."""
        try:
            self.shelves.set_aside("inbox", name, reason)
        except OSError:
            return False  # the index tries again later
        self._rejected.append((name, reason))
        return True

    def arrived(self, tick_id: str) -> None:
        """A file came to the inbox from within."""
        self._arrivals.append(tick_id + codec.SUFFIX)

    @contextmanager
    def explained(self, doing: str) -> Iterator[None]:
        """OSError -> BusError with what to do about it. The first one opens the bus."""
        try:
            self._open()
            yield
        except FileExistsError:
            raise
        except OSError as error:
            raise disk_error(doing, error) from error

    def _open(self) -> None:
        if not self._prepared:
            self.shelves.prepare()
            self._prepared = True

    def _catch_up(self) -> None:
        """What earlier calls left: names to take away, claims to undo, our own arrivals."""
        self._finish_moves()
        self._take_arrivals()

    def _finish_moves(self) -> None:
        self.pay_owed()
        self._undo_claims()

    def _take_arrivals(self) -> None:
        if self._is_new:
            self.inbox.refresh()
            self._is_new = False
        if self._arrivals:
            while self._arrivals:
                self.inbox.arrived(self._arrivals.popleft())
            self.inbox.read()

    def pay_owed(self) -> None:
        """Take away and flush what a move still owes. OSError: the rest stays owed."""
        while self.owed:
            shelf, tick_id, data = self.owed[-1]
            if data is None or self.shelves.holds(shelf, tick_id, data):
                self.shelves.drop(shelf, tick_id)
            self.owed.pop()
        for shelf in list(self.owed_flushes):
            self.shelves.flush(shelf)
            self.owed_flushes.discard(shelf)

    def _unblock(self, tick_id: str | None = None) -> None:
        """Ticks whose id was taken by a claim may be tried again."""
        for blocked in [tick_id] if tick_id else list(self._blocked):
            if key := self._blocked.pop(blocked, None):
                self.inbox.waiting.add(key)
