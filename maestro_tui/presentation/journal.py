"""Journal entries and operators' acts as rows. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from rich.text import Text

from maestro_tui.presentation import times
from maestro_tui.presentation.cells import data, line
from maestro_tui.presentation.columns import Column
from maestro_tui.presentation.journal_words import Entry, summary
from maestro_tui.presentation.words import LEVELS, Look
from maestro_tui.query import Fields

STAGE_STYLES = {
    "circuit_opened": "bad", "circuit_closed": "ok", "unknown_cadence": "bad", "poison_tick": "bad",
    "emergency_stop": "bad", "subsession_spawn": "run", "inline_spawn": "run",
    "subsession_completed": "ok", "inline_completed": "ok", "subsession_failed": "bad",
    "inline_failed": "bad", "operator": "accent",
}  # fmt: skip
"""Stages that stand out; the others have the style of their level."""


class JournalRow(NamedTuple):
    """One entry; `id` stays the same when the journal is read anew."""

    id: str
    entry: Entry
    at: float | None


def journal_rows(entries: Sequence[Entry]) -> list[JournalRow]:
    """Rows in the order of `entries`; equal entries are told apart by number."""
    seen: dict[str, int] = {}
    rows = []
    for entry in entries:
        base = f"{entry.get('ts')} {entry.get('stage')} {entry.get('cadence')} {entry.get('verb')}"
        seen[base] = seen.get(base, 0) + 1
        ts = entry.get("ts")
        at = times.moment(ts) if isinstance(ts, str) else None
        rows.append(JournalRow(f"{base} {seen[base]}", entry, at))
    return rows


def level_of(entry: Entry) -> str:
    """debug | info | warn | error; an operator's act that failed is an error."""
    if entry.get("ok") is False:
        return "error"
    level = str(entry.get("level", "info"))
    return "warn" if level == "warning" else level


def look_of(entry: Entry) -> Look:
    if entry.get("stage") == "operator" and entry.get("ok") is not False:
        return Look("◆", "act", "accent")
    return LEVELS.get(level_of(entry), LEVELS["info"])


def _time(row: JournalRow, now: float) -> Text:
    return line((times.face(row.at, now) if row.at else "?", "muted"))


def _level(row: JournalRow, _now: float) -> Text:
    look = look_of(row.entry)
    return line((look.word, look.style))


def _stage(row: JournalRow, _now: float) -> Text:
    """With the glyph of its level, so that the level's own column may go."""
    stage, look = data(row.entry.get("stage", "?"), 60), look_of(row.entry)
    return line((f"{look.glyph} ", look.style), (stage, STAGE_STYLES.get(stage, look.style)))


def _cadence(row: JournalRow, _now: float) -> Text:
    return line((data(row.entry.get("cadence") or "", 80), "text"))


def _summary(row: JournalRow, _now: float) -> Text:
    return line((summary(row.entry), "muted"))


COLUMNS: tuple[Column[JournalRow], ...] = (
    Column("time", "TIME", 9, _time, lambda row: row.at or 0.0),
    Column("level", "LEVEL", 5, _level, lambda row: level_of(row.entry), drop=3, ticks=False),
    Column("stage", "STAGE", 22, _stage,
           lambda row: str(row.entry.get("stage")), drop=1, ticks=False),
    Column("cadence", "CADENCE", 16, _cadence,
           lambda row: str(row.entry.get("cadence")), grow=1, drop=2, ticks=False),
    Column("summary", "WHAT", 20, _summary, grow=5, ticks=False),
)  # fmt: skip


def fields(row: JournalRow, now: float) -> Fields:
    """What a filter can ask of an entry."""
    entry = row.entry
    return {
        "level": level_of(entry),
        "stage": str(entry.get("stage")),
        "cadence": str(entry.get("cadence") or ""),
        "host": str(entry.get("host") or ""),
        "tick": str(entry.get("tick_id") or entry.get("id") or ""),
        "run": str(entry.get("run_id") or ""),
        "what": summary(entry),
        "age": now - row.at if row.at else None,
    }


def details(row: JournalRow) -> list[Text]:
    """The whole entry."""
    head = line(
        (data(row.entry.get("stage", "?"), 80), "title"), (f"  {times.stamp(row.at)}", "muted")
    )
    body = json.dumps(row.entry, indent=2, ensure_ascii=False).splitlines()
    return [head, line(""), *(line((_indent(text) + data(text), "text")) for text in body)]


def _indent(text: str) -> str:
    return " " * (len(text) - len(text.lstrip(" ")))
