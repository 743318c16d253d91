"""Checks of the agent root, its settings, keys and programs, with a remedy each.

Exit code: 0 fine, 1 a failure (with --strict also a warning), 3 something could not be checked.
"""

from __future__ import annotations

import argparse
import time

from maestro_core.cli.main import Context
from maestro_core.cli.output import printer_for
from maestro_core.doctor.finding import Finding
from maestro_core.doctor.report import doctor_document, exit_code, render_line, summary
from maestro_core.doctor.runner import run_checks


def configure(parser: argparse.ArgumentParser, _name: str) -> None:
    parser.add_argument("checks", nargs="*", metavar="CHECK", help="only these, by id or its start")
    parser.add_argument("--offline", action="store_true", help="no network")
    parser.add_argument("--deep", action="store_true", help="also what costs a few tokens")
    parser.add_argument("--strict", action="store_true", help="a warning counts as a failure")
    parser.add_argument("--json", action="store_true", help="print a JSON document")


def run(arguments: argparse.Namespace, context: Context) -> int:
    layout = context.layout()
    findings = run_checks(
        layout,
        offline=arguments.offline,
        deep=arguments.deep,
        only=arguments.checks or None,
        read_only=context.read_only,
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
        printer_for(layout).document(document)
    else:
        print(summary(findings))
    return code


def _print(finding: Finding) -> None:
    """As it comes: the slow ones last."""
    print(render_line(finding), flush=True)
