"""The program `maestro-tui`. Headless commands never reach the console's imports."""

from __future__ import annotations

import os
import sys

from maestro_core.cli import main as cli

TYPE_CHECKING = False
if TYPE_CHECKING:
    from maestro_core.layout import Layout


def main() -> int:
    """Run the command line of this process; its exit code."""
    return cli.main(sys.argv[1:], open_console)


def open_console(
    layout: Layout, *, attach: bool, read_only: bool, demo: bool = False, eco: bool = False,
    roots: tuple[str, ...] = (),
) -> int:  # fmt: skip
    """The console, imported only now; meanwhile the terminal shows what is known of the root."""
    from maestro_tui.splash.screen import close_splash, open_splash

    try:
        if not (demo or eco or roots):
            open_splash(layout, os.environ)
        from maestro_tui.app import run_console

        return run_console(
            layout, attach=attach, read_only=read_only, demo=demo, eco=eco, roots=roots
        )
    finally:
        close_splash()


if __name__ == "__main__":
    sys.exit(main())
