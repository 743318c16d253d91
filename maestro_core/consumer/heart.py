"""consumer.json: what the consumer says of itself, at least every two seconds.

Runs in the consumer's thread: a beat that goes on while the pass is stuck would lie.
"""

from __future__ import annotations

import os
import socket
from typing import Any

import msgspec

from maestro_core import __version__, files
from maestro_core.clock import Clock, iso, parse_iso
from maestro_core.consumer.breaker import BreakerPolicy, gate
from maestro_core.consumer.gate_store import Gates
from maestro_core.consumer.holds import Held, shown_word
from maestro_core.files import FileSystem
from maestro_core.layout import Layout
from maestro_core.models import Beat, CadenceBeat, HoldBeat, Stats

BEAT_SECONDS = 1.5
BEAT_LIMIT = 8 << 20
"""Bytes; thousands of cadences may have something to say."""


def encode_beat(beat: Beat) -> bytes:
    return msgspec.json.format(msgspec.json.encode(beat), indent=2) + b"\n"


class Heart:
    """Writes beats; skips those that would come too soon and say nothing new."""

    def __init__(
        self, layout: Layout, fs: FileSystem, clock: Clock, mode: str, every: float = BEAT_SECONDS
    ) -> None:
        self._layout = layout
        self._fs = fs
        self._clock = clock
        self._every = every
        self._last_at = clock.steady() - every
        self._last: Beat | None = None
        self.mode = mode
        self.started_at = iso(clock.wall())
        self.host = socket.gethostname()

    def due_in(self) -> float:
        """Seconds until the next beat must be written."""
        return max(0.0, self._last_at + self._every - self._clock.steady())

    def beat(self, beat: Beat) -> bool:
        """Write it if it is due or tells something new; True when it did. Raises OSError."""
        if self.due_in() > 0 and self._same(beat):
            return False
        files.replace(self._fs, self._layout.tmp, self._layout.consumer_json, encode_beat(beat))
        self._last_at = self._clock.steady()
        self._last = beat
        return True

    def identity(self) -> dict[str, Any]:
        """The fields that identify this consumer."""
        return {
            "pid": os.getpid(),
            "host": self.host,
            "version": __version__,
            "started_at": self.started_at,
            "beat_at": iso(self._clock.wall()),
            "mode": self.mode,
        }

    def copied(self, stats: Stats) -> Stats:
        """The counters as they are now: a beat is compared with the one before."""
        return msgspec.structs.replace(stats)

    def _same(self, beat: Beat) -> bool:
        last = self._last
        return last is not None and msgspec.structs.replace(beat, beat_at=last.beat_at) == last


def cadence_beat(
    gates: Gates, cadence: str, held: Held | None, policy: BreakerPolicy, clock: Clock
) -> CadenceBeat:
    """One cadence as consumer.json shows it: deadlines as wall-clock ISO times."""
    state, now = gates.get(cadence), clock.steady()
    shift = clock.wall() - now
    word = gate(state, now, policy).word
    waits = held is not None and held.word in ("hold", "budget")
    allowed = max(state.next_allowed_at, held.until if held and waits else 0.0)
    return CadenceBeat(
        state=shown_word(held, word),
        failures=state.failures,
        next_allowed_at=iso(allowed + shift) if allowed > now else None,
        open_until=iso(state.open_until + shift) if state.open_until > now else None,
        reason=held.reason if held else None,
    )


def hold_beat(gates: Gates, clock: Clock) -> HoldBeat | None:
    hold = gates.hold
    if hold is None:
        return None
    shift = clock.wall() - clock.steady()
    until = iso(hold.until + shift) if hold.until else None
    return HoldBeat(hold.kind, until, iso(hold.since + shift), hold.reason)


def stopped_cleanly(layout: Layout, fs: FileSystem) -> bool:
    """Whether the last owner said goodbye. No or unreadable consumer.json: it did not."""
    try:
        document = msgspec.json.decode(fs.read(layout.consumer_json, BEAT_LIMIT))
        return isinstance(document, dict) and bool(parse_iso(document["stopped_at"]))
    except (OSError, msgspec.MsgspecError, KeyError, TypeError, ValueError, RecursionError):
        return False
