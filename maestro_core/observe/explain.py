"""Why is this cadence not running? Everything in its way, in the order in which it stops it.

A pure function of a snapshot, so that the console and `maestro-tui explain` say the same.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from maestro_core.models import HoldBeat
from maestro_core.observe.documents import moment
from maestro_core.observe.snapshot import CadenceView, Later, MarkerView, Snapshot

Act = Literal[
    "clear_estop", "start_consumer", "fix_settings", "make_room", "resume", "close_circuit",
    "lift_hold", "cancel_run", "write_prompt", "enqueue", "wait",
]  # fmt: skip


class Obstacle(Struct, frozen=True):
    """One reason. `until` is wall epoch seconds when it goes by itself, None = it does not."""

    code: str
    says: str
    act: Act
    """What lifts it; the console has a key for most of them."""
    command: str | None = None
    """The shell command that lifts it."""
    until: float | None = None


class Explanation(Struct, frozen=True):
    """The chain, first obstacle first; empty when nothing is in its way."""

    cadence: str
    known: bool
    running: bool
    waiting: int
    obstacles: tuple[Obstacle, ...]


def explain(snapshot: Snapshot, cadence: str) -> Explanation:
    """What keeps `cadence` from running, by the snapshot."""
    view = next((one for one in snapshot.cadences if one.name == cadence), None)
    known = view is not None
    view = view or CadenceView(name=cadence, mode="unregistered", prompt_exists=False)
    obstacles = (
        *_of_all(snapshot),
        *_of_operators(view),
        *_of_breaker(view),
        *_of_holds(snapshot, view),
        *_of_slots(snapshot, view),
        *_of_ticks(view, snapshot.later.get(view.name)),
    )
    return Explanation(cadence, known, view.running is not None, view.waiting, obstacles)


def _of_all(snapshot: Snapshot) -> Iterator[Obstacle]:
    """What stops every cadence."""
    if (stop := snapshot.emergency_stop) is not None:
        says = f"the emergency stop is engaged{_marker(stop)}"
        yield Obstacle("emergency_stop", says, "clear_estop", "maestro-tui estop --clear")
    consumer = snapshot.consumer
    if consumer.settings_error and consumer.word != "live":
        says = f"no consumer can start: {consumer.settings_error}"
        yield Obstacle("settings_error", says, "fix_settings", "maestro-tui doctor")
    if consumer.word != "live":
        says = f"no consumer is at work: {_CONSUMERS[consumer.word]}"
        yield Obstacle("no_consumer", says, "start_consumer", "maestro-tui run")
    elif consumer.trouble:
        yield Obstacle("trouble", f"the consumer is in trouble: {consumer.trouble}", "make_room")


_CONSUMERS = {
    "none": "none has run here yet",
    "stopped": "the last one was stopped",
    "crashed": "the last one died without saying goodbye",
    "stale": "it holds the lock but has been silent for more than 10 s",
}


def _of_operators(view: CadenceView) -> Iterator[Obstacle]:
    if view.paused is not None:
        says = f"it is paused{_marker(view.paused)}"
        yield Obstacle("paused", says, "resume", _command("resume", view.name))


def _of_breaker(view: CadenceView) -> Iterator[Obstacle]:
    close = _command("circuit close", view.name)
    if view.open_until is not None:
        says = f"its circuit is open after {view.failures} failures in a row"
        yield Obstacle("circuit_open", says, "close_circuit", close, view.open_until)
    elif view.state == "backoff":
        says = f"it backs off after failure {view.failures} of {view.threshold}"
        yield Obstacle("backoff", says, "close_circuit", close, view.next_allowed_at)


def _of_holds(snapshot: Snapshot, view: CadenceView) -> Iterator[Obstacle]:
    hold = snapshot.consumer.hold
    if view.mode == "inline":
        return
    if hold is not None:
        until = moment(hold.until)
        yield Obstacle(hold.kind, _hold_says(hold), "lift_hold", "maestro-tui hold lift", until)
    elif view.state == "quota":
        lift = _command("hold lift", view.name)
        says = view.reason or "it is held"
        yield Obstacle("budget", says, "lift_hold", lift, view.next_allowed_at)


def _hold_says(hold: HoldBeat) -> str:
    words = {
        "quota": "every cadence waits for the usage limit to reset",
        "overload": "every cadence waits because the service is overloaded",
        "auth": "every cadence waits because the sign-in was refused",
        "budget": "every cadence waits because the day's budget is spent",
    }
    return f"{words[hold.kind]}: {hold.reason}" if hold.reason else words[hold.kind]


def no_slot(snapshot: Snapshot, view: CadenceView) -> bool:
    """A run of it would have to wait for one of another cadence."""
    return view.mode != "inline" and len(snapshot.running) >= snapshot.max_concurrent


def _of_slots(snapshot: Snapshot, view: CadenceView) -> Iterator[Obstacle]:
    if view.running is not None:
        says = f"its run {view.running.run_id} is going on; one of a cadence at a time"
        yield Obstacle(
            "running", says, "cancel_run", _command("cancel", view.running.run_id),
            moment(view.running.timeout_at),
        )  # fmt: skip
    elif no_slot(snapshot, view):
        other = snapshot.running[0]
        says = f"every slot is taken ({snapshot.max_concurrent}), by {other.cadence} first"
        yield Obstacle(
            "slot", says, "wait", _command("cancel", other.run_id), moment(other.timeout_at)
        )


def _of_ticks(view: CadenceView, later: Later | None) -> Iterator[Obstacle]:
    if view.mode == "unregistered" and not view.prompt_exists:
        says = "it is in no settings and has no prompt: its ticks are dead-lettered at once"
        yield Obstacle("unknown", says, "write_prompt")
    elif view.mode != "inline" and not view.prompt_exists:
        says = f"its prompt schedules/triggers/{view.name}.md is missing: its runs fail"
        yield Obstacle("no_prompt", says, "write_prompt")
    due = view.waiting - (later.count if later else 0)
    if later is not None and due <= 0:
        many = f"none of its {later.count} waiting ticks is due yet"
        says = many if later.count > 1 else "its waiting tick is not due yet"
        yield Obstacle("not_before", says, "wait", None, later.next_at)
    elif due <= 0 and view.running is None:
        says = "no tick is waiting"
        yield Obstacle("nothing_waiting", says, "enqueue", _command("enqueue", view.name),
                       view.next_due)  # fmt: skip


def _marker(marker: MarkerView) -> str:
    by = f" by {marker.by}" if marker.by else ""
    return f"{by}: {marker.reason}" if marker.reason else by


def _command(verb: str, target: str) -> str:
    return f"maestro-tui {verb} {shlex.quote(target)}"
