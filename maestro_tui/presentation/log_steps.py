"""Steps of a transcript as rows: icon, what, about what, how long, ok or not. Pure."""

from __future__ import annotations

from typing import NamedTuple

from rich.text import Text

from maestro_core.session.steps import Step
from maestro_core.text import visible
from maestro_tui.presentation import times
from maestro_tui.presentation.cells import data, line, masked
from maestro_tui.presentation.columns import Column
from maestro_tui.presentation.words import Look

LOOKS: dict[str, Look] = {
    "start": Look("◆", "session", "accent"),
    "prompt": Look("»", "prompt", "muted"),
    "text": Look("¶", "says", "text"),
    "thinking": Look("∴", "thinks", "faint"),
    "tool": Look("▸", "running", "run"),
    "retry": Look("↻", "retry", "warn"),
    "limit": Look("◷", "limit", "hold"),
    "denied": Look("⊘", "denied", "bad"),
    "task": Look("◌", "task", "run"),
    "result": Look("■", "result", "text"),
    "note": Look("·", "note", "faint"),
    "noise": Look("~", "other", "faint"),
}


class StepRow(NamedTuple):
    """A step with its number in the run, which is its id."""

    id: str
    step: Step


def step_look(step: Step) -> Look:
    """Its glyph, word and style: a tool's and a result's say how it ended."""
    look = LOOKS.get(step.kind, LOOKS["note"])
    if step.kind not in ("tool", "result", "text") or step.ok is None:
        return look
    return Look("✓", "ok", "ok") if step.ok else Look("×", "failed", "bad")


def _time(row: StepRow, now: float) -> Text:
    at = row.step.at
    return line((times.face(at, now) if at is not None else "", "faint"))


def _what(row: StepRow, _now: float) -> Text:
    step, look = row.step, step_look(row.step)
    indent = "  " if step.nested else ""
    if step.kind in ("text", "thinking"):
        return line(indent, (f"{look.glyph} ", look.style), (look.word, look.style))
    style = "title" if step.kind in ("tool", "result") else look.style
    return line(indent, (f"{look.glyph} ", look.style), (data(step.title, 60), style))


def _about(row: StepRow, _now: float) -> Text:
    step = row.step
    if step.kind in ("text", "thinking"):
        return line((data(step.title), "text" if step.kind == "text" else "faint"))
    failed = step.ok is False and step.detail
    about = line((data(step.target), "muted"))
    if failed:
        about.append(f"  {data(step.detail, 200)}", "bad")
    return about


def _ended(row: StepRow, _now: float) -> Text:
    look = step_look(row.step)
    ends = row.step.kind in ("tool", "result") or row.step.ok is False
    return line((look.word if ends else "", look.style))


def _took(row: StepRow, _now: float) -> Text:
    seconds = row.step.seconds
    shown = "" if seconds is None else f"{seconds:.1f}s" if seconds < 10 else times.short(seconds)
    return line((shown, "muted"))


COLUMNS: tuple[Column[StepRow], ...] = (
    Column("time", "TIME", 9, _time, drop=2),
    Column("what", "STEP", 18, _what),
    Column("about", "ABOUT", 36, _about, grow=1),
    Column("ended", "ENDED", 7, _ended, drop=3),
    Column("took", "TOOK", 6, _took, align="right", drop=1),
)


def details(step: Step) -> list[Text]:
    """The whole step, as far as the transcript keeps it."""
    look = step_look(step)
    style = "title" if look.style == "text" else look.style
    head = line((f"{look.glyph} {data(step.title)}", style))
    if step.at is not None:
        head.append(f"  {times.stamp(step.at)}", "muted")
    lines = [head]
    if step.target:
        lines.append(line((data(step.target, 2000), "text")))
    body = visible(masked(step.detail), keep="\n\t").split("\n") if step.detail else []
    return [*lines, line(""), *(line((one.expandtabs(4), "text")) for one in body)]


def plain(step: Step) -> str:
    """One line for a copy."""
    words = (step.kind, data(step.title), data(step.target), step_look(step).word)
    return "  ".join(word for word in words if word)
