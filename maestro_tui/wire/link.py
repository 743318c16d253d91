"""Between an app and its driver: frames are painted, compared, and sent when the line has room.

Frames of one moment become one, however many there were. Everything is on the app's thread but
`pressed` and `reported`, which the driver's reader calls.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from threading import Event
from typing import Protocol

from rich.color import ColorSystem
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate

from maestro_tui.wire.cells import Picture
from maestro_tui.wire.flow import ECO, NORMAL, Flow
from maestro_tui.wire.sgr import Pens
from maestro_tui.wire.shown import Shown

ASK = "\x1b[6n"
SYNC = ("\x1b[?2026h", "\x1b[?2026l")
SYNC_FROM = 200
"""Bytes: smaller frames are there at once anyway."""
REPAIR = "\x1b[m\x1b(B\x0f\x1b[r\x1b[?6l\x1b[?7l\x1b[?25l"
"""Pen, character set, margins, origin and wrapping as frames need them, no cursor."""
PRESSED = 0.4
"""Seconds after a key in which what is shown counts as its effect."""
ANSWERING = 0.04
"""Seconds after a key in which nothing unasked is begun."""
PATIENCE = 0.4
"""Seconds that leaving waits for the last report: it would be typed into the next program."""


class Output(Protocol):
    """What the wire needs of a driver."""

    def write(self, data: str) -> None: ...
    def flush(self) -> None: ...
    @property
    def backlog(self) -> int:
        """Writes that the terminal has not taken yet."""
        ...


class Wire:
    """See the module docstring. `eco`: spare the line whatever it carries."""

    def __init__(
        self, output: Output, *, eco: bool = False, system: ColorSystem = ColorSystem.TRUECOLOR,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.flow = Flow(ECO if eco else NORMAL)
        self.synchronized = False
        """The terminal confirmed that it shows a frame at once."""
        self.frames = self.bytes = 0
        """Sent so far."""
        self._output, self._clock = output, clock
        self._pens = Pens(min(system, ColorSystem.EIGHT_BIT) if eco else system)
        self._shown = Shown()
        self._picture = Picture(0, 0, self._pens)
        self._urgent: dict[int, None] = {}
        self._unasked: dict[int, None] = {}
        self._begun = False
        """The last frame was too long for the line; its rest goes before anything new."""
        self._place = (0, 0)
        self._epoch = 0
        self._open = False
        self._held = False
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._pressed_at = float("-inf")
        self._painting_since: float | None = None
        self._owed = 0
        self._quiet = Event()

    # ---- life -----------------------------------------------------------------------------

    def open(self) -> None:
        """The terminal is ours, and nothing is known of what it shows."""
        self._open, self._owed = True, 0
        self.flow.restart()
        self.forget()
        self._ask("", self._clock())

    def close(self) -> None:
        """The terminal will be somebody else's: let no report be on its way to them."""
        self._open = False
        self._cancel()
        if self._owed > 0 and not self.flow.deaf:
            self._quiet.clear()
            if self._owed > 0:
                self._quiet.wait(PATIENCE)

    def hold(self) -> None:
        """Send no frame until `release`: what is painted first would be blank."""
        self._held = True

    def release(self) -> None:
        """What was painted meanwhile goes, as one frame."""
        if self._held:
            self._held = False
            self.send()

    def forget(self) -> None:
        """The terminal may show anything: the next frame says every cell."""
        self._epoch += 1
        self._shown.forget()
        self._unasked.update(dict.fromkeys(range(self._picture.height)))
        self._later(0.0)

    def redraw(self) -> None:
        """Put the terminal right and say every cell, at once."""
        if self._open:
            self._output.write(REPAIR)
            self.forget()
            self._urgent.update(dict.fromkeys(range(self._picture.height)))
            self.send()

    # ---- from the driver's reader ---------------------------------------------------------

    def pressed(self) -> None:
        """Somebody did something: what comes next is what they wait for."""
        self._pressed_at = self._clock()

    def reported(self) -> None:
        """The terminal has come so far."""
        self._loop.call_soon_threadsafe(self._reported, self._clock())
        self._owed -= 1
        if self._owed <= 0:
            self._quiet.set()

    def _reported(self, now: float) -> None:
        self.flow.reported(now)
        self.send()

    # ---- frames ---------------------------------------------------------------------------

    def may_paint(self) -> bool:
        """May something that nobody asked for be painted now? If so it is what is shown next."""
        now = self._clock()
        if self.pending or now - self._pressed_at < ANSWERING or self._output.backlog:
            return False
        room = self.flow.room(now, urgent=False) > 0
        self._painting_since = now if room else None
        return room

    def _urgent_now(self) -> bool:
        """Is what is shown now the effect of what somebody did?"""
        began, self._painting_since = self._painting_since, None
        if began is not None and self._pressed_at < began:
            return False
        return self._clock() - self._pressed_at < PRESSED

    @property
    def pending(self) -> bool:
        """Is something painted that was not sent yet?"""
        return bool(self._urgent or self._unasked)

    def show(self, update: CompositorUpdate, cursor: tuple[int, int]) -> None:
        """Paint what Textual composed, and send as much of it as there is room for."""
        rows = self._paint(update)
        (self._urgent if self._urgent_now() else self._unasked).update(dict.fromkeys(rows))
        self._place = cursor
        self.send()

    def _paint(self, update: CompositorUpdate) -> set[int]:
        if isinstance(update, ChopsUpdate):
            self._fit(update.chop_ends[0][-1] if update.chop_ends else 0, len(update.chops))
            return self._picture.paint_spans(update.spans, update.chops, update.chop_ends)
        if isinstance(update, LayoutUpdate):
            x, y, width, height = update.region
            self._fit(x + width, y + height)
            return self._picture.paint_rows(x, y, update.strips)
        raise TypeError(f"an update of a kind that is not known: {type(update).__name__}")

    def _fit(self, width: int, height: int) -> None:
        """A screen of another size is painted from nothing."""
        if (width, height) != (self._picture.width, self._picture.height):
            self._picture = Picture(width, height, self._pens)
            self._urgent, self._begun = {}, False
            self._unasked = dict.fromkeys(range(height))
            self._epoch += 1

    def send(self) -> None:
        """Send what there is room for; what is left goes when a report or the time makes room."""
        if not self._open or self._held or not self.pending:
            return
        now = self._clock()
        if self._output.backlog > (1 if self._urgent else 0):
            self._later(0.02)
            return
        room = self.flow.room(now, urgent=bool(self._urgent), begun=self._begun)
        if room:
            self._send(room, now)
        if self.pending:
            self._later(self.flow.wait(now))

    def _send(self, room: int, now: float) -> None:
        epoch, urgent = self._epoch, bool(self._urgent)
        rows = self._urgent if urgent else self._unasked
        text, left = self._shown.update(self._picture, rows, room)
        if epoch != self._epoch:
            self.forget()  # a signal suspended us meanwhile: the terminal is another one
            return
        if urgent:
            for row in self._urgent:
                self._unasked.pop(row, None)
            self._urgent = dict.fromkeys(left)
        else:
            self._unasked, self._begun = dict.fromkeys(left), bool(left)
        if text:
            self._write(text, now, urgent)

    def _write(self, text: str, now: float, urgent: bool) -> None:
        text += self._home()
        if self.synchronized and len(text) > SYNC_FROM and not self.flow.slow:
            text = text.join(SYNC)
        self.frames += 1
        size = len(text.encode())
        self.bytes += size
        if self.flow.sent(size, now, urgent):
            text += self._question()
        self._output.write(text)
        self._output.flush()

    def _home(self) -> str:
        """Where an input method looks for the cursor."""
        return self._shown.place(*self._place) if self._place != (0, 0) else ""

    def _ask(self, text: str, now: float) -> None:
        if self.flow.sent(len(ASK), now, urgent=True):
            self._output.write(text + self._question())

    def _question(self) -> str:
        """A report names the cursor's place, and one in the first row reads like shift+F3."""
        self._owed += 1
        cursor = self._shown.cursor
        if cursor is not None and cursor[1] > 0:
            return ASK
        return f"{self._shown.place(0, 1)}{ASK}{self._home()}"

    # ---- waiting --------------------------------------------------------------------------

    def _later(self, seconds: float) -> None:
        if self._open:
            self._cancel()
            self._timer = self._loop.call_later(seconds, self.send)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
