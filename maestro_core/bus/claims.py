"""Claims of the directory engine: made, fenced by a token, settled, taken back.

Flush order of a claim: link into claimed/ (that name is the lock), rewrite there with the
attempt and the token, flush, and only then take the name in inbox/ away. The flush of that
last step is made up for before the claim is settled, and by the next start.
One thread. Trouble with the disk is OSError, for the engine to explain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from maestro_core.bus import codec, twins
from maestro_core.bus.revival import taken
from maestro_core.bus.shelves import Shelf, Shelves
from maestro_core.clock import Clock, iso
from maestro_core.errors import BadTick, ClaimLost
from maestro_core.models import Claim, Tick


class NotNow(Exception):
    """The file says something else than the index did; `tick` is what it says."""

    def __init__(self, tick: Tick) -> None:
        super().__init__(tick.id)
        self.tick = tick


class Claims:
    """What this engine has claimed."""

    def __init__(
        self, shelves: Shelves, clock: Clock, owner: str, new_token: Callable[[], str]
    ) -> None:
        self._shelves = shelves
        self._clock = clock
        self._owner = owner
        self._new_token = new_token
        self._tokens: dict[str, str] = {}
        self._adopted: dict[str, Claim] = {}
        self._half_made: dict[str, str] = {}
        self._leaving: set[str] = set()
        self._dying: dict[str, bool] = {}  # token -> whether its letter needs another id
        self.departures_flushed = True

    def __contains__(self, tick_id: str) -> bool:
        return tick_id in self._tokens

    # ---- making --------------------------------------------------------------------------

    def take(self, tick_id: str, unwanted: Callable[[Tick], bool]) -> Claim:
        """Claim this waiting tick, durably.

        Raises:
            FileNotFoundError: it is not there any more.
            FileExistsError: another tick of this id is claimed.
            BadTick: it is none; it has been set aside.
            NotNow: it is `unwanted` as it is now; it waits on.
            OSError: `undo_half_made` has to be called until it succeeds.
        """
        token = self._half_made[tick_id] = self._new_token()
        try:
            linked = self._shelves.grab(tick_id)
        except (FileNotFoundError, FileExistsError):
            del self._half_made[tick_id]
            raise
        tick = self._load(tick_id, linked)
        if unwanted(tick):
            self.undo_half_made()
            raise NotNow(tick)
        claim = Claim(taken(tick), token)
        self._sign(claim)
        if linked:
            self._shelves.drop("inbox", tick_id)
        self.departures_flushed = False
        self._tokens[tick_id] = token
        del self._half_made[tick_id]
        return claim

    def adopt(self, tick: Tick) -> Claim:
        """Take over the claimed tick of a consumer that is gone: its own token is refused now."""
        claim = Claim(tick, self._new_token())
        self._sign(claim)
        self._tokens[tick.id] = claim.token
        self._adopted[tick.id] = claim
        return claim

    def adopted(self, tick_id: str) -> Claim | None:
        """The claim on it that was taken over and is not settled yet."""
        return self._adopted.get(tick_id)

    def undo_half_made(self) -> list[str]:
        """Take back what the disk let us only half make; ids that wait again."""
        undone = []
        for tick_id, token in list(self._half_made.items()):
            self._undo(tick_id, token)
            del self._half_made[tick_id]
            undone.append(tick_id)
        return undone

    def _load(self, tick_id: str, linked: bool) -> Tick:
        try:
            return self._shelves.load("claimed", tick_id)[0]
        except BadTick as fault:
            if linked:
                self._shelves.drop("claimed", tick_id)
            shelf: Shelf = "inbox" if linked else "claimed"
            self._shelves.set_aside(shelf, tick_id + codec.SUFFIX, fault.message)
            del self._half_made[tick_id]
            raise

    def _sign(self, claim: Claim) -> None:
        at = iso(self._clock.wall())
        signature = {"owner": self._owner, "token": claim.token, "at": at}
        data = codec.encode(claim.tick, signature)
        self._shelves.rewrite("claimed", claim.tick.id, data)

    def _undo(self, tick_id: str, token: str) -> None:
        try:
            tick, signature = self._shelves.load("claimed", tick_id)
        except (FileNotFoundError, BadTick):
            return  # not made at all; or no tick: the next recovery sets it aside
        if tick_id in self._tokens or signature.get("token", token) != token:
            return  # another's: ours was not made
        if not self._waits_too(tick):
            if signature:
                tick = tick.evolve(attempts=max(0, tick.attempts - 1))
            self._shelves.place("inbox", tick_id, codec.encode(tick))
            self._shelves.flush("inbox")
        self._shelves.drop("claimed", tick_id)

    def _waits_too(self, tick: Tick) -> bool:
        try:
            return twins.same_origin(tick, self._shelves.load("inbox", tick.id)[0])
        except (FileNotFoundError, BadTick):
            return False

    # ---- settling ------------------------------------------------------------------------

    def letter(self, claim: Claim, dead: Tick) -> Tick:
        """`dead` under the id that it has as a dead letter: another one where an older letter
        has its own. Asked once a claim, since what is there later may be our own first try."""
        if claim.token not in self._dying:
            self._check(claim)
            self._dying[claim.token] = self._shelves.has("dlq", dead.id)
        return twins.namesake(dead, claim.token) if self._dying[claim.token] else dead

    def settle(self, claim: Claim, shelf: Shelf | None, tick: Tick | None) -> None:
        """The claimed file goes, and `tick` (whose id may be another now) stands on `shelf` first.

        After an OSError the same settle may be tried again. ClaimLost when it is not ours.
        """
        tick_id = claim.tick.id
        if claim.token not in self._leaving:
            self._check(claim)
            self._flush_departures()
            if shelf is not None and tick is not None:
                self._shelves.place(shelf, tick.id, codec.encode(tick))
                self._shelves.flush(shelf)
            self._leaving.add(claim.token)
            self._shelves.drop("claimed", tick_id)
        elif self._signature(tick_id).get("token") == claim.token:
            self._shelves.drop("claimed", tick_id)
        self._shelves.flush("claimed")
        self._leaving.discard(claim.token)
        self._dying.pop(claim.token, None)
        self._forget(tick_id)

    def lost(self, claims: Sequence[Claim]) -> list[Claim]:
        """Those whose file does not bear their token; one that is being settled is not lost."""
        return [
            claim
            for claim in claims
            if claim.token not in self._leaving
            and self._signature(claim.tick.id).get("token") != claim.token
        ]

    def _check(self, claim: Claim) -> None:
        tick_id = claim.tick.id
        if self._signature(tick_id).get("token") != claim.token:
            self._forget(tick_id)
            raise ClaimLost(f"the claim on {tick_id} is no longer ours", "another consumer has it")

    def _signature(self, tick_id: str) -> dict[str, Any]:
        try:
            return self._shelves.load("claimed", tick_id)[1]
        except FileNotFoundError:
            return {}
        except BadTick:  # somebody damaged the file; that we hold the claim is known anyway
            return {"token": self._tokens.get(tick_id)}

    def _flush_departures(self) -> None:
        if not self.departures_flushed:
            self._shelves.flush("inbox")
            self.departures_flushed = True

    def _forget(self, tick_id: str) -> None:
        self._tokens.pop(tick_id, None)
        self._adopted.pop(tick_id, None)
