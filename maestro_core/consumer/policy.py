"""Pure decisions about a tick: nothing here reads a clock or a disk."""

from __future__ import annotations

from collections.abc import Sequence

from maestro_core.models import Tick

POISON_LIMIT = 3
"""A tick under which this many consumers died is dead-lettered (Sidekiq's poison pill)."""

CLAIMS_PER_PASS = 16
"""Ticks taken in one pass at most, so that beats and commands are never starved."""


def is_spent(tick: Tick, max_attempts: int) -> bool:
    """Whether a claimed tick that just failed has no attempt left."""
    return tick.spent >= max_attempts


def is_poison(tick: Tick) -> bool:
    """Whether one more death of its consumer makes this tick a dead letter."""
    return tick.recoveries + 1 >= POISON_LIMIT


def backoff_seconds(failures: int, schedule: Sequence[float]) -> float:
    """How long to wait after that many failures in a row; the last value repeats."""
    if failures < 1 or not schedule:
        return 0.0
    return schedule[min(failures, len(schedule)) - 1]
