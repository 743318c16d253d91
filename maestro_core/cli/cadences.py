"""Every cadence that the settings, the prompts, the bus or the ledger know, and how it stands."""

from __future__ import annotations

import argparse
from collections import Counter

from maestro_core.cli import documents
from maestro_core.cli.main import Context
from maestro_core.cli.output import Printer, printer_for
from maestro_core.cli.words import NONE, age, clock_time, span, stored_age
from maestro_core.observe.snapshot import CadenceView, Snapshot
from maestro_core.wiring.view import reader_of

HEADINGS = ("CADENCE", "STATE", "FAILURES", "WAITING", "DEAD", "LAST RUN", "LAST 20", "USUAL",
            "NEXT DUE", "WHY")  # fmt: skip


def configure(parser: argparse.ArgumentParser, _name: str) -> None:
    parser.add_argument("--json", action="store_true", help="print a JSON document")


def run(arguments: argparse.Namespace, context: Context) -> int:
    layout = context.layout()
    printer = printer_for(layout)
    snapshot = reader_of(layout, whole=True).read()
    if arguments.json:
        printer.document(documents.cadences(snapshot))
        return told(snapshot, printer)
    if snapshot.unknown is None:
        printer.table(*rows(snapshot))
    if not snapshot.cadences:
        printer.note("no cadence is known here: none in config/cadences.toml, no prompt, no tick")
    note_problems(printer, snapshot)
    return told(snapshot)


def told(snapshot: Snapshot, printer: Printer | None = None) -> int:
    """The exit code of a reading command: 1 when nothing could be read of the bus. The reason
    goes to stderr, if a printer is given."""
    if snapshot.unknown is None:
        return 0
    if printer is not None:
        note_problems(printer, snapshot)
    return 1


def note_problems(printer: Printer, snapshot: Snapshot) -> None:
    """What could not be read, so that no count is taken for the truth."""
    for problem in snapshot.problems:
        printer.note(f"problem: {problem}")


def rows(snapshot: Snapshot) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headings and cells, for the printer's table."""
    return HEADINGS, [_row(view, snapshot.at) for view in snapshot.cadences]


def _row(view: CadenceView, now: float) -> tuple[str, ...]:
    return (
        view.name,
        _state(view),
        f"{view.failures}/{view.threshold}" if view.failures else NONE,
        str(view.waiting),
        str(view.dead),
        _last(view, now),
        _outcomes(view),
        span(view.usual_seconds),
        clock_time(view.next_due, now),
        why(view, now),
    )


def _state(view: CadenceView) -> str:
    """`running on mini-2`, where a fleet runs it."""
    if view.running is None:
        return view.state
    return f"running on {view.running.host}" if view.running.host else "running"


def why(view: CadenceView, now: float) -> str:
    """What holds it, in a few words."""
    if view.paused is not None:
        by = f" by {view.paused.by}" if view.paused.by else ""
        return f"paused{by}" + (f": {view.paused.reason}" if view.paused.reason else "")
    deadline = view.open_until if view.open_until is not None else view.next_allowed_at
    if deadline is not None and view.state in ("open", "backoff", "quota"):
        reason = f", {view.reason}" if view.reason else ""
        return f"until {clock_time(deadline, now)} ({age(deadline, now)}){reason}"
    return view.reason or ""


def _last(view: CadenceView, now: float) -> str:
    if not view.recent:
        return NONE
    last = view.recent[-1]
    return f"{last.outcome} {stored_age(last.ended_at, now)}"


def _outcomes(view: CadenceView) -> str:
    if not view.recent:
        return NONE
    counted = Counter("ok" if row.outcome == "ok" else "failed" for row in view.recent)
    return f"{counted['ok']} ok" + (f", {counted['failed']} not" if counted["failed"] else "")
