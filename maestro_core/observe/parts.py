"""The parts that a snapshot is made of, each read from its files when asked to.

A part remembers what it read last; `refresh` re-reads those that the topics name. Trouble
with one of them becomes a problem line and leaves its last picture. Owner: the reader's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from maestro_core.bus.feed import Topic
from maestro_core.bus.inbox import SLICE_SECONDS, Inbox
from maestro_core.clock import Clock
from maestro_core.consumer.ownership import is_locked
from maestro_core.files import FileSystem
from maestro_core.layout import NAME, Layout
from maestro_core.models import Running
from maestro_core.observe.beat import Beating, CadenceNote, consumer_word, read_beat
from maestro_core.observe.circuits import Circuits, read_circuits
from maestro_core.observe.documents import keep, moment, read_document, text
from maestro_core.observe.ledger_view import CadenceRuns, LedgerView
from maestro_core.observe.snapshot import (
    ConsumerView,
    ConsumerWord,
    CountsView,
    FleetView,
    Later,
    MarkerView,
)
from maestro_core.service.starts import Loop, Start, StartBook, loop_now
from maestro_core.settings import Settings, examine_settings

FIRST_SLICE = 0.0
"""Seconds of the first look: somebody waits for the picture, and the numbers need no reading."""
MOST_PROBLEMS = 5
"""Lines of one part; the doctor has them all."""


class TickFolder:
    """The ticks of one folder, read once each: their number, and by cadence as far as read."""

    def __init__(self, fs: FileSystem, folder: Path, clock: Clock) -> None:
        self._make = partial(Inbox, fs, str(folder), clock)
        self.index = self._make()
        self._slice = FIRST_SLICE

    @property
    def total(self) -> int:
        return len(self.index)

    @property
    def by_cadence(self) -> Mapping[str, int]:
        return self.index.waiting.by_cadence()

    def refresh(self, *, whole: bool) -> None:
        """Take in what changed: all of it, or a slice of bounded time. Raises OSError: what was
        read last stays, but where there is no folder there are no ticks."""
        try:
            self.index.refresh(self._slice)
            self._slice = SLICE_SECONDS
            while whole and self.index.unread:
                self.index.refresh(SLICE_SECONDS)
        except FileNotFoundError:
            self.index = self._make()
        except NotADirectoryError:
            self.index = self._make()
            raise


class Parts:
    """What was read last. `whole`: read every tick file now, instead of a slice a call."""

    def __init__(self, layout: Layout, fs: FileSystem, clock: Clock, *, whole: bool) -> None:
        self._layout = layout
        self._fs, self._clock = fs, clock
        self._whole = whole
        self._problems: dict[Topic, tuple[str, ...]] = {}
        self._readers: dict[Topic, Callable[[], Iterable[str] | None]] = {
            "inbox": self._read_inbox,
            "claimed": self._read_claimed,
            "dlq": self._read_dlq,
            "quarantine": self._read_quarantine,
            "paused": self._read_paused,
            "estop": self._read_emergency_stop,
            "consumer": self._read_consumer,
            "circuit": self._read_circuits,
            "settings": self._read_settings,
            "prompts": self._read_prompts,
            "ledger": self._read_ledger,
        }
        self._day = ""
        self._inbox = TickFolder(fs, layout.inbox, clock)
        self._claimed = TickFolder(fs, layout.claimed, clock)
        self._dlq = TickFolder(fs, layout.dlq, clock)
        self._ledger = LedgerView(layout)
        self._quarantined = 0
        self.paused: dict[str, MarkerView] = {}
        self.emergency_stop: MarkerView | None = None
        self._beating = Beating()
        self._starts: list[Start] = []
        """Those of the service, oldest first."""
        self.circuits = Circuits()
        self.settings = Settings()
        self.prompts: frozenset[str] = frozenset()

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be read, one line each."""
        return tuple(line for lines in self._problems.values() for line in lines[:MOST_PROBLEMS])

    @property
    def counts(self) -> CountsView:
        return CountsView(
            inbox=self._inbox.total,
            claimed=self._claimed.total,
            dlq=self._dlq.total,
            quarantine=self._quarantined,
        )

    @property
    def waiting(self) -> Mapping[str, int]:
        return self._inbox.by_cadence

    @property
    def claimed(self) -> Mapping[str, int]:
        return self._claimed.by_cadence

    @property
    def dead(self) -> Mapping[str, int]:
        return self._dlq.by_cadence

    @property
    def recent(self) -> Mapping[str, CadenceRuns]:
        return self._ledger.cadences

    @property
    def cost_today(self) -> float:
        return self._ledger.cost_today

    @property
    def announced(self) -> Mapping[str, tuple[str, ...]]:
        return {}

    @property
    def settings_problems(self) -> tuple[str, ...]:
        """Why a consumer would refuse to start now."""
        return self._problems.get("settings", ())

    @property
    def unread(self) -> int:
        """Tick files that a later refresh will read."""
        return self._inbox.index.unread + self._dlq.index.unread

    def not_due(self, now: float) -> dict[str, Later]:
        """Ticks that are not due at `now` (wall epoch seconds) by cadence, as far as read."""
        found: dict[str, list[float]] = {}
        for key in self._inbox.index.waiting.keys.values():
            if key.ready_at > now:
                found.setdefault(key.cadence, []).append(key.ready_at)
        return {name: Later(len(times), min(times)) for name, times in found.items()}

    def loop(self, now: float) -> Loop | None:
        """The crash loop of this root's service."""
        return loop_now(self._starts, now)

    def consumer(self, now: float) -> ConsumerView:
        word = consumer_word(self._beating, now, lambda: is_locked(self._layout))
        view = replace(self._beating.view, word=word, loop=self.loop(now))
        if word in ("live", "stale"):
            return view
        error = "; ".join(self.settings_problems) or None
        return replace(view, hold=self.circuits.hold, settings_error=error)

    def running(self, word: ConsumerWord) -> tuple[Running, ...]:
        return self._beating.running if word in ("live", "stale") else ()

    def told(self, word: ConsumerWord) -> Mapping[str, CadenceNote]:
        return self._beating.cadences if word in ("live", "stale") else {}

    def fleet(self) -> FleetView | None:
        return None

    def close(self) -> None:
        self._ledger.close()

    def refresh(self, topics: frozenset[Topic], day: str) -> None:
        """Re-read what the topics name; `day` is today's UTC date."""
        if day != self._day:
            topics, self._day = topics | {"ledger"}, day
        unread = {"inbox": self._inbox.index.unread, "dlq": self._dlq.index.unread}
        for topic, read in self._readers.items():
            if topic in topics or unread.get(topic):
                self._problems[topic] = self._tried(topic, read)

    def _tried(self, topic: Topic, read: Callable[[], Iterable[str] | None]) -> tuple[str, ...]:
        try:
            return tuple(read() or ())
        except OSError as error:
            return (f"{topic}: {error.strerror or error}: {error.filename or ''}".rstrip(": "),)

    def _read_inbox(self) -> None:
        self._inbox.refresh(whole=self._whole)

    def _read_claimed(self) -> None:
        self._claimed.refresh(whole=self._whole)

    def _read_dlq(self) -> None:
        self._dlq.refresh(whole=self._whole)

    def _read_quarantine(self) -> None:
        names = self._names(self._layout.quarantine)
        self._quarantined = sum(not name.endswith(".reason.json") for name in names)

    def _read_paused(self) -> None:
        found = {name: self._layout.paused / f"{name}.json" for name in self._paused_names()}
        markers = {name: self._marker(path) for name, path in found.items()}
        self.paused = keep(self.paused, {n: m for n, m in markers.items() if m is not None})

    def _paused_names(self) -> list[str]:
        return sorted(_stems(self._names(self._layout.paused), ".json"))

    def _read_emergency_stop(self) -> None:
        self.emergency_stop = keep(self.emergency_stop, self._marker(self._layout.emergency_stop))

    def _marker(self, path: Path) -> MarkerView | None:
        """That the name exists is what counts; unreadable content just says nothing."""
        if not self._fs.exists(path):
            return None
        content = read_document(self._fs, path).content
        return MarkerView(
            at=moment(content.get("at")),
            by=text(content.get("by"), 200),
            reason=text(content.get("reason")),
        )

    def _read_consumer(self) -> Iterable[str]:
        document = read_document(self._fs, self._layout.consumer_json)
        self._beating = keep(self._beating, read_beat(document))
        self._starts = StartBook(self._layout, self._fs, self._clock).read()
        return [document.problem] if document.problem else []

    def _read_circuits(self) -> Iterable[str]:
        circuits = read_circuits(
            read_document(self._fs, self._layout.circuit_open),
            read_document(self._fs, self._layout.gates),
        )
        self.circuits = keep(self.circuits, circuits)
        return circuits.problems

    def _read_settings(self) -> Iterable[str]:
        examined = examine_settings(self._layout)
        self.settings = keep(self.settings, examined.settings)
        return [*examined.env.problems, *examined.problems]

    def _read_prompts(self) -> None:
        self.prompts = keep(self.prompts, _stems(self._names(self._layout.triggers), ".md"))

    def _read_ledger(self) -> Iterable[str]:
        self._ledger.refresh(self._day)
        return [self._ledger.problem] if self._ledger.problem else []

    def _names(self, folder: Path) -> list[str]:
        try:
            return self._fs.names(folder)
        except FileNotFoundError:
            return []


def _stems(names: Iterable[str], suffix: str) -> frozenset[str]:
    stems = (name.removesuffix(suffix) for name in names if name.endswith(suffix))
    return frozenset(stem for stem in stems if NAME.match(stem))
