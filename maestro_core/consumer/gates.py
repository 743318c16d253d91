"""The durable memory of breakers and holds, in files. Owner: whoever holds consumer.lock.

circuit-open.json is the only store of open circuits, so it always equals the truth;
gates.json keeps the failures and back-off below it, and a hold over all cadences. A write
that fails leaves `dirty` set and is tried again by `flush`.
"""

from __future__ import annotations

import errno
import json
from typing import Any, get_args

from maestro_core import files
from maestro_core.clock import Clock, iso, parse_iso
from maestro_core.consumer.breaker import CLOSED, BreakerPolicy, after_expiry, capped
from maestro_core.consumer.gate_store import Change
from maestro_core.files import FileSystem
from maestro_core.layout import NAME, Layout
from maestro_core.models import CadenceState, Hold, HoldKind
from maestro_core.text import well_formed

_LIMIT = 1 << 20
_JUMP = 1.0
_PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR})
"""The process's own trouble: it says nothing about the file."""
LONGEST_HOLD = 8 * 86400.0
"""A stored hold is cut to this many seconds: the longest usage window is a week."""


class GateBook:
    """States by cadence, and the hold over all of them. Deadlines inside are steady."""

    def __init__(self, layout: Layout, clock: Clock, fs: FileSystem | None = None) -> None:
        self._layout = layout
        self._clock = clock
        self._fs = fs or files.OsFiles()
        self._states: dict[str, CadenceState] = {}
        self._written_circuits: dict[str, Any] | None = None
        self._written_gates: dict[str, Any] | None = None
        self._offset = clock.wall() - clock.steady()
        self.hold: Hold | None = None
        self.dirty = False
        self.problems: list[str] = []

    # -- reading

    def get(self, cadence: str) -> CadenceState:
        return self._states.get(cadence, CLOSED)

    def items(self) -> list[tuple[str, CadenceState]]:
        return list(self._states.items())

    # -- changing

    def update(self, cadence: str, change: Change) -> CadenceState:
        """Remember and store what `change` makes of the state."""
        before = self.get(cadence)
        state = change(before)
        if state == before:
            return state
        if state == CLOSED:
            self._states.pop(cadence, None)
        else:
            self._states[cadence] = state
        self._store()
        return state

    def set_hold(self, hold: Hold | None) -> None:
        if hold != self.hold:
            self.hold = hold
            self._store()

    def flush(self) -> None:
        """Try a failed write again, and restate deadlines after a jump of the wall clock."""
        offset = self._clock.wall() - self._clock.steady()
        if self.dirty or abs(offset - self._offset) > _JUMP:
            self._store()

    # -- start

    def load(self, policy: BreakerPolicy, *, afresh: bool) -> list[str]:
        """Read what the last owner left; returns the cadences whose circuit is open.

        `afresh` (the last stop was clean) forgets all but what an operator forced open.
        Deadlines are cut to their full length. Unreadable files are set aside and named in
        `problems`. Raises OSError when this process cannot read anything now.
        """
        self._states = {}
        gates = {} if afresh else self._read(self._layout.gates)
        for name, entry in _entries(gates.get("cadences")):
            self._states[name] = self._state(entry)
        for name, entry in _entries(self._read(self._layout.circuit_open).get("open")):
            if entry.get("forced") or not afresh:
                self._states[name] = self._open_state(entry, self.get(name))
        self.hold = self._stored_hold(gates.get("hold"))
        now = self._clock.steady()
        self._states = {
            name: cut
            for name, state in self._states.items()
            if (cut := self._aged(state, now, policy)) != CLOSED
        }
        self._store(force=True)
        return [name for name, state in self._states.items() if state.open_until > now]

    def _aged(self, state: CadenceState, now: float, policy: BreakerPolicy) -> CadenceState:
        """A circuit that ran out while nobody looked is half-open, or closed without probes."""
        return capped(after_expiry(state, now, policy), now, policy)

    def _state(self, entry: dict[str, Any]) -> CadenceState:
        return CadenceState(
            failures=_whole(entry.get("failures")),
            next_allowed_at=self._steady(entry.get("next_allowed_at")),
        )

    def _open_state(self, entry: dict[str, Any], below: CadenceState) -> CadenceState:
        return CadenceState(
            failures=max(_whole(entry.get("failures")), below.failures),
            open_until=self._steady(entry.get("open_until")),
            forced=entry.get("forced") is True,
        )

    def _stored_hold(self, entry: Any) -> Hold | None:
        if not isinstance(entry, dict) or entry.get("kind") not in get_args(HoldKind):
            return None
        now = self._clock.steady()
        until = self._steady(entry.get("until"))
        if until and until <= now:
            return None
        since = min(self._steady(entry.get("since")) or now, now)
        reason = well_formed(str(entry.get("reason")))
        return Hold(entry["kind"], min(until, now + LONGEST_HOLD), since, reason)

    # -- files

    def _read(self, path: Any) -> dict[str, Any]:
        """The JSON object there; {} when absent. Anything else is set aside, never fatal."""
        try:
            document = json.loads(self._fs.read(path, _LIMIT))
            if isinstance(document, dict):
                return document
            reason = "not a JSON object"
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            if isinstance(error, OSError) and error.errno in _PASSING:
                raise
            reason = str(error)
        self.problems.append(f"{path.name} could not be read and was set aside: {reason}")
        self._set_aside(path)
        return {}

    def _set_aside(self, path: Any) -> None:
        try:
            self._fs.make_folder(self._layout.quarantine)
            self._fs.rename(path, self._layout.quarantine / f"{path.name}.{files.temp_name()}")
        except OSError as error:
            self.problems.append(f"{path.name} could not be moved to quarantine: {error.strerror}")

    def _store(self, *, force: bool = False) -> None:
        """Open circuits first: they are what protects against a crash loop."""
        self._offset = self._clock.wall() - self._clock.steady()
        circuits, gates = self._circuits_document(), self._gates_document()
        self.dirty = True
        try:
            if force or circuits != self._written_circuits:
                self._written_circuits = None  # not known until the write is through
                self._write(self._layout.circuit_open, "open", circuits)
                self._written_circuits = circuits
            if force or gates != self._written_gates:
                self._written_gates = None
                self._write(self._layout.gates, None, gates)
                self._written_gates = gates
            self.dirty = False
        except OSError as error:
            self.problems.append(f"cannot store the state of the circuits: {error.strerror}")

    def _write(self, path: Any, key: str | None, content: dict[str, Any]) -> None:
        if not content:
            files.remove(self._fs, path)
            return
        document = {"generated": iso(self._clock.wall())} | ({key: content} if key else content)
        text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        files.replace(self._fs, self._layout.tmp, path, text.encode())

    def _circuits_document(self) -> dict[str, Any]:
        now = self._clock.steady()
        return {
            name: {"failures": state.failures, "open_until": self._iso(state.open_until)}
            | ({"forced": True} if state.forced else {})
            for name, state in sorted(self._states.items())
            if state.open_until > now
        }

    def _gates_document(self) -> dict[str, Any]:
        document: dict[str, Any] = {}
        cadences = {
            name: {"failures": state.failures}
            | ({"next_allowed_at": self._iso(at)} if (at := state.next_allowed_at) else {})
            for name, state in sorted(self._states.items())
            if state.failures or state.next_allowed_at
        }
        if cadences:
            document["cadences"] = cadences
        if hold := self.hold:
            until = self._iso(hold.until) if hold.until else None
            document["hold"] = {
                "kind": hold.kind, "until": until,
                "since": self._iso(hold.since), "reason": hold.reason,
            }  # fmt: skip
        return document

    def _iso(self, steady: float) -> str:
        return iso(steady + self._offset)

    def _steady(self, stored: Any) -> float:
        """A stored ISO time as steady seconds; 0 for what is no time."""
        try:
            return parse_iso(stored) - (self._clock.wall() - self._clock.steady())
        except (TypeError, ValueError):
            return 0.0


def _entries(document: Any) -> list[tuple[str, dict[str, Any]]]:
    """Well-formed (cadence, entry) pairs; the rest is not ours to guess at."""
    if not isinstance(document, dict):
        return []
    return [
        (name, entry)
        for name, entry in document.items()
        if NAME.match(name) and isinstance(entry, dict)
    ]


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
