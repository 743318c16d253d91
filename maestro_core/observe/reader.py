"""An agent root -> one frozen Snapshot, for the board, `status` and `cadences`.

It is read from its files, or from another `source`. `read` re-reads only what the topics name;
parts that did not change keep their identity, so a screen may compare with `is`. What depends on
time (a stale beat, a back-off that ran out) is judged anew at each call. Owner: one thread; never
blocks on another process.
"""

from __future__ import annotations

from msgspec.structs import replace

from maestro_core.bus.feed import EVERYTHING, Topic
from maestro_core.clock import Clock, SystemClock, iso
from maestro_core.consumer.breaker import BreakerPolicy, breaker_policy
from maestro_core.files import FileSystem, OsFiles
from maestro_core.layout import Layout
from maestro_core.models import HoldBeat, Running
from maestro_core.observe.beat import CadenceNote
from maestro_core.observe.circuits import hold_length, note_of
from maestro_core.observe.dead import dead_letters
from maestro_core.observe.documents import keep
from maestro_core.observe.explain import Explanation, explain
from maestro_core.observe.ledger_view import CadenceRuns
from maestro_core.observe.parts import Parts
from maestro_core.observe.snapshot import CadenceView, ConsumerView, Snapshot
from maestro_core.observe.source import Source
from maestro_core.redact import Redactor
from maestro_core.settings import Settings
from maestro_core.settings_schedule import next_due, zone

__all__ = ["SnapshotReader", "dead_letters"]

_NO_RUNS = CadenceRuns()


class SnapshotReader:
    """Reads snapshots.

    Args:
        whole: read every tick file at once. Otherwise a call reads new ones for a quarter of
            a second a folder, and `settled` says whether some are left for the next call.
        source: what is read instead of the files; it is closed with the reader.
    """

    def __init__(
        self,
        layout: Layout,
        clock: Clock | None = None,
        *,
        whole: bool = False,
        fs: FileSystem | None = None,
        source: Source | None = None,
    ) -> None:
        self._layout = layout
        self._clock = clock or SystemClock()
        self._parts: Source = source or Parts(layout, fs or OsFiles(), self._clock, whole=whole)
        self._first = True
        self._seen = False
        """There was a bus to read."""
        self._last: Snapshot | None = None
        self._due: dict[str, tuple[str, float | None]] = {}

    @property
    def settled(self) -> bool:
        """Every tick file is counted under its cadence."""
        return not self._parts.unread

    @property
    def settings(self) -> Settings:
        """As far as they could be read; wrong values are at their defaults."""
        return self._parts.settings

    def redactor(self) -> Redactor:
        """Masks this agent's secrets."""
        return Redactor(self._parts.settings.env)

    def read(self, topics: frozenset[Topic] = EVERYTHING) -> Snapshot:
        """The state now. Never raises for what stands in files; see Snapshot.problems."""
        now = self._clock.wall()
        self._parts.refresh(EVERYTHING if self._first else topics, iso(now)[:10])
        self._first = False
        last, self._last = self._last, self._picture(now)
        if last is not None:
            self._last = _keep_parts(last, self._last)
        return self._last

    def follow(self, last: Snapshot | None) -> None:
        """Go on from what another reader saw of the same root: equal parts stay the same."""
        self._last = last

    def explain(self, cadence: str) -> Explanation:
        """What keeps a cadence from running, by the last `read` (or a first one now)."""
        snapshot = self._last or self.read()
        return explain(snapshot, cadence)

    def close(self) -> None:
        """Release what is read from."""
        self._parts.close()

    def _picture(self, now: float) -> Snapshot:
        parts, policy = self._parts, breaker_policy(self._parts.settings.consumer)
        consumer = parts.consumer(now)
        running = parts.running(consumer.word)
        views = tuple(
            self._cadence(name, consumer, now, policy, running) for name in self._names(running)
        )
        return Snapshot(
            root=str(self._layout.root),
            agent=parts.settings.env.get("AGENT_NAME", "").strip() or self._layout.root.name,
            at=now,
            consumer=consumer,
            emergency_stop=parts.emergency_stop,
            counts=replace(
                parts.counts, open_circuits=sum(_circuit_open(view, now) for view in views)
            ),
            cost_today=parts.cost_today,
            cadences=views,
            running=running,
            max_concurrent=parts.settings.consumer.max_concurrent,
            later=parts.not_due(now),
            problems=(*self._vanished(), *parts.problems),
            fleet=parts.fleet(),
        )

    def _vanished(self) -> tuple[str, ...]:
        """That what was read before is not there any more: nothing else would say so."""
        root, bus = self._layout.root, self._layout.bus
        if bus.is_dir():
            self._seen = True
        elif self._seen and not root.is_dir():
            return (f"the agent root {root} is gone",)
        elif self._seen:
            return (f"{bus.relative_to(root)} is gone from {root}",)
        return ()

    def _names(self, running: tuple[Running, ...]) -> list[str]:
        parts = self._parts
        names = {*parts.settings.cadences, *parts.prompts, *parts.paused, *parts.circuits.states}
        names |= {*parts.waiting, *parts.claimed, *parts.dead, *parts.told("live")}
        return sorted(names | {run.cadence for run in running} | {*parts.recent, *parts.announced})

    def _note(
        self, name: str, now: float, policy: BreakerPolicy, consumer: ConsumerView
    ) -> CadenceNote:
        """How it stands: by the consumer while there is one, else by the files; a pause first."""
        parts = self._parts
        told = parts.told(consumer.word).get(name)
        if told is None or told.state == "paused":
            state = parts.circuits.states.get(name)
            told = note_of(state, now, policy) if state is not None else CadenceNote()
            if _is_held(consumer.hold, self._mode(name)):
                told = replace(told, state="quota")
        return replace(told, state="paused") if name in parts.paused else told

    def _mode(self, name: str) -> str:
        configured = self._parts.settings.cadences.get(name)
        if configured is not None:
            return configured.mode
        if self._parts.fleet() is None or name in self._parts.prompts:
            return "unregistered"
        return "elsewhere"  # or nowhere: its hosts say

    def _cadence(
        self,
        name: str,
        consumer: ConsumerView,
        now: float,
        policy: BreakerPolicy,
        running: tuple[Running, ...],
    ) -> CadenceView:
        parts = self._parts
        note, hosts = self._note(name, now, policy, consumer), parts.announced.get(name, ())
        configured, fleet = parts.settings.cadences.get(name), parts.fleet()
        unknown = fleet.unknown if fleet is not None else None
        runs = parts.recent.get(name, _NO_RUNS)
        schedule = configured.schedule if configured else None
        return CadenceView(
            name=name,
            mode=self._mode(name),
            state=note.state if unknown is None else "unknown",
            failures=note.failures,
            threshold=policy.threshold,
            max_attempts=parts.settings.consumer.max_attempts,
            next_allowed_at=note.next_allowed_at,
            open_until=note.open_until,
            hold_length=hold_length(note, policy, consumer.hold or parts.circuits.hold),
            reason=note.reason,
            paused=parts.paused.get(name),
            waiting=parts.waiting.get(name, 0),
            dead=parts.dead.get(name, 0),
            next_due=self._next_due(name, schedule, now),
            schedule=schedule,
            recent=runs.rows,
            usual_seconds=runs.usual_seconds,
            running=next((run for run in running if run.cadence == name), None),
            prompt_exists=name in parts.prompts or bool(hosts),
            hosts=hosts,
        )

    def _next_due(self, name: str, schedule: str | None, now: float) -> float | None:
        """Worked out anew only once the last answer is past."""
        if schedule is None:
            return None
        time_zone = self._parts.settings.schedules.time_zone
        asked = f"{schedule} {time_zone}"
        known, due = self._due.get(name, ("", None))
        if known != asked or (due is not None and not now < due <= now + 400 * 86400):
            due = next_due(schedule, now, zone(time_zone))
            self._due[name] = (asked, due)
        return due


def _circuit_open(view: CadenceView, now: float) -> bool:
    return view.open_until is not None and view.open_until > now


def _is_held(hold: HoldBeat | None, mode: str) -> bool:
    return hold is not None and mode != "inline"


def _keep_parts(last: Snapshot, new: Snapshot) -> Snapshot:
    """`new` made of the parts of `last` that are equal."""
    before = {view.name: view for view in last.cadences}
    views = tuple(keep(before.get(view.name, view), view) for view in new.cadences)
    same = len(views) == len(last.cadences) and all(
        a is b for a, b in zip(views, last.cadences, strict=True)
    )
    return replace(
        new,
        consumer=keep(last.consumer, new.consumer),
        emergency_stop=keep(last.emergency_stop, new.emergency_stop),
        counts=keep(last.counts, new.counts),
        cadences=last.cadences if same else views,
        running=keep(last.running, new.running),
        later=keep(last.later, new.later),
        problems=keep(last.problems, new.problems),
        fleet=keep(last.fleet, new.fleet),
    )
