"""The ledger: sub-sessions that ran, newest first."""

from __future__ import annotations

import argparse
import time

from maestro_core.cli import documents
from maestro_core.cli.main import Context
from maestro_core.cli.output import printer_for
from maestro_core.cli.parse import count
from maestro_core.cli.words import NONE, clock_time, money, span, tokens
from maestro_core.models import RunRow
from maestro_core.observe.documents import moment
from maestro_core.wiring.view import reads_of

HEADINGS = ("STARTED", "CADENCE", "OUTCOME", "TOOK", "TRY", "COST", "TOKENS", "RUN", "WHY")


def configure(parser: argparse.ArgumentParser, _name: str) -> None:
    parser.add_argument("--cadence", metavar="CADENCE", help="of this cadence alone")
    parser.add_argument("--contains", metavar="TEXT", help="in id, tick, outcome, reason or model")
    parser.add_argument("--before", metavar="RUN", help="older than this run (or ISO time)")
    parser.add_argument("-n", "--limit", type=count, default=50, metavar="N")
    parser.add_argument("--json", action="store_true", help="print a JSON document")


def run(arguments: argparse.Namespace, context: Context) -> int:
    layout = context.layout()
    printer = printer_for(layout)
    rows = reads_of(layout).runs(
        cadence=arguments.cadence,
        limit=arguments.limit,
        before=arguments.before,
        contains=arguments.contains,
    )
    if arguments.json:
        printer.document({"runs": [documents.run(row) for row in rows]})
        return 0
    now = time.time()
    fleet = any(row.host for row in rows)
    headings = ("HOST", *HEADINGS) if fleet else HEADINGS
    table = [(*([row.host or NONE] if fleet else []), *_cells(row, now)) for row in rows]
    printer.table(headings, table)
    if not rows:
        printer.note("no such run in the ledger")
    return 0


def _cells(row: RunRow, now: float) -> tuple[str, ...]:
    started = moment(row.started_at)
    took = row.duration if row.ended_at else now - started if started else None
    used = row.usage.tokens_in + row.usage.tokens_out
    return (
        clock_time(started, now),
        row.cadence,
        row.outcome or "running",
        span(took),
        str(row.attempt),
        money(row.usage.cost_usd),
        tokens(used) if used else NONE,
        row.run_id,
        (row.reason or "")[:200],
    )
