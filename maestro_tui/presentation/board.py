"""Columns of the board where it is a table, and what a cadence says to a filter. Pure."""

from __future__ import annotations

from typing import NamedTuple

from rich.text import Text

from maestro_core.observe.snapshot import CadenceView, ConsumerView
from maestro_tui.presentation import times
from maestro_tui.presentation.cadence import countdown, history, last_run, usually
from maestro_tui.presentation.cells import bar, choose, data, line, narrow
from maestro_tui.presentation.columns import Column
from maestro_tui.presentation.waits import AT_ONCE, Waits
from maestro_tui.presentation.words import attention, cadence_look, outcome_look
from maestro_tui.query import Fields


class Cadence(NamedTuple):
    """A row of the board: a cadence and the consumer that is to run it."""

    view: CadenceView
    consumer: ConsumerView
    waits: Waits = AT_ONCE
    """What it waits for where it is not held itself."""


def _name(row: Cadence, _now: float) -> Text:
    return line((data(row.view.name, 128), "title"))


def _state(row: Cadence, _now: float) -> Text:
    look = cadence_look(row.view, row.consumer)
    return line((f"{look.glyph} {look.word}", f"{look.style}.strong"))


def _time(row: Cadence, now: float, width: int) -> Text:
    """Host, bar, time left, clock time; the clock time goes first when room is short, then the
    bar."""
    when = countdown(row.view, row.consumer, now, row.waits)
    words = line((when.text, "text" if when.share is not None else when.style))
    chunks = [(0, words)]
    if when.share is not None:
        chunks.insert(0, (2, bar(when.share, min(10, max(4, width - 20)), when.style)))
    if when.face:
        chunks.append((3, line((when.face, "muted"))))
    if row.view.running is not None and row.view.running.host:
        chunks.insert(0, (1, line((data(row.view.running.host, 12), "accent"))))
    return choose(chunks, width, gap=" ") if words.cell_len <= width else words


def _failures(row: Cadence, _now: float) -> Text:
    view = row.view
    if view.state == "unknown":
        return line(("?", "faint"))
    style = "bad" if view.failures >= view.threshold else "warn" if view.failures else "faint"
    return line((f"{view.failures}/{view.threshold}", style))


def _attempt(row: Cadence, _now: float) -> Text:
    running = row.view.running
    return line((f"{running.attempt}/{row.view.max_attempts}" if running else "", "text"))


def _number(row: Cadence, count: int, style: str) -> Text:
    if row.view.state == "unknown":
        return line(("?", "faint"))
    return line((narrow(count) if count else "·", style if count else "faint"))


def _last(row: Cadence, now: float, width: int) -> Text:
    """Glyph and age, and the word where there is room."""
    last = last_run(row.view)
    if last is None:
        return line(("?" if row.view.state == "unknown" else "·", "faint"))
    look = outcome_look(last.outcome)
    ended = times.moment(last.ended_at)
    age = line(
        (f"{look.glyph} ", look.style), (times.short(now - ended) if ended else "?", "muted")
    )
    word = [(1, line((look.word, look.style)))] if width >= 12 else []
    return choose([(0, age), *word], width, gap=" ")


def _last_at(row: Cadence) -> float:
    last = last_run(row.view)
    return times.moment(last.ended_at) or 0.0 if last else 0.0


def _usual(row: Cadence, _now: float) -> Text:
    return line((usually(row.view) if row.view.usual_seconds else "", "muted"))


def _runs(row: Cadence, _now: float) -> Text:
    return history(row.view, 20)


COLUMNS: tuple[Column[Cadence], ...] = (
    Column("name", "CADENCE", 16, _name, lambda row: row.view.name, grow=3, ticks=False),
    Column("state", "STATE", 13, _state,
           lambda row: attention(row.view, row.consumer), ticks=False),
    Column("time", "TIME", 22, lambda row, now: _time(row, now, 22), grow=4, drop=1, fill=_time),
    Column("failures", "FAIL", 5, _failures, lambda row: -row.view.failures, drop=4, ticks=False),
    Column("attempt", "TRY", 3, _attempt, drop=7, ticks=False),
    Column("waiting", "WAIT", 4, lambda row, _now: _number(row, row.view.waiting, "text"),
           lambda row: -row.view.waiting, drop=2, align="right", ticks=False),
    Column("dead", "DEAD", 4, lambda row, _now: _number(row, row.view.dead, "bad"),
           lambda row: -row.view.dead, drop=6, align="right", ticks=False),
    Column("last", "LAST", 7, lambda row, now: _last(row, now, 7),
           lambda row: -_last_at(row), grow=1, drop=3, fill=_last),
    Column("usual", "USUAL", 6, _usual,
           lambda row: row.view.usual_seconds or 0, drop=8, ticks=False),
    Column("runs", "RUNS", 20, _runs, drop=9, ticks=False),
)  # fmt: skip


def hosts(view: CadenceView) -> str | None:
    """Where it runs, and which hosts can run it; None where no fleet does."""
    found = (view.running.host if view.running else None, *view.hosts)
    return " ".join(dict.fromkeys(host for host in found if host)) or None


def fields(row: Cadence, now: float) -> Fields:
    """What a filter can ask of a cadence."""
    view, last = row.view, last_run(row.view)
    ended = times.moment(last.ended_at) if last else None
    return {
        "cadence": view.name,
        "mode": view.mode,
        "host": hosts(view),
        "state": cadence_look(view, row.consumer).word,
        "last": outcome_look(last.outcome).word if last else None,
        "reason": view.reason or (last.reason if last else None),
        "failures": float(view.failures),
        "waiting": float(view.waiting),
        "dead": float(view.dead),
        "age": now - ended if ended else None,
        "usual": view.usual_seconds,
    }
