"""Agents side by side: each root's snapshot as one line. Pure.

Texts of a line are masked with that agent's own secrets. Times are wall epoch seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from maestro_core.clock import iso
from maestro_core.layout import Layout
from maestro_core.models import CadenceWord
from maestro_core.observe.documents import moment
from maestro_core.observe.snapshot import CadenceView, ConsumerWord, Snapshot
from maestro_core.redact import Redactor

AgentWord = Literal[
    "broken", "estop", "hold", "crashed", "stale", "absent", "running", "held", "waiting", "idle"
]
"""How an agent stands, what needs a person first."""

WORDS: tuple[AgentWord, ...] = (
    "broken", "estop", "crashed", "stale", "hold", "held", "absent", "running", "waiting", "idle"
)  # fmt: skip
"""From what should be looked at first to what need not be."""


class Held(Struct, frozen=True):
    """A cadence that is kept from running."""

    cadence: str
    state: CadenceWord | Literal["unknown"]
    until: float | None
    reason: str | None


class AgentLine(Struct, frozen=True, kw_only=True):
    """One agent. `problem` says why nothing is known of it; the rest is then empty."""

    root: str
    name: str
    at: float
    word: AgentWord = "broken"
    problem: str | None = None
    consumer: ConsumerWord = "none"
    mode: str | None = None
    pid: int | None = None
    beat_at: float | None = None
    running: tuple[str, ...] = ()
    """Cadences with a sub-session."""
    why: str | None = None
    """What holds all of it: settings, the emergency stop, a hold, a consumer that is gone."""
    hold_kind: str | None = None
    hold_until: float | None = None
    held: tuple[Held, ...] = ()
    waiting: int = 0
    dead: int = 0
    quarantine: int = 0
    open_circuits: int = 0
    cost_today: float = 0.0


def broken(layout: Layout, at: float, problem: str) -> AgentLine:
    return AgentLine(root=str(layout.root), name=layout.root.name, at=at, problem=problem)


def agent_line(snapshot: Snapshot, redact: Redactor) -> AgentLine:
    """The snapshot on one line."""
    consumer, why = snapshot.consumer, _why(snapshot)
    hold = consumer.hold
    running = tuple(run.cadence for run in snapshot.running)
    return AgentLine(
        root=snapshot.root,
        name=redact(snapshot.agent),
        at=snapshot.at,
        word=agent_word(snapshot),
        consumer=consumer.word,
        mode=consumer.mode,
        pid=consumer.pid,
        beat_at=consumer.beat_at,
        running=running,
        why=redact(why) if why else None,
        hold_kind=hold.kind if hold else None,
        hold_until=moment(hold.until) if hold else None,
        held=tuple(_held(view, redact) for view in snapshot.cadences if _is_held(view)),
        waiting=snapshot.counts.inbox,
        dead=snapshot.counts.dlq,
        quarantine=snapshot.counts.quarantine,
        open_circuits=snapshot.counts.open_circuits,
        cost_today=snapshot.cost_today,
    )


def _why(snapshot: Snapshot) -> str | None:
    """What holds all of it, in words; None = nothing does."""
    consumer, stop = snapshot.consumer, snapshot.emergency_stop
    if _cannot_start(snapshot):
        return f"no consumer can start: {consumer.settings_error}"
    if stop is not None:
        return stop.reason or "emergency stop"
    if consumer.word == "crashed":
        return "its consumer is gone without a clean stop"
    if consumer.word == "stale":
        return "its consumer is silent"
    return consumer.hold.reason if consumer.hold is not None else consumer.trouble


def _cannot_start(snapshot: Snapshot) -> bool:
    consumer = snapshot.consumer
    return consumer.settings_error is not None and consumer.word not in ("live", "stale")


def agent_word(snapshot: Snapshot) -> AgentWord:
    """How the agent stands, in one word: what a person should know first."""
    consumer = snapshot.consumer.word
    if _cannot_start(snapshot):
        return "broken"
    if snapshot.emergency_stop is not None:
        return "estop"
    if consumer in ("crashed", "stale"):
        return "crashed" if consumer == "crashed" else "stale"
    if snapshot.consumer.hold is not None:
        return "hold"
    if consumer != "live":
        return "absent"
    if snapshot.running:
        return "running"
    if any(_is_held(view) for view in snapshot.cadences):
        return "held"
    return "waiting" if snapshot.counts.inbox else "idle"


def distinct_names(lines: Iterable[AgentLine]) -> dict[str, str]:
    """Root -> name; beside a name that several agents have stands as much of the end of the path
    as tells them apart."""
    found = list(lines)
    counts = Counter(line.name for line in found)
    return {
        line.root: line.name
        if counts[line.name] == 1
        else f"{line.name} ({_end_of_path(line.root, [one.root for one in found])})"
        for line in found
    }


def _end_of_path(root: str, roots: Iterable[str]) -> str:
    """The shortest end of `root` that no other one has."""
    parts = Path(root).parts
    others = [Path(one).parts for one in roots if one != root]
    for length in range(1, len(parts)):
        if all(one[-length:] != parts[-length:] for one in others):
            return str(Path(*parts[-length:]))
    return root


def line_document(line: AgentLine) -> dict[str, Any]:
    """For JSON: a root of which nothing is known."""
    return {"root": line.root, "agent": line.name, "at": iso(line.at), "problem": line.problem}


def _is_held(view: CadenceView) -> bool:
    return view.state in ("open", "half_open", "backoff", "paused")


def _held(view: CadenceView, redact: Redactor) -> Held:
    reason = view.paused.reason if view.state == "paused" and view.paused else view.reason
    until = view.open_until or view.next_allowed_at
    return Held(view.name, view.state, until, redact(reason) if reason else None)
