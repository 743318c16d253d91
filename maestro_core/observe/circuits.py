"""How cadences stand when no consumer says so: circuit-open.json and gates.json, read at `now`.

The same rules as the breaker's, with the deadlines as they are stored (wall clock).
"""

from __future__ import annotations

from msgspec import Struct

from maestro_core.consumer.breaker import BreakerPolicy, after_expiry, gate
from maestro_core.consumer.policy import backoff_seconds
from maestro_core.layout import NAME
from maestro_core.models import CadenceState, HoldBeat
from maestro_core.observe.beat import CadenceNote, read_hold
from maestro_core.observe.documents import Document, moment, named, whole


class Circuits(Struct, frozen=True):
    """What the two files say. Deadlines in the states are wall epoch seconds."""

    states: dict[str, CadenceState] = {}
    hold: HoldBeat | None = None
    problems: tuple[str, ...] = ()


def read_circuits(open_file: Document, gates_file: Document) -> Circuits:
    """Both files together; an open circuit outranks what stands below it."""
    states = {
        name: CadenceState(
            failures=whole(entry.get("failures")),
            next_allowed_at=moment(entry.get("next_allowed_at")) or 0.0,
        )
        for name, entry in named(gates_file.content.get("cadences")).items()
        if NAME.match(name)
    }
    for name, entry in named(open_file.content.get("open")).items():
        if NAME.match(name):
            below = states.get(name, CadenceState()).failures
            states[name] = CadenceState(
                failures=max(whole(entry.get("failures")), below),
                open_until=moment(entry.get("open_until")) or 0.0,
                forced=entry.get("forced") is True,
            )
    problems = tuple(one.problem for one in (open_file, gates_file) if one.problem)
    return Circuits(states, read_hold(gates_file.content.get("hold")), problems)


def note_of(state: CadenceState, now: float, policy: BreakerPolicy) -> CadenceNote:
    """A stored state as it counts at `now` (wall epoch seconds)."""
    state = after_expiry(state, now, policy)
    verdict = gate(state, now, policy)
    return CadenceNote(
        state=verdict.word,
        failures=state.failures,
        next_allowed_at=verdict.until if verdict.word == "backoff" else None,
        open_until=verdict.until if verdict.word == "open" else None,
        forced=state.forced,
    )


def hold_length(note: CadenceNote, policy: BreakerPolicy, hold: HoldBeat | None) -> float | None:
    """Full length in seconds of the hold that is on, for a draining bar."""
    if note.state == "open":
        return policy.open_seconds
    if note.state == "backoff":
        return backoff_seconds(note.failures, policy.backoff) or None
    if note.state == "quota" and hold is not None:
        until, since = moment(hold.until), moment(hold.since)
        return until - since if until and since and until > since else None
    return None
