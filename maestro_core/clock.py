"""Time, behind one seam: nothing else in the core asks the system for it.

Three clocks, because each answers another question:
- `wall`      what a person's watch says (epoch seconds); it may jump. Stored in files.
- `steady`    epoch seconds that never jump and go on while the machine sleeps: deadlines
              of circuits, back-off and holds live on it inside a process.
- `awake`     seconds that stop while the machine sleeps: time-outs of runs.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Source of time; see the module docstring for which one to ask."""

    def wall(self) -> float: ...
    def steady(self) -> float: ...
    def awake(self) -> float: ...


def _boot_seconds() -> float:
    """Seconds since boot including sleep (Linux BOOTTIME; macOS MONOTONIC counts sleep)."""
    name = "CLOCK_BOOTTIME" if sys.platform.startswith("linux") else "CLOCK_MONOTONIC"
    return time.clock_gettime(getattr(time, name))


class SystemClock:
    """The real clocks; `steady` starts at the wall time of construction."""

    def __init__(self) -> None:
        self._base = time.time() - _boot_seconds()

    def wall(self) -> float:
        return time.time()

    def steady(self) -> float:
        return self._base + _boot_seconds()

    def awake(self) -> float:
        return time.monotonic()


class FakeClock:
    """A clock that moves when it is told to; `jump` moves the wall clock alone."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._steady = start
        self._skew = 0.0
        self._slept = 0.0

    def wall(self) -> float:
        return self._steady + self._skew

    def steady(self) -> float:
        return self._steady

    def awake(self) -> float:
        return self._steady - self._slept

    def advance(self, seconds: float) -> None:
        self._steady += seconds

    def jump(self, seconds: float) -> None:
        self._skew += seconds

    def sleep_machine(self, seconds: float) -> None:
        self._steady += seconds
        self._slept += seconds


def iso(epoch: float) -> str:
    """Epoch seconds -> `2026-11-24T02:03:04.567Z`."""
    whole, millis = divmod(round(epoch * 1000), 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{millis:03d}Z"


def parse_iso(text: str) -> float:
    """ISO 8601 -> epoch seconds; a time without a zone is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
