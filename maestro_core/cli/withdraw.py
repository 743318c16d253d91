"""Take waiting ticks back: to the trash, as long as no consumer has taken them.

`maestro-tui dlq restore ID` then makes a dead letter of one.
"""

from __future__ import annotations

import argparse

from maestro_core.cli.acts import Desk, add_json, add_reason
from maestro_core.cli.main import Context


def configure(parser: argparse.ArgumentParser, _name: str) -> None:
    parser.add_argument("ids", nargs="+", metavar="ID")
    add_reason(parser)
    add_json(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    desk = Desk(context, arguments)
    ack = desk.operator.submit("withdraw", arguments.ids, reason=arguments.reason)
    return desk.tell(ack, "in the trash")
