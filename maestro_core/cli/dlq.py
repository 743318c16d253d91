"""Dead letters: ticks that failed too often. They wait here until somebody decides."""

from __future__ import annotations

import argparse
import time

from maestro_core.cli import documents
from maestro_core.cli.acts import Desk, add_json, add_reason
from maestro_core.cli.main import Context
from maestro_core.cli.output import Printer, printer_for
from maestro_core.cli.parse import count
from maestro_core.cli.words import age, plural
from maestro_core.control.commands import Verb
from maestro_core.errors import ReadOnly, UsageError
from maestro_core.layout import Layout
from maestro_core.models import TickView
from maestro_core.observe.dead import Place, grouped
from maestro_core.wiring.view import reads_of

_VERBS: dict[str, Verb] = {
    "retry": "dlq_retry",
    "discard": "dlq_discard",
    "restore": "dlq_restore",
    "unretry": "dlq_unretry",
}
LONGEST_ERROR = 300
_DONE = {
    "retry": "back in the inbox",
    "discard": "in the trash",
    "restore": "a dead letter again",
    "unretry": "a dead letter again, as before",
}
_HELP = {
    "retry": "back to the inbox with attempts 0, the failures kept",
    "discard": "to the trash; restore brings them back",
    "restore": "from the trash back to the dead letters",
    "unretry": "take a retry back, as long as no consumer has taken the tick",
}


def configure(parser: argparse.ArgumentParser, _name: str) -> None:
    verbs = parser.add_subparsers(
        dest="verb", metavar="list|retry|discard|restore|unretry", required=True
    )
    lists = verbs.add_parser(
        "list", help="newest first", description="Dead letters, newest first, with the error."
    )
    lists.add_argument("-n", "--limit", type=count, default=50, metavar="N")
    lists.add_argument("--trash", action="store_true", help="the discarded ones")
    lists.add_argument("--groups", action="store_true", help="one line for each kind of failure")
    _add_filters(lists)
    add_json(lists)
    for name, says in _HELP.items():
        one = verbs.add_parser(name, help=says, description=says)
        if name == "unretry":  # what was retried is no list of its own
            one.add_argument("ids", nargs="+", metavar="ID")
            one.set_defaults(all=False, cadence=None, contains=None)
        else:
            one.add_argument("ids", nargs="*", metavar="ID")
            one.add_argument("--all", action="store_true", help="all of them, as they are now")
            _add_filters(one)
        add_reason(one)
        add_json(one)


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cadence", metavar="CADENCE", help="of this cadence alone")
    parser.add_argument("--contains", metavar="TEXT", help="in id, cadence, source or errors")


def run(arguments: argparse.Namespace, context: Context) -> int:
    if arguments.verb == "list":
        return _list(arguments, context)
    if context.read_only:
        raise ReadOnly(f"read-only: this session may not {arguments.verb} dead letters")
    desk = Desk(context, arguments)
    ids = _wanted(arguments, desk.layout)
    if not ids:
        desk.printer.note("there is none")
        return 0
    ack = desk.operator.submit(_VERBS[arguments.verb], ids, reason=arguments.reason)
    return desk.tell(ack, _DONE[arguments.verb])


def _wanted(arguments: argparse.Namespace, layout: Layout) -> list[str]:
    """What is named, or what --all and the filters name now: later arrivals are left alone."""
    if arguments.ids:
        if arguments.all or arguments.cadence or arguments.contains:
            raise UsageError("an ID and --all or a filter: which are meant?", "give one of them")
        return list(arguments.ids)
    if not arguments.all:
        raise UsageError("no ID is given", "give some, or --all (with --cadence, --contains)")
    where: Place = "trash" if arguments.verb == "restore" else "dlq"
    found = reads_of(layout).dead(where, cadence=arguments.cadence, contains=arguments.contains)
    return [view.tick.id for view in found]


def _list(arguments: argparse.Namespace, context: Context) -> int:
    layout = context.layout()
    printer = printer_for(layout)
    where: Place = "trash" if arguments.trash else "dlq"
    reads = reads_of(layout)
    found = reads.dead(
        where, cadence=arguments.cadence, contains=arguments.contains, limit=arguments.limit
    )
    total = reads.count_dead(where)
    if arguments.json:
        printer.document(
            {
                "total": total,
                "dead_letters": [documents.dead_letter(view) for view in found],
                "groups": [documents.dead_group(group) for group in grouped(found)],
            }
        )
        return 0
    _print(printer, found, groups=arguments.groups)
    hidden = total - len(found)
    if not total:
        printer.note("no dead letter" if where == "dlq" else "the trash is empty")
    elif hidden:
        printer.note(f"{plural(hidden, 'dead letter')} not shown; see --limit and the filters")
    return 0


def _print(printer: Printer, found: list[TickView], *, groups: bool) -> None:
    now = time.time()
    if groups:
        rows = [
            (str(len(one.letters)), age(one.newest, now), ",".join(one.cadences), one.signature)
            for one in grouped(found)
        ]
        printer.table(("COUNT", "NEWEST", "CADENCES", "FAILURE"), rows)
        return
    letters = [
        (
            view.tick.id,
            view.tick.cadence,
            age(view.since, now),
            str(len(view.tick.failures)),
            (view.tick.last_error or "")[:LONGEST_ERROR],
        )
        for view in found
    ]
    printer.table(("ID", "CADENCE", "SINCE", "FAILURES", "LAST ERROR"), letters)
