"""The terminal's rough edges: bytes that are no UTF-8, a line that drops, signals to go.

A driver of its own reads the keys: broken bytes become replacement characters, and a
terminal that is gone ends the console instead of a busy loop. It tells the wire of keys and
of the terminal's reports, and its way out never hangs.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import signal
import socket
import threading
import time
from codecs import getincrementaldecoder
from collections.abc import Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any

from textual import events
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual._parser import ParseError
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Size

from maestro_tui.messages import Shutdown
from maestro_tui.splash import screen as splash
from maestro_tui.wire.outlet import Outlet

if TYPE_CHECKING:
    from textual.app import App
    from textual.message import Message

    from maestro_tui.wire.link import Wire

_READ = 4096
_WAIT = 0.1
"""Seconds between two looks whether a lone Escape was meant, while keys come."""
_RESTLESS = 1.0
"""Seconds after the last key in which that is looked at."""
_LEAVING = 2.0
"""Seconds that a terminal which has stopped reading has for our last words."""
LARGEST = 2000
"""Columns or rows of a screen: more is no terminal's report of its size."""
_BACKGROUND = 0.2
"""Seconds between two looks whether the shell has put us in front again."""
_SIGNALS = {
    signal.SIGHUP: "the terminal hung up",
    signal.SIGTERM: "it was asked to end",
    signal.SIGQUIT: "it was asked to end",
}


class _WakingEvent(threading.Event):
    """An event that a selector can wait for too: its `fd` can be read once it is set."""

    def __init__(self) -> None:
        super().__init__()
        self._near, self._far = socket.socketpair()
        self.fd = self._near.fileno()

    def set(self) -> None:
        super().set()
        self._far.send(b".")

    def clear(self) -> None:
        """Called by the one that has set it, after each `set`."""
        super().clear()
        self._near.recv(1)


class TerminalDriver(LinuxDriver):
    """Textual's driver with a reader that survives what real terminals do."""

    wire: Wire | None = None
    _entered = False
    _looking: asyncio.TimerHandle | None = None
    """In the background: when we look again whether we are in front."""

    def __init__(self, app: App[Any], **rest: Any) -> None:
        super().__init__(app, **rest)
        self.exit_event = self._leaving = _WakingEvent()
        # By the loop, not by Textual's handlers: Python runs those between any two instructions,
        # those of a queue that holds its lock too, and they write to that queue.
        self._loop.add_signal_handler(signal.SIGTSTP, self._to_the_shell)
        self._loop.add_signal_handler(signal.SIGCONT, self._from_the_shell)
        self.outlet = Outlet(self._lost)
        self._file: Any = self.outlet

    # ---- out --------------------------------------------------------------------------------

    @property
    def backlog(self) -> int:
        """Writes that the terminal has not taken yet."""
        queue = getattr(self._writer_thread, "_queue", None)
        return queue.qsize() if queue is not None else 0

    @property
    def _has_terminal(self) -> bool:
        """The terminal is ours: not before the start, nor while the shell has it."""
        return self._writer_thread is not None and self._writer_thread.is_alive()

    def write(self, data: str) -> None:
        """Textual's, but for entering a screen that the splash is on: some would clear it; and
        what would go to a terminal that is not ours goes nowhere."""
        if self._entered and data == splash.ENTER:
            self._entered = False
        elif self._has_terminal:
            super().write(data)

    def start_application_mode(self) -> None:
        self.outlet.start_again()
        catch_signals(self._app)
        self._entered = splash.hand_over()
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if self.wire is not None:
            self.wire.open()

    def stop_application_mode(self) -> None:
        if not self._has_terminal:
            return  # the shell has it, as it wants it
        if self.wire is not None:
            self.wire.close()
        self.outlet.hurry(_LEAVING)
        super().stop_application_mode()

    def disable_input(self) -> None:
        if self._has_terminal:  # whoever sets a terminal from the background is stopped
            super().disable_input()

    # ---- to the shell and back ------------------------------------------------------------

    def _to_the_shell(self) -> None:
        """With all of its job, as a terminal does it: the shell waits for `make` or a script that
        has started us, too."""
        if self._has_terminal:
            self.suspend_application_mode()
            self._must_signal_resume = True
        os.killpg(os.getpgrp(), signal.SIGSTOP)

    def _from_the_shell(self) -> None:
        """In front again. After a SIGSTOP the terminal was never given back, and the shell has
        made of it what it wanted: then all of it is said anew. In the background (`bg`) the
        agent's consumer goes on, and the screen waits."""
        if self._looking is not None:
            self._looking.cancel()
        if self._app._exit:
            return
        if self._in_background():
            self._looking = self._loop.call_later(_BACKGROUND, self._from_the_shell)
            return
        if self._has_terminal:
            self.suspend_application_mode()
        self.resume_application_mode()

    def _in_background(self) -> bool:
        try:
            return os.tcgetpgrp(self.fileno) != os.getpgrp()
        except OSError:
            return False  # it is no terminal, or is gone: the reader finds out

    def _lost(self) -> None:
        self._app.call_later(self._app.post_message, Shutdown("the terminal is gone"))

    # ---- in ---------------------------------------------------------------------------------

    def process_message(self, message: Message) -> None:
        """Reports are the wire's; what a person does is told to it before the app hears of it."""
        if isinstance(message, events.Resize) and not _is_size(message.size):
            return
        if isinstance(message, events.CursorPosition):
            key = _key_like(message)
            if key is None:
                if self.wire is not None:
                    self.wire.reported()
                return
            message = key
        if self.wire is not None and isinstance(message, _DONE_BY_A_PERSON):
            self.wire.pressed()
        super().process_message(message)

    def run_input_thread(self) -> None:
        """Read keys until the end of the application or of the terminal."""
        decode = getincrementaldecoder("utf-8")("replace").decode
        parser = XTermParser(self._debug)
        typed_at = time.monotonic()
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            selector.register(self._leaving.fd, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                restless = time.monotonic() - typed_at < _RESTLESS
                if selector.select(_WAIT if restless else None) and not self.exit_event.is_set():
                    typed_at = time.monotonic()
                    data = self._read()
                    if data == b"":
                        self._lost()
                        break
                    for event in parser.feed(decode(data)) if data else ():
                        self.process_message(event)
                for event in parser.tick():
                    self.process_message(event)
        try:
            for _event in parser.feed(""):
                pass
        except (EOFError, ParseError):
            pass  # half a sequence at the end is nothing

    def _read(self) -> bytes | None:
        """What was typed; empty when the terminal is gone, None = nothing after all."""
        try:
            return os.read(self.fileno, _READ)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            return b""


_DONE_BY_A_PERSON = (
    events.Key, events.Paste, events.MouseDown, events.MouseUp, events.MouseScrollDown,
    events.MouseScrollUp,
)  # fmt: skip


def _is_size(size: Size) -> bool:
    """Whether a screen can have it: what says so is typed like a key, and may be anything."""
    return 0 < size.width <= LARGEST and 0 < size.height <= LARGEST


def _key_like(report: events.CursorPosition) -> events.Key | None:
    """F3 with shift, alt or ctrl reads like a report from the first row, and we never ask there."""
    if report.y != 0 or report.x == 0:
        return None
    keys = ANSI_SEQUENCES_KEYS.get(f"\x1b[1;{report.x + 1}R")
    return events.Key(keys[0].value, None) if isinstance(keys, tuple) else None


def takes_mouse(environ: Mapping[str, str]) -> bool:
    """Not GNU screen: while it reports the mouse it keeps Escape back until the next key."""
    screen = environ.get("STY") or environ.get("TERM", "").startswith("screen.")
    return not screen or bool(environ.get("TMUX"))


def catch_signals(app: App[Any]) -> None:
    """They leave with the terminal restored, even where they were ignored. Once the screen is
    gone they do nothing: a line that drops says so two or three times, and the first is enough
    to end the consumer that lives here cleanly."""
    loop = asyncio.get_running_loop()

    def leave(number: int, _frame: FrameType | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(app.post_message, Shutdown(_SIGNALS[signal.Signals(number)]))

    for number in _SIGNALS:
        signal.signal(number, leave)
