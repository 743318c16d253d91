"""One cadence is looked at: if a due time has come, its tick goes onto the bus, once.

The tick first, then the memory of it: after a crash in between the same tick, having the same
id, is found on the bus. While the tick of an earlier due time still waits in the inbox it
stands for the new one too, so that a held cadence does not pile up work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

from msgspec import Struct
from msgspec.structs import replace

from maestro_core.clock import Clock
from maestro_core.files import FileSystem
from maestro_core.layout import NAME, Layout
from maestro_core.models import Receipt, Tick
from maestro_core.schedule.decide import Record, decide
from maestro_core.schedule.tick import due_tick
from maestro_core.settings import Settings
from maestro_core.settings_schedule import zone

Enqueue = Callable[[Tick], Receipt]
"""Puts a tick onto the bus; FileExistsError when one with its id is there."""


class Outlet(Protocol):
    """The bus that due ticks go to. OSError or BusError: it cannot tell, or take them, now."""

    def now(self) -> float:
        """Wall epoch seconds by the bus's clock."""
        ...

    def waits(self, tick_id: str) -> bool:
        """Whether that tick is still waiting to be claimed."""
        ...

    def enqueue(self, tick: Tick) -> Receipt:
        """Put it onto the bus. FileExistsError, or no fresh receipt: it is or was there."""
        ...


class FileOutlet:
    """The folders of one agent root."""

    def __init__(self, layout: Layout, fs: FileSystem, clock: Clock, enqueue: Enqueue) -> None:
        self._layout = layout
        self._fs = fs
        self.now = clock.wall
        self.enqueue = enqueue

    def waits(self, tick_id: str) -> bool:
        return self._fs.exists(self._layout.inbox / f"{tick_id}.json")


class Produced(Struct, frozen=True):
    """`word`: enqueued, there (it was on the bus already), covered (an earlier tick waits)."""

    word: Literal["enqueued", "there", "covered"]
    cadence: str
    due: float
    tick_id: str


class Look(Struct, frozen=True):
    """What a look came to; `record` is what is remembered from now on."""

    produced: Produced | None
    record: Record | None


def look(
    outlet: Outlet, settings: Settings, cadence: str, *,
    before: Record | None, source: str, now: float, called: bool,
) -> Look:  # fmt: skip
    """Enqueue the latest due time of a cadence that has a schedule, if it is not dealt with.

    Writes nothing but the tick: the caller stores `record`, when there is one.

    Raises:
        OSError, BusError: the disk would not have the tick; nothing is remembered.
    """
    own = settings.cadences[cadence]
    name = settings.schedules.time_zone
    decision = decide(before, own.schedule or "", name, now, zone(name), called=called)
    if decision.due is None or decision.record is None:
        return Look(None, decision.record)
    if before is not None and _waits(outlet, before.tick_id):
        produced = Produced("covered", cadence, decision.due, before.tick_id or "")
        return Look(produced, replace(decision.record, covered=before.covered + 1))
    tick = due_tick(cadence, decision.due, source=source, priority=own.priority, now=now)
    try:
        receipt = outlet.enqueue(tick)
        word: Literal["enqueued", "there"] = "enqueued" if receipt.fresh else "there"
        produced = Produced(word, cadence, decision.due, receipt.id)
    except FileExistsError:
        produced = Produced("there", cadence, decision.due, tick.id)
    record = replace(
        decision.record, due=decision.due, tick_id=produced.tick_id, source=source, covered=0
    )
    return Look(produced, record)


def _waits(outlet: Outlet, tick_id: str | None) -> bool:
    return tick_id is not None and NAME.match(tick_id) is not None and outlet.waits(tick_id)
