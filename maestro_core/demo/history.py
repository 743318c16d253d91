"""A past for the demo: ledger rows, their logs and journal lines of the last hours.

Written through the real ledger and journal with a clock that runs from then to now, so
that it looks to every reader like something that happened.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from maestro_core.clock import FakeClock, iso
from maestro_core.demo.stand_in import MODEL, Play, Stream
from maestro_core.journal import Journal
from maestro_core.layout import Layout
from maestro_core.models import RunResult, RunRow, Usage
from maestro_core.session.ledger import Ledger

RUNS = 20
"""For each cadence: as many as its sparkline shows."""
LOGGED = 3
"""So many of the newest keep their log files."""
DAYS = 6
"""Days before, with fewer runs: the costs of a week."""
_DAY = 86400.0


class Habit(Struct, frozen=True):
    """How a cadence used to behave: minutes between runs, seconds a run, and where it failed."""

    cadence: str
    minutes: float
    seconds: float
    fails: str
    """One mark a run, oldest first: x failed, anything else went well."""
    error: str = ""


HABITS = (
    Habit("inbox-processor", 14, 5, "." * RUNS),
    Habit("market-scan", 15, 6, ".......x............", "exit 1: no answer from the search"),
    Habit("weekly-strategic-memo", 47, 70, "..................x.", "exit 143: timed out"),
    Habit("crm-sync", 10, 4, ".x..xx...x.x.x..x.x.", "exit 1: upstream answered 502 Bad Gateway"),
    Habit("invoice-chaser", 22, 2, "..............xxxxxx", "exit 1: no file of invoices"),
    Habit("report-builder", 36, 5, ".......xxx..........", "exit 1: No space left on device"),
    Habit("social-poster", 31, 3, "." * RUNS),
)


class Past(Struct, frozen=True):
    """One run that is to have been; `day` 0 is today."""

    habit: Habit
    number: int
    started: float
    seconds: float
    day: int = 0

    @property
    def failed(self) -> bool:
        return self.habit.fails[self.number] == "x"

    @property
    def run_id(self) -> str:
        return f"demo-{self.habit.cadence}-{self.day}-{self.number:02}"

    @property
    def logged(self) -> bool:
        return self.day == 0 and self.number >= RUNS - LOGGED


def seed_history(layout: Layout, now: float) -> None:
    """Fill ledger, journal and logs of an agent root that has none yet."""
    clock = FakeClock(now)
    journal = Journal(layout, clock)
    ledger = Ledger.open(layout.ledger)
    try:
        for past in sorted(_pasts(now), key=lambda one: one.started):
            clock.jump(past.started - clock.wall())
            _replay(layout, ledger, journal, clock, past)
    finally:
        ledger.close()


def _pasts(now: float) -> Iterator[Past]:
    chance = random.Random(7)  # noqa: S311 - the same past for everybody
    for habit in HABITS:
        for number in range(RUNS):
            seconds = habit.seconds * chance.uniform(0.7, 1.5)
            ago = (RUNS - number) * habit.minutes * 60 * chance.uniform(0.9, 1.0)
            yield Past(habit, number, now - ago - seconds, seconds)
        for day in range(1, DAYS + 1):
            for number in range(chance.randint(2, 7)):
                started = now - (day + chance.random() * 0.4) * _DAY
                yield Past(habit, number, started, habit.seconds * chance.uniform(0.7, 1.5), day)


def _replay(layout: Layout, ledger: Ledger, journal: Journal, clock: FakeClock, past: Past) -> None:
    row = _row(layout, past)
    result = _result(past, row.stdout_path)
    about: dict[str, Any] = {"id": row.tick_id, "cadence": row.cadence, "run_id": row.run_id}
    journal.write("info", "subsession_spawn", **about, attempt=row.attempt)
    ledger.begin(row, None)
    clock.jump(past.seconds)
    ledger.finish(row.run_id, result, iso(clock.wall()))
    about |= {"exit_code": result.exit_code, "duration_ms": round(past.seconds * 1000)}
    if past.failed:
        journal.write("error", "subsession_failed", **about, error=result.reason)
    else:
        journal.write("info", "subsession_completed", **about)


def _row(layout: Layout, past: Past) -> RunRow:
    started = iso(past.started)
    log = _write_log(layout, past) if past.logged else None
    return RunRow(
        run_id=past.run_id, tick_id=f"{past.run_id}-tick", cadence=past.habit.cadence, attempt=1,
        started_at=started, ended_at=None, outcome=None, failure_class=None, exit_code=None,
        signal=None, usage=Usage(), stdout_path=log, stderr_path=None, reason=None, pid=None,
        duration=None,
    )  # fmt: skip


def _result(past: Past, log: str | None) -> RunResult:
    tokens = int(past.seconds * 90)
    usage = Usage(
        tokens_in=tokens * 3, tokens_out=tokens, tokens_cache_read=tokens * 40,
        cost_usd=tokens * 40 * 3e-7 + tokens * 15e-6, model=MODEL, turns=3 + past.number % 4,
    )  # fmt: skip
    return RunResult(
        outcome="failed" if past.failed else "ok",
        exit_code=1 if past.failed else 0,
        reason=past.habit.error if past.failed else None,
        duration=past.seconds,
        stdout_path=log,
        usage=usage,
    )


def _write_log(layout: Layout, past: Past) -> str:
    """What the stand-in would have printed, as a log file; its path."""
    stamp = iso(past.started).replace(":", "-").replace(".", "-")
    name = f"{stamp[:10]}-{past.habit.cadence}-{stamp}.stdout.log"
    path = layout.subsessions / name
    prompt = Path(__file__).parent / "agent/schedules/triggers" / f"{past.habit.cadence}.md"
    with path.open("w", encoding="utf-8") as out:
        stream = Stream(past.run_id, out)
        stream.begin()
        for tool, target, arrow, answer in Play(prompt.read_text()).lines():
            if tool == "say":
                stream.say(target)
            else:
                stream.answer(stream.use(tool, target), answer, wrong=arrow == "=!")
        stream.end("Done.")
    return str(path)
