"""One repaint clock for all log views of an app, and what keeps it from flooding the line.

Eight looks a second at the visible logs. A frame is drawn when the wire has room for what
nobody asked for; where there is no wire, when the last one has left for the terminal and a
budget of bytes a second is not used up. Keys do not wait for it. It stops without a view.
"""

from __future__ import annotations

import time
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from textual.app import App
from textual.timer import Timer
from textual.widget import Widget

INTERVAL = 0.125
WIRE_BUDGET = 30_000
"""Bytes a second that frames of logs may send, all views together: room on a 320 kbit/s line."""

LEAST_BUDGET = 4_000
"""What is left of it on a line that is slower still."""

CALM = 20
"""Looks without anything new after which they are made less often."""

CALM_INTERVAL = 0.3


class Ticking(Protocol):
    """What the clock needs of a view."""

    def look(self) -> bool:
        """Look at the file; True when something is to be drawn."""
        ...

    def draw(self) -> int:
        """Draw it; about how many bytes that sends."""
        ...


class Budget:
    """Frames are spaced so that they cost at most `rate` bytes a second."""

    def __init__(self, rate: float = WIRE_BUDGET) -> None:
        self.rate = self._most = rate
        self._free_at = 0.0

    def allows(self, now: float) -> bool:
        return now >= self._free_at

    def spend(self, count: int, now: float) -> None:
        self._free_at = max(now, self._free_at) + count / self.rate

    def saw(self, waiting: int) -> None:
        """Adapt to the line: down quickly while writes wait for it, up again slowly."""
        if waiting:
            self.rate = max(min(LEAST_BUDGET, self._most), self.rate * 0.8)
        else:
            self.rate = min(self._most, self.rate * 1.02)


class LogClock:
    """The clock of one app; get it with `clock_of`. Runs on the app's thread."""

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self.budget = Budget()
        self._views: dict[Ticking, bool] = {}
        self._timer: Timer | None = None
        self._quiet = 0

    def add(self, view: Ticking) -> None:
        """Begin to look at the file of a view that came on the screen."""
        self._views[view] = True
        self._quiet = 0
        if self._timer is None:
            self._again()

    def remove(self, view: Ticking) -> None:
        """The clock stops by itself when no view is left."""
        self._views.pop(view, None)

    def stop(self) -> None:
        """Stand still; `tick` can be called by hand."""
        if self._timer is not None:
            self._timer.stop()

    def _again(self) -> None:
        interval = CALM_INTERVAL if self._quiet > CALM else INTERVAL
        self._timer = self._app.set_timer(interval, self._ring, name="log clock")

    def _ring(self) -> None:
        self._timer = None
        if self._views:
            self._again()
            self.tick()

    def tick(self) -> None:
        """One look at every file; one frame if there is something to draw and room for it."""
        for view in self._views:
            if view.look():
                self._views[view] = True
        if not any(self._views.values()):
            self._quiet += 1
            return
        self._quiet = 0
        now = time.monotonic()
        if self._room(now):
            self._draw(now)

    def _room(self, now: float) -> bool:
        """The wire knows what the line carries and what was sent; without it, by guess."""
        wire = getattr(self._app, "wire", None)
        if wire is not None:
            return bool(wire.may_paint())
        waiting = backlog(self._app)
        self.budget.saw(waiting)
        return not waiting and self.budget.allows(now)

    def _draw(self, now: float) -> None:
        for view, dirty in list(self._views.items()):
            if dirty:
                self.budget.spend(view.draw(), now)
                self._views[view] = False


def resting(view: Widget) -> bool:
    """Whether nothing of it should move now: it is not seen, or its screen says FROZEN."""
    if not view.size or not view.display or not view.screen.is_current:
        return True
    here = getattr(view.app, "here", None) if hasattr(view.screen, "show_strip") else None
    return here is not None and here.frozen_at is not None


def backlog(app: App[Any]) -> int:
    """Writes that wait for the terminal; more than none means that it is slower than we are."""
    writer = getattr(app._driver, "_writer_thread", None)
    queue = getattr(writer, "_queue", None)
    return queue.qsize() if queue is not None else 0


_clocks: WeakKeyDictionary[App[Any], LogClock] = WeakKeyDictionary()


def clock_of(app: App[Any]) -> LogClock:
    """The one log clock of that app."""
    if app not in _clocks:
        _clocks[app] = LogClock(app)
    return _clocks[app]
