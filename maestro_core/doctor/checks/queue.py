"""What waits for a person on the bus: open circuits, dead letters, quarantine, stale claims."""

from __future__ import annotations

from pathlib import Path

from maestro_core.clock import iso
from maestro_core.doctor.checks.consumer import beating_of
from maestro_core.doctor.context import Check, Context
from maestro_core.doctor.finding import Verdict, ok, warn
from maestro_core.observe.circuits import read_circuits
from maestro_core.observe.documents import read_document, text

_SHOWN = 3


def circuits(context: Context) -> Verdict:
    layout, now = context.layout, context.clock.wall()
    found = read_circuits(
        read_document(context.fs, layout.circuit_open), read_document(context.fs, layout.gates)
    )
    if found.problems:
        return warn("\n".join(found.problems), "remove the file; the consumer writes it anew")
    held = {name: one for name, one in found.states.items() if one.open_until > now}
    if not held:
        return ok("none is open")
    lines = [
        f"{name}: {_cause(one.failures)}, until {iso(one.open_until)}"
        for name, one in sorted(held.items())
    ]
    return warn("\n".join(lines), "mend the cause, then maestro-tui circuit close CADENCE")


def _cause(failures: int) -> str:
    """A circuit that an operator opened has no failures, and none is to be looked for."""
    if not failures:
        return "held open"
    return f"{failures} failure{'' if failures == 1 else 's'}"


def dead_letters(context: Context) -> Verdict:
    names = _ticks(context, context.layout.dlq)
    if not names:
        return ok("none")
    return warn(
        f"{len(names)} wait for a decision",
        "maestro-tui dlq list; then dlq retry ID or dlq discard ID",
    )


def quarantine(context: Context) -> Verdict:
    folder = context.layout.quarantine
    names = [n for n in _names(context, folder) if not n.endswith(".reason.json")]
    if not names:
        return ok("empty")
    shown = [f"{name}: {_reason(context, folder, name)}" for name in names[:_SHOWN]]
    more = [f"and {len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
    return warn(
        "\n".join([*shown, *more]), f"correct the program that wrote them, then empty {folder}"
    )


def _reason(context: Context, folder: Path, name: str) -> str:
    note = read_document(context.fs, folder / f"{name}.reason.json").content
    return text(note.get("reason"), 200) or "no reason beside it"


def claims(context: Context) -> Verdict:
    names = _ticks(context, context.layout.claimed)
    beating, word = beating_of(context)
    if word in ("live", "stale"):
        working = {run.tick_id for run in beating.running}
        stale = [n for n in names if n.removesuffix(".json") not in working and _old(context, n)]
        remedy = "restart the consumer: it takes them up again"
    else:
        stale, remedy = names, "start the consumer: it takes them up again"
    if not stale:
        return ok(f"{len(names)} claimed, none stale")
    return warn(f"{len(stale)} that nobody works on: {', '.join(stale[:_SHOWN])}", remedy)


def _old(context: Context, name: str) -> bool:
    """Claimed for longer than a claim may be on its way into the heartbeat."""
    try:
        claimed_at = context.fs.modified(context.layout.claimed / name)
    except OSError:
        return False  # settled while we looked
    return context.clock.wall() - claimed_at > 60.0


def _ticks(context: Context, folder: Path) -> list[str]:
    return [name for name in _names(context, folder) if name.endswith(".json")]


def _names(context: Context, folder: Path) -> list[str]:
    try:
        return sorted(context.fs.names(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


CHECKS = (
    Check("queue.circuits", "Open circuits", circuits),
    Check("queue.dead_letters", "Dead letters", dead_letters),
    Check("queue.quarantine", "Quarantine", quarantine),
    Check("queue.claims", "Stale claims", claims),
)
