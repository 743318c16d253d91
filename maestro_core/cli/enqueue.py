"""Put a tick into the inbox and print its id.

With --dedupe-key nothing is added while an earlier tick with that key waits or runs: the id
of that one is printed instead, and stderr says so. With --due, for timers, a tick is added once
for each due time of the cadence's schedule, however often it is called.
"""

from __future__ import annotations

import json
import os
import sys
import time

from maestro_core.bus.producer import make_document, publish_tick
from maestro_core.errors import ReadOnly, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from maestro_core.cli.main import Context
    from maestro_core.control.acts import Acts
    from maestro_core.layout import Layout

OPERATOR = "operator"


def configure(parser: argparse.ArgumentParser, _name: str) -> None:
    parser.add_argument("cadence", metavar="CADENCE")
    parser.add_argument(
        "--source",
        default=OPERATOR,
        metavar="S",
        help="who asks; only an operator's ticks (the default) are noted in operators.jsonl",
    )
    parser.add_argument("--payload", metavar="JSON", help="any JSON value; - reads it from stdin")
    parser.add_argument("--dedupe-key", metavar="K", help="at most one live tick with this key")
    parser.add_argument(
        "--not-before", metavar="T", help="wait until then: ISO 8601, or from now: +30m"
    )
    parser.add_argument("--priority", type=int, default=0, metavar="N", help="higher goes first")
    parser.add_argument(
        "--due", action="store_true", help="only if a due time of its schedule was not enqueued yet"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON document")


def run(arguments: argparse.Namespace, context: Context) -> int:
    layout = context.layout()
    if context.read_only:
        raise ReadOnly("read-only: this session may not enqueue a tick", "leave out --read-only")
    if arguments.dedupe_key == "":  # a script's variable that is not set: all its ticks were one
        raise UsageError("--dedupe-key is empty", "leave it out, or name one")
    acts = _server(layout)
    if arguments.due:
        return _fire(arguments, layout, acts)
    now = time.time() if acts is None else acts.now()
    document = make_document(
        arguments.cadence,
        source=arguments.source,
        now_wall=now,
        priority=arguments.priority,
        not_before=_not_before(arguments.not_before, now),
        dedupe_key=arguments.dedupe_key,
        **_payload(arguments.payload),
    )
    tick_id, fresh = _publish(layout, acts, document)
    print(_json(tick_id, fresh) if arguments.json else tick_id)
    if not fresh:
        print(f"not added: {tick_id} has this dedupe key and is still live", file=sys.stderr)
    elif (why := _unknown(layout, acts, arguments.cadence)) is not None:
        print(f"note: {why}", file=sys.stderr)
    if arguments.source == OPERATOR:
        _audit(layout, acts, document, tick_id, fresh)
    return 0


def _server(layout: Layout) -> Acts | None:
    """The bus on a server; None = the folders, which need nothing that is slow to load."""
    from maestro_core.bus_setting import may_have_server

    if not may_have_server(layout):
        return None
    from maestro_core.bus_setting import bus_of
    from maestro_core.wiring.operator import acts_of

    return acts_of(layout) if bus_of(layout).server is not None else None


def _publish(layout: Layout, acts: Acts | None, document: dict[str, Any]) -> tuple[str, bool]:
    if acts is None:
        return publish_tick(layout, document)
    receipt = acts.enqueue(document)
    return receipt.id, receipt.fresh


def _fire(arguments: argparse.Namespace, layout: Layout, acts: Acts | None) -> int:
    """For a timer: the schedule decides. Nothing to do is no failure."""
    from maestro_core.schedule.fire import fire

    for option in ("payload", "dedupe_key", "not_before", "priority"):
        if getattr(arguments, option):
            raise UsageError(f"--due goes without --{option.replace('_', '-')}")
    source = "schedule" if arguments.source == OPERATOR else arguments.source
    outlet = None if acts is None else acts.outlet()
    fired = fire(layout, arguments.cadence, source=source, outlet=outlet)
    if arguments.json:
        print(_json(fired.tick_id, fired.fresh))
    elif fired.tick_id is not None:
        print(fired.tick_id)
    if fired.note is not None:
        print(fired.note, file=sys.stderr)
    return 0


def _not_before(word: str | None, now: float) -> str | None:
    if word is None:
        return None
    from maestro_core.cli.parse import point_in_time
    from maestro_core.clock import iso

    return iso(point_in_time(word, now))


def _payload(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        return {"payload": json.loads(sys.stdin.read() if text == "-" else text)}
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the payload is no JSON: {error}", "quote it for the shell") from error


def _unknown(layout: Layout, acts: Acts | None, cadence: str) -> str | None:
    """Why nobody will run it. On the folders roughly, because the settings are slow to load: a
    prompt, or its name in the settings, will do."""
    if acts is not None:
        return acts.unknown(cadence)
    if layout.prompt(cadence).exists():
        return None
    try:
        fd = os.open(layout.cadences_toml, os.O_RDONLY | os.O_NONBLOCK)  # a pipe has no word for us
        with open(fd, "rb") as file:
            known = cadence.encode() in (file.read(1 << 20) or b"")
    except OSError:
        known = False
    if known:
        return None
    return (
        f"{cadence} is not in config/cadences.toml and has no prompt"
        f" schedules/triggers/{cadence}.md: its tick will be dead-lettered"
    )


def _audit(
    layout: Layout, acts: Acts | None, document: dict[str, Any], tick_id: str, fresh: bool
) -> None:
    from maestro_core.control import audit

    facts: dict[str, Any] = {
        "at": document["enqueued_at"],
        "actor": audit.who("cli"),
        "verb": "enqueue",
        "targets": [document["cadence"]],
        "ok": True,
        "after": {"id": tick_id, "fresh": fresh},
    }
    trouble = audit.record(layout, **facts) if acts is None else acts.record(**facts, redact=str)
    if trouble:
        print(f"note: {trouble}", file=sys.stderr)


def _json(tick_id: str | None, fresh: bool) -> str:
    return json.dumps({"schema_version": 1, "id": tick_id, "fresh": fresh}, indent=2)
