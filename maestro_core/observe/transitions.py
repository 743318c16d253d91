"""What happened between two snapshots that people should be told of: for a bell, a flash, a
desktop notification. The same words as the notices of the consumer use. Pure.

`transitions(before, after)` belongs where a console takes a new snapshot. It tells changes
only: without a `before` there are none, and what lasts is not repeated.
"""

from __future__ import annotations

from collections.abc import Iterator

from maestro_core.clock import iso
from maestro_core.notices.notice import Kind, Notice
from maestro_core.observe.snapshot import CadenceView, ConsumerView, Snapshot

_ALIVE = ("live", "stale")
_GONE: dict[str, tuple[Kind, str]] = {
    "crashed": ("consumer_crashed", "the consumer crashed or was killed"),
    "stale": ("consumer_gone", "the consumer gives no sign of life"),
    "stopped": ("consumer_stopped", "the consumer was stopped"),
    "none": ("consumer_gone", "the consumer is gone"),
}


def transitions(before: Snapshot | None, after: Snapshot) -> list[Notice]:
    """The changes, in no particular order; none when either is of another agent root."""
    if before is None or before.root != after.root:
        return []
    at = iso(after.at)
    return [
        Notice(kind=kind, subject=subject, text=text, at=at, count=count)
        for kind, subject, text, count in _found(before, after)
    ]


_Found = Iterator[tuple[Kind, str, str, int]]


def _found(before: Snapshot, after: Snapshot) -> _Found:
    yield from _consumer(before.consumer, after.consumer)
    yield from _holds(before.consumer, after.consumer)
    if before.emergency_stop is None and after.emergency_stop is not None:
        yield "emergency_stop", "", "emergency stop", 1
    elif before.emergency_stop is not None and after.emergency_stop is None:
        yield "emergency_stop_cleared", "", "emergency stop cleared", 1
    known = {view.name: view for view in before.cadences}
    for view in after.cadences:
        yield from _cadence(known.get(view.name), view, before.at, after.at)


def _consumer(before: ConsumerView, after: ConsumerView) -> _Found:
    worse = before.word == "live" and after.word != "live"
    if worse or (before.word == "stale" and after.word not in _ALIVE):
        kind, text = _GONE[after.word]
        yield kind, "", text, 1
    if after.settings_error and after.settings_error != before.settings_error:
        yield "settings", "", f"settings refused: {after.settings_error}", 1
    if after.trouble and not before.trouble:
        yield "trouble", "", f"trouble: {after.trouble}", 1


def _holds(before: ConsumerView, after: ConsumerView) -> _Found:
    was = before.hold.kind if before.hold is not None else None
    now = after.hold.kind if after.hold is not None else None
    if now is not None and now != was and after.hold is not None:
        yield now, "", f"every cadence waits ({now}): {after.hold.reason}", 1
    elif was is not None and now is None:
        yield "hold_lifted", "", f"cadences run again, {was} hold lifted", 1


def _cadence(before: CadenceView | None, after: CadenceView, then: float, now: float) -> _Found:
    name = after.name
    was, is_open = _is_open(before, then), _is_open(after, now)
    if is_open and not was and not _half_open(before):
        text = f"circuit of {name} opened after {after.failures} failures"
        yield "circuit_opened", name, text, 1
    elif (was or _half_open(before)) and not is_open and not _half_open(after):
        yield "circuit_closed", name, f"circuit of {name} closed", 1
    more = after.dead - (before.dead if before is not None else 0)
    if more > 0:
        yield "dead_letter", name, f"dead letter of {name}", more


def _is_open(view: CadenceView | None, now: float) -> bool:
    return view is not None and view.open_until is not None and view.open_until > now


def _half_open(view: CadenceView | None) -> bool:
    return view is not None and view.state == "half_open"
