"""The engine over folders: one JSON file a tick, moved durably, ordered by an index in memory.

Verbs of the consumer are here, those of the operator in `dead`, what a start has to clear up
in `recovery`. Flush order of a claim: link into claimed/ (that name is the lock), rewrite
there with the attempt and the token, flush, and only then take the name in inbox/ away; the
flush of that last step is made up for before the claim is settled.
One thread, except `enqueue`.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from maestro_core import files
from maestro_core.bus import codec, dead, recovery
from maestro_core.bus.inbox import Inbox
from maestro_core.bus.letters import Letters
from maestro_core.bus.producer import disk_error, encode_document, publish_tick
from maestro_core.bus.shelves import REASON, Shelf, Shelves
from maestro_core.clock import Clock, SystemClock, iso
from maestro_core.errors import BadTick, BusError, ClaimLost, Refused
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

    Raises BusError when the folders cannot be made or are not on one disk.
    """

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
        with self.explained("cannot open the bus"):
            self.shelves.prepare()
        self.owner = owner
        self.alive = alive
        self.token = token
        self.claims: dict[str, str] = {}
        """Token of each claim that we hold, by tick id."""
        self.adopted: dict[str, Claim] = {}
        """Claims taken over from a consumer that is gone, until they are settled."""
        self.inbox = Inbox(self.fs, self.shelves.folder["inbox"], self.clock, self.reject)
        self._letters: dict[str, Letters] = {}
        self._arrivals: deque[str] = deque()
        self._is_new = True
        self._blocked: dict[str, codec.Key] = {}
        self._undo: dict[str, bool] = {}
        self._leaving: set[str] = set()
        self._departures_flushed = True
        self._rejected: list[tuple[str, str]] = []
        self.owed: list[tuple[Shelf, str]] = []
        """Names that an interrupted move still has to take away."""

    # ---- producers -----------------------------------------------------------------------

    def enqueue(self, tick: Tick) -> Receipt:
        tick = tick if tick.enqueued_at else tick.evolve(enqueued_at=iso(self.clock.wall()))
        document = tick_document(tick)
        try:
            codec.decode(encode_document(document), tick.id, self.clock.wall)
        except BadTick as fault:
            raise Refused(f"tick {tick.id} cannot be enqueued: {fault.message}") from fault
        tick_id, fresh = publish_tick(self.layout, document, self.fs)
        self._arrivals.append(tick_id + codec.SUFFIX)
        return Receipt(tick_id, fresh)

    def refresh(self) -> bool:
        with self.explained("cannot read the inbox"):
            self._catch_up()
            self._unblock()
            self._is_new = False
            try:
                return self.inbox.refresh()
            except FileNotFoundError:
                self.shelves.prepare()  # somebody removed the folder: make it again
                return self.inbox.refresh()

    # ---- the consumer's verbs ------------------------------------------------------------

    def claim(self, *, held: Callable[[str], bool]) -> Claim | None:
        with self.explained("cannot claim"):
            self._catch_up()
            while key := self.inbox.waiting.best(held, self.clock.wall()):
                if claim := self._take(key, held):
                    return claim
        return None

    def complete(self, claim: Claim) -> None:
        self._settle(claim)

    def retry(self, claim: Claim, failure: Failure) -> None:
        self._give_back(claim, with_failure(claim.tick, failure))

    def dead_letter(self, claim: Claim, failure: Failure) -> None:
        self._settle(claim, "dlq", with_failure(claim.tick, failure))

    def put_back(self, claim: Claim) -> None:
        self._give_back(claim, claim.tick.evolve(attempts=max(0, claim.tick.attempts - 1)))

    def recovered(self, claim: Claim) -> None:
        self._give_back(claim, claim.tick.evolve(recoveries=claim.tick.recoveries + 1))

    def abandoned(self) -> list[Claim]:
        with self.explained("cannot recover claims"):
            self._catch_up()
            return recovery.abandoned(self)

    # ---- claiming ------------------------------------------------------------------------

    def _take(self, key: codec.Key, held: Callable[[str], bool]) -> Claim | None:
        """Try for one tick. None: the index has learned something; ask it again."""
        try:
            linked = self.shelves.grab(key.id)
        except FileNotFoundError:
            self._check_folder("claimed")
            self.inbox.waiting.discard(key.id)
            return None
        except FileExistsError:
            self._blocked[key.id] = key
            self.inbox.waiting.discard(key.id)
            return None
        try:
            return self._sign(key, held, linked)
        except OSError:
            self._undo[key.id] = linked
            with suppress(OSError):
                self._undo_claims()
            raise

    def _sign(self, key: codec.Key, held: Callable[[str], bool], linked: bool) -> Claim | None:
        """Write the attempt and our token into the claimed file."""
        try:
            tick, _ = self.shelves.load("claimed", key.id)
        except BadTick as fault:
            self._discard_bad(key.id, fault.message, linked)
            return None
        found = codec.key_of(tick)
        if found.ready_at > self.clock.wall() or held(found.cadence):
            self._undo[key.id] = linked  # edited while it waited: the index was out of date
            self._undo_claims()
            self.inbox.waiting.add(found)
            return None
        claim = Claim(tick.evolve(attempts=tick.attempts + 1), self.token())
        self.shelves.rewrite("claimed", key.id, self.signed(claim))
        self.claims[key.id] = claim.token
        if linked:
            self.shelves.drop("inbox", key.id)
        self._departures_flushed = False
        self.inbox.waiting.discard(key.id)
        return claim

    def signed(self, claim: Claim) -> bytes:
        """The claimed file of a claim."""
        at = iso(self.clock.wall())
        return codec.encode(claim.tick, {"owner": self.owner, "token": claim.token, "at": at})

    def _discard_bad(self, tick_id: str, reason: str, linked: bool) -> None:
        self.inbox.waiting.discard(tick_id)
        if linked:
            self.shelves.drop("claimed", tick_id)
        shelf: Shelf = "inbox" if linked else "claimed"
        self.shelves.set_aside(shelf, tick_id + codec.SUFFIX, reason)
        self._rejected.append((tick_id + codec.SUFFIX, reason))

    def _undo_claims(self) -> None:
        """Take back claims that the disk let us only half make."""
        for tick_id, linked in list(self._undo.items()):
            self.claims.pop(tick_id, None)
            if linked and self.shelves.has("inbox", tick_id):
                self.shelves.drop("claimed", tick_id)
            elif self.shelves.has("claimed", tick_id):
                self._return_half_claimed(tick_id)
            del self._undo[tick_id]

    def _return_half_claimed(self, tick_id: str) -> None:
        tick, signature = self.shelves.load("claimed", tick_id)
        if signature:
            tick = tick.evolve(attempts=max(0, tick.attempts - 1))
        self.shelves.place("inbox", tick_id, codec.encode(tick))
        self.shelves.flush("inbox")
        self.shelves.drop("claimed", tick_id)
        self._arrivals.append(tick_id + codec.SUFFIX)

    # ---- settling ------------------------------------------------------------------------

    def _give_back(self, claim: Claim, tick: Tick) -> None:
        self._settle(claim, "inbox", tick)
        self.inbox.waiting.add(codec.key_of(tick))

    def _settle(self, claim: Claim, shelf: Shelf | None = None, tick: Tick | None = None) -> None:
        """The claimed file goes, and `tick` stands on `shelf` before it does.

        After a BusError the same settle may be tried again.
        """
        tick_id = claim.tick.id
        with self.explained("cannot settle a claim"):
            if claim.token not in self._leaving:
                self._check_token(claim)
                self._flush_departures()
                if shelf and tick:
                    self.shelves.place(shelf, tick_id, codec.encode(tick))
                    self.shelves.flush(shelf)
                self.shelves.drop("claimed", tick_id)
                self._leaving.add(claim.token)
            self.shelves.flush("claimed")
        self._leaving.discard(claim.token)
        self.claims.pop(tick_id, None)
        self.adopted.pop(tick_id, None)
        self._unblock(tick_id)

    def _check_token(self, claim: Claim) -> None:
        tick_id = claim.tick.id
        try:
            _, signature = self.shelves.load("claimed", tick_id)
        except FileNotFoundError:
            signature = {}
        except BadTick:  # somebody damaged the file; that we hold the claim is known anyway
            signature = {"token": self.claims.get(tick_id)}
        if signature.get("token") != claim.token:
            self.claims.pop(tick_id, None)
            self.adopted.pop(tick_id, None)
            raise ClaimLost(f"the claim on {tick_id} is no longer ours", "another consumer has it")

    def _flush_departures(self) -> None:
        if not self._departures_flushed:
            self.shelves.flush("inbox")
            self._departures_flushed = True

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
        times = (self.inbox.waiting.next_ready_at(), self.inbox.next_look_at())
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
        """OSError -> BusError with what to do about it."""
        try:
            yield
        except FileExistsError:
            raise
        except OSError as error:
            raise disk_error(doing, error) from error

    def _catch_up(self) -> None:
        """What earlier calls left: names to take away, claims to undo, our own arrivals."""
        self.pay_owed()
        self._undo_claims()
        self._take_arrivals()

    def _take_arrivals(self) -> None:
        if self._is_new:
            self.inbox.refresh()
            self._is_new = False
        if self._arrivals:
            while self._arrivals:
                self.inbox.arrived(self._arrivals.popleft())
            self.inbox.read()

    def pay_owed(self) -> None:
        """Take the names away that a move still owes. OSError: the rest stays owed."""
        while self.owed:
            self.shelves.drop(*self.owed[-1])
            self.owed.pop()

    def _unblock(self, tick_id: str | None = None) -> None:
        """Ticks whose id was taken by a claim may be tried again."""
        for blocked in [tick_id] if tick_id else list(self._blocked):
            if key := self._blocked.pop(blocked, None):
                self.inbox.waiting.add(key)

    def _check_folder(self, shelf: Shelf) -> None:
        if not self.fs.exists(self.shelves.folder[shelf]):
            self.shelves.prepare()
            raise BusError(f"the folder {shelf} was gone and has been made again")


def with_failure(tick: Tick, failure: Failure) -> Tick:
    """The tick after a failed attempt."""
    return tick.evolve(failures=(*tick.failures, failure), last_error=failure.reason)
