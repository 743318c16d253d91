"""What `schedule` and `service` share: their options, and how they tell what they did."""

from __future__ import annotations

import argparse
import shlex

from maestro_core.cli.main import Context
from maestro_core.cli.output import Printer
from maestro_core.cli.words import plural
from maestro_core.errors import ReadOnly, UsageError
from maestro_core.layout import Layout
from maestro_core.service.install import Report
from maestro_core.service.manager import Manager
from maestro_core.service.restart import this_manager

_DONE = {"add": "added", "change": "changed", "keep": "unchanged", "remove": "removed"}
_WOULD = {
    "add": "would add", "change": "would change", "keep": "unchanged", "remove": "would remove",
}  # fmt: skip


def add_install_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="show it, change nothing")
    parser.add_argument(
        "--for", dest="kind", choices=("launchd", "systemd"),
        help="with --dry-run: as another kind of machine would have it",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print a JSON document")


def refuse(context: Context, arguments: argparse.Namespace) -> None:
    """Raises ReadOnly or UsageError for what may not be done."""
    if context.read_only and not arguments.dry_run:
        raise ReadOnly("read-only: this session may not change the machine", "use --dry-run")
    if arguments.kind and not arguments.dry_run:
        raise UsageError("--for goes with --dry-run only")


def chosen_manager(arguments: argparse.Namespace | None, layout: Layout) -> Manager:
    """This machine's, or the one asked for. Raises Refused when there is none."""
    return this_manager(layout, arguments.kind if arguments is not None else None)


def print_report(
    printer: Printer, report: Report, manager: Manager, noun: str, arguments: argparse.Namespace
) -> None:
    dry_run = arguments.dry_run
    if arguments.json:
        printer.document(_document(report, manager, dry_run=dry_run))
        return
    words = _WOULD if dry_run else _DONE
    for act, name in report.done:
        printer.line(f"{words[act]}  {name.removeprefix('tick-')}")
    if dry_run:
        _print_dry(printer, report)
    if not report.done:
        printer.note(f"no {noun} is wanted and none is there")
    else:
        printer.note(
            f"{plural(report.changes, 'change')}{' to make' if dry_run else ''}"
            f" in {manager.folder} ({manager.kind})"
        )


def _print_dry(printer: Printer, report: Report) -> None:
    for path, content in report.files:
        printer.line()
        printer.line(f"# would write {path}")
        for line in content.splitlines():
            printer.line(line.expandtabs(2))
    if report.removals or report.commands:
        printer.line()
    for path in report.removals:
        printer.line(f"# would remove {path}")
    for command in report.commands:
        printer.line(f"# would run {shlex.join(command)}")


def _document(report: Report, manager: Manager, *, dry_run: bool) -> dict[str, object]:
    return {
        "dry_run": dry_run,
        "manager": manager.kind,
        "folder": str(manager.folder),
        "jobs": [{"name": name, "act": act} for act, name in report.done],
        "files": [{"path": path, "content": content} for path, content in report.files],
        "removals": list(report.removals),
        "commands": [list(command) for command in report.commands],
    }
