"""What both directions of a move share: how it begins and ends, and what is told of it.

    folders  shelf ──rename──▶ moving/ ──arrive──▶ queue     each step is durable before the next
    server   queue ──take──▶ under way ──stage──▶ moving/ ──rename──▶ shelf

Under consumer.lock, in one thread. Stopped anywhere and begun again it goes on from there,
whatever consumers of either side have done meanwhile.
"""

from __future__ import annotations

import socket
import uuid
from collections.abc import Callable
from typing import Literal

from msgspec import Struct, field

from maestro_core.clock import Clock, iso
from maestro_core.errors import Refused
from maestro_core.fleet.connect import Link
from maestro_core.fleet.moves import Depot, Shelf
from maestro_core.migrate.level import Level
from maestro_core.migrate.yard import Yard

BATCH = 500
"""Ticks on their way at once."""

Direction = Literal["server", "folders"]


class Kept(Struct, frozen=True):
    """A tick that stays where it was, and why."""

    shelf: Shelf
    id: str
    reason: str


class Report(Struct, kw_only=True):
    """What was done, or would be."""

    to: Direction
    server: str
    resumed: bool = False
    moved: dict[Shelf, int] = field(default_factory=lambda: {"inbox": 0, "dlq": 0, "trash": 0})
    kept: list[Kept] = []
    aside: list[tuple[str, str]] = []
    """Names and reasons of what is no tick: it went to quarantine, where it was."""
    level: Level = Level()
    """Pauses, stop and circuits that were moved; they stay if ticks do."""
    quarantined: int = 0
    """Files or rows in the old side's quarantine, which stay there."""
    running: int = 0
    """Ticks that were claimed meanwhile, on the old side."""

    @property
    def whole(self) -> bool:
        """Nothing is left behind."""
        return not self.kept and not self.running


Tell = Callable[[Report], None]
"""Called after every batch."""


class Move:
    """One move under way: both sides of it, and its report."""

    def __init__(
        self, yard: Yard, link: Link, clock: Clock, to: Direction, tell: Tell = lambda _: None
    ) -> None:
        self.yard = yard
        self.link = link
        self.clock = clock
        self.report = Report(to=to, server=link.target.shown)
        self.tell = tell
        self.depot = Depot(link, "")

    def begin(self) -> None:
        """Make it known to both sides, or take up the unfinished one. Raises Refused."""
        note = self.yard.note()
        self.report.resumed = note is not None
        note = note or self._new()
        self.depot = Depot(self.link, note["move"])
        if self.depot.note() is None:
            if any(self.yard.staged(shelf) for shelf in self.report.moved):
                raise Refused(
                    f"{self.link.target.shown} knows nothing of the move that is unfinished here",
                    f"it began with {note['server']}",
                )
            self.depot.remember(self._said())

    def _new(self) -> dict[str, str]:
        note = {"move": uuid.uuid4().hex, "to": self.report.to, "server": self.report.server}
        self.yard.remember(note | {"since": iso(self.clock.wall())})
        return note

    def _said(self) -> dict[str, object]:
        return {
            "to": self.report.to,
            "host": socket.gethostname(),
            "root": str(self.yard.layout.root),
            "since": iso(self.clock.wall()),
            "level": False,
        }

    def once_level(self, carry: Callable[[], None]) -> None:
        """Carry the level state over, once a move: it may be changed there afterwards."""
        note = self.depot.note() or self._said()
        if not note.get("level"):
            carry()
            self.depot.remember(note | {"level": True})

    def end(self) -> None:
        """Nothing is under way any more: both sides forget the move."""
        self.depot.forget()
        self.yard.forget()

    def keep(self, shelf: Shelf, tick_id: str, reason: str) -> None:
        self.report.kept.append(Kept(shelf, tick_id, reason))

    def kept_ids(self, shelf: Shelf) -> set[str]:
        return {one.id for one in self.report.kept if one.shelf == shelf}
