"""The consumer as a service of this user: a LaunchAgent on macOS, a systemd user unit on Linux.

It starts at login (at boot where that is set up), again after a crash, and not after a clean
end. `restart` lets a running one end its runs in order; their ticks go back to the inbox.
"""

from __future__ import annotations

import argparse
import time

from maestro_core import __version__
from maestro_core.cli.install import add_install_options, chosen_manager, print_report, refuse
from maestro_core.cli.main import Context
from maestro_core.cli.output import Printer, printer_for
from maestro_core.cli.status import consumer_line
from maestro_core.cli.words import stored_age
from maestro_core.clock import SystemClock
from maestro_core.errors import ReadOnly
from maestro_core.files import OsFiles
from maestro_core.layout import Layout
from maestro_core.observe.reader import SnapshotReader
from maestro_core.observe.snapshot import ConsumerView
from maestro_core.service.install import bring, require
from maestro_core.service.job import CONSUMER
from maestro_core.service.restart import restart_service
from maestro_core.service.shell import SystemShell
from maestro_core.service.starts import Start, StartBook
from maestro_core.service.status import ServiceStatus, service_status, wanted_job
from maestro_core.settings import examine_settings, load_settings

SHOWN_STARTS = 5
GONE_WAIT = 60.0
"""Seconds to get the last notice out."""


def configure(parser: argparse.ArgumentParser, _name: str) -> None:
    verbs = parser.add_subparsers(
        dest="verb", metavar="install|remove|restart|status", required=True
    )
    install = verbs.add_parser("install", help="install and start it, or bring it up to date")
    remove = verbs.add_parser("remove", help="stop it and take it away")
    for one in (install, remove):
        add_install_options(one)
    verbs.add_parser("restart", help="stop it in order and start it again")
    status = verbs.add_parser("status", help="whether it is installed and runs, and which version")
    status.add_argument("--json", action="store_true", help="print a JSON document")
    verbs.add_parser("gone")  # systemd calls it when it gave the service up


def run(arguments: argparse.Namespace, context: Context) -> int:
    layout = context.layout(gone=arguments.verb == "remove")
    verbs = {"status": _status, "restart": _restart, "gone": _gone}
    if arguments.verb in verbs:
        if context.read_only and arguments.verb != "status":
            raise ReadOnly("read-only: this session may not change the machine")
        return verbs[arguments.verb](arguments, layout)
    refuse(context, arguments)
    printer = printer_for(layout)
    manager = chosen_manager(arguments, layout)
    wanted = []
    if arguments.verb == "install":
        wanted = [wanted_job(manager, load_settings(layout))]
        if not arguments.dry_run:
            require(manager)
            OsFiles().make_folder(layout.logs / "service")
    report = bring(manager, wanted, CONSUMER, dry_run=arguments.dry_run)
    print_report(printer, report, manager, "service", arguments)
    return 0


def _restart(_arguments: argparse.Namespace, layout: Layout) -> int:
    restart_service(layout)
    print("restarted")
    return 0


def _gone(_arguments: argparse.Namespace, layout: Layout) -> int:
    """The last word of a service that is not started again: journalled, and told outside."""
    from maestro_core.notices.make import noting_journal

    journal, sender = noting_journal(layout)
    journal.write("error", "service_gone", by="systemd")
    sender.close(GONE_WAIT, patient=True)
    return 0


def _status(arguments: argparse.Namespace, layout: Layout) -> int:
    now = time.time()
    shell = SystemShell()
    starts = StartBook(layout, OsFiles(), SystemClock()).read()
    settings = examine_settings(layout).settings
    found = service_status(chosen_manager(None, layout), settings, starts, shell, now)
    consumer = SnapshotReader(layout).read(frozenset({"consumer"})).consumer
    printer = printer_for(layout)
    if arguments.json:
        printer.document(_document(found, consumer))
        return 0
    _print(printer, found, consumer, now)
    return 0


def _print(printer: Printer, found: ServiceStatus, consumer: ConsumerView, now: float) -> None:
    pid = f", pid {found.state.pid}" if found.state.pid else ""
    detail = f" ({found.state.detail})" if found.state.detail else ""
    printer.line(f"service    {found.manager}: {found.files}, {found.state.word}{detail}{pid}")
    printer.line(f"consumer   {consumer_line(consumer, now)}")
    printer.line(f"version    {_versions(consumer)}")
    alive = {found.state.pid, consumer.pid if consumer.word == "live" else None} - {None}
    for start in found.starts[-SHOWN_STARTS:]:
        printer.line(f"start      {start.at} ({stored_age(start.at, now)}), {_end(start, alive)}")
    if found.looping:
        printer.line(f"CRASH LOOP {found.bad} bad ends in a row; each start now waits longer")
    for note in _notes(found, consumer):
        printer.note(note)


def _end(start: Start, alive: set[int | None]) -> str:
    if start.ended is None:
        return "lives" if start.pid in alive else "ended without a word: killed or crashed"
    return f"ended {start.ended}" + (f": {start.error}" if start.error else "")


def _versions(consumer: ConsumerView) -> str:
    if consumer.word not in ("live", "stale") or consumer.version is None:
        return f"{__version__} installed, none running"
    if is_other_version(consumer):
        return f"{consumer.version} running, {__version__} installed"
    return f"{__version__}, running and installed"


def is_other_version(consumer: ConsumerView) -> bool:
    """Whether the running consumer is of another version than what is installed."""
    running = consumer.word in ("live", "stale") and consumer.version is not None
    return running and consumer.version != __version__


def _notes(found: ServiceStatus, consumer: ConsumerView) -> list[str]:
    notes = []
    if found.unavailable is not None:
        notes.append(found.unavailable)
    if found.files != "installed":
        notes.append(f"{found.files}: maestro-tui service install")
    if is_other_version(consumer):
        notes.append("bring the new version in with: maestro-tui service restart")
    if found.linger is False and found.files != "missing":
        notes.append("it ends at logout and does not start at boot: loginctl enable-linger")
    return notes


def _document(found: ServiceStatus, consumer: ConsumerView) -> dict[str, object]:
    return {
        "manager": found.manager,
        "files": found.files,
        "state": found.state.word,
        "pid": found.state.pid,
        "detail": found.state.detail,
        "unavailable": found.unavailable,
        "installed_version": __version__,
        "running_version": consumer.version if consumer.word in ("live", "stale") else None,
        "other_version": is_other_version(consumer),
        "consumer": consumer.word,
        "bad_ends": found.bad,
        "crash_loop": found.looping,
        "linger": found.linger,
        "starts": [
            {"at": one.at, "pid": one.pid, "version": one.version, "ended": one.ended,
             "error": one.error}
            for one in found.starts
        ],
    }  # fmt: skip
