"""End a run and everything that it started; its tick becomes a dead letter "cancelled".

RUN is a run id of `maestro-tui status`; the id of its tick or its cadence will do as well.
"""

from __future__ import annotations

import argparse

from maestro_core.cli.acts import Desk, add_json, add_reason
from maestro_core.cli.main import Context
from maestro_core.observe.find_run import find_running


def configure(parser: argparse.ArgumentParser, _name: str) -> None:
    parser.add_argument("run", metavar="RUN")
    add_reason(parser)
    add_json(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    desk = Desk(context, arguments)
    meant = find_running(desk.layout, arguments.run)
    run_id = meant.run_id if meant is not None else arguments.run
    return desk.tell(desk.operator.submit("cancel", [run_id], reason=arguments.reason))
