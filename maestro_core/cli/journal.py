"""What the bus and its operators did, newest last."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from typing import Any

from maestro_core.cli.main import Context
from maestro_core.cli.output import Printer, printer_for
from maestro_core.cli.parse import count
from maestro_core.journal import JournalPage
from maestro_core.observe.documents import moment
from maestro_core.observe.reads import Reads
from maestro_core.wiring.view import reads_of

FOLLOW_PAUSE = 0.5
FOLLOW_PAGE = 500


def configure(parser: argparse.ArgumentParser, _name: str) -> None:
    parser.add_argument("-n", "--limit", type=count, default=50, metavar="N")
    parser.add_argument("--cadence", metavar="CADENCE", help="of this cadence alone")
    parser.add_argument("--level", choices=("info", "warn", "error"))
    parser.add_argument("--contains", metavar="TEXT", help="in any field, whatever its case")
    parser.add_argument("--no-operators", action="store_true", help="leave out what operators did")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until ctrl+c")
    parser.add_argument("--json", action="store_true", help="print a JSON document")


def run(arguments: argparse.Namespace, context: Context) -> int:
    layout = context.layout()
    printer = printer_for(layout)
    reads = reads_of(layout)
    page = _page(reads, arguments, arguments.limit)
    if arguments.json:
        printer.document(
            {"entries": page.entries, "broken_lines": page.broken, "missing": page.missing}
        )
        return 0
    for entry in page.entries:
        printer.line(_line(entry))
    if not page.entries and not arguments.follow:
        printer.note("the journal has no such entry")
    if page.missing is not None:
        printer.note(f"problem: what was done on other hosts is not among these: {page.missing}")
    if arguments.follow:
        _follow(printer, reads, arguments, page)
    return 0


def _page(reads: Reads, arguments: argparse.Namespace, limit: int) -> JournalPage:
    return reads.journal(
        limit=limit,
        cadence=arguments.cadence,
        level=arguments.level,
        contains=arguments.contains,
        operators=not arguments.no_operators,
    )


def _follow(
    printer: Printer, reads: Reads, arguments: argparse.Namespace, page: JournalPage
) -> None:
    """Print what is newer than the last entries shown, again and again."""
    shown = page.entries[-FOLLOW_PAGE:]
    while True:
        time.sleep(FOLLOW_PAUSE)
        entries = _page(reads, arguments, FOLLOW_PAGE).entries
        fresh = _newer(entries, shown)
        for entry in fresh:
            printer.line(_line(entry))
        shown = entries


def _newer(entries: list[dict[str, Any]], shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries after the last one that was shown; all of them when it has scrolled away."""
    if not shown:
        return entries
    last = shown[-1]
    for index in range(len(entries) - 1, -1, -1):
        if entries[index] == last:
            return entries[index + 1 :]
    return entries


def _line(entry: dict[str, Any]) -> str:
    """`2026-11-24 02:03:04 ERROR circuit_opened  cadence=memo failures=3`, local time."""
    words = " ".join(f"{name}={_value(value)}" for name, value in _fields(entry))
    level = str(entry.get("level", "")).upper()
    return f"{_time(entry.get('ts'))} {level:<5} {entry.get('stage', '?')}  {words}".rstrip()


def _fields(entry: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """What a person reads; an operator's act has its long facts in --json."""
    for name, value in entry.items():
        if name == "actor" and isinstance(value, dict):
            address = value.get("address")
            yield "by", f"{value.get('user')}" + (f" from {address}" if address else "")
        elif name not in ("ts", "level", "stage", "before", "after"):
            yield name, value


def _time(ts: Any) -> str:
    then = moment(ts)
    if then is None:
        return "????-??-?? ??:??:??"
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(then))


def _value(value: Any) -> str:
    if isinstance(value, str):
        return value if value and " " not in value else json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False, default=str)
