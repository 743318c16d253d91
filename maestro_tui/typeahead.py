"""Keys one after the other: the next one is sent on only when the last one has had its effect.

Textual sends every key at once to the widget that has the focus then. Somebody who types `/P`
in one go, over a line that delivers both together, would pause a cadence where they meant the
letter P. A follower goes the way of each key, from the widget up to the app; when it is there,
the key is done. Main thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from textual.events import Key
from textual.message_pump import MessagePump

if TYPE_CHECKING:
    from textual.app import App

PATIENCE = 0.3
"""Seconds after which a key whose follower was lost (its screen went away) counts as done."""

MOMENT = 0.01
"""Seconds between two looks whether a screen that was opened is there."""

Send = Callable[[Key], Awaitable[None]]


class TypeAhead:
    """See the module docstring. `send` hands a key to Textual."""

    def __init__(self, app: App[Any], send: Send) -> None:
        self._app, self._send = app, send
        self._waiting: deque[Key] = deque()
        self._number = 0
        self._sent_at: float | None = None
        """None = no key is on its way."""

    async def take(self, key: Key) -> None:
        """A key was pressed."""
        self._waiting.append(key)
        await self._next()

    async def _next(self) -> None:
        if self._sent_at is not None and monotonic() - self._sent_at < PATIENCE:
            return
        if not self._waiting:
            return
        if not self._app.screen.is_mounted:  # it has just been opened: the key is meant for it
            self._app.set_timer(MOMENT, self._next)
            return
        key = self._waiting.popleft()
        self._number += 1
        self._sent_at = monotonic()
        target = self._app.focused or self._app.screen
        await self._send(key)
        self._follow(target, self._number)
        if self._waiting:
            self._app.set_timer(PATIENCE, self._next)

    def _follow(self, pump: MessagePump, number: int) -> None:
        """Behind the key in that pump's queue; one that is closing is passed over."""
        if not pump.call_later(partial(self._passed, pump, number)) and pump is not self._app:
            self._follow(pump._parent or self._app, number)

    async def _passed(self, pump: MessagePump, number: int) -> None:
        if pump is not self._app:
            self._follow(pump._parent or self._app, number)
        elif number == self._number:
            self._sent_at = None
            await self._next()
