"""Plans of acts on cadences: enqueue, close, hold open, probe, pause. Pure, like acts.py.

What is undone is what the act itself has changed, by its answer: somebody else may have done the
same since the screen was read, and theirs stays.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from maestro_core.control.commands import Ack
from maestro_core.models import HoldBeat, Receipt
from maestro_core.observe.snapshot import CadenceView, Snapshot
from maestro_tui.acts import MANY, Plan, Refusal, held_words, usual
from maestro_tui.presentation import times
from maestro_tui.presentation.cells import data, plural


def enqueue(views: Sequence[CadenceView], now: float) -> Plan | Refusal:
    """One tick each into the inbox now."""
    names = tuple(view.name for view in views)
    if not names:
        return Refusal("no cadence is chosen")
    lines = [f"{data(view.name, 60)}: {usual(view)}" for view in views[:8]]
    lines += [f"   {held}" for view in views[:8] if (held := held_words(view, now))]
    what = plural(len(names), "tick")
    return Plan(
        title=f"Enqueue {what} now", button="Enqueue", risk="cost", targets=names,
        run=lambda operator: [operator.enqueue(name) for name in names],
        done=f"{what} enqueued: {', '.join(names[:3])}", lines=tuple(lines),
        word=str(len(names)) if len(names) > MANY else None, asked="enqueue",
        take_back=_withdraw,
    )  # fmt: skip


def _withdraw(receipts: Sequence[Receipt]) -> Plan:
    """What was enqueued, to the trash; what a consumer has taken since is left alone, and named."""
    ids = tuple(receipt.id for receipt in receipts if receipt.fresh)
    what = plural(len(ids), "tick")
    return Plan(
        title=f"Take back {what}", button="Take back", risk="undo", targets=ids,
        run=lambda operator: operator.submit("withdraw", ids),
        done=f"{what} taken out of the inbox, into the trash",
    )  # fmt: skip


def close(views: Sequence[CadenceView], snapshot: Snapshot, now: float) -> Plan | Refusal:
    """Close circuits and forget failures; where a hold keeps a cadence, lift the hold."""
    held = [view for view in views if view.state in ("open", "half_open", "backoff")]
    held = held or [view for view in views if view.failures and view.state != "quota"]
    if held:
        return _close_plan(held, now)
    if snapshot.consumer.hold is not None:
        return _lift_plan(snapshot.consumer.hold)
    own = tuple(view.name for view in views if view.state == "quota")
    if own:
        return _lift_own_plan(own)
    return Refusal("nothing to close: its circuit is closed and it has no failures")


def _close_plan(held: Sequence[CadenceView], now: float) -> Plan:
    names = tuple(view.name for view in held)
    reopen = _open_entries(held, now)
    return Plan(
        title=f"Close {_circuits(names)}", button="Close", risk="undo", targets=names,
        run=lambda operator: operator.submit("circuit_close", names),
        done=f"closed: {', '.join(names[:3])}", undo=_open_plan(reopen) if reopen else None,
        asked="close",
        take_back=lambda ack: _open_plan(_open_entries(_as_they_were(held, [ack]), now)),
    )  # fmt: skip


def _lift_plan(hold: HoldBeat) -> Plan:
    return Plan(
        title=f"Lift the {hold.kind} hold", button="Lift", risk="cost", targets=(),
        run=lambda operator: operator.submit("lift_hold", ["*"]),
        done=f"{hold.kind} hold lifted", asked="lift",
        lines=("Every cadence may start at once.", f"It is on: {data(hold.reason, 200)}"),
    )  # fmt: skip


def _lift_own_plan(names: tuple[str, ...]) -> Plan:
    return Plan(
        title=f"Lift the hold of {', '.join(names[:3])}", button="Lift", risk="cost", targets=names,
        run=lambda operator: [operator.submit("lift_hold", [name]) for name in names],
        done=f"hold lifted: {', '.join(names[:3])}", asked="lift",
        lines=("Its budget counts no more until the end of the day (UTC).",),
    )  # fmt: skip


def _open_plan(entries: tuple[tuple[str, float | None], ...]) -> Plan:
    names = tuple(name for name, _ in entries)
    return Plan(
        title=f"Hold {_circuits(names)} open", button="Hold open", risk="undo", targets=names,
        run=lambda operator: [
            operator.submit("circuit_open", [name], seconds=seconds) for name, seconds in entries
        ],
        done=f"held open: {', '.join(names[:3])}", asked="hold open",
    )  # fmt: skip


def _open_entries(views: Sequence[CadenceView], now: float) -> tuple[tuple[str, float | None], ...]:
    """Those whose circuit is open, each with the seconds that are left of it."""
    return tuple(
        (view.name, view.open_until - now)
        for view in views
        if view.state == "open" and view.open_until and view.open_until > now
    )


def hold_open(views: Sequence[CadenceView], now: float) -> Plan | Refusal:
    """Open circuits by hand, for the setting's time."""
    names = tuple(view.name for view in views)
    if not names:
        return Refusal("no cadence is chosen")
    return _open_plan(tuple((name, None) for name in names))._replace(
        undo=_unhold(views, now),
        take_back=lambda acks: _unhold(_as_they_were(views, acks), now),
    )


def _as_they_were(views: Sequence[CadenceView], acks: Sequence[Ack]) -> list[CadenceView]:
    """With their circuits as the act found them, where its answer says so."""
    found = {name: facts for ack in acks for name, facts in ack.before.items()}
    told = {name: facts for name, facts in found.items() if isinstance(facts, dict)}
    return [
        replace(
            view, state=told[view.name].get("state", view.state),
            open_until=times.moment(told[view.name].get("open_until")),
        )
        if view.name in told else view
        for view in views
    ]  # fmt: skip


def _unhold(views: Sequence[CadenceView], now: float) -> Plan:
    """What was open before is open again for the rest of its time, the others are closed."""
    was_open = _open_entries(views, now)
    names = tuple(view.name for view in views)
    shut = tuple(name for name in names if name not in dict(was_open))
    again = _open_plan(was_open)
    if not shut:
        return again._replace(done=f"open as before: {', '.join(names[:3])}")
    return Plan(
        title=f"Close {_circuits(names)}", button="Close", risk="undo", targets=names,
        run=lambda operator: [
            operator.submit("circuit_close", shut), *(again.run(operator) if was_open else ())
        ],
        done=f"closed: {', '.join(shut[:3])}",
    )  # fmt: skip


def probe(views: Sequence[CadenceView]) -> Plan | Refusal:
    """Let one tick through: success closes the circuit, failure opens it again."""
    held = [view for view in views if view.state in ("open", "backoff")]
    if not held:
        return Refusal("nothing to probe: it is not held by its circuit")
    names = tuple(view.name for view in held)
    lines = [f"{data(view.name, 60)}: {usual(view)}" for view in held[:8]]
    lines.append("Success closes the circuit, failure opens it again for its full time.")
    if not any(view.waiting for view in held):
        lines.append("Nothing waits for it now: the next tick will be the probe.")
    return Plan(
        title=f"Probe {_circuits(names)}", button="Probe", risk="cost", targets=names,
        run=lambda operator: operator.submit("circuit_probe", names),
        done=f"the next tick is a probe: {', '.join(names[:3])}", lines=tuple(lines), asked="probe",
    )  # fmt: skip


def pause(views: Sequence[CadenceView]) -> Plan | Refusal:
    """Pause the chosen cadences; when all of them are paused, resume them."""
    if not views:
        return Refusal("no cadence is chosen")
    resume = all(view.paused is not None for view in views)
    names = tuple(view.name for view in views if (view.paused is None) != resume)
    plan, back = _pause(names), _resume(names)
    if resume:
        return back._replace(undo=plan, take_back=lambda acks: _pause(_changed(acks, True)))
    return plan._replace(undo=back, take_back=lambda acks: _resume(_changed(acks, False)))


def _changed(acks: Sequence[Ack], paused: bool) -> tuple[str, ...]:
    """The cadences that were so before, or of which that is not told."""
    return tuple(
        one.target
        for ack in acks
        for one in ack.outcomes
        if one.ok and ("paused" not in ack.before or (ack.before["paused"] is not None) == paused)
    )


def _pause(names: tuple[str, ...]) -> Plan:
    return Plan(
        title=f"Pause {', '.join(names[:3])}", button="Pause", risk="undo", targets=names,
        run=lambda operator: [operator.pause(name) for name in names],
        done=f"paused: {', '.join(names[:3])}", asked="pause",
    )  # fmt: skip


def _resume(names: tuple[str, ...]) -> Plan:
    return Plan(
        title=f"Resume {', '.join(names[:3])}", button="Resume", risk="undo", targets=names,
        run=lambda operator: [operator.resume(name) for name in names],
        done=f"resumed: {', '.join(names[:3])}", asked="resume",
    )  # fmt: skip


def _circuits(names: tuple[str, ...]) -> str:
    return f"the circuit of {names[0]}" if len(names) == 1 else f"{len(names)} circuits"


def cadence_plan(
    what: str, views: Sequence[CadenceView], snapshot: Snapshot, now: float
) -> Plan | Refusal:
    """The plan of the act called `what` in the key table."""
    if what == "enqueue":
        return enqueue(views, now)
    if what == "close":
        return close(views, snapshot, now)
    if what == "hold":
        return hold_open(views, now)
    if what == "probe":
        return probe(views)
    return pause(views)
