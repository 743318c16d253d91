"""What a run needs around it, and the limits it is held to."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from maestro_core.clock import Clock
from maestro_core.layout import Layout
from maestro_core.models import RunResult
from maestro_core.session.ledger import Ledger, LedgerTrouble
from maestro_core.settings import Settings
from maestro_core.text import well_formed

RESULT_GRACE = 20.0
BACKGROUND_GRACE = 300.0
RECENT = 20
"""Runs that say what is usual for a cadence."""


class Writes(Protocol):
    """The part of the journal that a run uses."""

    def write(self, level: str, stage: str, **fields: object) -> None: ...


class Limits(Struct, frozen=True):
    """What a run may cost beside its time."""

    log_cap: int
    """Bytes of a log file that stay on the disk."""
    api_retry_cap: int
    """Retries of one request that the CLI may make by itself."""
    result_grace: float = RESULT_GRACE
    """Seconds that the CLI may live on after its result."""
    background_grace: float = BACKGROUND_GRACE
    """The same while it waits for tasks that it started in the background."""


class Surroundings(Struct, frozen=True):
    """Shared by all runs of a launcher, but for the limits, which are those at its start."""

    layout: Layout
    clock: Clock
    journal: Writes
    ledger: Ledger
    limits: Limits
    redact: Callable[[str], str] = str
    """Masks secrets: what a run printed goes into reasons that everybody may read."""


def masked(result: RunResult, redact: Callable[[str], str]) -> RunResult:
    """The result without secrets in its reason, which any file and the ledger will take."""
    reason = result.reason
    return result if reason is None else replace(result, reason=well_formed(redact(reason)))


def limits_of(settings: Settings) -> Limits:
    """The limits that the settings ask for."""
    consumer = settings.consumer
    return Limits(int(consumer.log_cap_mb * (1 << 20)), consumer.api_retry_cap)


def usual_seconds(ledger: Ledger, cadence: str) -> float:
    """How long the longest of the cadence's last good runs took; 0 = nobody knows."""
    try:
        rows = ledger.rows(cadence=cadence, limit=RECENT)
    except LedgerTrouble:
        return 0.0
    return max((row.duration or 0.0 for row in rows if row.outcome == "ok"), default=0.0)


def oom_kills() -> int:
    """How often this machine has killed for want of memory since its start; 0 = nobody counts."""
    if not sys.platform.startswith("linux"):
        return 0
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    found = (line.split()[1] for line in lines if line.startswith("oom_kill "))
    return int(next(found, "0"))
