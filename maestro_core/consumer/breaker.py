"""The circuit breaker of one cadence, as pure functions of (state, event, now).

    closed ──failure──▶ backoff ──failure × threshold──▶ open
      ▲                    │                              │ open time over
      └────── success ─────┴──── success ◀── half_open ◀──┘   (a failed probe reopens)

Half-open is not stored: it is "not open, and failures at or over the threshold". `now` and
all deadlines are steady epoch seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from maestro_core.consumer.policy import backoff_seconds
from maestro_core.models import CadenceState
from maestro_core.settings import ConsumerSettings

Word = Literal["closed", "backoff", "open", "half_open"]
CLOSED = CadenceState()
LONGEST_FORCED = 30 * 86400.0
"""Seconds for which an operator may hold a circuit open."""


class BreakerPolicy(Struct, frozen=True):
    """The settings that the breaker goes by; durations in seconds."""

    threshold: int = 3
    open_seconds: float = 1800.0
    probe: bool = True
    backoff: Sequence[float] = (30.0, 120.0)


class Gate(Struct, frozen=True):
    """Whether a cadence may run: only `closed` and `half_open` let a tick through."""

    word: Word
    until: float = 0.0

    @property
    def allowed(self) -> bool:
        return self.word in ("closed", "half_open")


def breaker_policy(settings: ConsumerSettings) -> BreakerPolicy:
    return BreakerPolicy(
        settings.circuit_threshold,
        settings.circuit_open_seconds,
        settings.probe,
        settings.backoff_seconds,
    )


def gate(state: CadenceState, now: float, policy: BreakerPolicy) -> Gate:
    """What the state means at `now`."""
    if state.open_until > now:
        return Gate("open", state.open_until)
    if state.next_allowed_at > now:
        return Gate("backoff", state.next_allowed_at)
    return Gate("half_open" if state.failures >= policy.threshold else "closed")


def after_failure(state: CadenceState, now: float, policy: BreakerPolicy) -> CadenceState:
    """One more failure: back-off, or the circuit opens. What an operator holds open stays so."""
    failures = state.failures + 1
    if is_forced(state, now):
        return CadenceState(failures=failures, open_until=state.open_until, forced=True)
    if failures >= policy.threshold:
        return CadenceState(failures=failures, open_until=now + policy.open_seconds)
    pause = backoff_seconds(failures, policy.backoff)
    return CadenceState(failures=failures, next_allowed_at=now + pause)


def after_success(state: CadenceState, now: float) -> CadenceState:
    """The failures are forgotten; what an operator holds open stays open."""
    if is_forced(state, now):
        return CadenceState(open_until=state.open_until, forced=True)
    return CLOSED


def is_forced(state: CadenceState, now: float) -> bool:
    """Whether an operator holds it open at `now`."""
    return state.forced and state.open_until > now


def after_expiry(state: CadenceState, now: float, policy: BreakerPolicy) -> CadenceState:
    """What is left once an open time is over: a probe to come, or a plain close."""
    if not state.open_until or state.open_until > now:
        return state
    return half_opened(state, policy) if policy.probe else CLOSED


def half_opened(state: CadenceState, policy: BreakerPolicy) -> CadenceState:
    """Let one probe through now; its failure opens the circuit again."""
    return CadenceState(failures=max(state.failures, policy.threshold))


def forced_open(state: CadenceState, now: float, seconds: float) -> CadenceState:
    """An operator holds it open."""
    until = now + min(seconds, LONGEST_FORCED)
    return CadenceState(failures=state.failures, open_until=until, forced=True)


def held_back(state: CadenceState, until: float) -> CadenceState:
    """Not before `until`, whatever else holds it."""
    next_allowed_at = max(state.next_allowed_at, until)
    return CadenceState(state.failures, next_allowed_at, state.open_until, state.forced)


def capped(state: CadenceState, now: float, policy: BreakerPolicy) -> CadenceState:
    """Deadlines read from a file, cut to their full length: a clock that jumped back
    may not keep a cadence shut for longer than it would have been at first."""
    longest = LONGEST_FORCED if state.forced else policy.open_seconds
    open_until = _cut(state.open_until, now, longest)
    return CadenceState(
        failures=state.failures,
        next_allowed_at=_cut(state.next_allowed_at, now, max(policy.backoff, default=0.0)),
        open_until=open_until,
        forced=state.forced and open_until > now,
    )


def _cut(deadline: float, now: float, longest: float) -> float:
    return min(deadline, now + longest) if deadline > now else 0.0
