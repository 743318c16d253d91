"""The terminal's rough edges: bytes that are no UTF-8, a line that drops, signals to go.

A driver of its own reads the keys: broken bytes become replacement characters, and a
terminal that is gone ends the console instead of a busy loop.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import signal
from codecs import getincrementaldecoder
from typing import TYPE_CHECKING, Any

from textual._parser import ParseError
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

from maestro_tui.messages import Shutdown

if TYPE_CHECKING:
    from textual.app import App

_READ = 4096
_WAIT = 0.1
_SIGNALS = {signal.SIGHUP: "the terminal hung up", signal.SIGTERM: "it was asked to end"}


class TerminalDriver(LinuxDriver):
    """Textual's driver with a reader that survives what real terminals do."""

    def run_input_thread(self) -> None:
        """Read keys until the end of the application or of the terminal."""
        decode = getincrementaldecoder("utf-8")("replace").decode
        parser = XTermParser(self._debug)
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                if selector.select(_WAIT):
                    data = self._read()
                    if not data:
                        self._app.call_later(
                            self._app.post_message, Shutdown("the terminal is gone")
                        )
                        break
                    for event in parser.feed(decode(data)):
                        self.process_message(event)
                for event in parser.tick():
                    self.process_message(event)
        try:
            for _event in parser.feed(""):
                pass
        except (EOFError, ParseError):
            pass  # half a sequence at the end is nothing

    def _read(self) -> bytes:
        """What was typed; empty when the terminal is gone."""
        try:
            return os.read(self.fileno, _READ)
        except (BlockingIOError, InterruptedError):
            return b""
        except OSError:
            return b""


def catch_signals(app: App[Any]) -> None:
    """SIGHUP and SIGTERM leave with the terminal restored, even where they were ignored."""
    loop = asyncio.get_running_loop()
    for number, why in _SIGNALS.items():
        loop.add_signal_handler(number, app.post_message, Shutdown(why))
