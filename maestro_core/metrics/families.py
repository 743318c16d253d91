"""One snapshot as metric families of the official client. Pure, but for that library.

Names and labels are an interface: they are only added to. Times are Unix seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from maestro_core import __version__
from maestro_core.clock import parse_iso
from maestro_core.models import CadenceWord, RunRow
from maestro_core.observe.snapshot import CadenceView, ConsumerView, Snapshot
from maestro_core.text import visible

STATES: tuple[str, ...] = get_args(CadenceWord)
_COUNTERS = {
    "ticks": "Ticks claimed",
    "inline": "Ticks done inline",
    "escalated": "Ticks done by a sub-session",
    "retries": "Ticks put back for another attempt",
    "dlq": "Ticks that became dead letters",
    "spawn_failures": "Runs that failed",
    "skipped_circuit_open": "Ticks held by an open circuit",
    "skipped_backoff": "Ticks held by back-off",
    "skipped_emergency_stop": "Ticks held by an emergency stop",
}


def families(snapshot: Snapshot) -> Iterator[Metric]:
    """Everything, in a fixed order."""
    yield _labelled("maestro", "Agent and installed version", {
        "agent": visible(snapshot.agent, 200), "version": __version__,
    })  # fmt: skip
    if snapshot.unknown is None:  # else no number is true, not even 0
        yield from _consumer(snapshot.consumer, snapshot.at)
        yield from _bus(snapshot)
        yield from _cadences(snapshot.cadences)
    yield _gauge("problems", "Files that could not be read", len(snapshot.problems))


def _gauge(name: str, says: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"maestro_{name}", says, value=value)


def _labelled(name: str, says: str, labels: dict[str, str]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"{name}_info", says, labels=list(labels))
    family.add_metric(list(labels.values()), 1)
    return family


def _consumer(view: ConsumerView, now: float) -> Iterator[Metric]:
    yield _gauge("consumer_up", "1 while a consumer gives signs of life", view.word == "live")
    if view.beat_at is not None:
        age = max(0.0, now - view.beat_at)
        yield _gauge("consumer_beat_age_seconds", "Age of the last heartbeat", age)
    if view.word in ("live", "stale"):
        labels = {"version": view.version or "", "mode": view.mode or ""}
        yield _labelled("maestro_consumer", "The running consumer", labels)
        if view.started_at is not None:
            said = "When the consumer was started"
            yield _gauge("consumer_start_time_seconds", said, view.started_at)
    if view.stats is not None:
        for name, says in _COUNTERS.items():
            value = getattr(view.stats, name)
            yield CounterMetricFamily(f"maestro_consumer_{name}", f"{says} since its start", value)
    trouble = bool(view.trouble or view.settings_error)
    yield _gauge("consumer_trouble", "1 while it is kept from working or settings fail", trouble)
    hold = GaugeMetricFamily("maestro_hold", "1 while every cadence waits", labels=["kind"])
    for kind in ("quota", "overload", "auth", "budget"):
        hold.add_metric([kind], view.hold is not None and view.hold.kind == kind)
    yield hold


def _bus(snapshot: Snapshot) -> Iterator[Metric]:
    stop = snapshot.emergency_stop is not None
    yield _gauge("emergency_stop", "1 while an emergency stop is engaged", stop)
    ticks = GaugeMetricFamily("maestro_ticks", "Files in the folders of the bus", labels=["place"])
    for place in ("inbox", "claimed", "dlq", "quarantine"):
        ticks.add_metric([place], getattr(snapshot.counts, place))
    yield ticks
    yield _gauge("open_circuits", "Cadences with an open circuit", snapshot.counts.open_circuits)
    yield _gauge("running", "Runs that are going on", len(snapshot.running))
    yield _gauge("cost_today_usd", "Cost of today's runs (UTC) in USD", snapshot.cost_today)


def _cadences(views: tuple[CadenceView, ...]) -> Iterator[Metric]:
    states = GaugeMetricFamily(
        "maestro_cadence_state", "1 for the state that it is in", labels=["cadence", "state"]
    )
    for view in views:
        for state in STATES:
            states.add_metric([view.name, state], view.state == state)
    yield states
    for name, says in _BY_CADENCE.items():
        family = GaugeMetricFamily(f"maestro_cadence_{name}", says, labels=["cadence"])
        for view in views:
            value = _value(view, name)
            if value is not None:
                family.add_metric([view.name], value)
        yield family


_BY_CADENCE = {
    "failures": "Failures in a row",
    "waiting": "Ticks in the inbox",
    "dead": "Dead letters",
    "running": "1 while it runs",
    "paused": "1 while an operator holds it",
    "next_due_timestamp_seconds": "Next due time of its schedule",
    "usual_seconds": "Median duration of its recent successful runs",
    "last_run_end_timestamp_seconds": "End of its last run",
    "last_run_ok": "1 when its last run succeeded",
    "last_run_seconds": "Duration of its last run",
    "last_run_cost_usd": "Cost of its last run",
}


def _value(view: CadenceView, name: str) -> float | None:
    last: RunRow | None = view.recent[-1] if view.recent else None
    match name:
        case "failures" | "waiting" | "dead" | "usual_seconds":
            return getattr(view, name)  # type: ignore[no-any-return]
        case "running" | "paused":
            return float(getattr(view, name) is not None)
        case "next_due_timestamp_seconds":
            return view.next_due
    if last is None:
        return None
    return _of_last_run(last, name)


def _of_last_run(last: RunRow, name: str) -> float | None:
    match name:
        case "last_run_ok":
            return float(last.outcome == "ok")
        case "last_run_seconds":
            return last.duration
        case "last_run_cost_usd":
            return last.usage.cost_usd
    try:
        return parse_iso(last.ended_at or "")
    except ValueError:
        return None
