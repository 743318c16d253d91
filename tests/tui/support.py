"""Opens a console in a test and waits for what it shows, with a deadline and without sleeping."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from textual.pilot import Pilot

from maestro_tui.app import MaestroApp
from maestro_tui.backend import Backend

DEADLINE = 15.0


async def until(pilot: Pilot[Any], condition: Callable[[], object], what: str = "") -> None:
    """Let the app work until `condition()` is true; AssertionError after the deadline."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"did not come: {what or condition}\n{shown(pilot.app)}"
        await pilot.pause(0.005)


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
