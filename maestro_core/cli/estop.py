"""Emergency stop: nothing is claimed any more, ticks stay where they are.

The running sub-session is finished; --kill ends it now and gives its attempt back.
"""

from __future__ import annotations

import argparse

from maestro_core.cli.acts import Desk, add_json, add_reason
from maestro_core.cli.main import Context
from maestro_core.errors import UsageError


def configure(parser: argparse.ArgumentParser, _name: str) -> None:
    parser.add_argument("--clear", action="store_true", help="lift it: the consumer claims again")
    parser.add_argument("--kill", action="store_true", help="also end what runs, now")
    add_reason(parser)
    add_json(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    if arguments.clear and arguments.kill:
        raise UsageError("--clear and --kill exclude each other")
    desk = Desk(context, arguments)
    if arguments.clear:
        return desk.tell(desk.operator.clear_emergency_stop(reason=arguments.reason))
    return desk.tell(desk.operator.emergency_stop(kill=arguments.kill, reason=arguments.reason))
