"""Checks of the agent root, its settings, keys and programs, with a remedy each.

--fix lists the safe repairs, does them, and then checks what is left.
Exit code: 0 fine, 1 a failure (with --strict also a warning), 3 something could not be checked.
"""

from __future__ import annotations

import argparse
import time

from maestro_core.cli.main import Context
from maestro_core.cli.output import Printer, printer_for
from maestro_core.clock import SystemClock
from maestro_core.doctor.finding import Finding
from maestro_core.doctor.repair import Repair, Repaired, apply_repairs, plan_repairs
from maestro_core.doctor.report import doctor_document, exit_code, render_line, summary
from maestro_core.doctor.runner import run_checks
from maestro_core.errors import ReadOnly, UsageError
from maestro_core.files import OsFiles
from maestro_core.layout import Layout


def configure(parser: argparse.ArgumentParser, _name: str) -> None:
    parser.add_argument("checks", nargs="*", metavar="CHECK", help="only these, by id or its start")
    parser.add_argument("--offline", action="store_true", help="no network")
    parser.add_argument("--deep", action="store_true", help="also what costs a few tokens")
    parser.add_argument("--strict", action="store_true", help="a warning counts as a failure")
    parser.add_argument("--fix", action="store_true", help="list the safe repairs, then do them")
    parser.add_argument("--dry-run", action="store_true", help="with --fix: only list them")
    parser.add_argument("--json", action="store_true", help="print a JSON document")


def run(arguments: argparse.Namespace, context: Context) -> int:
    layout = context.layout()
    _refuse(arguments, context)
    repairs = _repair(arguments, layout) if arguments.fix else None
    findings = run_checks(
        layout,
        offline=arguments.offline,
        deep=arguments.deep,
        only=arguments.checks or None,
        read_only=context.read_only,
        extra=context.console_checks(),
        on_result=None if arguments.json else _print,
    )
    code = exit_code(findings, strict=arguments.strict)
    if arguments.json:
        document = doctor_document(
            findings,
            root=str(layout.root),
            at=time.time(),
            strict=arguments.strict,
            offline=arguments.offline,
            deep=arguments.deep,
        )
        if repairs is not None:
            document["repairs"] = repairs
        printer_for(layout).document(document)
    else:
        print(summary(findings))
    return code


def _print(finding: Finding) -> None:
    """As it comes: the slow ones last."""
    print(render_line(finding), flush=True)


def _refuse(arguments: argparse.Namespace, context: Context) -> None:
    """Raises UsageError or ReadOnly for what may not be asked."""
    if arguments.dry_run and not arguments.fix:
        raise UsageError("--dry-run goes with --fix")
    if arguments.fix and context.read_only and not arguments.dry_run:
        raise ReadOnly("read-only: this session may not repair anything", "use --dry-run")


def _repair(arguments: argparse.Namespace, layout: Layout) -> list[dict[str, object]]:
    """The list first, as it is told before anything is done; what came of each."""
    planned = plan_repairs(layout, OsFiles(), SystemClock())
    say = None if arguments.json else printer_for(layout)
    if say is not None:
        _preview(say, planned, dry_run=arguments.dry_run)
    done = [] if arguments.dry_run else apply_repairs(planned)
    for one in done if say is not None else []:
        print(f"done  {one.what}" if one.error is None else f"FAIL  {one.what}: {one.error}")
    return [_repair_document(one, done[at] if done else None) for at, one in enumerate(planned)]


def _preview(printer: Printer, planned: list[Repair], *, dry_run: bool) -> None:
    word = "would" if dry_run else "will"
    for one in planned:
        printer.line(f"{word:<5} {one.what}")
    if not planned:
        printer.line("nothing that can safely be repaired")


def _repair_document(planned: Repair, done: Repaired | None) -> dict[str, object]:
    return {
        "check": planned.check,
        "what": planned.what,
        "done": done is not None and done.error is None,
        "error": None if done is None else done.error,
    }
