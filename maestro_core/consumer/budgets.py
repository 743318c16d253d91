"""Budgets of a day: what has been spent, and which cadences wait because of it.

A day is a UTC day, as in the ledger. The tally starts from the ledger and is carried on in
memory; an operator may lift a budget until the day's end. Owner: the consumer's thread.
"""

from __future__ import annotations

from collections.abc import Callable

from maestro_core.clock import Clock, iso
from maestro_core.settings import Settings

DAY = 86400.0
ALL = "*"

Tally = Callable[[str], dict[str, float] | None]
"""USD by cadence of the runs that ended at or after an ISO time; None = not to be known now."""

TALLY_AGAIN = 30.0
"""Seconds until a tally that could not be had is asked for again."""


class Budgets:
    """Asked on every look at a cadence, so it only compares numbers."""

    def __init__(self, clock: Clock, tally: Tally) -> None:
        self._clock = clock
        self._tally = tally
        self._day = ""
        self._tally_at: float | None = None
        self._spent: dict[str, float] = {}
        self._lifted: set[str] = set()
        self._warned: set[str] = set()
        self._held: set[str] = set()

    def refresh(self) -> None:
        """A new UTC day starts with nothing spent and nothing lifted."""
        today, now = iso(self._clock.wall())[:10], self._clock.steady()
        if today != self._day:
            self._day, self._spent, self._tally_at = today, {}, now
            self._lifted, self._warned, self._held = set(), set(), set()
        if self._tally_at is not None and now >= self._tally_at:
            self._take_tally(self._tally(f"{today}T00:00:00.000Z"))

    def _take_tally(self, tally: dict[str, float] | None) -> None:
        """Join it with what was added here meanwhile: the ledger may have missed some of it."""
        if tally is None:
            self._tally_at = self._clock.steady() + TALLY_AGAIN
            return
        self._tally_at = None
        self._spent = {
            name: max(self._spent.get(name, 0.0), tally.get(name, 0.0))
            for name in self._spent.keys() | tally.keys()
        }

    def add(self, cadence: str, usd: float) -> None:
        self._spent[cadence] = self._spent.get(cadence, 0.0) + usd

    def lift(self, target: str) -> bool:
        """Let it spend on until the day's end; `*` lifts the budget of all.

        Only a budget that holds is lifted (or one of which that is not known yet): who lifts
        another hold has not decided about tonight's money. Returns whether it was.
        """
        if target not in self._held and self._tally_at is None:
            return False
        self._lifted.add(target)
        return True

    def day_ends_at(self) -> float:
        """Wall epoch seconds of the next UTC midnight."""
        return (self._clock.wall() // DAY + 1) * DAY

    def over(self, cadence: str, settings: Settings) -> str | None:
        """Why this cadence may spend no more today; None = it may."""
        own = settings.cadences.get(cadence)
        limit = own.daily_hold_usd if own else None
        if self._exceeds(self._spent.get(cadence, 0.0), limit, cadence):
            return f"budget: {self._spent[cadence]:.2f} of {limit:.2f} USD spent today"
        limit = settings.consumer.daily_hold_usd
        if self._exceeds(self.total(), limit, ALL):
            return f"budget: all cadences spent {self.total():.2f} of {limit:.2f} USD today"
        return None

    def total(self) -> float:
        return sum(self._spent.values())

    def new_warnings(self, settings: Settings) -> list[tuple[str, float, float]]:
        """(cadence or `*`, USD spent, its warning limit): each is told once a day."""
        limits = {name: one.daily_warn_usd for name, one in settings.cadences.items()}
        limits[ALL] = settings.consumer.daily_warn_usd
        found = []
        for name, limit in limits.items():
            spent = self.total() if name == ALL else self._spent.get(name, 0.0)
            if limit is not None and spent >= limit and name not in self._warned:
                self._warned.add(name)
                found.append((name, spent, limit))
        return found

    def new_holds(self, settings: Settings) -> list[tuple[str, str]]:
        """(cadence or `*`, why) of budgets that are spent since the last call."""
        limits = {name: one.daily_hold_usd for name, one in settings.cadences.items()}
        limits[ALL] = settings.consumer.daily_hold_usd
        found = []
        for name, limit in limits.items():
            spent = self.total() if name == ALL else self._spent.get(name, 0.0)
            if not self._exceeds(spent, limit, name):
                self._held.discard(name)
            elif name not in self._held:
                self._held.add(name)
                found.append((name, f"{spent:.2f} of {limit:.2f} USD spent today"))
        return found

    def _exceeds(self, spent: float, limit: float | None, target: str) -> bool:
        return limit is not None and spent >= limit and target not in self._lifted
