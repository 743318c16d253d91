"""The terminal between exec and the console's first frame: shown, handed over, or put back.

The frame is drawn on the alternate screen, which the console's driver then takes over as it
is, so that nothing flickers. Until then typing is not echoed, and whatever ends the start puts
the terminal back. Main thread.
"""

from __future__ import annotations

import os
import signal
import sys
import termios
import time
from collections.abc import Mapping
from types import FrameType
from typing import Any

from maestro_core.layout import Layout
from maestro_core.text import one_line
from maestro_tui.splash.cache import cache_path, load
from maestro_tui.splash.facts import facts
from maestro_tui.splash.frame import frame
from maestro_tui.wire.outlet import terminal_descriptor

ENTER = "\x1b[?1049h"
"""As Textual enters the alternate screen."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_NOBODYS = (signal.SIG_DFL, signal.SIG_IGN, signal.default_int_handler)


class Splash:
    """A frame that is shown. `close` may be called at any time, and more than once."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._attributes: list[Any] | None = None
        self._signals: dict[signal.Signals, Any] = {}
        self._shown = False

    def show(self, lines: list[str]) -> None:
        """Raises OSError or termios.error when the terminal is none."""
        self._attributes = termios.tcgetattr(self._fd)
        self._catch()
        self._shown = True
        silent = list(self._attributes)
        silent[3] &= ~termios.ECHO
        silent[6] = list(silent[6])
        for key in (termios.VSUSP, termios.VQUIT):  # to be keys of the console, once it is there
            silent[6][key] = os.fpathconf(self._fd, "PC_VDISABLE").to_bytes(1, "little")
        termios.tcsetattr(self._fd, termios.TCSANOW, silent)
        rows = "".join(f"\x1b[{y};1H{line}" for y, line in enumerate(lines, 1))
        _write(self._fd, f"{ENTER}\x1b[?25l\x1b[m\x1b[H\x1b[2J{rows}")

    def hand_over(self) -> bool:
        """The driver takes the terminal now; True when it need not enter the other screen."""
        shown, self._shown = self._shown, False
        if shown:
            self._restore()
        return shown

    def close(self) -> None:
        """Put the terminal back, unless it was handed over."""
        if self.hand_over():
            _write(self._fd, "\x1b[m\x1b[?1049l\x1b[?25h")

    def _restore(self) -> None:
        for number, handler in self._signals.items():
            if signal.getsignal(number) is _leave:  # or the driver catches it already
                signal.signal(number, handler)
        if self._attributes is not None:
            try:
                termios.tcsetattr(self._fd, termios.TCSANOW, self._attributes)
            except termios.error:
                return  # the terminal is gone

    def _catch(self) -> None:
        """A signal that would end us anyhow, or is ignored, ends us by way of `close`."""
        for number in _SIGNALS:
            if signal.getsignal(number) in _NOBODYS:
                self._signals[number] = signal.signal(number, _leave)


def _leave(number: int, _frame: FrameType | None) -> None:
    """At once: what would be raised in the midst of an import comes out of it as another error.
    Nothing runs yet that would have to end first."""
    close_splash()
    os._exit(128 + number)


def _write(fd: int, text: str) -> None:
    data = text.encode("utf-8", "replace")
    try:
        while data:
            data = data[os.write(fd, data) :]
    except OSError:
        return  # the console finds out soon enough


_current: list[Splash] = []


def open_splash(layout: Layout, environ: Mapping[str, str]) -> None:
    """Show the first frame, if the terminal is one that it is for. `close_splash` must follow."""
    fd = terminal_descriptor()
    if not wanted(fd, environ):
        return
    try:
        width, height = os.get_terminal_size(fd)
        board = load(cache_path(layout.root, environ))
        lines = frame(
            one_line(layout.root.name, 60), facts(layout, time.time()), board,
            width=width, height=height, colour=not environ.get("NO_COLOR"),
        )  # fmt: skip
        if lines:
            _current[:] = [Splash(fd)]  # first: a signal may come as soon as it is shown
            _current[0].show(lines)
    except (OSError, termios.error):
        return


def close_splash() -> None:
    """Put the terminal back, unless it was handed over."""
    for splash in _current:
        splash.close()
    _current.clear()


def wanted(fd: int, environ: Mapping[str, str]) -> bool:
    """Is it a terminal that a person looks at, and may it be written to?"""
    if environ.get("NO_TTY") or environ.get("TERM", "dumb") in ("", "dumb"):
        return False
    return os.isatty(fd) and sys.stdin is not None and sys.stdin.isatty()


def hand_over() -> bool:
    """The driver starts: True when the alternate screen is there already. Once."""
    return _current.pop().hand_over() if _current else False
