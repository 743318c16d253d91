"""What an act is, before it is done: its words, its risk, what runs, and how it is undone.

`plan` is made from what was on screen when the key went down, so it hits those ids and no
others. Pure but for the functions inside, which a worker thread calls with the operator.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from maestro_core.control.commands import NOT_PAUSED, PAUSED_ALREADY, Ack
from maestro_core.models import Running, TickView
from maestro_core.observe.snapshot import CadenceView, MarkerView, Snapshot
from maestro_tui.backend import Acting
from maestro_tui.keys import Risk
from maestro_tui.presentation import times
from maestro_tui.presentation.cells import data, money, plural
from maestro_tui.presentation.words import outcome_look

MOST_FORECAST = 6
"""Cadences that a forecast names one by one."""
MANY = 25
"""Retrying more sub-sessions than this at once wants the number typed."""


class Plan(NamedTuple):
    """One act, ready to be carried out."""

    title: str
    button: str
    risk: Risk
    targets: tuple[str, ...]
    """Ids of the rows it is about, so that they can show that it was asked for."""
    run: Callable[[Acting], Any]
    done: str
    """What to say when it is done."""
    lines: tuple[str, ...] = ()
    """What a person should know before saying yes."""
    word: str | None = None
    """Must be typed to go ahead."""
    undo: Plan | None = None
    take_back: Callable[[Any], Plan] | None = None
    """Makes `undo` of what the operator answered: for what worked, where not all did."""
    canary: Plan | None = None
    """The same for the first target alone."""
    asked: str = "requested"
    waits: bool = False
    """Goes ahead by itself once nothing runs."""


class Refusal(NamedTuple):
    """Why there is nothing to do."""

    why: str


# ---- dead letters -------------------------------------------------------------------------


def retry(ticks: Sequence[TickView], snapshot: Snapshot, now: float) -> Plan | Refusal:
    """Dead letters back to the inbox. Costs a sub-session each."""
    ids = tuple(view.tick.id for view in ticks)
    if not ids:
        return Refusal("no dead letter is chosen")
    what = plural(len(ids), "dead letter")
    lines = [
        f"{what} back to the inbox, attempts 0, failures kept.",
        *forecast(ticks, snapshot, now),
    ]
    return Plan(
        title=f"Retry {what}",
        button=f"Retry {len(ids):,}" if len(ids) > 1 else "Retry",
        risk="cost",
        targets=ids,
        run=lambda operator: operator.submit("dlq_retry", ids),
        done=f"{what} back in the inbox",
        lines=tuple(lines),
        word=str(len(ids)) if len(ids) > MANY else None,
        undo=_unretry(ids),
        take_back=lambda ack: _unretry(_worked(ack)),
        canary=_canary(ticks, snapshot, now),
        asked="retry",
    )


def _worked(ack: Ack) -> tuple[str, ...]:
    """The targets that it was done to."""
    return tuple(one.target for one in ack.outcomes if one.ok)


def _unretry(ids: tuple[str, ...]) -> Plan:
    """Those that a consumer has taken since are left alone, and named."""
    what = plural(len(ids), "dead letter")
    return Plan(
        title=f"Take back the retry of {what}", button="Take back", risk="undo", targets=ids,
        run=lambda operator: operator.submit("dlq_unretry", ids),
        done=f"{what} dead again, as before",
    )  # fmt: skip


def _canary(ticks: Sequence[TickView], snapshot: Snapshot, now: float) -> Plan | None:
    if len(ticks) < 2:
        return None
    one = retry(ticks[:1], snapshot, now)
    return (
        one._replace(done="one is back in the inbox; the others stay marked")
        if isinstance(one, Plan)
        else None
    )


def forecast(ticks: Sequence[TickView], snapshot: Snapshot, now: float) -> list[str]:
    """What the cadences' past says of those retries: the money of all, which a small screen must
    show too; then of each cadence success, time, money, and what holds it."""
    views = {view.name: view for view in snapshot.cadences}
    counts = Counter(view.tick.cadence for view in ticks)
    total = sum(usual_cost(views.get(cadence)) * count for cadence, count in counts.items())
    lines = [f"Usually {money(total)} together."] if total >= 0.01 else []
    for cadence, count in counts.most_common(MOST_FORECAST):
        view = views.get(cadence)
        lines.append(f"{data(cadence, 60)} ×{count:,}: {usual(view)}")
        if view is not None and (held := held_words(view, now)):
            lines.append(f"   {held}")
    if (more := len(counts) - MOST_FORECAST) > 0:
        lines.append(f"and {plural(more, 'more cadence')}")
    return lines


def usual(view: CadenceView | None) -> str:
    """`17 of the last 20 ok, usually 41s and $0.03`."""
    if view is None or not view.recent:
        return "no runs yet to judge by"
    good = sum(outcome_look(row.outcome).style == "ok" for row in view.recent)
    words = [f"{good} of the last {len(view.recent)} ok"]
    if view.usual_seconds:
        words.append(f"usually {times.short(view.usual_seconds)}")
    if cost := usual_cost(view):
        words.append(f"about {money(cost)}" if cost >= 0.01 else "under a cent")
    return ", ".join(words)


def usual_cost(view: CadenceView | None) -> float:
    """Mean cost in USD of its recent runs that cost something."""
    spent = [row.usage.cost_usd for row in view.recent if row.usage.cost_usd] if view else []
    return sum(spent) / len(spent) if spent else 0.0


def held_words(view: CadenceView, now: float) -> str:
    """What would keep a tick of it waiting, or what one more failure would do; or nothing."""
    if view.state == "open" and view.open_until:
        return f"its circuit is open until {times.face(view.open_until, now)}: not before then"
    if view.state == "paused":
        return "it is paused: not before it is resumed"
    if view.state == "half_open":
        return "its circuit is half-open: the first one is the probe"
    if view.failures and view.failures + 1 >= view.threshold:
        return f"one more failure opens its circuit ({view.failures} of {view.threshold})"
    return ""


def discard(ticks: Sequence[TickView]) -> Plan | Refusal:
    """Dead letters to the trash; undone by restoring them."""
    ids = tuple(view.tick.id for view in ticks)
    if not ids:
        return Refusal("no dead letter is chosen")
    what = plural(len(ids), "dead letter")
    return Plan(
        title=f"Discard {what}", button="Discard", risk="undo", targets=ids,
        run=lambda operator: operator.submit("dlq_discard", ids), done=f"{what} in the trash",
        undo=_restore(ids), take_back=lambda ack: _restore(_worked(ack)), asked="discard",
    )  # fmt: skip


def _restore(ids: tuple[str, ...]) -> Plan:
    what = plural(len(ids), "dead letter")
    return Plan(
        title=f"Restore {what}", button="Restore", risk="undo", targets=ids,
        run=lambda operator: operator.submit("dlq_restore", ids), done=f"{what} restored",
    )  # fmt: skip


# ---- runs and everything ------------------------------------------------------------------


def stop_run(running: Running, row_id: str, now: float) -> Plan:
    """End a sub-session. What it did so far is not undone, its tick becomes a dead letter."""
    started = times.moment(running.started_at)
    age = f" after {times.timer(now - started)}" if started else ""
    return Plan(
        title=f"Stop the run of {running.cadence}", button="Stop it", risk="final",
        targets=(row_id,), run=lambda operator: operator.submit("cancel", [running.run_id]),
        done=f"the run of {running.cadence} is being ended", asked="stop", word="stop",
        lines=(
            f"Run {data(running.run_id, 60)}{age}, attempt {running.attempt}.",
            "Its process and all it started are ended. Its tick becomes a dead letter.",
            "What it has done so far is not undone.",
        ),
    )  # fmt: skip


def leave(running: Sequence[Running]) -> Plan:
    """Leave the console while sub-sessions of its own consumer run."""
    names = ", ".join(data(one.cadence, 60) for one in running[:3])
    return Plan(
        title="Leave the console", button="Leave", risk="cost", targets=(), waits=True,
        run=lambda _operator: None, done="",
        lines=(
            f"The consumer runs in this console: {names} would be ended.",
            "Ticks go back to the inbox, no attempt is spent.",
            "Or wait: the console leaves by itself as soon as nothing runs.",
        ),
    )  # fmt: skip


def engage_stop() -> Plan:
    """The emergency stop. Nothing is asked: the chord is the question."""
    return Plan(
        title="Emergency stop", button="Stop", risk="undo", targets=(),
        run=lambda operator: operator.emergency_stop(reason="from the console"),
        done="EMERGENCY STOP: nothing is claimed any more. X on a running cadence ends its run",
        undo=lift_stop(),
    )  # fmt: skip


def engage_kill(running: int) -> Plan:
    """The emergency stop that also ends what runs."""
    return Plan(
        title="Emergency stop, and end what runs", button="Stop all", risk="final", targets=(),
        run=lambda operator: operator.emergency_stop(kill=True, reason="from the console"),
        done="EMERGENCY STOP: nothing is claimed, what ran is being ended", word="stop",
        lines=(
            f"{plural(running, 'running sub-session')} ended now; ticks go back to the inbox."
            if running
            else "Nothing runs now.",
            "Nothing is claimed until the stop is lifted.",
        ),
    )  # fmt: skip


def lift_stop(marker: MarkerView | None = None) -> Plan:
    """Lift the emergency stop: the agent works again. Says who engaged it, and why."""
    lines = ["A consumer claims ticks again at once."]
    if marker is not None:
        why = f": {data(marker.reason, 400)}" if marker.reason else ", without a reason"
        lines.insert(0, f"Engaged by {data(marker.by or 'somebody', 80)}{why}")
    return Plan(
        title="Lift the emergency stop", button="Lift", risk="cost", targets=(),
        run=lambda operator: operator.clear_emergency_stop(),
        done="emergency stop lifted: the consumer claims again",
        lines=tuple(lines),
    )  # fmt: skip


def outcome_words(plan: Plan, result: Any) -> tuple[str, bool]:
    """What to say of an answer, and whether all of it worked."""
    answers = result if isinstance(result, list) else [result]
    outcomes = [one for ack in answers for one in getattr(ack, "outcomes", ())]
    failed = [one for one in outcomes if not one.ok]
    if not failed:
        idle = [one for one in outcomes if one.detail in (PAUSED_ALREADY, NOT_PAUSED)]
        told = ", ".join(f"{one.target} {one.detail}" for one in idle[:3])
        return (told if idle and len(idle) == len(outcomes) else plan.done), True
    first = f"{failed[0].target}: {failed[0].detail}"
    rest = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return f"{plan.title}: {first}{rest}", False
