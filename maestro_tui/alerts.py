"""Calls the person at the terminal when something changes: its bell and a desktop notice.

Changes only: how things stand when an agent is first seen is no news, nor is what comes and goes
within GATHER. What comes in a crowd is told together. The text comes from files and agents, so no
control character of it reaches the terminal. Main thread.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from maestro_tui.presentation.alerts import new_dead
from maestro_tui.presentation.cells import data

if TYPE_CHECKING:
    from textual.app import App

GATHER = 3.0
"""Seconds that a state must last before it is told; a machine that wakes up needs some."""
INTERVAL = 10.0
"""Seconds between two calls at least."""
LONGEST_TEXT = 240
MOST_LINES = 3
_KNOWS_BOTH = ("kitty", "ghostty", "foot", "WezTerm")
"""Terminals that would show the same notice twice."""
_KNOWS_NONE = ("linux", "dumb", "screen")


_DEAD = "dead letters"


class _Seen:
    """What is known of one agent. `since`: when what waits to be told was first seen."""

    def __init__(self, standing: Mapping[str, str], dead: int) -> None:
        self.known = set(standing)
        self.dead = self.told_dead = dead
        self.since: dict[str, float] = {}


class Call(NamedTuple):
    """What is to be told of one agent."""

    agent: str
    text: str


class Alerts:
    """`see` each look at an agent; `due` says what to tell now. Times are steady seconds."""

    def __init__(self) -> None:
        self._agents: dict[str, _Seen] = {}
        self._waiting: dict[tuple[str, str], Call] = {}
        self._last = float("-inf")

    def see(self, root: str, name: str, standing: Mapping[str, str], dead: int, now: float) -> None:
        """How an agent stands now; the first look at it is no news."""
        seen = self._agents.get(root)
        if seen is None:
            self._agents[root] = _Seen(standing, dead)
            return
        lines = dict(standing)
        seen.told_dead = min(seen.told_dead, dead)  # what left the dead letters may come back
        if (line := new_dead(seen.told_dead, dead)) is not None:
            lines[_DEAD] = line
        seen.dead = dead
        seen.known &= lines.keys()
        for key in seen.since.keys() - (lines.keys() - seen.known):
            del seen.since[key], self._waiting[root, key]
        for key in lines.keys() - seen.known:
            seen.since.setdefault(key, now)
            self._waiting[root, key] = Call(name, lines[key])

    def forget(self, root: str) -> None:
        """Nobody looks at this agent any more: the next look is a first one."""
        self._agents.pop(root, None)
        for key in [key for key in self._waiting if key[0] == root]:
            del self._waiting[key]

    def due(self, now: float) -> list[Call]:
        """What is to be told now, in the order in which it came; from then on it is known."""
        times = {key: self._agents[key[0]].since[key[1]] for key in self._waiting}
        if not times or now < max(min(times.values()) + GATHER, self._last + INTERVAL):
            return []
        ripe = sorted((key for key in times if now >= times[key] + GATHER), key=times.__getitem__)
        self._last = now
        return [self._tell(*key) for key in ripe]

    def _tell(self, root: str, key: str) -> Call:
        seen = self._agents[root]
        del seen.since[key]
        if key == _DEAD:
            seen.told_dead = seen.dead
        else:
            seen.known.add(key)
        return self._waiting.pop((root, key))


def send(app: App[None], calls: list[Call], way: str) -> None:
    """Tell them by the terminal. `way` is the person's setting `notices`, and not "off"."""
    driver = app._driver
    if calls and driver is not None:
        agents = list(dict.fromkeys(data(call.agent, 60) for call in calls))
        texts = [
            data(call.text, 120) if len(agents) == 1 else data(f"{call.agent}: {call.text}", 120)
            for call in calls[:MOST_LINES]
        ]
        texts += [f"and {len(calls) - MOST_LINES} more"] if len(calls) > MOST_LINES else []
        title = f"maestro: {agents[0]}" if len(agents) == 1 else "maestro"
        driver.write(sequences(title, ", ".join(texts), way, os.environ))


def sequences(title: str, text: str, way: str, environ: Mapping[str, str]) -> str:
    """The bell, and the notice in the words of those terminals that know one.

    Neither part may hold a `;`, which parts the words of a notice, nor begin with a digit, which
    some terminals take for a command: `title` begins with our own name.
    """
    title, text = (data(part, LONGEST_TEXT).replace(";", ",") for part in (title, text))
    notices = {
        "osc9": f"\x1b]9;{title}: {text}\x07",
        "osc777": f"\x1b]777;notify;{title};{text}\x07",
    }
    ways = [one for one in _ways(way, environ) if one in notices]
    return "\x07" + "".join(_passed(notices[one], environ) for one in ways)


def _ways(way: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    if way != "on":
        return (way,)
    terminal = f"{environ.get('TERM', '')} {environ.get('TERM_PROGRAM', '')}"
    in_tmux = bool(environ.get("TMUX"))
    if not in_tmux and terminal.strip().startswith(_KNOWS_NONE):
        return ("bell",)
    return ("osc777",) if any(one in terminal for one in _KNOWS_BOTH) else ("osc9", "osc777")


def _passed(sequence: str, environ: Mapping[str, str]) -> str:
    """Through tmux, to the terminal around it."""
    doubled = sequence.replace("\x1b", "\x1b\x1b")
    return f"\x1bPtmux;{doubled}\x1b\\" if environ.get("TMUX") else sequence
