"""What stands in an agent root, as far as a few listings and three small files tell.

For somebody who is called at night: emergency stop, open circuits and dead letters first. Only
names that are names come back, so nothing here can carry a secret or a control character.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from maestro_core.files import OsFiles
from maestro_core.layout import NAME, Layout

MOST_BYTES = 256 << 10
STALE_SECONDS = 10.0


class Fact(NamedTuple):
    """`weight`: bad | warn | plain | muted."""

    text: str
    weight: str = "plain"


def facts(layout: Layout, now: float) -> list[list[Fact]]:
    """Lines of facts, the worst first. `now` is wall time. Never raises for what is on disk."""
    opened = open_circuits(layout, now)
    head: list[Fact] = []
    if os.path.lexists(layout.emergency_stop):
        head.append(Fact("EMERGENCY STOP", "bad"))
    if opened:
        head.append(Fact(f"{_counted(len(opened), 'circuit')} open", "bad"))
    if dead := _files(layout.dlq):
        head.append(Fact(_counted(dead, "dead letter"), "warn"))
    head.append(Fact(f"{_files(layout.inbox):,} waiting"))
    if claimed := _files(layout.claimed):
        head.append(Fact(f"{claimed:,} claimed"))
    if paused := _files(layout.paused):
        head.append(Fact(f"{paused:,} paused", "warn"))
    head.append(_consumer(layout, now))
    circuits = [Fact(f"{name} until {clock(until)}", "bad") for name, until in opened]
    return [head, circuits] if circuits else [head]


def open_circuits(layout: Layout, now: float) -> list[tuple[str, float]]:
    """Cadences whose circuit is open now and until when, the first to close first."""
    found = _document(layout.circuit_open).get("open")
    entries = found.items() if isinstance(found, dict) else ()
    times = [(name, _time(entry)) for name, entry in entries if NAME.match(name)]
    return sorted(((n, at) for n, at in times if at > now), key=lambda one: (one[1], one[0]))


def clock(at: float) -> str:
    """`14:02:11`, local; with the day when it is not today's."""
    there, here = time.localtime(at), time.localtime()
    same = there[:3] == here[:3]
    return time.strftime("%H:%M:%S" if same else "%a %d %b %H:%M", there)


def _time(entry: Any) -> float:
    return _moment(entry.get("open_until")) if isinstance(entry, dict) else 0.0


def _moment(text: Any) -> float:
    try:
        return datetime.fromisoformat(str(text).replace("Z", "+00:00")).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0


def _consumer(layout: Layout, now: float) -> Fact:
    beat = _document(layout.consumer_json)
    pid, at = beat.get("pid"), _moment(beat.get("beat_at"))
    if not isinstance(pid, int) or beat.get("stopped_at"):
        return Fact("no consumer", "muted")
    if now - at > STALE_SECONDS:
        return Fact(f"consumer {pid} silent since {clock(at)}", "warn")
    return Fact(f"consumer {pid}")


def _document(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(OsFiles().read(path, MOST_BYTES))  # never waits, as for a pipe
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _files(folder: Path) -> int:
    return _tried(lambda: sum(name.endswith(".json") for name in os.listdir(folder)))


def _tried(count: Callable[[], int]) -> int:
    try:
        return count()
    except OSError:
        return 0


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"
