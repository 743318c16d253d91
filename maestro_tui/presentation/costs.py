"""What the agent costs: sums by cadence, bars by day. Pure.

Rows come from the ledger as sums by (day, cadence, model); days are UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from rich.text import Text

from maestro_core.session.ledger import CostRow
from maestro_tui.presentation import times
from maestro_tui.presentation.cells import BLOCKS, bar, data, fit, line, money
from maestro_tui.presentation.columns import Column
from maestro_tui.query import Fields

CHART_LINES = 8
"""Lines of the chart, labels included."""


class Sum(NamedTuple):
    """Sums of runs under one name. `share` is its part of all money (of all time, if free)."""

    name: str
    runs: int = 0
    ok: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    cost: float = 0.0
    seconds: float = 0.0
    share: float = 0.0


def sums(rows: Iterable[CostRow], name: Callable[[CostRow], str]) -> list[Sum]:
    """Rows added up by name, the most expensive first."""
    found: dict[str, Sum] = {}
    for row in rows:
        was = found.get(name(row)) or Sum(name(row))
        found[name(row)] = Sum(
            was.name, was.runs + row.runs, was.ok + row.ok, was.tokens_in + row.tokens_in,
            was.tokens_out + row.tokens_out,
            was.tokens_cached + row.tokens_cache_read + row.tokens_cache_write,
            was.cost + row.cost_usd, was.seconds + row.seconds,
        )  # fmt: skip
    total, time = (
        sum(one.cost for one in found.values()),
        sum(one.seconds for one in found.values()),
    )
    shared = [
        one._replace(share=one.cost / total if total else one.seconds / time if time else 0.0)
        for one in found.values()
    ]
    return sorted(shared, key=lambda one: (-one.cost, -one.seconds))


def days_back(now: float, days: int) -> list[str]:
    """`2026-11-24` of today and the days before it, oldest first (UTC)."""
    today = datetime.fromtimestamp(now, UTC).date()
    return [(today - timedelta(days=n)).isoformat() for n in range(days - 1, -1, -1)]


# ---- chart --------------------------------------------------------------------------------


def chart(
    rows: Sequence[CostRow], days: Sequence[str], width: int, lines: int = CHART_LINES
) -> list[Text]:
    """A column a day: its height is the money spent, its foot the day, its head the sum."""
    by_day = {one.name: one for one in sums(rows, lambda row: row.key[0])}
    each = max(3, min(9, (width - 2) // max(1, len(days))))
    shown = list(days)[-((width - 2) // each) :]
    spent = [by_day[day].cost if day in by_day else 0.0 for day in shown]
    top, height = max(spent, default=0.0), lines - 2
    out = [line("  ", *(fit(_head(value, each), each) for value in spent))]
    for level in range(height, 0, -1):
        bricks = (
            _brick(value / top * height if top else 0.0, level, each, n == len(shown) - 1)
            for n, value in enumerate(spent)
        )
        out.append(line("  ", *bricks))
    out.append(line("  ", *(fit(_foot(day, each, n), each) for n, day in enumerate(shown))))
    return out


def _head(value: float, each: int) -> Text:
    if value <= 0:
        return line(("·" if each >= 3 else "", "faint"))
    return line((money(value) if each >= 7 else f"{value:.0f}"[: each - 1], "muted"))


def _brick(height: float, level: int, each: int, today: bool) -> Text:
    """One cell row of one column; eighths of a line."""
    part = min(max(height - (level - 1), 0.0), 1.0)
    style = "accent" if today else "spark"
    if part <= 0:
        return line(" " * each)
    block = BLOCKS[min(7, max(0, round(part * 8) - 1))]
    return line((block * max(1, each - 2), style), " " * (each - max(1, each - 2)))


def _foot(day: str, each: int, number: int) -> Text:
    moment = datetime.fromisoformat(day)
    words = f"{moment:%a %d}" if each >= 7 else f"{moment:%d}" if each >= 3 else ""
    return line((words, "muted" if number % 2 == 0 or each >= 7 else "faint"))


def totals(rows: Sequence[CostRow], words: str) -> Text:
    """One line over everything."""
    one = sums(rows, lambda _row: "all")
    if not one:
        return line((f" no runs in the {words}", "muted"))
    total = one[0]
    return line(
        (f" {money(total.cost)}", "title"), (f" in the {words}", "muted"),
        (f"   {total.runs:,}", "text"), (" runs", "muted"),
        (f"   {percent(total.ok, total.runs)}", rate_style(total)), (" ok", "muted"),
        (f"   {count(total.tokens_in + total.tokens_cached)}", "text"), (" tokens in, ", "muted"),
        (f"{count(total.tokens_out)}", "text"), (" out", "muted"),
        (f"   {times.timer(total.seconds)}", "text"), (" of run time", "muted"),
    )  # fmt: skip


def percent(part: int, whole: int) -> str:
    return f"{100 * part // whole}%" if whole else ""


def rate_style(one: Sum) -> str:
    """Good, so-so or bad, by the share of runs that were ok."""
    rate = one.ok / one.runs if one.runs else 1.0
    return "ok" if rate >= 0.9 else "warn" if rate >= 0.6 else "bad"


def count(number: float) -> str:
    """`812`, `12.4k`, `3.1M`."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= limit:
            return f"{number / limit:.1f}{unit}"
    return f"{number:.0f}"


# ---- table --------------------------------------------------------------------------------


def _name(row: Sum, _now: float) -> Text:
    return line((data(row.name, 128), "title"))


def _share(row: Sum, _now: float, width: int) -> Text:
    return bar(row.share, max(4, width), "accent")


COLUMNS: tuple[Column[Sum], ...] = (
    Column("name", "CADENCE", 18, _name, lambda row: row.name, grow=2, ticks=False),
    Column("cost", "COST", 8, lambda row, _now: line((money(row.cost), "text")),
           lambda row: -row.cost, align="right", ticks=False),
    Column("share", "SHARE", 10, lambda row, now: _share(row, now, 10),
           grow=3, drop=2, fill=_share, ticks=False),
    Column("each", "A RUN", 7, lambda row, _now: line((money(row.cost / row.runs), "muted")),
           lambda row: -row.cost / row.runs, drop=3, align="right", ticks=False),
    Column("runs", "RUNS", 7, lambda row, _now: line((f"{row.runs:,}", "text")),
           lambda row: -row.runs, drop=1, align="right", ticks=False),
    Column("ok", "OK", 5, lambda row, _now: line((percent(row.ok, row.runs), rate_style(row))),
           lambda row: row.ok / row.runs, drop=1, align="right", ticks=False),
    Column("in", "IN", 7, lambda row, _now: line((count(row.tokens_in), "muted")),
           lambda row: -row.tokens_in, drop=5, align="right", ticks=False),
    Column("cached", "CACHED", 7, lambda row, _now: line((count(row.tokens_cached), "muted")),
           lambda row: -row.tokens_cached, drop=7, align="right", ticks=False),
    Column("out", "OUT", 7, lambda row, _now: line((count(row.tokens_out), "muted")),
           lambda row: -row.tokens_out, drop=6, align="right", ticks=False),
    Column("time", "TIME", 7, lambda row, _now: line((times.short(row.seconds), "muted")),
           lambda row: -row.seconds, drop=4, align="right", ticks=False),
)  # fmt: skip


def fields(row: Sum, _now: float) -> Fields:
    """What a filter can ask of a sum."""
    return {
        "cadence": row.name,
        "cost": row.cost,
        "runs": float(row.runs),
        "ok": 100.0 * row.ok / row.runs if row.runs else None,
        "time": row.seconds,
    }
