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
from maestro_core.observe.snapshot import (
    CadenceView,
    FleetView,
    HostView,
    Later,
    MarkerView,
    Snapshot,
)

Act = Literal[
    "clear_estop", "start_consumer", "fix_settings", "make_room", "resume", "close_circuit",
    "lift_hold", "cancel_run", "write_prompt", "enqueue", "wait", "reach_server", "see_hosts",
    "clear_here",
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
    running: bool | None
    """None = nothing is known of the bus; so `waiting`."""
    waiting: int | None
    obstacles: tuple[Obstacle, ...]


def explain(snapshot: Snapshot, cadence: str) -> Explanation:
    """What keeps `cadence` from running, by the snapshot."""
    view = next((one for one in snapshot.cadences if one.name == cadence), None)
    known = view is not None
    view = view or CadenceView(name=cadence, mode="unregistered", prompt_exists=False)
    fleet = snapshot.fleet
    if fleet is not None and fleet.unknown is not None:
        return Explanation(cadence, known, None, None, tuple(_of_fleet(snapshot, fleet)))
    obstacles = (
        *(_of_all(snapshot) if fleet is None else _of_fleet(snapshot, fleet)),
        *_of_operators(view),
        *_of_breaker(view),
        *_of_holds(snapshot, view),
        *(_of_hosts(fleet, view) if fleet is not None and fleet.away is None else ()),
        *_of_slots(snapshot, view),
        *_of_ticks(view, snapshot.later.get(view.name), fleet=fleet is not None),
    )
    return Explanation(cadence, known, view.running is not None, view.waiting, obstacles)


def _of_all(snapshot: Snapshot) -> Iterator[Obstacle]:
    """What stops every cadence."""
    yield from _of_stop(snapshot)
    consumer = snapshot.consumer
    if consumer.settings_error and consumer.word != "live":
        says = f"no consumer can start: {consumer.settings_error}"
        yield Obstacle("settings_error", says, "fix_settings", "maestro-tui doctor")
    if consumer.word != "live":
        says = f"no consumer is at work: {_CONSUMERS[consumer.word]}"
        yield Obstacle("no_consumer", says, "start_consumer", "maestro-tui run")
    elif consumer.trouble:
        yield Obstacle("trouble", f"the consumer is in trouble: {consumer.trouble}", "make_room")


def _of_stop(snapshot: Snapshot) -> Iterator[Obstacle]:
    if (stop := snapshot.emergency_stop) is not None:
        says = f"the emergency stop is engaged{_marker(stop)}"
        yield Obstacle("emergency_stop", says, "clear_estop", "maestro-tui estop --clear")


def _of_fleet(snapshot: Snapshot, fleet: FleetView) -> Iterator[Obstacle]:
    """What stops every cadence of a fleet; on whose hosts one can run comes later."""
    if fleet.away is not None:
        old = "" if fleet.unknown else ": what follows is old"
        says = f"it is not known{old}. {fleet.away}"
        yield Obstacle("no_server", says, "reach_server", "maestro-tui doctor bus.server")
    yield from _of_stop(snapshot)
    if not any(one.word == "live" for one in fleet.hosts) and fleet.away is None:
        says = "no host of the fleet is at work" + ("" if fleet.hosts else ": none was heard of")
        yield Obstacle("no_consumer", says, "start_consumer", "maestro-tui run")


def _of_hosts(fleet: FleetView, view: CadenceView) -> Iterator[Obstacle]:
    """Whether a host is there that can run it, and what those that can are held by."""
    able = fleet.able(view.name)
    live = [one for one in able if one.word == "live"]
    if not able:
        says = "no host of the fleet can run it: none has it in its settings or has its prompt"
        yield Obstacle("no_host", says, "write_prompt")
    elif not live:
        names = ", ".join(f"{one.host} ({one.word})" for one in able[:5])
        says = f"of the hosts that can run it none is at work: {names}"
        yield Obstacle("hosts_away", says, "see_hosts")
    elif (held := [_host_held(one, fleet) for one in live]) and all(held):
        says = "every host that can run it is held: " + "; ".join(one for one in held[:5] if one)
        act = _lifts(live, fleet)
        yield Obstacle("hosts_held", says, act, _LIFTS.get(act))


_LIFTS: dict[Act, str] = {
    "clear_here": "maestro-tui estop --clear",
    "lift_hold": "maestro-tui hold lift",
}


def _host_held(host: HostView, fleet: FleetView) -> str | None:
    """Why this host claims nothing, though it is at work."""
    if host.here and fleet.stopped_here is not None:
        return f"{host.host} is stopped{_marker(fleet.stopped_here)}"
    if host.hold is not None:
        reason = f": {host.hold.reason}" if host.hold.reason else ""
        return f"{host.host} waits ({host.hold.kind}){reason}"
    return f"{host.host} is in trouble: {host.trouble}" if host.trouble else None


def _lifts(hosts: list[HostView], fleet: FleetView) -> Act:
    if any(one.here for one in hosts) and fleet.stopped_here is not None:
        return "clear_here"
    return "lift_hold" if any(one.hold for one in hosts) else "see_hosts"


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
        after = f"open after {view.failures} failures in a row" if view.failures else "held open"
        says = f"its circuit is {after}"
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
    """A run of it would have to wait for one of another cadence. Of a fleet: on every host that
    can run it, as far as the slots of others are like ours."""
    if snapshot.fleet is not None:
        live = [one for one in snapshot.fleet.able(view.name) if one.word == "live"]
        busy = [len(one.running) >= snapshot.max_concurrent for one in live]
        return bool(busy) and all(busy) and view.mode != "inline"
    return view.mode != "inline" and len(snapshot.running) >= snapshot.max_concurrent


def _of_slots(snapshot: Snapshot, view: CadenceView) -> Iterator[Obstacle]:
    if view.running is not None:
        place = f" on {view.running.host}" if view.running.host else ""
        says = f"its run {view.running.run_id} is going on{place}; one of a cadence at a time"
        yield Obstacle(
            "running", says, "cancel_run", _command("cancel", view.running.run_id),
            moment(view.running.timeout_at),
        )  # fmt: skip
    elif no_slot(snapshot, view):
        able = snapshot.fleet.able(view.name) if snapshot.fleet is not None else ()
        others = [run for one in able for run in one.running] or snapshot.running
        other = others[0]
        place = f" on {other.host}" if other.host else ""
        says = f"every slot is taken ({snapshot.max_concurrent}), by {other.cadence}{place} first"
        yield Obstacle(
            "slot", says, "wait", _command("cancel", other.run_id), moment(other.timeout_at)
        )


def _of_ticks(view: CadenceView, later: Later | None, *, fleet: bool) -> Iterator[Obstacle]:
    if view.mode == "unregistered" and not view.prompt_exists and not fleet:
        says = "it is in no settings and has no prompt: its ticks are dead-lettered at once"
        yield Obstacle("unknown", says, "write_prompt")
    elif view.mode != "inline" and not view.prompt_exists and not fleet:
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
