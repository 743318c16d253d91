"""What `maestro-tui bus status` says: which bus it is, its hosts, how much is on it."""

from __future__ import annotations

from typing import Any

from maestro_core.cli.output import Printer
from maestro_core.cli.words import plural, span
from maestro_core.layout import Layout
from maestro_core.settings_types import FOLDERS, BusSettings


def document_of(layout: Layout, bus: BusSettings) -> dict[str, Any]:
    """With stable keys; `problem` is None when the bus can be used."""
    if bus.server is None:
        return {"bus": FOLDERS, "where": str(layout.bus), "problem": None}
    from maestro_core.fleet.open import host_of, require

    require()
    from maestro_core.fleet.status import read_status

    return {"bus": "server", **read_status(layout, bus).document(), "here": host_of(bus)}


def print_status(printer: Printer, found: dict[str, Any]) -> None:
    printer.line(f"bus        {found['bus']}  ({found['where']})")
    if found["bus"] == FOLDERS:
        return
    if found["schema"] is not None:
        printer.line(f"schema     {found['schema']}, PgQueuer {found['engine'] or 'none'}")
    if found["problem"]:
        printer.line(f"problem    {found['problem']} ({found['remedy']})")
        return
    counts = found["counts"]
    printer.line(
        f"ticks      {counts['inbox']:,} waiting, {counts['claimed']:,} running,"
        f" {plural(counts['dlq'], 'dead letter')}, {counts['quarantine']:,} in quarantine"
    )
    if not found["hosts"]:
        printer.line("hosts      none has been heard of")
    printer.table(
        ("HOST", "STATE", "HEARD", "VERSION", "RUNNING", "CADENCES"),
        [_row(host, found["here"]) for host in found["hosts"]],
    )


def _row(host: dict[str, Any], here: str) -> tuple[str, ...]:
    return (
        host["host"] + (" (here)" if host["host"] == here else ""),
        host["state"],
        f"{span(host['age_seconds'])} ago",
        host["version"] or "-",
        ", ".join(one["cadence"] for one in host["running"]) or "-",
        ", ".join(host["cadences"]) or "-",
    )
