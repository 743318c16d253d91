"""The doctor's checks as rows. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from rich.text import Text

from maestro_core.doctor.finding import Finding
from maestro_tui.presentation.cells import data, facts, line
from maestro_tui.presentation.columns import Column
from maestro_tui.presentation.words import CHECKS, Look
from maestro_tui.query import Fields

_ORDER = ("fail", "warn", "running", "skip", "ok")


class CheckRow(NamedTuple):
    """One check; without a finding it is being run."""

    id: str
    title: str
    finding: Finding | None = None

    @property
    def word(self) -> str:
        return self.finding.status if self.finding else "running"


def look_of(row: CheckRow) -> Look:
    if row.finding is not None and row.finding.unchecked:
        return Look("?", "unknown", "warn")
    return CHECKS[row.word]


def _status(row: CheckRow, _now: float) -> Text:
    look = look_of(row)
    return line((f"{look.glyph} {look.word}", f"{look.style}.strong"))


def _title(row: CheckRow, _now: float) -> Text:
    return line((data(row.title, 120), "title" if row.word in ("fail", "warn") else "text"))


def _detail(row: CheckRow, _now: float) -> Text:
    return line((data(row.finding.detail, 300) if row.finding else "…", "muted"))


def _seconds(row: CheckRow, _now: float) -> Text:
    if row.finding is None:
        return line("")
    style = "warn" if row.finding.slow else "faint"
    return line((f"{row.finding.seconds:.2f}s", style))


COLUMNS: tuple[Column[CheckRow], ...] = (
    Column("status", "STATUS", 10, _status, lambda row: _ORDER.index(row.word), ticks=False),
    Column("title", "CHECK", 21, _title, lambda row: row.title, grow=1, ticks=False),
    Column("detail", "FOUND", 20, _detail, grow=6, drop=1, ticks=False),
    Column("seconds", "TIME", 6, _seconds,
           lambda row: -(row.finding.seconds if row.finding else 0.0),
           drop=2, align="right", ticks=False),
)  # fmt: skip


def fields(row: CheckRow, _now: float) -> Fields:
    """What a filter can ask of a check."""
    finding = row.finding
    return {
        "state": row.word,
        "check": row.title,
        "id": row.id,
        "detail": finding.detail if finding else None,
        "remedy": finding.remedy if finding else None,
        "time": finding.seconds if finding else None,
    }


def details(row: CheckRow) -> list[Text]:
    """The whole finding and its remedy."""
    look = look_of(row)
    out = [
        line(
            (f"{look.glyph} {look.word}  ", f"{look.style}.strong"), (data(row.title, 200), "title")
        )
    ]
    if row.finding is None:
        return [*out, line(("the check is running …", "muted"))]
    out += [line((data(text, 2000), "text")) for text in row.finding.detail.splitlines()]
    if row.finding.remedy:
        out += [line(""), line(("what to do", "head"), ("  y copies it", "faint"))]
        out += [line(("  " + data(text, 2000), "code")) for text in row.finding.remedy.splitlines()]
    return [*out, line(""), *facts(("id", row.id), ("took", f"{row.finding.seconds:.2f} s"))]


def summary(rows: Iterable[CheckRow]) -> Text:
    """`×2 △1 ✓20`, the worst first."""
    counts = Counter(row.word for row in rows)
    looks = [(CHECKS[word], counts[word]) for word in _ORDER if counts[word]]
    return Text(" ", end="").join(
        line((f"{look.glyph}{count}", look.style)) for look, count in looks
    )
