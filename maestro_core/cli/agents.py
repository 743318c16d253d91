"""`status` for several agent roots: one line each, or one JSON document with one entry each.

A root that cannot be read is named with the reason, and makes the exit code 1.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import Any

from maestro_core.cli import documents
from maestro_core.cli.output import Printer
from maestro_core.cli.words import NONE, age, money, plural, until
from maestro_core.observe.agent_line import AgentLine, distinct_names, line_document
from maestro_core.observe.agents import AgentReader
from maestro_core.redact import Redactor
from maestro_core.wiring.view import reader_of

PATIENCE = 1.0
"""Seconds for counting the ticks of one agent."""

HEADINGS = ("AGENT", "STATE", "RUNNING", "WAITING", "OPEN", "DEAD", "COST TODAY", "BEAT", "HELD")

STATES = {
    "broken": "BROKEN",
    "estop": "EMERGENCY STOP",
    "hold": "HOLD",
    "crashed": "CRASHED",
    "stale": "STALE",
    "absent": "no consumer",
}
"""What is not said by its own word."""


def several(roots: Iterable[str], *, as_json: bool) -> int:
    """Print them; 1 when one could not be read."""
    printer = Printer(Redactor(os.environ))
    found = [_read(root) for root in roots]
    lines = [line for line, _ in found]
    if as_json:
        printer.document({"agents": [document for _, document in found]})
    else:
        names = distinct_names(lines)
        printer.table(HEADINGS, [(names[line.root], *_cells(line)) for line in lines])
        printer.note(_sum(lines))
    for line in lines:
        if line.problem is not None:
            printer.note(f"{line.root}: {line.problem}")
    return 1 if any(line.problem is not None for line in lines) else 0


def _read(root: str) -> tuple[AgentLine, dict[str, Any]]:
    """Its line, and its document with that agent's secrets masked."""
    reader = AgentReader(root, make=reader_of)
    end = time.monotonic() + PATIENCE
    line = reader.read()
    while not reader.settled and time.monotonic() < end:
        line = reader.read()
    try:
        return line, _document(line, reader)
    finally:
        reader.close()


def _document(line: AgentLine, reader: AgentReader) -> dict[str, Any]:
    if reader.snapshot is None:
        return line_document(line)
    full = documents.status(reader.snapshot) | {"settled": reader.settled}
    return {"problem": None, "state": line.word} | reader.masked(full)


def _cells(line: AgentLine) -> tuple[str, ...]:
    """All but the name."""
    if line.problem is not None:
        return ("BROKEN", *[NONE] * 6, line.problem)
    return (
        STATES.get(line.word, line.word),
        ", ".join(line.running) or NONE,
        f"{line.waiting:,}",
        str(line.open_circuits),
        f"{line.dead:,}",
        money(line.cost_today),
        age(line.beat_at, line.at),
        held_words(line),
    )


def held_words(line: AgentLine) -> str:
    """What is held and why, the whole before the parts."""
    parts = []
    if line.why is not None:
        wait = until(line.hold_until, line.at)
        parts.append(f"{line.hold_kind or 'all'}: {line.why}{f' {wait}' if wait else ''}")
    for one in line.held:
        why = f" ({one.reason})" if one.reason else ""
        parts.append(f"{one.cadence} {one.state.replace('_', '-')}{why}")
    return "; ".join(parts) or NONE


def _sum(lines: list[AgentLine]) -> str:
    bad = sum(line.problem is not None for line in lines)
    running = sum(len(line.running) for line in lines)
    said = f"{plural(len(lines), 'agent')}, {running} running"
    cost = sum(line.cost_today for line in lines)
    return f"{said}, {money(cost)} today" + (f", {bad} broken" if bad else "")
