"""What runs, what is held and why, what waits: the state of the agent in a few lines."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator

from maestro_core.cli import documents
from maestro_core.cli.agents import several
from maestro_core.cli.cadences import note_problems, told
from maestro_core.cli.cadences import rows as cadence_rows
from maestro_core.cli.main import Context
from maestro_core.cli.output import printer_for
from maestro_core.cli.words import age, money, plural, span, stored_age, until
from maestro_core.models import HoldBeat, Running
from maestro_core.observe.documents import moment
from maestro_core.observe.reader import SnapshotReader
from maestro_core.observe.snapshot import (
    ConsumerView,
    FleetView,
    HostView,
    MarkerView,
    Snapshot,
)
from maestro_core.wiring.view import reader_of

PATIENCE = 1.0
"""Seconds for counting; the rest of the picture is there at once."""


def configure(parser: argparse.ArgumentParser, _name: str) -> None:
    parser.add_argument("--json", action="store_true", help="print a JSON document")
    parser.add_argument(
        "--all", action="store_true", dest="all_agents", help="every agent of your list"
    )


def run(arguments: argparse.Namespace, context: Context) -> int:
    if context.several:
        return several(context.roots(), as_json=arguments.json)
    layout = context.layout()
    printer = printer_for(layout)
    reader = reader_of(layout)
    snapshot = _read(reader)
    if arguments.json:
        printer.document(documents.status(snapshot) | {"settled": reader.settled})
        return told(snapshot, printer)
    for line in _lines(snapshot):
        printer.line(line)
    if snapshot.cadences and snapshot.unknown is None:
        printer.line()
        printer.table(*cadence_rows(snapshot))
    if not reader.settled:
        printer.note("note: too many ticks to count each under its cadence; see: cadences")
    note_problems(printer, snapshot)
    return told(snapshot)


def _read(reader: SnapshotReader) -> Snapshot:
    """With every tick under its cadence, unless there are so many that it would take long."""
    end = time.monotonic() + PATIENCE
    snapshot = reader.read()
    while not reader.settled and time.monotonic() < end:
        snapshot = reader.read(frozenset())
    return snapshot


def _lines(snapshot: Snapshot) -> Iterator[str]:
    now = snapshot.at
    yield f"agent      {snapshot.agent}  ({snapshot.root})"
    if snapshot.fleet is None:
        yield f"consumer   {consumer_line(snapshot.consumer, now)}"
    if snapshot.consumer.settings_error:
        yield f"settings   {snapshot.consumer.settings_error}"
    if snapshot.consumer.trouble:
        yield f"TROUBLE    {snapshot.consumer.trouble}"
    if snapshot.fleet is not None:
        yield from _fleet_lines(snapshot.fleet, now)
    if snapshot.unknown is None:
        yield from _state_lines(snapshot, now)


def _state_lines(snapshot: Snapshot, now: float) -> Iterator[str]:
    if (stop := snapshot.emergency_stop) is not None:
        yield f"EMERGENCY STOP  {marker_line(stop, now)}; lift it with: maestro-tui estop --clear"
    if (hold := snapshot.consumer.hold) is not None:
        yield f"HOLD       {_hold_line(hold, now)}"
    counts = snapshot.counts
    yield (
        f"ticks      {counts.inbox:,} waiting, {counts.claimed:,} claimed,"
        f" {plural(counts.dlq, 'dead letter')}, {counts.quarantine:,} in quarantine"
    )
    yield f"circuits   {counts.open_circuits} open"
    yield f"cost today {money(snapshot.cost_today)}"
    for running in snapshot.running:
        yield f"running    {_running_line(running, now)}"


def _fleet_lines(fleet: FleetView, now: float) -> Iterator[str]:
    counted = Counter(one.word for one in fleet.hosts)
    words = ", ".join(f"{count} {word}" for word, count in counted.most_common())
    if fleet.away is not None and fleet.seen_at is None:
        yield f"fleet      on {fleet.server}"
    else:
        many = plural(len(fleet.hosts), "host")
        yield f"fleet      {many} ({words or 'none yet'}) on {fleet.server}"
    if fleet.away is not None:
        seen = f"as of {age(fleet.seen_at, now)}" if fleet.seen_at else "nothing is known"
        yield f"STALE      {seen}: {fleet.away}"
    if fleet.stopped_here is not None:
        said = marker_line(fleet.stopped_here, now)
        yield f"STOPPED HERE  {fleet.here} alone, {said}; lift it with: maestro-tui estop --clear"
    for one in fleet.hosts:
        yield f"host       {_host_line(one, now)}"


def _host_line(host: HostView, now: float) -> str:
    """`mini-1 (here)  live, beat 1.2s ago, 1.9.0, runs memo`."""
    beat = f"beat {age(host.beat_at, now)}" if host.beat_at else "no beat yet"
    parts = [host.word, beat, host.version or ""]
    if host.running:
        parts.append("runs " + ", ".join(run.cadence for run in host.running))
    if host.hold is not None:
        parts.append(f"held: {_hold_line(host.hold, now)}")
    parts += [f"TROUBLE: {said}" for said in (host.trouble, host.settings_error) if said]
    if host.skew:
        side = "ahead" if host.skew > 0 else "behind"
        parts.append(f"its clock is {span(abs(host.skew))} {side}")
    name = f"{host.host} (here)" if host.here else host.host
    return f"{name}  " + ", ".join(part for part in parts if part)


def consumer_line(view: ConsumerView, now: float) -> str:
    """`daemon, pid 4242 on mini, up 3h 02m, beat 1.2s ago`."""
    if view.word == "none":
        return "none"
    who = f"{view.mode or 'consumer'}, pid {view.pid} on {view.host or 'an unknown host'}"
    beat = f"last beat {age(view.beat_at, now)}"
    if view.word == "stopped":
        return f"none (stopped {age(view.beat_at, now)}: {who})"
    if view.word == "crashed":
        return f"STALE: crashed, {beat} and nobody holds the lock ({who})"
    if view.word == "stale":
        return f"STALE: {beat}, yet the lock is held ({who})"
    up = f", up {span(now - view.started_at)}" if view.started_at else ""
    return f"{who}{up}, {beat}"


def marker_line(marker: MarkerView, now: float) -> str:
    words = [f"by {marker.by}" if marker.by else "", age(marker.at, now) if marker.at else ""]
    text = " ".join(word for word in words if word) or "by somebody"
    return f"{text}: {marker.reason}" if marker.reason else text


def _hold_line(hold: HoldBeat, now: float) -> str:
    parts = (hold.kind, until(moment(hold.until), now) or "until it is lifted", hold.reason)
    return "  ".join(part for part in parts if part)


def _running_line(running: Running, now: float) -> str:
    doing = f"  {running.activity}" if running.activity else ""
    place = f"  on {running.host}" if running.host else ""
    return (
        f"{running.cadence}  {running.run_id}{place}  attempt {running.attempt},"
        f" started {stored_age(running.started_at, now)}{doing}"
    )
