"""Why a cadence may not run now, in one place: markers, circuits, holds and free slots.

Asked once for each cadence in a pass; nothing that is held is ever claimed.
"""

from __future__ import annotations

import json
from typing import Any, Literal, Protocol

from msgspec import Struct

from maestro_core.files import FileSystem
from maestro_core.layout import NAME, Layout
from maestro_core.models import CadenceWord

HeldWord = Literal["paused", "hold", "budget", "open", "backoff", "busy", "slot"]
COUNTED: dict[HeldWord, str] = {"open": "skipped_circuit_open", "backoff": "skipped_backoff"}
"""Holds that the statistics and the journal count, with their stage."""


class Held(Struct, frozen=True):
    """One reason why a cadence waits; `until` is steady seconds, 0 = open-ended."""

    word: HeldWord
    until: float = 0.0
    reason: str | None = None


class EmergencyStop(Struct, frozen=True):
    """The marker file's content; any content engages it, `kill` ends what runs."""

    kill: bool = False
    by: str | None = None
    reason: str | None = None


class Markers(Protocol):
    """Operators' level state. OSError or BusError: it cannot be read now."""

    def paused(self) -> frozenset[str]:
        """The cadences that are paused."""
        ...

    def emergency_stop(self) -> EmergencyStop | None:
        """None when no stop is engaged."""
        ...


class FileMarkers:
    """Markers as files: paused/<cadence>.json and state/emergency-stop."""

    def __init__(self, layout: Layout, fs: FileSystem) -> None:
        self._layout = layout
        self._fs = fs

    def paused(self) -> frozenset[str]:
        return read_paused(self._layout, self._fs)

    def emergency_stop(self) -> EmergencyStop | None:
        return read_emergency_stop(self._layout, self._fs)


def read_emergency_stop(layout: Layout, fs: FileSystem) -> EmergencyStop | None:
    """None when no stop is engaged. Unreadable content engages it all the same."""
    if not fs.exists(layout.emergency_stop):
        return None
    try:
        note: Any = json.loads(fs.read(layout.emergency_stop, 1 << 16))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        return EmergencyStop()
    if not isinstance(note, dict):
        return EmergencyStop()
    return EmergencyStop(note.get("kill") is True, _text(note.get("by")), _text(note.get("reason")))


def read_paused(layout: Layout, fs: FileSystem) -> frozenset[str]:
    """The cadences with a pause marker."""
    try:
        names = fs.names(layout.paused)
    except FileNotFoundError:
        return frozenset()
    stems = (name.removesuffix(".json") for name in names if name.endswith(".json"))
    return frozenset(stem for stem in stems if NAME.match(stem))


def shown_word(held: Held | None, breaker_word: CadenceWord) -> CadenceWord:
    """How consumer.json names the state: an operator's pause and a quota before the breaker."""
    if held is not None and held.word == "paused":
        return "paused"
    if held is not None and held.word in ("hold", "budget"):
        return "quota"
    return breaker_word


class SkipCounter:
    """Counts held ticks once a hold, not once a poll."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[Held, int]] = {}

    def newly(self, cadence: str, held: Held | None, waiting: int) -> tuple[int, bool]:
        """(ticks not counted yet under this hold, whether the hold is new)."""
        if held is None or held.word not in COUNTED:
            self._seen.pop(cadence, None)
            return 0, False
        before, counted = self._seen.get(cadence, (None, 0))
        if before != held:
            counted = 0
        fresh = max(0, waiting - counted)
        if waiting:
            self._seen[cadence] = (held, max(waiting, counted))
        return fresh, before != held and waiting > 0


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
