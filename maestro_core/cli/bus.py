"""Where the ticks of this agent root are: in its folders, or on a server that a fleet shares.

`install` makes or upgrades the tables on the server. `migrate` moves everything between the
folders and a server; stopped anywhere, the same command goes on. docs/fleet.md has the whole.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from maestro_core.bus_setting import bus_of
from maestro_core.cli.main import Context
from maestro_core.cli.output import Printer, printer_for
from maestro_core.cli.words import plural
from maestro_core.errors import ReadOnly, SettingsError, UsageError
from maestro_core.layout import Layout
from maestro_core.settings import load_settings
from maestro_core.settings_types import FOLDERS, BusSettings

if TYPE_CHECKING:
    from maestro_core.fleet.connect import Link
    from maestro_core.migrate.move import Report

SHOWN = 10
EVERY = 5000
"""Ticks from one line about the progress to the next."""
_NAMES = {"inbox": "waiting", "dlq": "dead letters", "trash": "in the trash"}


def configure(parser: argparse.ArgumentParser, _name: str) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="status|install|migrate", required=True)
    status = verbs.add_parser("status", help="which bus this is, its hosts, how much is on it")
    install = verbs.add_parser("install", help="make or upgrade the tables on the server")
    migrate = verbs.add_parser("migrate", help="move all ticks, holds and marks to another bus")
    migrate.add_argument(
        "--to", required=True, metavar="WHERE",
        help="postgresql://user@host/database, `server` for the one of the settings, or `folders`",
    )  # fmt: skip
    migrate.add_argument(
        "--from", dest="source", metavar="URL",
        help="with --to folders: the server, where the settings do not name it",
    )  # fmt: skip
    migrate.add_argument("--dry-run", action="store_true", help="show it, change nothing")
    for one in (status, install, migrate):
        one.add_argument("--json", action="store_true", help="print a JSON document")


def run(arguments: argparse.Namespace, context: Context) -> int:
    layout = context.layout()
    printer = printer_for(layout)
    if arguments.verb == "status":
        return _status(layout, printer, as_json=arguments.json)
    if context.read_only and not getattr(arguments, "dry_run", False):
        raise ReadOnly("read-only: this session may not change a bus", "open it without")
    if arguments.verb == "install":
        return _install(layout, printer, as_json=arguments.json)
    return _migrate(layout, printer, arguments)


# ---- status and install --------------------------------------------------------------------


def _status(layout: Layout, printer: Printer, *, as_json: bool) -> int:
    """Exit 1 when the bus cannot be used."""
    from maestro_core.cli.bus_status import document_of, print_status

    document = document_of(layout, bus_of(layout))
    if as_json:
        printer.document(document)
    else:
        print_status(printer, document)
    return 1 if document["problem"] else 0


def _install(layout: Layout, printer: Printer, *, as_json: bool) -> int:
    bus = bus_of(layout)
    if bus.server is None:
        raise UsageError(
            f"the bus of {layout.root} is its own folders: they need no install",
            "name the server first: [bus] url in config/cadences.toml, or MAESTRO_BUS",
        )
    from maestro_core.fleet.open import open_link, require

    require()
    from maestro_core.fleet import schema

    link = open_link(layout, bus, check=False, patience=None)
    try:
        done = schema.install(link)
    finally:
        link.close()
    if as_json:
        printer.document({"where": link.target.shown, "done": done})
        return 0
    for line in done:
        printer.line(f"installed  {line}")
    if not done:
        printer.line(f"nothing to do: {link.target.shown} has all that this version needs")
    return 0


# ---- migrate -------------------------------------------------------------------------------


def _migrate(layout: Layout, printer: Printer, arguments: argparse.Namespace) -> int:
    to_server = arguments.to != FOLDERS
    link = _link(layout, arguments, to_server=to_server)
    from maestro_core.consumer.breaker import breaker_policy
    from maestro_core.fleet.open import host_of
    from maestro_core.migrate.run import migrate

    try:
        report = migrate(
            layout, link, "server" if to_server else "folders", dry_run=arguments.dry_run,
            policy=breaker_policy(load_settings(layout).consumer), host=host_of(bus_of(layout)),
            tell=_Progress(printer).tell,
        )  # fmt: skip
    finally:
        link.close()
    if arguments.json:
        printer.document(_document(report, dry_run=arguments.dry_run))
    else:
        _print(printer, report, dry_run=arguments.dry_run)
        _print_next(layout, printer, report)
    return 0 if report.whole else 1


class _Progress:
    """A line on stderr now and then: a hundred thousand ticks take minutes."""

    def __init__(self, printer: Printer) -> None:
        self._printer = printer
        self._told = 0

    def tell(self, report: Report) -> None:
        done = sum(report.moved.values())
        if done >= self._told + EVERY:
            self._told = done
            self._printer.note(f"{done:,} ticks moved so far")


def _link(layout: Layout, arguments: argparse.Namespace, *, to_server: bool) -> Link:
    """To the server of either end. Raises UsageError, SettingsError, BusError."""
    from maestro_core.fleet.open import open_link

    if to_server and arguments.source:
        raise UsageError("--from goes with --to folders only")
    named = arguments.to if to_server else arguments.source
    bus = bus_of(layout)
    if named is None or named == "server":
        if bus.server is None:
            raise UsageError(
                "the settings name no server", "name it: --to postgresql://…, or --from with it"
            )
        return open_link(layout, bus, patience=None)
    _refuse_password(named)
    return open_link(layout, BusSettings(url=named, host=bus.host), patience=None)


def _refuse_password(url: str) -> None:
    """On a command line everybody on this machine can read it."""
    from maestro_core.fleet.connect import is_server, parse

    if not is_server(url):
        raise UsageError(
            f"{url!r} is no bus", "postgresql://user@host:5432/database, server or folders"
        )
    try:
        parse(url, {}, from_file=True)
    except SettingsError as error:
        raise UsageError(error.message, error.hint) from error


def _print(printer: Printer, report: Report, *, dry_run: bool) -> None:
    would = "would move" if dry_run else "moved"
    there = report.server if report.to == "server" else "the folders"
    if report.resumed:
        printer.line("an earlier move was unfinished: this goes on with it")
    printer.line(f"{would} to {there}:")
    for shelf, count in report.moved.items():
        printer.line(f"  {count:>7,} {_NAMES[shelf]}")
    for line in _level_lines(report):
        printer.line(f"  {line}")
    for name, reason in report.aside[:SHOWN]:
        printer.line(f"no tick, in quarantine: {name}: {reason}")
    if report.kept:
        printer.line(f"{plural(len(report.kept), 'tick')} {'would stay' if dry_run else 'stay'}:")
    for one in report.kept[:SHOWN]:
        printer.line(f"  {one.shelf}/{one.id}: {one.reason}")
    if len(report.kept) > SHOWN:
        printer.line(f"  … and {len(report.kept) - SHOWN:,} more (--json names all)")
    if report.running:
        printer.line(f"{plural(report.running, 'tick')} was claimed meanwhile: move again later")
    if report.quarantined:
        printer.line(f"{report.quarantined:,} in quarantine stay where they are")


def _level_lines(report: Report) -> list[str]:
    level = report.level
    lines = [f"pause of {name}" for name in level.pauses]
    lines += [f"circuit of {name}" for name in level.circuits]
    lines += [f"hold of all cadences ({level.hold.kind})"] if level.hold is not None else []
    return lines + (["the emergency stop"] if level.stop is not None else [])


def _print_next(layout: Layout, printer: Printer, report: Report) -> None:
    """What is still to be done by hand: the settings decide where a consumer looks."""
    now = bus_of(layout).server
    if report.to == "server" and now is None:
        printer.note(f'next: [bus] url = "{report.server}" in config/cadences.toml')
    if report.to == FOLDERS and now is not None:
        printer.note("next: take the server out of the settings ([bus] url, MAESTRO_BUS)")


def _document(report: Report, *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "to": report.to,
        "server": report.server,
        "resumed": report.resumed,
        "moved": dict(report.moved),
        "kept": [{"shelf": one.shelf, "id": one.id, "reason": one.reason} for one in report.kept],
        "aside": [{"name": name, "reason": reason} for name, reason in report.aside],
        "pauses": sorted(report.level.pauses),
        "circuits": sorted(report.level.circuits),
        "emergency_stop": report.level.stop is not None,
        "hold": report.level.hold.kind if report.level.hold is not None else None,
        "running": report.running,
        "quarantined": report.quarantined,
    }
