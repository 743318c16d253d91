"""What happened since the console was last left, and what waits for a person. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from rich.text import Text

from maestro_core.models import RunRow
from maestro_core.observe.snapshot import Snapshot
from maestro_tui.presentation import times
from maestro_tui.presentation.cells import data, line, money, plural
from maestro_tui.presentation.journal_words import Entry, operator_words
from maestro_tui.presentation.words import cadence_look, outcome_look

WORTH_SECONDS = 600.0
"""After a shorter absence nothing is told unasked."""


class Recap(NamedTuple):
    """What was read of the time since `since` (wall epoch seconds)."""

    since: float
    runs: Sequence[RunRow]
    entries: Sequence[Entry]


def recap_of(since: float, runs: Sequence[RunRow], entries: Sequence[Entry]) -> Recap:
    """Only what came after `since`."""
    return Recap(
        since,
        [row for row in runs if (times.moment(row.ended_at) or 0.0) > since],
        [one for one in entries if (times.moment(_text(one.get("ts"))) or 0.0) > since],
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def worth_telling(recap: Recap, now: float) -> bool:
    """Was somebody away for long enough, and did anything happen?"""
    return now - recap.since >= WORTH_SECONDS and bool(recap.runs or recap.entries)


def recap_lines(recap: Recap, snapshot: Snapshot, now: float) -> list[Text]:
    """The overlay: what was, then what waits."""
    away = times.timer(now - recap.since)
    out = [
        line(
            (f"You were away for {away}", "title"),
            (f", since {times.face(recap.since, now)}.", "muted"),
        ),
        line(""),
    ]
    out += _runs(recap)
    out += _events(recap)
    out += [line(""), line(("waits for you now", "head")), *_waiting(snapshot)]
    return out


def _runs(recap: Recap) -> list[Text]:
    if not recap.runs:
        return [line(("○ ", "muted"), ("nothing ran", "text"))]
    looks = Counter(outcome_look(row.outcome) for row in recap.runs)
    words = line((plural(len(recap.runs), "run"), "title"), ("  ", ""))
    for look, count in looks.most_common(5):
        words.append(f"{look.glyph} {count} {look.word}  ", look.style)
    cost = sum(row.usage.cost_usd for row in recap.runs)
    out = [words.append(money(cost), "text")]
    bad = Counter(row.cadence for row in recap.runs if outcome_look(row.outcome).style == "bad")
    out += [
        line(
            ("  × ", "bad"), (data(name, 80), "text"), (f"  {plural(count, 'failed run')}", "muted")
        )
        for name, count in bad.most_common(5)
    ]
    return out


def _events(recap: Recap) -> list[Text]:
    stages = Counter(_text(one.get("stage")) for one in recap.entries)
    out = []
    if count := stages["circuit_opened"]:
        out.append(line(("■ ", "bad"), (plural(count, "circuit"), "text"), (" opened", "muted")))
    if count := stages["circuit_closed"]:
        out.append(line(("○ ", "ok"), (plural(count, "circuit"), "text"), (" closed", "muted")))
    acts = [one for one in recap.entries if one.get("stage") == "operator"]
    out += [line(("◆ ", "accent"), (data(operator_words(one), 200), "text")) for one in acts[-5:]]
    if len(acts) > 5:
        out.append(line((f"  and {len(acts) - 5} acts before", "muted")))
    return out


def _waiting(snapshot: Snapshot) -> list[Text]:
    out = []
    if snapshot.emergency_stop is not None:
        out.append(
            line(
                ("■ the emergency stop is engaged ", "bad"),
                ("ctrl+x ctrl+x", "key"),
                (" lifts it", "muted"),
            )
        )
    if snapshot.fleet is not None and snapshot.fleet.away is not None:
        out.append(line(("◌ the server of the fleet is away ", "warn"), ("5", "key")))
    elif snapshot.consumer.word != "live":
        out.append(line(("○ no consumer is at work ", "warn"), ("maestro-tui run", "code")))
    held = [view for view in snapshot.cadences if view.state in ("open", "half_open", "paused")]
    for view in held[:6]:
        look = cadence_look(view, snapshot.consumer)
        out.append(line((f"{look.glyph} {look.word} ", look.style), (data(view.name, 80), "text")))
    if snapshot.counts.dlq:
        out.append(
            line((plural(snapshot.counts.dlq, "dead letter"), "bad"), ("  ", ""), ("2", "key"))
        )
    if snapshot.counts.quarantine:
        out.append(line((plural(snapshot.counts.quarantine, "file") + " in quarantine", "warn")))
    return out or [line(("✓ nothing", "ok"))]
