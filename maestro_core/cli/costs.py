"""Tokens and money of the runs that ended, by UTC day, cadence and/or model."""

from __future__ import annotations

import argparse
import time
from typing import Any

from maestro_core.cli.main import Context
from maestro_core.cli.output import printer_for
from maestro_core.cli.parse import count
from maestro_core.cli.words import money, span, tokens
from maestro_core.clock import iso
from maestro_core.errors import UsageError
from maestro_core.session.ledger import CostKey, CostRow
from maestro_core.wiring.view import reads_of

_KEYS: dict[str, CostKey] = {"day": "day", "cadence": "cadence", "model": "model"}
_SUMS = ("runs", "ok", "tokens_in", "tokens_out", "tokens_cache_read", "tokens_cache_write")


def configure(parser: argparse.ArgumentParser, _name: str) -> None:
    parser.add_argument(
        "--by",
        default="day,cadence",
        metavar="KEYS",
        help="day, cadence, model; default %(default)s",
    )
    parser.add_argument("--days", type=count, default=14, metavar="N", help="today and N-1 before")
    parser.add_argument("--json", action="store_true", help="print a JSON document")


def run(arguments: argparse.Namespace, context: Context) -> int:
    layout = context.layout()
    printer = printer_for(layout)
    keys = _keys(arguments.by)
    since = iso(time.time() - (arguments.days - 1) * 86400)[:10] + "T00:00:00.000Z"
    rows = reads_of(layout).costs(keys, since)
    if arguments.json:
        printer.document(
            {
                "by": list(keys),
                "since": since,
                "rows": [_document(row, keys) for row in rows],
                "total": _document(_total(rows), ()),
            }
        )
        return 0
    headings = (*(key.upper() for key in keys), "RUNS", "OK", "COST", "IN", "OUT", "CACHED", "TIME")
    table = [(*row.key, *_cells(row)) for row in rows]
    if len(rows) > 1:
        table.append(("total", *[""] * (len(keys) - 1), *_cells(_total(rows))))
    printer.table(headings, table)
    if not rows:
        printer.note(f"no run ended since {since[:10]}")
    return 0


def _keys(text: str) -> tuple[CostKey, ...]:
    words = [word.strip() for word in text.split(",")]
    if not words or any(word not in _KEYS for word in words) or len(set(words)) < len(words):
        raise UsageError(f"--by {text!r} is none of day, cadence, model", "for example day,model")
    return tuple(_KEYS[word] for word in words)


def _document(row: CostRow, keys: tuple[CostKey, ...]) -> dict[str, Any]:
    sums = {name: getattr(row, name) for name in _SUMS}
    return (
        dict(zip(keys, row.key, strict=True))
        | sums
        | {"cost_usd": round(row.cost_usd, 6), "seconds": round(row.seconds, 3)}
    )


def _total(rows: list[CostRow]) -> CostRow:
    sums = {name: sum(getattr(row, name) for row in rows) for name in _SUMS}
    cost, seconds = sum(row.cost_usd for row in rows), sum(row.seconds for row in rows)
    return CostRow((), **sums, cost_usd=cost, seconds=seconds)


def _cells(row: CostRow) -> tuple[str, ...]:
    cached = row.tokens_cache_read + row.tokens_cache_write
    return (
        str(row.runs),
        str(row.ok),
        money(row.cost_usd),
        tokens(row.tokens_in),
        tokens(row.tokens_out),
        tokens(cached),
        span(row.seconds),
    )
