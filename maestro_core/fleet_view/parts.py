"""The parts of a fleet's snapshot: prompts, settings and schedules of this agent root, all else
from the server. A Source (observe/source.py).

A question is asked again when the topics name it, and not before it has rested for ten times as
long as it took: a hundred thousand ticks make a console slower to notice, never slow. While the
server is away the last picture stays and is said to be old. Owner: the reader's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median

from msgspec.structs import replace

from maestro_core.bus.feed import Topic
from maestro_core.clock import Clock
from maestro_core.errors import BusError, ReadOnly
from maestro_core.files import OsFiles
from maestro_core.fleet import schema
from maestro_core.fleet.connect import Link
from maestro_core.fleet_view import queries
from maestro_core.fleet_view.gates import GateView, read_gates
from maestro_core.fleet_view.hosts import HostBook, Seen, announced, budgets
from maestro_core.fleet_view.times import Ahead
from maestro_core.layout import Layout
from maestro_core.models import Running, RunRow
from maestro_core.observe.beat import CadenceNote
from maestro_core.observe.circuits import Circuits
from maestro_core.observe.documents import keep
from maestro_core.observe.ledger_view import RECENT, CadenceRuns
from maestro_core.observe.parts import Parts
from maestro_core.observe.snapshot import (
    ConsumerView,
    ConsumerWord,
    CountsView,
    FleetView,
    HostView,
    Later,
    MarkerView,
)
from maestro_core.settings import Settings

_OF_THIS_ROOT: frozenset[Topic] = frozenset({"settings", "prompts", "estop", "consumer"})
_REST = 10.0
"""A question rests for so many times as long as it took."""
_SHORTEST_REST = 0.5
_LOOSE = 0.5
"""Seconds by which the server's clock may differ before its times are corrected."""


class _Question:
    """One thing to ask the server, and when it may be asked again."""

    def __init__(self, topics: frozenset[Topic], ask: Callable[[], None]) -> None:
        self.topics = topics
        self.ask = ask
        self.wanted = True
        self.rests_until = float("-inf")


class FleetParts:
    """See the module docstring. `whole`: ask everything at once, for a command."""

    def __init__(
        self, layout: Layout, link: Link, clock: Clock, *, here: str, lease: float,
        whole: bool = False,
    ) -> None:  # fmt: skip
        self._link = link
        self._clock = clock
        self._root = Parts(layout, OsFiles(), clock, whole=whole)
        self._here = here
        self._lease = lease
        self._checked = -1
        self._away: str | None = "it was not asked yet"
        self._seen_at: float | None = None
        self._ahead = Ahead(_LOOSE)
        self._book = HostBook(here)
        self._questions = (
            _Question(frozenset({"consumer"}), self._ask_hosts),  # first: it asks for the time
            _Question(frozenset({"inbox", "claimed", "dlq", "quarantine"}), self._ask_counts),
            _Question(frozenset({"paused", "circuit", "estop"}), self._ask_gates),
            _Question(frozenset({"ledger"}), self._ask_runs),
        )
        self._hosts: tuple[Seen, ...] = ()
        self._views: tuple[HostView, ...] = ()
        self._gates = GateView()
        self._later: dict[str, Later] = {}
        self.counts = CountsView()
        self.waiting: Mapping[str, int] = {}
        self.claimed: Mapping[str, int] = {}
        self.dead: Mapping[str, int] = {}
        self.recent: Mapping[str, CadenceRuns] = {}
        self.cost_today = 0.0

    # ---- of this root, and of the gates ----------------------------------------------------

    @property
    def settings(self) -> Settings:
        return self._root.settings

    @property
    def settings_problems(self) -> tuple[str, ...]:
        return self._root.settings_problems

    @property
    def prompts(self) -> frozenset[str]:
        return self._root.prompts

    @property
    def paused(self) -> Mapping[str, MarkerView]:
        return self._gates.paused

    @property
    def emergency_stop(self) -> MarkerView | None:
        return self._gates.emergency_stop

    @property
    def circuits(self) -> Circuits:
        return self._gates.circuits

    @property
    def announced(self) -> Mapping[str, tuple[str, ...]]:
        return announced(self._views)

    @property
    def unread(self) -> int:
        """Everything is counted by the server."""
        return 0

    @property
    def problems(self) -> tuple[str, ...]:
        away = (self._away,) if self._away else ()
        return (*away, *self._root.problems)

    # ---- reading ----------------------------------------------------------------------------

    def refresh(self, topics: frozenset[Topic], day: str) -> None:
        self._root.refresh(topics & _OF_THIS_ROOT, day)
        for one in self._questions:
            one.wanted |= bool(topics & one.topics)
        try:
            self._check()
            for one in self._questions:
                self._put(one)
        except (BusError, ReadOnly) as error:
            self._lost(error)
        now = self._clock.wall()
        if self._away is None:
            self._seen_at = now
        self._views = tuple(
            one.at(now, self._lease, away=self._away is not None,
                   hold=self._gates.holds.get(one.view.host))
            for one in self._hosts
        )  # fmt: skip

    def _check(self) -> None:
        """A new connection may lead to another server: the schema, its time and everything
        else are looked at anew. Raises BusError."""
        if self._link.connections != self._checked or self._away is not None:
            schema.check(self._link)
            self._checked = self._link.connections
            for one in self._questions:
                one.wanted, one.rests_until = True, float("-inf")
            self._away = None

    def _put(self, one: _Question) -> None:
        began = self._clock.awake()
        if one.wanted and one.rests_until <= began:
            one.ask()
            one.wanted = False
            ended = self._clock.awake()
            one.rests_until = ended + max(_SHORTEST_REST, _REST * (ended - began))

    def _lost(self, error: BusError | ReadOnly) -> None:
        self._away = f"{error.message} ({error.hint})" if error.hint else error.message
        for one in self._questions:
            one.wanted = True

    def _sync(self) -> None:
        [row] = self._link.rows("SELECT extract(epoch FROM now())::float8 AS at")
        self._ahead.take(row["at"] - self._clock.wall())

    def _wall(self, server: float) -> float:
        return round(server - self._ahead.seconds, 3)

    def _ask_counts(self) -> None:
        waiting = queries.waiting(self._link)
        self.waiting = {row["name"]: row["n"] for row in waiting}
        self._later = {
            row["name"]: Later(row["later"], self._wall(row["next"]))
            for row in waiting
            if row["later"]
        }
        self.claimed = queries.in_status(self._link, "picked")
        self.dead = queries.in_status(self._link, "failed")
        self.counts = CountsView(
            inbox=sum(self.waiting.values()),
            claimed=sum(self.claimed.values()),
            dlq=sum(self.dead.values()),
            quarantine=queries.quarantined(self._link),
        )

    def _ask_gates(self) -> None:
        self._gates = keep(self._gates, read_gates(queries.gates(self._link), self._ahead.seconds))

    def _ask_hosts(self) -> None:
        self._sync()
        self._hosts = self._book.read(queries.hosts(self._link), self._ahead.seconds)

    def _ask_runs(self) -> None:
        found = queries.recent(self._link, RECENT)
        self.recent = {name: self._runs(name, rows) for name, rows in found.items()}
        self.cost_today = queries.cost_today(self._link)

    def _runs(self, name: str, rows: list[RunRow]) -> CadenceRuns:
        moved = tuple(self._book.moved(row, self._ahead.seconds) for row in rows)
        times = [row.duration for row in rows if row.outcome == "ok" and row.duration is not None]
        runs = CadenceRuns(moved, median(times) if times else None)
        return keep(self.recent.get(name, runs), runs)

    # ---- what was read ----------------------------------------------------------------------

    def not_due(self, now: float) -> dict[str, Later]:
        return {name: one for name, one in self._later.items() if one.next_at > now}

    def consumer(self, now: float) -> ConsumerView:
        """All hosts as one: at work while any of them is. Who and since when: this root's own."""
        word, own = self._word(), self._own()
        beats = [one.beat_at for one in self._views if one.beat_at is not None]
        view = ConsumerView(
            word=word, beat_at=max(beats, default=None), hold=self.circuits.hold,
            settings_error="; ".join(self.settings_problems) or None, loop=self._root.loop(now),
        )  # fmt: skip
        if own is None:
            return view
        return replace(
            view, pid=own.pid, host=own.host, version=own.version, mode=own.mode,
            started_at=own.started_at, stats=own.stats, trouble=own.trouble,
            settings_error=own.settings_error,
        )  # fmt: skip

    def _own(self) -> HostView | None:
        return next((one for one in self._views if one.here and one.word == "live"), None)

    def _word(self) -> ConsumerWord:
        words = {one.word for one in self._views}
        if self._away is not None or (words & {"stale"} and "live" not in words):
            return "stale"
        if "live" in words:
            return "live"
        return "crashed" if "gone" in words else "stopped" if "stopped" in words else "none"

    def running(self, _word: ConsumerWord) -> tuple[Running, ...]:
        return tuple(run for one in self._views for run in one.running)

    def told(self, _word: ConsumerWord) -> Mapping[str, CadenceNote]:
        return budgets(
            (view, seen.beating) for view, seen in zip(self._views, self._hosts, strict=True)
        )

    def fleet(self) -> FleetView | None:
        return FleetView(
            server=self._link.target.shown,
            here=self._here,
            hosts=self._views,
            away=self._away,
            seen_at=self._seen_at if self._away else None,
            stopped_here=self._root.emergency_stop,
        )

    def close(self) -> None:
        self._root.close()
        self._link.close()
