"""Ends what the runs of a dead consumer left behind, before their ticks may run again.

Waits for processes to go (seconds at most): called once, before the consumer works.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from maestro_core.clock import Clock, iso, parse_iso
from maestro_core.layout import Layout
from maestro_core.models import RunResult
from maestro_core.session import processes
from maestro_core.session.ledger import Ledger, LedgerTrouble
from maestro_core.session.ledger_rows import OpenRow
from maestro_core.session.processes import Family, Process

POLITE_SECONDS = 3.0
"""How long the CLI may take to end its own tools after TERM."""
KILL_SECONDS = 5.0
LOOK = 0.02


def end_orphans(
    layout: Layout, ledger: Ledger, tick_ids: frozenset[str], clock: Clock
) -> list[str]:
    """One line on each run that was found alive, or whose row had no end.

    Processes are found by pid with start token (a pid that is used again is a stranger's),
    by descent from those, and by the environment that every child of a run inherits.
    """
    try:
        rows = ledger.open_rows()
    except LedgerTrouble as error:
        rows, lines = [], [f"the ledger cannot say what ran: {error}"]
    else:
        lines = []
    family = Family(*(process for row in rows for process in row.processes))
    strays = _strays(layout, rows, tick_ids)
    family.add(strays())
    found = _end(family, strays)
    lines += [_line(row, found) for row in rows]
    named = {pid for row in rows for pid, _ in row.processes}
    others = [str(one.pid) for one in found if one.pid not in named]
    if others:
        lines.append(f"ended {len(others)} other processes of these runs: {', '.join(others)}")
    lines += [f"could not end process {one.pid}" for one in family.look()]
    return lines + _close(ledger, rows, clock)


def _strays(
    layout: Layout, rows: list[OpenRow], tick_ids: frozenset[str]
) -> Callable[[], list[Process]]:
    ours = [processes.of_run(row.run_id, layout.root) for row in rows]
    ours.append(processes.of_ticks(tick_ids, layout.root))
    return lambda: processes.marked(lambda env: any(one(env) for one in ours))


def _end(family: Family, strays: Callable[[], list[Process]]) -> list[Process]:
    """TERM, a short wait, KILL until nobody is left or the time is up; who there was."""
    found = {one.pid: one for one in family.look()}
    for one in found.values():
        processes.send(one.pid, one.token, signal.SIGTERM)
    _wait(lambda: not family.look(), POLITE_SECONDS)

    def nobody() -> bool:
        family.add(strays())
        left = family.kill()
        found.update((one.pid, one) for one in left)
        return not left

    _wait(nobody, KILL_SECONDS)
    return list(found.values())


def _wait(done: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not done() and time.monotonic() < until:
        time.sleep(LOOK)


def _line(row: OpenRow, found: list[Process]) -> str:
    pids = {pid for pid, _ in row.processes}
    alive = [str(one.pid) for one in found if one.pid in pids]
    what = f"ended its processes {', '.join(alive)}" if alive else "its processes were gone"
    return f"run {row.run_id} of {row.cadence} ({row.tick_id}): {what}"


def _close(ledger: Ledger, rows: list[OpenRow], clock: Clock) -> list[str]:
    now = clock.wall()
    for row in rows:
        result = RunResult(
            outcome="orphaned", exit_code=-5, failure_class="orphaned",
            reason="exit -5: its consumer died", duration=_age(row, now),
            stdout_path=row.stdout_path, stderr_path=row.stderr_path,
        )  # fmt: skip
        try:
            ledger.finish(row.run_id, result, iso(now))
        except LedgerTrouble as error:
            return [f"the ledger rows of these runs stay open: {error}"]
    return []


def _age(row: OpenRow, now: float) -> float:
    try:
        return max(0.0, now - parse_iso(row.started_at))
    except ValueError:
        return 0.0
