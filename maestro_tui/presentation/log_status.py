"""The status line under a log: whether it follows, where one is, what is going on. Pure."""

from __future__ import annotations

from typing import NamedTuple

from rich.text import Text

from maestro_tui.presentation.cells import choose, data, fit, line, spread
from maestro_tui.presentation.log_text import size_words


class LogFacts(NamedTuple):
    """What the status line tells. Numbers of lines count from 1; None = not known (yet)."""

    name: str
    follow: bool
    state: str
    size: int
    new: int = 0
    """Lines that came since following was paused."""
    more_new: bool = False
    """They are still being counted."""
    line: int | None = None
    lines: int | None = None
    share: float = 1.0
    """How far down the shown rows end, 0..1 of the bytes."""
    indexed: float = 1.0
    busy: str = ""
    """A search that goes on, or what came of the last one."""
    busy_style: str = "muted"
    flags: tuple[str, ...] = ()
    marks: int = 0
    trouble: str | None = None


STATES = {
    "waiting": ("not there yet", "warn"),
    "deleted": ("file deleted, showing what was open", "warn"),
    "unreadable": ("cannot be read", "bad"),
}


SHORTEST_NAME = 8


def status(facts: LogFacts, width: int) -> Text:
    """One line of `width` cells; what matters least is dropped first, the name gives way."""
    left = [(0, following(facts)), *((2, chunk) for chunk in _oddities(facts))]
    if facts.busy:
        left.append((1, line((facts.busy, facts.busy_style))))
    right = [(3, _position(facts))]
    right += [(5, line((flag, "accent"))) for flag in facts.flags]
    if facts.marks:
        right.append((5, line((f"● {facts.marks}", "mark"))))
    right.append((4, line((size_words(facts.size), "muted"), " ")))
    head = choose(left, width)
    tail = choose(right, max(0, width - head.cell_len - 2))
    room = width - head.cell_len - tail.cell_len - 4
    name = line((data(facts.name, 120), "muted"))
    if room >= SHORTEST_NAME:
        head = line(head, "  ", fit(name, min(room, name.cell_len)))
    return spread(head, tail, width)


def following(facts: LogFacts) -> Text:
    """The badge: FOLLOW, or PAUSED with what one misses."""
    if facts.follow:
        return line((" FOLLOW ", "badge.ok"))
    if facts.new:
        more = "…" if facts.more_new else ""
        return line((f" PAUSED +{facts.new:,}{more} new ", "badge.warn"))
    return line((" PAUSED ", "badge.text"))


def _oddities(facts: LogFacts) -> list[Text]:
    found = [line(STATES[facts.state])] if facts.state in STATES else []
    if facts.trouble:
        found.append(line((data(facts.trouble, 200), "bad")))
    return found


def _position(facts: LogFacts) -> Text:
    share = f"{int(facts.share * 100)}%"
    if facts.line is None:
        reading = f" · counting lines {facts.indexed:.0%}" if facts.indexed < 1 else ""
        return line((share + reading, "muted"))
    total = f" of {facts.lines:,}" if facts.lines is not None else ""
    return line((f"line {facts.line:,}{total} · {share}", "muted"))


def paused_corner(facts: LogFacts, width: int) -> Text:
    """For a view without a status line: the badge at the end of its last row, or nothing."""
    badge = following(facts)
    return Text("", end="") if facts.follow else fit(badge, min(width, badge.cell_len))
