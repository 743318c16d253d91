"""Force the circuit of a cadence: close it, hold it open, or let one probe through."""

from __future__ import annotations

import argparse

from maestro_core.cli.acts import Desk, add_json, add_reason
from maestro_core.cli.main import Context
from maestro_core.cli.parse import duration
from maestro_core.control.commands import Verb

_VERBS: dict[str, Verb] = {
    "close": "circuit_close",
    "open": "circuit_open",
    "probe": "circuit_probe",
}
_HELP = {
    "close": "close it and forget the failures: the next tick runs",
    "open": "hold it open; it outlives a restart",
    "probe": "let one tick through: success closes it, failure opens it again",
}


def configure(parser: argparse.ArgumentParser, _name: str) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="close|open|probe", required=True)
    for name, says in _HELP.items():
        one = verbs.add_parser(name, help=says, description=says)
        one.add_argument("cadences", nargs="+", metavar="CADENCE")
        if name == "open":
            one.add_argument(
                "--for", dest="seconds", metavar="T", help="90s, 30m, 2h; else circuit_open_seconds"
            )
        add_reason(one)
        add_json(one)


def run(arguments: argparse.Namespace, context: Context) -> int:
    given = getattr(arguments, "seconds", None)
    seconds = duration(given) if given is not None else None
    desk = Desk(context, arguments)
    desk.warn_unknown(arguments.cadences)
    ack = desk.operator.submit(
        _VERBS[arguments.verb], arguments.cadences, reason=arguments.reason, seconds=seconds
    )
    return desk.tell(ack)
