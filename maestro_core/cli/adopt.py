"""What is in an agent root that another program made, and what starting on it would do.

Changes nothing. Exit code 0 when a consumer could start, 1 when faults in the settings are in
its way.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from maestro_core.adopt.shelf import Shelf
from maestro_core.adopt.survey import Survey, plan, survey
from maestro_core.cli import documents
from maestro_core.cli.main import Context
from maestro_core.cli.output import Printer, printer_for
from maestro_core.cli.status import consumer_line
from maestro_core.cli.words import NONE, age, plural, stored_age
from maestro_core.clock import iso

SHOWN = 10


def configure(parser: argparse.ArgumentParser, _name: str) -> None:
    parser.add_argument("--json", action="store_true", help="print a JSON document")


def run(arguments: argparse.Namespace, context: Context) -> int:
    layout = context.layout()
    printer = printer_for(layout)
    found = survey(layout)
    if arguments.json:
        printer.document(_document(found))
    else:
        _print(printer, found)
    return 1 if found.problems else 0


def _print(printer: Printer, found: Survey) -> None:
    printer.line(f"agent      {found.snapshot.agent}  ({found.root})")
    for line in _lines(found):
        printer.line(line)
    printer.line()
    printer.line("starting would")
    for line in plan(found) or ["find nothing to do"]:
        printer.line(f"  - {line}")


def _lines(found: Survey) -> Iterator[str]:
    now = found.at
    yield f"consumer   {consumer_line(found.snapshot.consumer, now)}"
    if found.journal_written_at is not None:
        yield f"journal    last written {age(found.journal_written_at, now)}"
    for name, shelf in (("inbox", found.inbox), ("claimed", found.claimed), ("dlq", found.dlq)):
        yield from _shelf_lines(name, shelf, now)
    for view in found.snapshot.cadences:
        if view.state in ("open", "half_open"):
            yield f"circuit    {view.name} {view.state}, {plural(view.failures, 'failure')}"
    if found.snapshot.emergency_stop is not None:
        yield "EMERGENCY STOP is engaged"
    yield f"prompts    {_listed(found.prompts)}"
    if found.unprompted:
        yield f"NO PROMPT  {_listed(found.unprompted)}"
    yield f"settings   set in .env: {_listed(found.names_set)}"
    if found.placeholders:
        yield f"KEYS       {_listed(found.placeholders)}: a placeholder, it counts as not set"
    for line in found.problems:
        yield f"FAULT      {line}"
    for line in found.warnings:
        yield f"warning    {line}"
    for line in found.snapshot.problems:
        yield f"unusable   {line}"


def _shelf_lines(name: str, shelf: Shelf, now: float) -> Iterator[str]:
    if shelf.problem is not None:
        yield f"{name:<10} {shelf.problem}"
        return
    counts = ", ".join(f"{cadence} {count}" for cadence, count in shelf.by_cadence.items())
    oldest = f", the oldest {stored_age(shelf.oldest, now)}" if shelf.oldest else ""
    detail = f": {counts}{oldest}" if counts else ""
    yield f"{name:<10} {plural(len(shelf.ticks), 'tick')}{detail}"
    for bad in shelf.unusable[:SHOWN]:
        yield f"           not usable: {bad.name}: {bad.reason}"
    if len(shelf.unusable) > SHOWN:
        yield f"           and {len(shelf.unusable) - SHOWN} more that are not usable"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or NONE


def _document(found: Survey) -> dict[str, object]:
    return {
        "root": found.root,
        "agent": found.snapshot.agent,
        "at": iso(found.at),
        "consumer": documents.consumer(found.snapshot.consumer, found.at),
        "other_owner": found.other_owner,
        "journal_written_at": iso(found.journal_written_at) if found.journal_written_at else None,
        "inbox": _shelf(found.inbox),
        "claimed": _shelf(found.claimed),
        "dlq": _shelf(found.dlq),
        "circuits": [
            {"cadence": view.name, "state": view.state, "failures": view.failures,
             "open_until": iso(view.open_until) if view.open_until is not None else None}
            for view in found.snapshot.cadences if view.state in ("open", "half_open")
        ],
        "emergency_stop": found.snapshot.emergency_stop is not None,
        "prompts": list(found.prompts),
        "cadences_without_prompt": list(found.unprompted),
        "unknown_cadences": found.unknown,
        "env": {"set": list(found.names_set), "placeholders": list(found.placeholders)},
        "missing_folders": list(found.missing_folders),
        "problems": [*found.problems, *found.snapshot.problems],
        "warnings": list(found.warnings),
        "starting_would": plan(found),
        "can_start": not found.problems,
    }  # fmt: skip


def _shelf(shelf: Shelf) -> dict[str, object]:
    return {
        "exists": shelf.exists,
        "ticks": len(shelf.ticks),
        "by_cadence": shelf.by_cadence,
        "oldest": shelf.oldest,
        "unusable": [{"name": bad.name, "reason": bad.reason} for bad in shelf.unusable],
        "problem": shelf.problem,
    }
