"""The program `maestro-tui`. Headless commands never reach the console's imports."""

from __future__ import annotations

import gc
import os
import sys

from maestro_core.cli import main as cli
from maestro_core.errors import Refused
from maestro_core.web import VARIABLE as BROWSER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from maestro_core.doctor import Check
    from maestro_core.layout import Layout


def main() -> int:
    """Run the command line of this process; its exit code."""
    return cli.main(sys.argv[1:], open_console, _console_checks)


def _console_checks() -> list[Check]:
    from maestro_tui.checks import file_checks

    return file_checks()


def open_console(
    layout: Layout, *, attach: bool, read_only: bool, demo: bool = False, eco: bool = False,
    roots: tuple[str, ...] = (),
) -> int:  # fmt: skip
    """The console, imported only now; meanwhile the terminal shows what is known of the root."""
    from maestro_tui.splash.ahead import begin

    _need_a_terminal()
    ahead = None if roots else begin(layout)
    gc.disable()  # what imports make stays: looking through it while it grows takes a tenth
    from maestro_tui.splash.screen import close_splash, open_splash

    try:
        if not (demo or eco or roots):
            open_splash(layout, os.environ)
        from maestro_tui.app import run_console

        return run_console(
            layout, attach=attach, read_only=read_only, demo=demo, eco=eco, roots=roots,
            ahead=ahead,
        )  # fmt: skip
    finally:
        close_splash()
        if ahead is not None:
            ahead.close()


def _need_a_terminal() -> None:
    """Refuse to draw into a pipe and to read keys from nobody, as a job or a script would have
    it. A console for a browser, or with a driver that Textual is told to take, has its own way
    to a screen."""
    if os.environ.get(BROWSER) or os.environ.get("TEXTUAL_DRIVER"):
        return
    screens = (sys.__stdout__, sys.__stderr__)
    keys = sys.__stdin__ is not None and sys.__stdin__.isatty()
    shown = any(stream is not None and stream.isatty() for stream in screens)
    if not (keys and shown):
        raise Refused(
            "the console needs a terminal",
            "without one: maestro-tui run, status, journal -f; over SSH: ssh -t",
        )
    if os.environ.get("TERM") == "dumb":
        raise Refused(
            "the console needs a terminal that can draw, and TERM is dumb",
            "here: maestro-tui status, journal -f; elsewhere: set TERM to what the terminal is",
        )


if __name__ == "__main__":
    sys.exit(main())
