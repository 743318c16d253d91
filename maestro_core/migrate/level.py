"""The level state of a move: pauses, the emergency stop, circuits, back-off and a hold over all
cadences (a usage limit, an overload, a refused sign-in).

They go before the ticks, so that nothing runs where it was held, and are taken away from where
they were after the last tick. What the other side says already is left as it is.
"""

from __future__ import annotations

from typing import Any, Protocol

from msgspec import Struct

from maestro_core import files
from maestro_core.clock import Clock
from maestro_core.consumer.breaker import CLOSED, BreakerPolicy
from maestro_core.consumer.gates import GateBook
from maestro_core.control import markers
from maestro_core.files import FileSystem
from maestro_core.fleet.connect import Link
from maestro_core.fleet.gates import FLEET, FleetCircuits
from maestro_core.fleet.markers import FleetMarkers
from maestro_core.fleet.shared_gates import HOST_KINDS, SharedHolds
from maestro_core.layout import NAME, Layout
from maestro_core.models import CadenceState, Hold
from maestro_core.observe.circuits import read_circuits
from maestro_core.observe.documents import moment, read_document

Note = dict[str, Any]


class Level(Struct, frozen=True):
    """What is held. Deadlines are steady epoch seconds."""

    pauses: dict[str, Note] = {}
    stop: Note | None = None
    circuits: dict[str, CadenceState] = {}
    hold: Hold | None = None


class Side(Protocol):
    """One of the two places."""

    def read(self) -> Level: ...
    def add(self, level: Level) -> None:
        """Take over what is not held here yet."""
        ...

    def clear(self) -> None: ...


class FolderSide:
    """Markers and circuit files of an agent root. Under consumer.lock."""

    def __init__(self, layout: Layout, fs: FileSystem, clock: Clock, policy: BreakerPolicy) -> None:
        self._layout = layout
        self._fs = fs
        self._clock = clock
        self._policy = policy

    def read(self) -> Level:
        stop = markers.read_note(self._fs, self._layout.emergency_stop)
        circuits, hold = self._gates()
        return Level(self._pauses(), stop, circuits, hold)

    def _pauses(self) -> dict[str, Note]:
        try:
            names = self._fs.names(self._layout.paused)
        except FileNotFoundError:
            return {}
        stems = sorted(name.removesuffix(".json") for name in names if name.endswith(".json"))
        notes = {
            stem: markers.read_note(self._fs, self._layout.paused / f"{stem}.json")
            for stem in stems if NAME.match(stem)
        }  # fmt: skip
        return {cadence: note for cadence, note in notes.items() if note is not None}

    def _gates(self) -> tuple[dict[str, CadenceState], Hold | None]:
        stored = read_circuits(
            read_document(self._fs, self._layout.circuit_open),
            read_document(self._fs, self._layout.gates),
        )
        shift = self._clock.steady() - self._clock.wall()
        states = {name: _shifted(state, shift) for name, state in sorted(stored.states.items())}
        beat = stored.hold
        if beat is None:
            return states, None
        until, since = moment(beat.until) or 0.0, moment(beat.since) or self._clock.wall()
        hold = Hold(beat.kind, until + shift if until else 0.0, since + shift, beat.reason)
        over = 0 < hold.until <= self._clock.steady()
        return states, None if over else hold

    def add(self, level: Level) -> None:
        there = self.read()
        for cadence, note in level.pauses.items():
            if cadence not in there.pauses:
                markers.pause(self._layout, self._fs, cadence, note)
        if level.stop is not None and there.stop is None:
            markers.engage(self._layout, self._fs, level.stop)
        book = GateBook(self._layout, self._clock, self._fs)
        book.load(self._policy, afresh=False)
        for cadence, state in level.circuits.items():
            book.update(cadence, lambda old, new=state: new if old == CLOSED else old)  # type: ignore[misc]
        if level.hold is not None and book.hold is None:
            book.set_hold(level.hold)
        if book.dirty:
            raise OSError("; ".join(book.problems))

    def clear(self) -> None:
        for cadence in self._pauses():
            markers.resume(self._layout, self._fs, cadence)
        markers.clear(self._layout, self._fs)
        for path in (self._layout.circuit_open, self._layout.gates):
            files.remove(self._fs, path)


class ServerSide:
    """The rows that all consumers share. A refused sign-in is that of one host: of this one."""

    def __init__(self, link: Link, clock: Clock, host: str) -> None:
        self._markers = FleetMarkers(link)
        self._circuits = FleetCircuits(link, clock)
        self._holds = SharedHolds(link, clock)
        self._scopes = (FLEET, host)

    def read(self) -> Level:
        circuits = {name: state for name, state in self._circuits.items() if state != CLOSED}
        holds = [hold for scope, hold in self._holds.all().items() if scope in self._scopes]
        hold = max(holds, key=lambda one: one.until or float("inf"), default=None)
        return Level(self._markers.notes(), self._markers.stop(), circuits, hold)

    def add(self, level: Level) -> None:
        there = self.read()
        for cadence, note in level.pauses.items():
            if cadence not in there.pauses:
                self._markers.pause(cadence, note)
        if level.stop is not None and there.stop is None:
            self._markers.engage(level.stop)
        for cadence, state in level.circuits.items():
            self._circuits.update(
                cadence,
                lambda old, new=state: new if old == CLOSED else old,  # type: ignore[misc]
            )
        if level.hold is not None:
            self._holds.set(self._scopes[level.hold.kind in HOST_KINDS], level.hold)

    def clear(self) -> None:
        for cadence in self._markers.notes():
            self._markers.resume(cadence)
        self._markers.clear()
        for cadence, _ in self._circuits.items():
            self._circuits.update(cadence, lambda _: CLOSED)
        for scope, hold in self._holds.all().items():
            if scope in self._scopes:
                self._holds.lift(scope, hold)


def _shifted(state: CadenceState, shift: float) -> CadenceState:
    """Stored deadlines on another clock; none stays none."""

    def moved(at: float) -> float:
        return at + shift if at else 0.0

    return CadenceState(
        state.failures, moved(state.next_allowed_at), moved(state.open_until), state.forced
    )
