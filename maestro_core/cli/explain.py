"""Why a cadence is not running: everything in its way, in order, with the act that lifts it."""

from __future__ import annotations

import argparse

from maestro_core.cli import documents
from maestro_core.cli.cadences import note_problems, told
from maestro_core.cli.main import Context
from maestro_core.cli.output import Printer, printer_for
from maestro_core.cli.words import age, clock_time, plural, until
from maestro_core.errors import Refused
from maestro_core.observe.explain import Explanation, Obstacle
from maestro_core.wiring.view import reader_of


def configure(parser: argparse.ArgumentParser, _name: str) -> None:
    parser.add_argument("cadence", metavar="CADENCE")
    parser.add_argument("--json", action="store_true", help="print a JSON document")


def run(arguments: argparse.Namespace, context: Context) -> int:
    layout = context.layout()
    reader = reader_of(layout, whole=True)
    snapshot = reader.read()
    found = reader.explain(arguments.cadence)
    printer = printer_for(layout)
    if arguments.json:
        printer.document(documents.explanation(found, reader, snapshot.unknown))
        return told(snapshot, printer)
    if not found.known and snapshot.unknown is None:
        raise Refused(
            f"no cadence {arguments.cadence!r} is known here", "see: maestro-tui cadences"
        )
    _print(printer, found, snapshot.at)
    note_problems(printer, snapshot)
    return told(snapshot)


_STATES = {True: "is running", False: "is not running", None: "may be running or not"}


def _print(printer: Printer, found: Explanation, now: float) -> None:
    state = _STATES[found.running]
    waiting = "" if found.waiting is None else f"; {plural(found.waiting, 'tick')} waiting"
    printer.line(f"{found.cadence} {state}{waiting}")
    if not found.obstacles:
        printer.line("  nothing is in its way: it starts with the consumer's next pass")
    for number, one in enumerate(found.obstacles, 1):
        printer.line(f"  {number}. {one.says}{_deadline(one, now)}")
        if one.command:
            printer.line(f"     -> {one.command}")


def _deadline(one: Obstacle, now: float) -> str:
    if one.until is None:
        return ""
    if one.code == "nothing_waiting":
        return f"; the next is due at {clock_time(one.until, now)} ({age(one.until, now)})"
    return f", {until(one.until, now)}"
