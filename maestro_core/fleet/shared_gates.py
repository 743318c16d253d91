"""Breakers and holds of a consumer whose fleet shares them (see consumer/gate_store.py).

What a failure is about says whose it is:
- circuits and back-off are the fleet's: a broken prompt fails on every host;
- a usage limit and an overload are the fleet's: it is one account, and one service;
- a refused sign-in is the host's: it is that machine's key. Disk trouble never comes here, a
  consumer keeps that to itself.

A start, clean or not, forgets nothing of the fleet's: others go by it. Only this host's own
hold goes with a clean start. Owner: the consumer's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from maestro_core.clock import Clock
from maestro_core.consumer.breaker import CLOSED, BreakerPolicy
from maestro_core.consumer.gate_store import Change
from maestro_core.errors import BusError
from maestro_core.fleet.connect import Link
from maestro_core.fleet.gates import FLEET, Document, FleetCircuits, GateBoard, GateRow, GateRows
from maestro_core.models import CadenceState, Hold, HoldKind

HOST_KINDS: frozenset[HoldKind] = frozenset({"auth"})
HOLD = "hold"


class SharedHolds:
    """The rows of holds, one a scope."""

    def __init__(self, link: Link, clock: Clock) -> None:
        self._rows = GateRows(link)
        self._link = link
        self._clock = clock

    def all(self) -> dict[str, Hold]:
        """Every hold that is on, by scope: the fleet's, and those of hosts."""
        found = self._link.rows(
            "SELECT scope, name, revision, document FROM maestro_gates WHERE name = $1", HOLD
        )
        return self.all_of([GateRow(**row) for row in found])

    def all_of(self, rows: Iterable[GateRow]) -> dict[str, Hold]:
        """Those among these rows."""
        return {
            row.scope: hold
            for row in rows
            if row.name == HOLD and (hold := self._hold(row.document)) is not None
        }

    def set(self, scope: str, hold: Hold) -> None:
        """Hold until then; one that lasts longer already stays."""
        new = self._document(hold)
        self._rows.update(scope, HOLD, lambda old: old if _outlasts(old, new) else new)

    def lift(self, scope: str, seen: Hold) -> None:
        """Take that hold away; another one that was set meanwhile stays."""
        self._rows.update(scope, HOLD, lambda old: {} if _same(self._hold(old), seen) else old)

    def _hold(self, document: Document) -> Hold | None:
        if not document:
            return None
        shift = self._clock.steady() - self._link.now()
        until = document["until"]
        return Hold(
            document["kind"], until + shift if until else 0.0, document["since"] + shift,
            document["reason"],
        )  # fmt: skip

    def _document(self, hold: Hold) -> Document:
        shift = self._link.now() - self._clock.steady()
        return {
            "kind": hold.kind, "until": round(hold.until + shift, 3) if hold.until else 0.0,
            "since": round(hold.since + shift, 3), "reason": hold.reason,
        }  # fmt: skip


class SharedGates:
    """The Gates of a consumer on that host, or of an operator there.

    `board` is read by the markers in each pass, before the gates are asked.
    """

    def __init__(self, link: Link, clock: Clock, host: str, board: GateBoard) -> None:
        self._board = board
        self._circuits = FleetCircuits(link, clock)
        self._holds = SharedHolds(link, clock)
        self._scopes = (FLEET, host)
        self._states: dict[str, CadenceState] = {}
        self._by_scope: dict[str, Hold] = {}
        self._owed: list[Callable[[], None]] = []
        self._changed = False
        """By us, since the board was read."""
        self.problems: list[str] = []

    @property
    def hold(self) -> Hold | None:
        """Of the fleet's and the host's own the one that ends last."""
        return max(self._by_scope.values(), key=_end, default=None)

    def get(self, cadence: str) -> CadenceState:
        return self._states.get(cadence, CLOSED)

    def items(self) -> list[tuple[str, CadenceState]]:
        return [(name, state) for name, state in self._states.items() if state != CLOSED]

    def update(self, cadence: str, change: Change) -> CadenceState:
        """While the server is away the change counts here, and reaches the others later."""
        self._states[cadence] = change(self.get(cadence))

        def store() -> None:
            self._states[cadence] = self._circuits.update(cadence, change)

        self._stored(store)
        return self._states[cadence]

    def set_hold(self, hold: Hold | None) -> None:
        if hold is None:
            self._lift()
            return
        scope = self._scopes[hold.kind in HOST_KINDS]
        self._by_scope[scope] = hold
        self._stored(lambda: self._holds.set(scope, hold))

    def _lift(self) -> None:
        scopes = [scope for scope, hold in self._by_scope.items() if hold == self.hold]
        for scope in scopes:
            seen = self._by_scope.pop(scope)
            self._stored(lambda scope=scope, seen=seen: self._holds.lift(scope, seen))  # type: ignore[misc]

    def flush(self) -> None:
        """What is owed first; then what stands with the others."""
        while self._owed:
            if not self._done(self._owed[0]):
                return
            self._owed.pop(0)
        if self._changed and not self._done(self._board.read):
            return
        self._changed = False
        self._done(self._take_in)

    def load(self, _policy: BreakerPolicy, *, afresh: bool) -> list[str]:
        """Raises BusError."""
        self.refresh()
        own = self._by_scope.get(self._scopes[1])
        if afresh and own is not None:
            self._holds.lift(self._scopes[1], own)
            del self._by_scope[self._scopes[1]]
        return sorted(name for name, state in self._states.items() if state.open_until)

    def refresh(self) -> None:
        """What stands with the others. Raises BusError."""
        self._board.read()
        self._take_in()

    def _take_in(self) -> None:
        self._states = dict(self._circuits.items_of(self._board.rows))
        self._by_scope = self._holds.all_of(self._board.rows)

    def _stored(self, store: Callable[[], None]) -> None:
        """Now, or as soon as the server is there again; in order."""
        self._changed = True
        if self._owed or not self._done(store):
            self._owed.append(store)

    def _done(self, work: Callable[[], None]) -> bool:
        try:
            work()
        except BusError as error:
            self.problems.append(f"the gates of the fleet: {error}")
            return False
        return True


def _end(hold: Hold) -> float:
    return hold.until or float("inf")


def _outlasts(old: Document, new: Document) -> bool:
    return bool(old) and (old["until"] or float("inf")) >= (new["until"] or float("inf"))


def _same(stored: Hold | None, seen: Hold) -> bool:
    """Times went over another clock and back."""
    return stored is not None and stored.kind == seen.kind and abs(stored.since - seen.since) < 1.0
