"""Schedules of the cadences: when they are due, and the timers that enqueue them.

`install` brings this user's launchd jobs or systemd timers to what config/cadences.toml says:
one for each cadence with a schedule and producer = "timer". Only what was made for this agent
root is ever touched. Cadences with producer = "consumer" need no timer.
"""

from __future__ import annotations

import argparse
import time

from maestro_core.cli.install import add_install_options, chosen_manager, print_report, refuse
from maestro_core.cli.main import Context
from maestro_core.cli.output import Printer, printer_for
from maestro_core.cli.words import NONE, age, clock_time
from maestro_core.clock import iso
from maestro_core.errors import Refused
from maestro_core.files import OsFiles
from maestro_core.layout import Layout
from maestro_core.schedule.begin import begin
from maestro_core.service.install import bring, require
from maestro_core.service.job import TICK
from maestro_core.service.schedules import Entry, Overview, overview
from maestro_core.service.timers import timed, timer_jobs
from maestro_core.settings import examine_settings, load_settings

_HEADINGS = ("CADENCE", "SCHEDULE", "PRODUCER", "NEXT DUE", "THEN", "LAST", "TIMER")


def configure(parser: argparse.ArgumentParser, _name: str) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="show|install|remove", required=True)
    show = verbs.add_parser("show", help="what is due when, and who enqueues it")
    show.add_argument("--json", action="store_true", help="print a JSON document")
    install = verbs.add_parser("install", help="make, change and remove timers as needed")
    remove = verbs.add_parser("remove", help="take every timer of this agent root away")
    for one in (install, remove):
        add_install_options(one)


def run(arguments: argparse.Namespace, context: Context) -> int:
    layout = context.layout(gone=arguments.verb == "remove")
    if arguments.verb == "show":
        return _show(layout, printer_for(layout), as_json=arguments.json)
    refuse(context, arguments)
    printer = printer_for(layout)
    if arguments.verb == "remove":
        return _remove(arguments, layout, printer)
    return _install(arguments, layout, printer)


def _install(arguments: argparse.Namespace, layout: Layout, printer: Printer) -> int:
    settings = load_settings(layout)
    manager = chosen_manager(arguments, layout)
    jobs, impossible = timer_jobs(manager, settings)
    if jobs and not arguments.dry_run:
        require(manager)
        OsFiles().make_folder(layout.logs / "service")
        begin(layout, OsFiles(), settings, timed(settings), time.time())
    report = bring(manager, jobs, TICK, dry_run=arguments.dry_run)
    print_report(printer, report, manager, "timer", arguments)
    for error in impossible:
        printer.note(str(error))
    return 1 if impossible else 0


def _remove(arguments: argparse.Namespace, layout: Layout, printer: Printer) -> int:
    manager = chosen_manager(arguments, layout)
    report = bring(manager, [], TICK, dry_run=arguments.dry_run)
    print_report(printer, report, manager, "timer", arguments)
    return 0


def _show(layout: Layout, printer: Printer, *, as_json: bool) -> int:
    settings = examine_settings(layout).settings
    now = time.time()
    try:
        manager = chosen_manager(None, layout)
    except Refused:
        manager = None
    found = overview(layout, settings, manager, now)
    if as_json:
        printer.document(_document(layout, found, now))
        return 0
    printer.table(_HEADINGS, [_row(entry, now) for entry in found.entries])
    _print_notes(printer, found)
    return 0


def _row(entry: Entry, now: float) -> tuple[str, ...]:
    soon = entry.next_due[0] if entry.next_due else None
    then = entry.next_due[1] if len(entry.next_due) > 1 else None
    last = entry.last.due if entry.last else None
    return (
        entry.cadence,
        entry.schedule,
        entry.producer,
        f"{clock_time(soon, now)} ({age(soon, now)})" if soon else NONE,
        clock_time(then, now),
        age(last, now),
        NONE if entry.job == "not needed" else entry.job,
    )


def _print_notes(printer: Printer, found: Overview) -> None:
    for cadence in found.leftovers:
        printer.note(f"{cadence}: its timer is not wanted any more")
    if not found.entries:
        printer.note("no cadence has a schedule in config/cadences.toml")
    if found.time_zone is not None:
        printer.note(f"schedules mean {found.time_zone}; shown is this machine's time")
    for entry in found.entries:
        if entry.why is not None:
            printer.note(f"{entry.cadence}: {entry.why}")
    jobs = {entry.job for entry in found.entries if entry.producer == "timer"}
    if jobs and found.unavailable is not None:
        printer.note(f"timers: {found.unavailable}")
    elif found.leftovers or jobs & {"missing", "outdated", "not loaded"}:
        printer.note("bring the timers up to date with: maestro-tui schedule install")


def _document(layout: Layout, found: Overview, now: float) -> dict[str, object]:
    return {
        "root": str(layout.root),
        "at": iso(now),
        "time_zone": found.time_zone,
        "manager": {
            "kind": found.manager,
            "available": found.unavailable is None,
            "why": found.unavailable,
        },
        "leftover_timers": list(found.leftovers),
        "schedules": [_entry_document(entry) for entry in found.entries],
    }


def _entry_document(entry: Entry) -> dict[str, object]:
    last = entry.last
    return {
        "cadence": entry.cadence,
        "schedule": entry.schedule,
        "producer": entry.producer,
        "next_due": [iso(due) for due in entry.next_due],
        "last_due": iso(last.due) if last is not None and last.due is not None else None,
        "last_tick_id": last.tick_id if last is not None else None,
        "covered": last.covered if last is not None else 0,
        "timer": entry.job,
        "why": entry.why,
    }
