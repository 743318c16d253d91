"""Dead letters: rows grouped by failure signature, their columns and details. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import UNSET
from rich.text import Text

from maestro_core.models import Failure, LogEnd, TickView
from maestro_core.observe.signature import signature
from maestro_tui.presentation import times
from maestro_tui.presentation.cells import data, facts, line, plural
from maestro_tui.presentation.columns import Column
from maestro_tui.presentation.reasons import gist
from maestro_tui.query import Fields


class DeadRow(NamedTuple):
    """One dead letter."""

    id: str
    view: TickView
    signature: str
    since: float
    """When it died, in epoch seconds: what lay in the trash for a while died before."""
    nested: bool = False
    note: str | None = None


class GroupRow(NamedTuple):
    """All shown dead letters of one signature; `newest` in epoch seconds."""

    id: str
    signature: str
    ids: tuple[str, ...]
    cadences: tuple[str, ...]
    newest: float
    open: bool
    note: str | None


Row = DeadRow | GroupRow


def dead_rows(views: Sequence[TickView]) -> list[Row]:
    """Rows, the newest first."""
    rows = [DeadRow(view.tick.id, view, signature(_error(view)), _died(view)) for view in views]
    return [*sorted(rows, key=lambda row: -row.since)]


def _died(view: TickView) -> float:
    last = view.tick.failures[-1].at if view.tick.failures else None
    at = times.moment(last) if last else None
    return view.since if at is None else min(at, view.since)


def _error(view: TickView) -> str | None:
    tick = view.tick
    return tick.last_error or (tick.failures[-1].reason if tick.failures else None)


def grouped(rows: Sequence[Row], closed: frozenset[str], notes: Mapping[str, str]) -> list[Row]:
    """A header over the rows of each signature; groups in the order of their newest row.

    A signature with one dead letter is just that row.
    """
    groups: dict[str, list[DeadRow]] = {}
    for row in rows:
        if isinstance(row, DeadRow):
            groups.setdefault(row.signature, []).append(row)
    ordered = sorted(groups.items(), key=lambda item: -max(row.since for row in item[1]))
    out: list[Row] = []
    for name, members in ordered:
        if len(members) == 1:
            out.append(members[0]._replace(note=notes.get(name)))
            continue
        opened = name not in closed
        out.append(_group(name, members, opened, notes.get(name)))
        if opened:
            out.extend(member._replace(nested=True) for member in members)
    return out


def _group(name: str, members: Sequence[DeadRow], opened: bool, note: str | None) -> GroupRow:
    cadences = tuple(dict.fromkeys(row.view.tick.cadence for row in members))
    newest = max(row.since for row in members)
    ids = tuple(row.id for row in members)
    return GroupRow(f"group {name}", name, ids, cadences, newest, opened, note)


# ---- columns ------------------------------------------------------------------------------


def _what(row: Row, _now: float) -> Text:
    """The signature of a group; under it what tells its rows apart: their ids."""
    if isinstance(row, DeadRow) and row.nested:
        return line(("    ", ""), (data(row.id, 128), "muted"))
    note = line(("  ✎ ", "accent"), (data(row.note, 80), "accent")) if row.note else line("")
    if isinstance(row, GroupRow):
        head = line(("▾ " if row.open else "▸ ", "bad"), (f"{len(row.ids):,} × ", "bad.strong"))
        return line(head, (data(gist(row.signature), 200), "title"), note)
    return line(("× ", "bad"), (data(gist(_error(row.view) or "no reason"), 200), "title"), note)


def _cadence(row: Row, _now: float) -> Text:
    if isinstance(row, GroupRow):
        many = f"{len(row.cadences)} cadences"
        return line((data(row.cadences[0], 80) if len(row.cadences) == 1 else many, "text"))
    return line((data(row.view.tick.cadence, 80), "text"))


def _age(row: Row, now: float) -> Text:
    since = row.newest if isinstance(row, GroupRow) else row.since
    return line((times.short(now - since), "text" if isinstance(row, GroupRow) else "muted"))


def _tries(row: Row, _now: float) -> Text:
    return line((f"{row.view.tick.attempts}" if isinstance(row, DeadRow) else "", "muted"))


def _source(row: Row, _now: float) -> Text:
    return line((data(row.view.tick.source, 40) if isinstance(row, DeadRow) else "", "faint"))


def _id(row: Row, _now: float) -> Text:
    return line((data(row.id, 128) if isinstance(row, DeadRow) else "", "faint"))


def _tick(row: Row) -> TickView | None:
    return row.view if isinstance(row, DeadRow) else None


COLUMNS: tuple[Column[Row], ...] = (
    Column("cause", "CAUSE", 30, _what, lambda row: gist(row.signature), grow=4, ticks=False),
    Column("cadence", "CADENCE", 18, _cadence,
           lambda row: row.view.tick.cadence if isinstance(row, DeadRow) else "",
           grow=1, drop=2, ticks=False),
    Column("tries", "TRIES", 5, _tries,
           lambda row: -row.view.tick.attempts if isinstance(row, DeadRow) else 0,
           drop=3, align="right", ticks=False),
    Column("age", "AGE", 5, _age,
           lambda row: -row.since if isinstance(row, DeadRow) else 0, drop=1, align="right"),
    Column("source", "SOURCE", 14, _source, drop=4, ticks=False),
    Column("id", "ID", 30, _id, lambda row: row.id, drop=5, ticks=False),
)  # fmt: skip


def fields(row: Row, now: float) -> Fields:
    """What a filter can ask of a dead letter."""
    view = _tick(row)
    if view is None:
        return {"error": row.signature}
    tick = view.tick
    last = tick.failures[-1] if tick.failures else None
    return {
        "id": tick.id,
        "cadence": tick.cadence,
        "error": _error(view),
        "source": tick.source,
        "state": "dlq",
        "class": last.failure_class if last else None,
        "exit": float(last.exit_code) if last and last.exit_code is not None else None,
        "attempts": float(tick.attempts),
        "age": now - (row.since if isinstance(row, DeadRow) else view.since),
    }


# ---- details ------------------------------------------------------------------------------


def details(row: Row, tail: LogEnd, now: float, *, changes: bool = True) -> list[Text]:
    """The detail pane: the tick, every failure, the end of its log (stderr's if it has any).
    `changes`: this console may change something."""
    if isinstance(row, GroupRow):
        return _group_details(row, now, changes)
    tick, age = row.view.tick, times.ago(row.since, now)
    out = [
        line((data(tick.cadence, 128), "title"), (f"  dead {age}", "muted")),
        line((data(_error(row.view) or "no reason recorded", 600), "bad")),
        *([line(("✎ ", "accent"), (data(row.note, 500), "accent"))] if row.note else []),
        line(""),
        *facts(
            ("tick", tick.id),
            ("source", tick.source),
            ("enqueued", times.stamp(times.moment(tick.enqueued_at))),
            ("attempts", tick.attempts),
            ("cut short", f"{tick.recoveries} by a consumer's death" if tick.recoveries else None),
            ("priority", tick.priority or None),
            ("dedupe key", tick.dedupe_key),
            ("payload", None if tick.payload is UNSET else _json(tick.payload)),
        ),
        line(""),
    ]  # fmt: skip
    for failure in reversed(tick.failures):
        out += failure_lines(failure, now)
    if tail.lines:
        place = f" on {data(tail.host, 80)}" if tail.host else ""
        out += [line(""), line((f"end of {tail.stream}{place}", "head"))]
        out += [line(("│ ", "rule"), (data(text, 500), "text")) for text in said(tail.lines)]
    return out


def said(tail: Sequence[str]) -> list[str]:
    """Lines as they are; events of the CLI as the steps that they stand for."""
    if not any(text.startswith("{") for text in tail):
        return list(tail)
    from maestro_core.session.transcript import Transcript  # the first picture needs none

    transcript = Transcript(keep=len(tail))
    transcript.feed("".join(f"{text}\n" for text in tail).encode())
    transcript.close()
    steps = transcript.steps.all()
    return ["  ".join(filter(None, (one.title, one.target, one.detail))) for one in steps]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def failure_lines(failure: Failure, now: float) -> list[Text]:
    """One failed attempt."""
    at = times.moment(failure.at)
    code = "no exit code" if failure.exit_code is None else f"exit {failure.exit_code}"
    kind = f" · {data(failure.failure_class, 40)}" if failure.failure_class else ""
    head = line(
        ("× ", "bad"), (f"attempt {failure.attempt}", "text"), (f"  {code}{kind}", "muted"),
        (f"  {times.face(at, now)}" if at else "", "muted"),
    )  # fmt: skip
    out = [head, line(("  ", ""), (data(failure.reason, 600), "text"))]
    log = failure.stderr_path or failure.stdout_path
    place = f"{data(failure.host, 80)}:" if failure.host else ""
    return [*out, line((f"  {place}{data(log, 300)}", "faint"))] if log else out


def _group_details(row: GroupRow, now: float, changes: bool) -> list[Text]:
    note = line(("m", "key"), (" writes a note", "muted"))
    keys = line(
        ("R", "key.danger"), (" retries all of them · ", "muted"),
        ("D", "key.danger"), (" discards them · ", "muted"), note,
    )  # fmt: skip
    newest = times.ago(row.newest, now)
    return [
        line((plural(len(row.ids), "dead letter"), "title"), (f"  newest {newest}", "muted")),
        line((data(row.signature, 600), "bad")),
        line(""),
        *facts(("cadences", ", ".join(row.cadences[:12])), ("note", row.note)),
        line(""),
        keys if changes else note,
    ]
