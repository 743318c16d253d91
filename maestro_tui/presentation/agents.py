"""Agents side by side: a line each, the head over them, the words of a filter. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rich.text import Text

from maestro_core.observe.agent_line import WORDS, AgentLine, Held
from maestro_tui.presentation import times
from maestro_tui.presentation.cells import (
    choose,
    data,
    facts,
    fit,
    line,
    money,
    narrow,
    plural,
    spread,
)
from maestro_tui.presentation.columns import Column
from maestro_tui.presentation.words import CONSUMERS, HOLDS, IDLE, RUNNING, STATES, WAITING, Look
from maestro_tui.query import Fields

LOOKS: dict[str, Look] = {
    "reading": Look("◌", "reading", "muted"),
    "broken": Look("×", "BROKEN", "bad"),
    "estop": Look("■", "E-STOP", "bad"),
    "crashed": CONSUMERS["crashed"],
    "stale": CONSUMERS["stale"],
    "absent": CONSUMERS["none"],
    "running": RUNNING,
    "held": Look("‖", "held", "hold"),
    "waiting": WAITING,
    "idle": IDLE,
}
NEEDS = ("broken", "estop", "crashed", "stale", "hold")
"""Words of an agent that waits for a person."""


class Agent(NamedTuple):
    """A row. `line` None = it was not read yet."""

    root: str
    name: str
    line: AgentLine | None
    open: bool
    """It is the one that the other screens show."""

    @property
    def word(self) -> str:
        return self.line.word if self.line is not None else "reading"


def agent_look(agent: Agent) -> Look:
    """How an agent stands: glyph, word, style."""
    if agent.line is not None and agent.word == "hold":
        return HOLDS.get(agent.line.hold_kind or "", HOLDS["quota"])
    return LOOKS[agent.word]


def _name(agent: Agent, _now: float) -> Text:
    here = ("◆ ", "accent") if agent.open else ("  ", "")
    return line(here, (data(agent.name, 80), "title"))


def _state(agent: Agent, _now: float) -> Text:
    look = agent_look(agent)
    return line((f"{look.glyph} {look.word}", f"{look.style}.strong"))


def _running(agent: Agent, _now: float) -> Text:
    names = agent.line.running if agent.line is not None else ()
    return line((data(", ".join(names), 200), "run") if names else ("-", "faint"))


def _number(field: str, style: str) -> Column[Agent]:
    title, width, drop = {
        "waiting": ("WAIT", 5, 4), "open_circuits": ("OPEN", 4, 0), "dead": ("DEAD", 4, 0)
    }[field]  # fmt: skip

    def cell(agent: Agent, _now: float) -> Text:
        count = _count(agent, field)
        return line(("-", "faint") if agent.line is None or agent.line.problem else
                    (narrow(count), style if count else "faint"))  # fmt: skip

    return Column(
        field, title, width, cell, lambda agent: -_count(agent, field), drop=drop, align="right",
        ticks=False,
    )  # fmt: skip


def _count(agent: Agent, field: str) -> int:
    count: int = getattr(agent.line, field) if agent.line is not None else 0
    return count


def _cost(agent: Agent, _now: float) -> Text:
    if agent.line is None or agent.line.problem is not None:
        return line(("-", "faint"))
    cost = agent.line.cost_today
    return line((money(cost), "text" if cost else "faint"))


def _beat(agent: Agent, now: float) -> Text:
    at = agent.line.beat_at if agent.line is not None else None
    if at is None:
        return line(("-", "faint"))
    return line((times.short(now - at), "warn" if agent.word in ("stale", "crashed") else "muted"))


def _why(agent: Agent, now: float) -> Text:
    """The first reason in full; how many more there are."""
    seen = agent.line
    if seen is None:
        return Text("", end="")
    if seen.problem is not None:
        return line((data(seen.problem, 200), "bad"))
    parts = [_hold(seen, now)] if seen.why is not None else []
    parts += [_held(one, now) for one in _by_weight(seen.held)]
    if not parts:
        return Text("", end="")
    more = f"  +{len(parts) - 1}" if len(parts) > 1 else ""
    return line(parts[0], (more, "muted"))


def _hold(seen: AgentLine, now: float) -> Text:
    waits = seen.word == "hold" and seen.hold_until is not None
    wait = f"{times.left(seen.hold_until or now, now)}: " if waits else ""
    return line((f"{wait}{data(seen.why, 200)}", "text"))


def _held(one: Held, now: float) -> Text:
    look = STATES[one.state]
    left = f" {times.left(one.until, now)}" if one.until is not None and one.until > now else ""
    why = f": {data(one.reason, 120)}" if one.reason else ""
    return line((f"{look.glyph} {data(one.cadence, 80)} {look.word}{left}", look.style),
                (why, "muted"))  # fmt: skip


_WEIGHTS = ("open", "half_open", "backoff", "paused")


def _by_weight(held: Sequence[Held]) -> list[Held]:
    return sorted(held, key=lambda one: _WEIGHTS.index(one.state))


def _urgency(agent: Agent) -> int:
    words: tuple[str, ...] = WORDS
    return words.index(agent.word) if agent.word in words else len(words)


COLUMNS: tuple[Column[Agent], ...] = (
    Column("agent", "AGENT", 14, _name, lambda agent: agent.name.lower(), grow=1, ticks=False),
    Column("state", "STATE", 14, _state, _urgency, ticks=False),
    Column("running", "RUNNING", 12, _running, lambda agent: -len(agent.line.running)
           if agent.line else 0, grow=1, drop=5, ticks=False),
    _number("waiting", "text"),
    _number("open_circuits", "bad"),
    _number("dead", "bad"),
    Column("cost", "TODAY", 7, _cost, lambda agent: -(agent.line.cost_today if agent.line else 0),
           drop=2, align="right", ticks=False),
    Column("beat", "BEAT", 5, _beat, lambda agent: (agent.line and agent.line.beat_at) or 0,
           drop=3, align="right"),
    Column("why", "HELD, AND WHY", 12, _why, grow=4, drop=1),
)  # fmt: skip


def agent_fields(agent: Agent, now: float) -> Fields:
    """What a filter may ask of a row."""
    seen = agent.line
    return {
        "agent": agent.name,
        "root": agent.root,
        "state": agent_look(agent).word,
        "running": " ".join(seen.running) if seen else "",
        "why": _why(agent, now).plain,
        "held": " ".join(one.cadence for one in seen.held) if seen else "",
        "waiting": float(seen.waiting) if seen else None,
        "open": float(seen.open_circuits) if seen else None,
        "dead": float(seen.dead) if seen else None,
        "cost": seen.cost_today if seen else None,
        "age": now - seen.beat_at if seen and seen.beat_at is not None else None,
    }


def head_lines(agents: Sequence[Agent], now: float, width: int, note: Text) -> list[Text]:
    """The sums on top, and a rule of the game under them."""
    seen = [agent.line for agent in agents if agent.line is not None]
    needy = sum(agent.word in NEEDS for agent in agents)
    running = sum(len(one.running) for one in seen)
    need = "needs" if needy == 1 else "need"
    left = choose([
        (0, line((" ◆ ", "accent"), (plural(len(agents), "agent"), "title"))),
        (1, line((f"{running} running", "run" if running else "faint"))),
        (2, line((f"{needy} {need} you", "bad" if needy else "faint"))),
    ], width)  # fmt: skip
    right = choose([
        (1, line((money(sum(one.cost_today for one in seen)), "text"), (" today", "muted"))),
        (2, line((times.face(now, now), "muted"))),
    ], max(0, width - left.cell_len - 2))  # fmt: skip
    hint = line((" Enter or 1-6 opens an agent · 0 comes back here", "muted"))
    return [spread(left, line(right, " "), width), spread(hint, note, width)]


def agent_details(agent: Agent, now: float) -> list[Text]:
    """Everything known of it."""
    look, seen = agent_look(agent), agent.line
    lines = [
        line((f"{look.glyph} {data(agent.name)}  {look.word}", f"{look.style}.strong")),
        line(""),
    ]
    if seen is None or seen.problem is not None:
        return lines + facts(("root", agent.root), ("problem", seen.problem if seen else None))
    beat = times.ago(seen.beat_at, now) or None
    consumer = f"{seen.consumer} {seen.mode or ''} {seen.pid or ''}".strip()
    lines += facts(
        ("root", agent.root), ("consumer", consumer), ("beat", beat),
        ("running", ", ".join(seen.running) or "nothing"), ("waiting", seen.waiting),
        ("dead letters", seen.dead), ("quarantine", seen.quarantine),
        ("open circuits", seen.open_circuits), ("cost today", money(seen.cost_today)),
    )  # fmt: skip
    held = [_hold(seen, now)] if seen.why is not None else []
    held += [_held(one, now) for one in _by_weight(seen.held)]
    return [*lines, line(""), *(line("  ", one) for one in held)]


def choice_line(agent: Agent, on: bool, now: float, width: int) -> Text:
    """An agent in the switcher."""
    look = agent_look(agent)
    text = line(("▌ " if on else "  ", "accent"), fit(_name(agent, now), 30), "  ",
                fit(line((f"{look.glyph} {look.word}", f"{look.style}.strong")), 14),
                "  ", _why(agent, now))  # fmt: skip
    text = fit(text, width)
    if on:
        text.stylize("row.cursor")
    return text


def ranked_agents(agents: Sequence[Agent], typed: str) -> list[Agent]:
    """Those whose name or folder has every typed word, names that begin with it first."""
    words = typed.lower().split()
    found = [a for a in agents if all(w in f"{a.name} {a.root}".lower() for w in words)]
    return sorted(found, key=lambda a: not a.name.lower().startswith(typed.strip().lower()))


def rows_of(
    roots: Sequence[str],
    lines: Mapping[str, AgentLine],
    names: Mapping[str, str],
    shown: str | None,
) -> list[Agent]:
    """The rows in the order of the list."""
    return [
        Agent(root, names.get(root) or root.rsplit("/", 1)[-1], lines.get(root), root == shown)
        for root in roots
    ]
