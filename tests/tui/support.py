"""Opens a console in a test and waits for what it shows, with a deadline and without sleeping."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

from textual.message_pump import MessagePump
from textual.pilot import Pilot
from textual.widgets._toast import Toast

from maestro_core.bus.feed import Topic
from maestro_tui.app import MaestroApp
from maestro_tui.backend import Backend
from maestro_tui.widgets import log_view_clock

DEADLINE = 60.0
"""Seconds until a wait has failed: far more than anything takes, also beside other work."""


class QuietFeed:
    """A feed without hints: it waits until it is woken. `resting` = all that was is delivered."""

    def __init__(self) -> None:
        self._woken = threading.Event()
        self.resting = False

    def wait(self, timeout: float) -> frozenset[Topic]:
        self.resting = not self._woken.is_set()
        self._woken.wait()
        self.resting = False
        self._woken.clear()
        return frozenset()

    def wake(self) -> None:
        self.resting = False
        self._woken.set()

    def close(self) -> None:
        self.resting = True


async def until(pilot: Pilot[Any], condition: Callable[[], object], what: str = "") -> None:
    """Let the app work until `condition()` is true; AssertionError after the deadline."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"did not come: {what or condition}\n{shown(pilot.app)}"
        await pilot.pause(0.005)


# ---- until nothing is under way -----------------------------------------------------------


async def settled(pilot: Pilot[Any]) -> None:
    """Let the app work until all that was asked of it is done and painted, and stays so.

    No worker, message, timer that rings once, key or snapshot is on its way, the focus is where
    it was asked to be, no log has anything to draw, and two looks see the same picture.
    """
    app, end = pilot.app, time.monotonic() + DEADLINE
    calm, picture = 0, None
    while calm < 2:
        await pilot.pause(0.005)
        if (clock := _log_clock(app)) is not None:
            clock.tick()
        why, before, picture = under_way(app), picture, _picture(app)
        calm = calm + 1 if why is None and picture == before else 0
        assert time.monotonic() < end, f"never settled: {why or 'it moves'}\n{shown(app)}"


def under_way(app: Any) -> str | None:
    """What is not done yet; None = nothing."""
    if unfinished := [worker for worker in app.workers if not worker.is_finished]:
        return f"worker {unfinished[0].name or unfinished[0].group}"
    clock = _log_clock(app)
    if clock is not None and any(clock._views.values()):
        return "a log that is to be drawn"
    if isinstance(app, MaestroApp) and (why := _console_under_way(app)):
        return why
    for pump in _pumps(app):
        if not pump._message_queue.empty() or pump._next_callbacks:
            return f"messages of {pump}"
        if any(map(_rings_once, pump._timers)) and not isinstance(pump, Toast):
            return f"a timer of {pump}"
    return _unpainted(app.screen)


def _console_under_way(app: MaestroApp) -> str | None:
    watcher = app.feed._feed
    if app.feed.is_alive() and not getattr(watcher, "resting", watcher is not None):
        return "a snapshot"
    typed = app._typed
    if typed._waiting or typed._sent_at is not None:
        return "a key"
    return "an act" if app.requested else None


def _log_clock(app: Any) -> log_view_clock.LogClock | None:
    """The clock of its logs, unless a test has stopped it."""
    clock = log_view_clock._clocks.get(app)
    running = clock is not None and clock._timer is not None and clock._timer._task is not None
    return clock if running else None


def _unpainted(screen: Any) -> str | None:
    if screen._layout_required or screen._repaint_required or screen._dirty_widgets:
        return "a repaint"
    if screen._callbacks or screen._recompose_required:
        return "what comes after a repaint"
    focused = screen.focused
    return None if focused is None or focused.has_focus else "the focus"


def _pumps(app: Any) -> Iterator[MessagePump]:
    yield app
    for screen in app.screen_stack:
        if screen.is_mounted:
            yield from screen.walk_children(with_self=True)


def _rings_once(timer: Any) -> bool:
    """It will ring, and is none of those that go on for as long as they are needed."""
    over = timer._task is None or timer._task.done()
    return timer._repeat is not None and not over and timer.name != "log clock"


def _picture(app: Any) -> list[Any]:
    return [list(strip) for strip in app.screen._compositor.render_strips(app.size)]


# ---- a console ----------------------------------------------------------------------------


class Listening(MaestroApp):
    """Remembers what its toasts said, however short they were shown."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.heard: list[str] = []

    def notify(self, message: str, **options: Any) -> None:
        self.heard.append(message)
        super().notify(message, **options)


@asynccontextmanager
async def console(
    backend: Backend, size: tuple[int, int] = (120, 36), **options: Any
) -> AsyncIterator[tuple[MaestroApp, Pilot[Any]]]:
    """A console on that backend whose board has come."""
    app = Listening(backend, **options)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.snapshot is not None, "the first snapshot")
        await pilot.pause()
        yield app, pilot


def shown(app: Any) -> str:
    """The text on the screen, line by line."""
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips(app.size))


async def see(pilot: Pilot[Any], text: str) -> None:
    """Wait until that text is on the screen."""
    await until(pilot, lambda: text in shown(pilot.app), repr(text))


async def gone(pilot: Pilot[Any], text: str) -> None:
    """Wait until that text is no longer on the screen."""
    await until(pilot, lambda: text not in shown(pilot.app), f"{text!r} to go")


def said(app: MaestroApp) -> list[str]:
    """What the toasts said, oldest first."""
    assert isinstance(app, Listening)
    return app.heard
