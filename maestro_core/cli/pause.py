"""Hold a cadence, or let it run again. The hold survives restarts; its ticks wait unspent."""

from __future__ import annotations

import argparse

from maestro_core.cli.acts import Desk, add_json, add_reason
from maestro_core.cli.main import Context


def configure(parser: argparse.ArgumentParser, name: str) -> None:
    parser.add_argument("cadence", metavar="CADENCE")
    if name == "pause":
        add_reason(parser)
    add_json(parser)
    parser.set_defaults(verb=name)


def run(arguments: argparse.Namespace, context: Context) -> int:
    desk = Desk(context, arguments)
    if arguments.verb == "resume":
        return desk.tell(desk.operator.resume(arguments.cadence))
    desk.warn_unknown([arguments.cadence])
    return desk.tell(desk.operator.pause(arguments.cadence, arguments.reason))
