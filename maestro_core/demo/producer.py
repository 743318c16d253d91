"""Drops ticks into the demo's inbox while it is shown, as schedules and people would.

`step` says what is due at a moment and drops it; `start` runs it in a thread of its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

from msgspec import Struct

from maestro_core.bus.producer import ABSENT, make_document, publish_tick
from maestro_core.clock import Clock, SystemClock
from maestro_core.errors import MaestroError
from maestro_core.layout import Layout

WAITING = 3
"""A cadence with so many waiting ticks gets no more: a paused one must not pile up."""


class Beat(Struct, frozen=True):
    """One source of ticks: first after `first` seconds, then every `every`."""

    cadence: str
    first: float
    every: float
    source: str = "schedule"
    priority: int = 0
    payload: object = ABSENT
    mail: bool = False
    """Puts a file into state/inbox before, so that the guard lets it through."""


SCORE = (
    Beat("heartbeat", 0.5, 10),
    Beat("weekly-strategic-memo", 1, 110),
    Beat("market-scan", 2, 17),
    Beat("invoice-chaser", 3, 14),
    Beat("crm-sync", 4, 21),
    Beat("inbox-processor", 6, 24, source="mail-hook", mail=True, payload={"mailbox": "sales"}),
    Beat("social-poster", 7, 30),
    Beat("report-builder", 9, 40, source="api", priority=2),
    Beat("inbox-processor", 14, 24),
)


class DemoProducer:
    """Drops what SCORE says. One `start`, one `stop`; `step` alone for tests."""

    def __init__(self, layout: Layout, clock: Clock | None = None) -> None:
        self._layout = layout
        self._clock = clock or SystemClock()
        self._due = {number: beat.first for number, beat in enumerate(SCORE)}
        self._begun = self._clock.awake()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def step(self) -> list[str]:
        """Drop every tick that is due; their ids."""
        elapsed = self._clock.awake() - self._begun
        return [self._drop(beat) for beat in self._take_due(elapsed) if not self._enough(beat)]

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="demo-producer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No tick is dropped after this returns."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.5):
            try:
                self.step()
            except (MaestroError, OSError):
                continue  # the disk said no, or the folder went away: the next beat will tell

    def _take_due(self, elapsed: float) -> Iterator[Beat]:
        for number, beat in enumerate(SCORE):
            if self._due[number] <= elapsed:
                self._due[number] = elapsed + beat.every
                yield beat

    def _enough(self, beat: Beat) -> bool:
        mark = f"-{beat.cadence}-"
        return sum(mark in name for name in os.listdir(self._layout.inbox)) >= WAITING

    def _drop(self, beat: Beat) -> str:
        if beat.mail:
            folder = self._layout.root / "state" / "inbox"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "message.md").write_text("When does my order ship?\n")
        document = make_document(
            beat.cadence, source=beat.source, now_wall=self._clock.wall(),
            payload=beat.payload, priority=beat.priority,
        )  # fmt: skip
        return publish_tick(self._layout, document)[0]
