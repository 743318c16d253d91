"""Lift what holds every cadence: a usage limit, an overload, a refused sign-in, a spent budget.

With CADENCE only that cadence's own budget of today is lifted.
"""

from __future__ import annotations

import argparse

from maestro_core.cli.acts import Desk, add_json, add_reason
from maestro_core.cli.main import Context

ALL = "*"


def configure(parser: argparse.ArgumentParser, _name: str) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="lift", required=True)
    lift = verbs.add_parser("lift", help="let the cadences try again now", description=__doc__)
    lift.add_argument("cadence", nargs="?", default=ALL, metavar="CADENCE")
    add_reason(lift)
    add_json(lift)


def run(arguments: argparse.Namespace, context: Context) -> int:
    desk = Desk(context, arguments)
    return desk.tell(
        desk.operator.submit("lift_hold", [arguments.cadence], reason=arguments.reason)
    )
