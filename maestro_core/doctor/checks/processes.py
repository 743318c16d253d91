"""Processes that outlived their consumer, and the ledger that knows them."""

from __future__ import annotations

import time

from maestro_core.doctor.checks.consumer import beating_of
from maestro_core.doctor.context import Check, Context
from maestro_core.doctor.finding import Verdict, fail, ok, skip, warn
from maestro_core.errors import MaestroError
from maestro_core.session import processes
from maestro_core.session.ledger import Ledger, OpenRow

_BEAT_SECONDS = 2.5


def ledger(context: Context) -> Verdict:
    path = context.layout.ledger
    if not path.exists():
        return skip("there is no ledger yet")
    try:
        _open_rows(context)
    except MaestroError as error:
        return fail(error.message, error.hint or "see its folder, and who owns it")
    return ok("readable")


def orphans(context: Context) -> Verdict:
    try:
        found, live = _orphans(context)
        if found and live:
            time.sleep(_BEAT_SECONDS)  # a run that has just begun is not in the heartbeat yet
            found = found & _orphans(context)[0]
    except MaestroError as error:
        return skip(error.message)
    if not found:
        return ok("none")
    return warn(
        f"{len(found)} whose consumer is gone: {', '.join(sorted(found)[:10])}",
        "start the consumer: it ends them before it takes up their ticks",
    )


def _orphans(context: Context) -> tuple[set[str], bool]:
    """Runs with living processes that the consumer does not know, and whether one lives."""
    beating, word = beating_of(context)
    known = {run.run_id for run in beating.running} if word in ("live", "stale") else set()
    found = {
        row.run_id
        for row in _open_rows(context)
        if any(processes.alive(pid, token) for pid, token in row.processes)
    }
    return (found | _marked(context)) - known, word == "live"


def _open_rows(context: Context) -> list[OpenRow]:
    base = Ledger.open(context.layout.ledger, read_only=True)
    try:
        return base.open_rows()
    finally:
        base.close()


def _marked(context: Context) -> set[str]:
    """Runs that living processes carry in their environment."""
    root, runs = str(context.layout.root), set[str]()

    def is_of_this_root(env: dict[str, str]) -> bool:
        if env.get(processes.ROOT) != root or processes.RUN_ID not in env:
            return False
        runs.add(env[processes.RUN_ID])
        return True

    processes.marked(is_of_this_root)
    return runs


CHECKS = (
    Check("consumer.ledger", "Ledger", ledger),
    Check("consumer.orphans", "Orphan sub-sessions", orphans, 10.0),
)
