"""The console on a throw-away agent root: lively cadences, a stand-in `claude`, no key, no network.

Nothing of it is left at the end, unless --keep names a folder.
"""

from __future__ import annotations

import argparse

from maestro_core.cli.main import Context
from maestro_core.errors import UsageError


def configure(parser: argparse.ArgumentParser, _name: str) -> None:
    parser.add_argument("--keep", metavar="DIR", help="make it there and leave it there")


def run(arguments: argparse.Namespace, context: Context) -> int:
    if context.read_only:
        raise UsageError("the demo makes its own agent root: --read-only has no meaning here")
    from maestro_core.demo import demo_root

    with demo_root(arguments.keep) as layout:
        return context.open_console(layout, attach=False, read_only=False, demo=True)
