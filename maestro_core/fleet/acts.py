"""Operators' acts on a fleet: level state, gates and dead letters are changed on the server at
once and need no consumer; what only a consumer can do (end its run, lift the budget that it
counts) is asked of that host, and its answer waited for.

Every act is noted on the server, with the login of the database, and in this root's
operators.jsonl. What is only this host's (its own marker files) goes with a clear or a resume.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from maestro_core.bus import codec
from maestro_core.bus.producer import encode_document
from maestro_core.clock import Clock
from maestro_core.consumer.heart import BEAT_LIMIT
from maestro_core.control import audit
from maestro_core.control.acts import FileActs
from maestro_core.control.apply import Applier, settings_or_default
from maestro_core.control.commands import Ack, Command
from maestro_core.control.markers import Note
from maestro_core.errors import BusError
from maestro_core.files import OsFiles
from maestro_core.fleet import audit as fleet_audit
from maestro_core.fleet.asking import Asker
from maestro_core.fleet.connect import Link
from maestro_core.fleet.engine import PostgresEngine
from maestro_core.fleet.gates import FLEET, GateBoard
from maestro_core.fleet.hosts import Hosts
from maestro_core.fleet.markers import FleetMarkers
from maestro_core.fleet.open import host_of, open_link
from maestro_core.fleet.schedules import FleetOutlet
from maestro_core.fleet.shared_gates import SharedGates
from maestro_core.journal import Journal
from maestro_core.layout import Layout
from maestro_core.models import Receipt
from maestro_core.schedule.produce import Outlet
from maestro_core.settings_types import BusSettings


class FleetActs:
    """See control/acts.py `Acts`. The server is asked for at the first act."""

    def __init__(
        self, layout: Layout, bus: BusSettings, clock: Clock, journal: Journal,
        wait_seconds: float, on_wait: Callable[[str], None] | None = None,
    ) -> None:  # fmt: skip
        self._layout = layout
        self._bus = bus
        self._clock = clock
        self._journal = journal
        self._here = FileActs(layout, clock, journal, wait_seconds, on_wait)
        self._wait_seconds = wait_seconds
        self._on_wait = on_wait
        self._link: Link | None = None
        self._opening = threading.Lock()

    def now(self) -> float:
        return self._server().now()

    def enqueue(self, document: dict[str, Any]) -> Receipt:
        tick = codec.decode(encode_document(document), document["id"], self._clock.wall)
        return self._engine().enqueue(tick)

    def pause(self, cadence: str, note: Note) -> Note | None:
        return FleetMarkers(self._server()).pause(cadence, note)

    def resume(self, cadence: str) -> Note | None:
        before = FleetMarkers(self._server()).resume(cadence)
        here = self._here.resume(cadence)
        return here if before is None else before

    def engage(self, note: Note) -> Note | None:
        try:
            return FleetMarkers(self._server()).engage(note)
        except BusError as error:
            file = self._layout.emergency_stop
            text = '{"kill": true}' if note.get("kill") else "an empty file will do"
            raise BusError(
                error.message, f"to stop this host alone, write {file} ({text})"
            ) from error

    def clear(self) -> Note | None:
        before = FleetMarkers(self._server()).clear()
        here = self._here.clear()
        return here if before is None else before

    def deliver(self, command: Command) -> Ack:
        if command.verb == "cancel" and self._runs_here(command):
            return self._here.deliver(command)
        if command.verb in ("cancel", "lift_hold"):
            asker = Asker(self._server(), self._clock, self._wait_seconds, self._on_wait)
            ack = asker.cancel(command) if command.verb == "cancel" else asker.lift(command)
        else:
            ack = self._apply(command)
        self._journal.write(
            "warn", command.verb, targets=list(command.targets), ok=ack.ok,
            by=command.actor.user, reason=command.reason,
        )  # fmt: skip
        return ack

    def record(
        self, *, at: str, actor: Mapping[str, Any], verb: str, targets: Sequence[str], ok: bool,
        redact: Callable[[str], str], **facts: Any,
    ) -> str | None:  # fmt: skip
        entry = audit.entry(
            at=at, actor=actor, verb=verb, targets=targets, ok=ok, redact=redact, **facts
        )
        here = audit.append(self._layout, entry)
        try:
            fleet_audit.record(
                self._server(), entry | {"root": str(self._layout.root), "host": host_of(self._bus)}
            )
        except BusError as error:
            there = f"it is not in the audit of the fleet: {error.message}"
            return f"{there}; {here}" if here else there
        return here

    def unknown(self, cadence: str) -> str | None:
        views = Hosts(self._server()).all()
        if any(cadence in view.cadences for view in views):
            return None
        return f"no host of the fleet has a cadence {cadence}: its ticks wait for one that does"

    def outlet(self) -> Outlet | None:
        return FleetOutlet(self._engine())

    def close(self) -> None:
        with self._opening:
            if self._link is not None:
                self._link.close()
                self._link = None

    def _apply(self, command: Command) -> Ack:
        link, host = self._server(), host_of(self._bus)
        gates = SharedGates(link, self._clock, host, GateBoard(link, FLEET, host))
        gates.refresh()
        settings = settings_or_default(self._layout)
        ack = Applier(self._engine(), gates, self._clock, settings, cancel=None).apply(command)
        if gates.problems:
            raise BusError(gates.problems[0])
        return ack

    def _runs_here(self, command: Command) -> bool:
        """Whether it is this host's consumer that works on it: then no server is needed."""
        try:
            beat = msgspec.json.decode(OsFiles().read(self._layout.consumer_json, BEAT_LIMIT))
            running = {run["run_id"] for run in beat["running"]}
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return not beat.get("stopped_at") and running >= set(command.targets)

    def _engine(self) -> PostgresEngine:
        return PostgresEngine(self._server(), clock=self._clock, host=host_of(self._bus))

    def _server(self) -> Link:
        with self._opening:
            if self._link is None:
                self._link = open_link(self._layout, self._bus, clock=self._clock)
            return self._link
