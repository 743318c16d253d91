"""Rows of the ledger as a table, as words of a filter, and in full. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.text import Text

from maestro_core.models import RunRow
from maestro_core.observe.snapshot import Snapshot
from maestro_tui.presentation import times
from maestro_tui.presentation.cells import data, facts, line, money
from maestro_tui.presentation.columns import Column
from maestro_tui.presentation.reasons import gist
from maestro_tui.presentation.words import MAYBE_RUNNING, Look, outcome_look
from maestro_tui.query import Fields


class Run(NamedTuple):
    """A row with its times as epoch seconds, so that sorting and ages cost nothing."""

    id: str
    row: RunRow
    started: float
    ended: float | None
    alive: bool = True
    """It has not ended, as far as anybody knows: False = nobody says that it goes on."""

    def seconds(self, now: float) -> float:
        """How long it took, or has been going on."""
        if self.ended is None:
            return max(0.0, now - self.started)
        return self.row.duration if self.row.duration is not None else self.ended - self.started


def run_of(row: RunRow) -> Run:
    return Run(row.run_id, row, times.moment(row.started_at) or 0.0, times.moment(row.ended_at))


def merged(page: Sequence[RunRow], known: Sequence[Run]) -> list[Run] | None:
    """`known` with its newest rows as in `page`; None where a page cannot tell the whole.

    Both newest first. A page tells the whole when it reaches back to rows that are known, and
    all older ones have ended: those do not change any more.
    """
    recent = {run.id: place for place, run in enumerate(known[: 4 * len(page)])}
    place = recent.get(page[-1].run_id)
    if place is None or any(run.ended is None for run in known[place + 1 :]):
        return None
    return [*(run_of(row) for row in page), *known[place + 1 :]]


YOUNG = 10.0
"""Seconds in which the ledger may know of a run that the heartbeat does not tell of yet."""


def judged(runs: Sequence[Run], snapshot: Snapshot | None, now: float) -> Sequence[Run]:
    """The runs, those without an end judged by the heartbeat; the same object if none changed."""
    if snapshot is None:
        return runs
    beats = snapshot.consumer.word == "live"
    going = {one.run_id for one in snapshot.running} if beats else set()
    wrong = {
        place: alive
        for place, run in enumerate(runs)
        if run.ended is None
        and (alive := run.id in going or (beats and now - run.started < YOUNG)) != run.alive
    }
    if not wrong:
        return runs
    return [
        run._replace(alive=wrong[place]) if place in wrong else run
        for place, run in enumerate(runs)
    ]


def _look(run: Run) -> Look:
    return outcome_look(run.row.outcome) if run.ended is not None or run.alive else MAYBE_RUNNING


def _started(run: Run, now: float) -> Text:
    return line((times.face(run.started, now), "text" if run.ended is None else "muted"))


def _cadence(run: Run, _now: float) -> Text:
    return line((data(run.row.cadence, 80), "title"))


def _outcome(run: Run, _now: float) -> Text:
    look = _look(run)
    return line((f"{look.glyph} {data(look.word, 20)}", f"{look.style}.strong"))


def _took(run: Run, now: float) -> Text:
    if run.ended is None and not run.alive:
        return line(("?", "warn"))
    style = "run" if run.ended is None else "text"
    return line((times.timer(run.seconds(now)), style))


def _cost(run: Run, _now: float) -> Text:
    cost = run.row.usage.cost_usd
    return line((money(cost) if cost else "·", "text" if cost else "faint"))


def _tokens(run: Run, _now: float) -> Text:
    count = tokens(run.row)
    return line((short_number(count) if count else "·", "muted" if count else "faint"))


def _attempt(run: Run, _now: float) -> Text:
    return line((str(run.row.attempt), "muted" if run.row.attempt < 2 else "warn"))


def _exit(run: Run, _now: float) -> Text:
    code = run.row.exit_code
    return line(("" if code is None else str(code), "faint" if code == 0 else "bad"))


def _gist_of(run: Run) -> str:
    """Without the exit code in front, which has a column."""
    return gist((run.row.reason or "").removeprefix(f"exit {run.row.exit_code}: "))


def _reason(run: Run, _now: float) -> Text:
    return line((data(_gist_of(run), 200), "muted"))


def _model(run: Run, _now: float) -> Text:
    return line((data(run.row.usage.model or "", 40), "faint"))


def _id(run: Run, _now: float) -> Text:
    return line((data(run.id, 128), "faint"))


def _host(run: Run, _now: float) -> Text:
    return line((data(run.row.host or "", 80), "text"))


HOST = Column("host", "HOST", 10, _host, lambda run: run.row.host or "", grow=1, drop=2)
"""Stands behind the cadence where a fleet runs them."""

COLUMNS: tuple[Column[Run], ...] = (
    Column("started", "STARTED", 9, _started, lambda run: run.started),
    Column("cadence", "CADENCE", 16, _cadence, lambda run: run.row.cadence, grow=1),
    Column("outcome", "OUTCOME", 13, _outcome, lambda run: run.row.outcome or ""),
    Column("took", "TOOK", 7, _took, lambda run: run.row.duration or 0.0, align="right", drop=1),
    Column("cost", "COST", 7, _cost, lambda run: run.row.usage.cost_usd, align="right", drop=3),
    Column("attempt", "TRY", 3, _attempt, lambda run: run.row.attempt, align="right", drop=4),
    Column("exit", "EXIT", 4, _exit, lambda run: run.row.exit_code or 0, align="right", drop=5),
    Column("reason", "REASON", 14, _reason, _gist_of, grow=3, drop=2),
    Column("tokens", "TOKENS", 7, _tokens, lambda run: tokens(run.row), align="right", drop=6),
    Column("model", "MODEL", 28, _model, lambda run: run.row.usage.model or "", drop=7),
    Column("id", "RUN", 30, _id, lambda run: run.id, drop=8),
)  # fmt: skip


FLEET_COLUMNS = (*COLUMNS[:2], HOST, *COLUMNS[2:])


def tokens(row: RunRow) -> int:
    """Tokens in and out, cached ones included."""
    usage = row.usage
    cached = usage.tokens_cache_read + usage.tokens_cache_write
    return usage.tokens_in + usage.tokens_out + cached


def short_number(count: int) -> str:
    """`812`, `12.3k`, `1.2M`."""
    if count < 1000:
        return str(count)
    return f"{count / 1000:.1f}k" if count < 1_000_000 else f"{count / 1_000_000:.1f}M"


def fields(run: Run, now: float) -> Fields:
    """What a filter can ask of a run; `age` is the time since it began."""
    row = run.row
    return {
        "id": run.id,
        "tick": row.tick_id,
        "cadence": row.cadence,
        "state": row.outcome or _look(run).word,
        "outcome": row.outcome or _look(run).word,
        "class": row.failure_class,
        "error": row.reason,
        "model": row.usage.model,
        "host": row.host,
        "session": row.usage.session_id,
        "exit": None if row.exit_code is None else float(row.exit_code),
        "attempt": float(row.attempt),
        "age": now - run.started,
        "took": run.seconds(now),
        "cost": row.usage.cost_usd,
        "tokens": float(tokens(row)),
    }


def details(run: Run, now: float) -> list[Text]:
    """Everything the ledger has of it."""
    row, look = run.row, _look(run)
    usage = row.usage
    head = line((data(row.cadence, 128), "title"), "  ",
                (f"{look.glyph} {data(look.word, 40)}", f"{look.style}.strong"))  # fmt: skip
    known = facts(
        ("run", run.id),
        ("tick", row.tick_id),
        ("host", row.host),
        ("attempt", row.attempt),
        ("started", f"{times.stamp(run.started)} ({times.ago(run.started, now)})"),
        ("ended", times.stamp(run.ended) if run.ended else _going(run)),
        ("took", times.timer(run.seconds(now)) if run.alive else None),
        ("exit code", row.exit_code),
        ("signal", row.signal),
        ("class", row.failure_class),
        ("reason", row.reason),
        ("cost", money(usage.cost_usd) if usage.cost_usd else None),
        ("tokens", _token_words(row)),
        ("turns", usage.turns),
        ("model", usage.model),
        ("session", usage.session_id),
        ("pid", row.pid if run.ended is None else None),
        ("stdout", row.stdout_path or "none"),
        ("stderr", row.stderr_path or "none"),
    )
    return [head, line(""), *known]


def _going(run: Run) -> str:
    return "it goes on" if run.alive else "not known: no consumer says that it goes on"


def _token_words(row: RunRow) -> str | None:
    usage = row.usage
    if not tokens(row):
        return None
    return (
        f"{usage.tokens_in:,} in, {usage.tokens_out:,} out,"
        f" cache {usage.tokens_cache_read:,} read {usage.tokens_cache_write:,} written"
    )
