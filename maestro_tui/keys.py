"""THE table of keys: help, footer, palette, bindings and remapping are all made from it.

One rule: what changes something is an upper-case letter (or a chord), and its lower-case twin
stays unbound. Ids are stable; people use them in ~/.config/maestro-tui/config.toml.
"""

# ruff: noqa: E501  (a table reads best with one row a line)

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from textual.binding import Binding

Risk = Literal["none", "undo", "cost", "final"]
"""What an act may do: nothing, something `u` undoes, spend money, or end something for good."""

Scope = Literal[
    "app", "list", "board", "dead", "runs", "journal", "doctor", "costs", "agents", "log", "overlay",
    "confirm",
]  # fmt: skip


class Key(NamedTuple):
    """One key (or several, comma-separated) and what it does."""

    id: str
    keys: str
    action: str
    label: str
    """One or two words for the footer and the palette."""
    help: str
    scope: tuple[Scope, ...]
    group: str
    risk: Risk = "none"
    command: str = ""
    """The command that does the same; capitals stand for what is chosen."""
    footer: int = 0
    """Order in the footer, 1 first; 0 = not there."""
    hint: str = ""
    """What the footer says where the label is too long for it."""


_LISTS: tuple[Scope, ...] = ("list",)
_APP: tuple[Scope, ...] = ("app",)

SCREENS: tuple[Key, ...] = (
    Key("screen.board", "1", "go('board')", "Board", "Cadences, holds and the running sub-session", _APP, "Screens", command="maestro-tui status"),
    Key("screen.dead", "2", "go('dead')", "Dead letters", "Ticks that failed for good, grouped by cause", _APP, "Screens", command="maestro-tui dlq list"),
    Key("screen.runs", "3", "go('runs')", "Runs", "Every sub-session and its log", _APP, "Screens", command="maestro-tui runs"),
    Key("screen.journal", "4", "go('journal')", "Journal", "What the bus and the operators did", _APP, "Screens", command="maestro-tui journal"),
    Key("screen.doctor", "5", "go('doctor')", "Doctor", "Checks, each with a remedy", _APP, "Screens", command="maestro-tui doctor"),
    Key("screen.costs", "6", "go('costs')", "Costs", "Tokens, money and success by cadence and day", _APP, "Screens", command="maestro-tui costs"),
    Key("agents.all", "0", "agents", "All agents", "Every agent of this machine, one line each", _APP, "Screens", command="maestro-tui status --all"),
    Key("agents.switch", "a", "switch_agent", "Switch agent", "Another agent, by a part of its name", _APP, "Screens", footer=8),
    Key("screen.next", "tab", "step(1)", "Next screen", "The next screen", _APP, "Screens"),
    Key("screen.previous", "shift+tab", "step(-1)", "Previous screen", "The screen before", _APP, "Screens"),
    Key("screen.last", "-", "last_screen", "Back and forth", "The screen you came from", _APP, "Screens"),
)  # fmt: skip

MOVES: tuple[Key, ...] = (
    Key("move.down", "j,down", "move(1)", "Down", "One row down", _LISTS, "Move"),
    Key("move.up", "k,up", "move(-1)", "Up", "One row up", _LISTS, "Move"),
    Key("move.right", "right", "sideways(1)", "Right", "One card to the right; open a group", _LISTS, "Move"),
    Key("move.left", "left", "sideways(-1)", "Left", "One card to the left; close a group", _LISTS, "Move"),
    Key("move.top", "g,home", "edge(-1)", "Top", "First row", _LISTS, "Move"),
    Key("move.bottom", "G,end", "edge(1)", "Bottom", "Last row", _LISTS, "Move"),
    Key("move.half_down", "ctrl+d", "page(0.5)", "Half page down", "Half a page down", _LISTS, "Move"),
    Key("move.half_up", "ctrl+u", "page(-0.5)", "Half page up", "Half a page up", _LISTS, "Move"),
    Key("move.page_down", "pagedown", "page(1)", "Page down", "A page down", _LISTS, "Move"),
    Key("move.page_up", "pageup", "page(-1)", "Page up", "A page up", _LISTS, "Move"),
)  # fmt: skip

VIEWS: tuple[Key, ...] = (
    Key("view.open", "enter", "open", "Open", "Open what is under the cursor", _LISTS, "View", footer=1),
    Key("view.log", "l", "log", "Log", "Log of its running or last sub-session", _LISTS, "View", command="maestro-tui tail RUN", footer=4),
    Key("view.details", "d", "details", "Details", "Everything known of it", _LISTS, "View", footer=5),
    Key("view.explain", "e", "explain", "Explain", "Why is it not running? What holds it, and what lifts it", ("board", "dead"), "View", footer=3),
    Key("view.hosts", "i", "hosts", "Hosts", "The hosts of the fleet: alive or not, what each runs and can run", _APP, "View", command="maestro-tui status"),
    Key("view.copy", "y", "copy", "Copy", "Send it to your terminal's clipboard", _LISTS, "View"),
    Key("view.filter", "/", "filter", "Filter", "As you type: words cadence:x age:>1h \"rate limit\" !not", _LISTS, "View", footer=6),
    Key("view.next_match", "n", "match(1)", "Next match", "Next row that matches the last filter", _LISTS, "View"),
    Key("view.previous_match", "N", "match(-1)", "Previous match", "Previous row that matches the last filter", _LISTS, "View"),
    Key("view.sort_next", ">", "sort(1)", "Sort by next column", "Sort by the next column", _LISTS, "View"),
    Key("view.sort_previous", "<", "sort(-1)", "Sort by previous column", "Sort by the column before", _LISTS, "View"),
    Key("view.sort_turn", "s", "sort_turn", "Turn the order", "Turn the sort order round", _LISTS, "View"),
    Key("view.freeze", "p", "freeze", "Freeze", "Freeze what is shown; again to go on", _APP, "View"),
    Key("view.reload", "ctrl+r", "reload", "Reload", "Read everything again", _APP, "View"),
    Key("view.redraw", "ctrl+l", "redraw", "Redraw", "Draw the whole screen again", _APP, "View"),
    Key("view.theme", "f9", "theme", "Theme", "Dark, light or mono", _APP, "View"),
)  # fmt: skip

MARKS: tuple[Key, ...] = (
    Key("mark.toggle", "space", "mark", "Mark", "Mark or unmark this row", _LISTS, "Mark"),
    Key("mark.range", "V", "mark_range", "Range", "Begin a range, again to keep it", _LISTS, "Mark"),
    Key("mark.all", "ctrl+a", "mark_all", "Mark all shown", "Mark all rows that are shown", _LISTS, "Mark"),
)  # fmt: skip

ACTS: tuple[Key, ...] = (
    Key("act.retry", "R", "act('retry')", "Retry", "Put dead letters back into the inbox", ("dead", "runs"), "Act", "cost", "maestro-tui dlq retry ID", 2),
    Key("act.discard", "D", "act('discard')", "Discard", "Move dead letters to the trash", ("dead",), "Act", "undo", "maestro-tui dlq discard ID", 2),
    Key("act.enqueue", "E", "act('enqueue')", "Enqueue", "Put a tick into the inbox now", ("board",), "Act", "cost", "maestro-tui enqueue CADENCE", 2),
    Key("act.close", "C", "act('close')", "Close circuit", "Close the circuit, or lift the hold over all", ("board", "dead"), "Act", "undo", "maestro-tui circuit close CADENCE", 2, "close"),
    Key("act.hold", "O", "act('hold')", "Hold open", "Hold the circuit open", ("board", "dead"), "Act", "undo", "maestro-tui circuit open CADENCE", 7),
    Key("act.probe", "T", "act('probe')", "Probe", "Let one tick through an open circuit", ("board", "dead"), "Act", "cost", "maestro-tui circuit probe CADENCE", 7),
    Key("act.pause", "P", "act('pause')", "Pause/resume", "Pause or resume the cadence", ("board", "dead"), "Act", "undo", "maestro-tui pause CADENCE", 2, "pause"),
    Key("act.stop_run", "X", "act('stop_run')", "Stop run", "End the running sub-session", ("board", "runs"), "Act", "final", "maestro-tui cancel RUN", 3, "stop"),
    Key("act.restart", "B", "act('restart')", "Restart service", "Bring the installed version in: the service ends in order and starts anew", ("board",), "Act", "cost", "maestro-tui service restart"),
    Key("act.undo", "u", "undo", "Undo", "Take back the last act that can be taken back", _APP, "Act"),
    Key("act.emergency_stop", "ctrl+x", "emergency_stop", "Emergency stop", "Twice: nothing is claimed any more; twice again to lift it", _APP, "Act", "undo", "maestro-tui estop"),
)  # fmt: skip

NOTES: tuple[Key, ...] = (
    Key("dead.note", "m", "note", "Note", "Write a note on this failure; it shows again when it comes back", ("dead",), "View", footer=6),
    Key("journal.follow", "f", "follow", "Follow", "Stay at the newest entry", ("journal",), "View", footer=2),
    Key("journal.level", "L", "level", "Level", "Show all, from warnings, or errors alone", ("journal",), "View", footer=3),
    Key("doctor.again", "A", "recheck(True)", "Check all", "Run every check again", ("doctor",), "View", footer=2),
    Key("doctor.one", "r", "recheck(False)", "Check this", "Run this check again", ("doctor",), "View", footer=1),
    Key("costs.span", "f", "span", "Span", "Last 7, 14 or 30 days", ("costs",), "View", footer=1),
)  # fmt: skip

LOGS: tuple[Key, ...] = (
    Key("log.follow", "f", "follow", "Follow", "Stay at the end of the log", ("log",), "Log", footer=1),
    Key("log.wrap", "w", "wrap", "Wrap", "Wrap long lines", ("log",), "Log", footer=3),
    Key("log.times", "t", "times", "Times", "Show times", ("log",), "Log"),
    Key("log.mark", "m", "mark", "Mark", "Mark this line", ("log",), "Log"),
    Key("log.save", "o", "save", "Save", "Save the log and print the scp line", ("log",), "Log"),
    Key("log.zoom", "z", "zoom", "Zoom", "The log alone on the screen", ("log", "board", "runs"), "Log", footer=8),
    Key("log.previous_error", "[", "error(-1)", "Previous error", "Previous error in the log", ("log",), "Log"),
    Key("log.next_error", "]", "error(1)", "Next error", "Next error in the log", ("log",), "Log"),
    Key("log.raw", "r", "raw", "Raw", "Transcript or raw lines", ("log",), "Log"),
)  # fmt: skip

GENERAL: tuple[Key, ...] = (
    Key("app.help", "?", "help", "Help", "This help", _APP, "General", footer=9),
    Key("app.palette", ":,ctrl+p", "palette", "Commands", "Every command by name, with its key and its shell command", _APP, "General", footer=9),
    Key("app.back", "escape", "back", "Back", "Peel one layer: dialog, marks, filter. Never leaves", _APP, "General"),
    Key("app.quit", "q", "leave", "Leave", "Back; at the top it leaves and says whether the agent goes on", _APP, "General", footer=9),
    Key("app.quit_now", "ctrl+q", "quit", "Leave at once", "Leave the console from anywhere", _APP, "General"),
    Key("app.suspend", "ctrl+z", "suspend_process", "Suspend", "To the shell; fg comes back", _APP, "General"),
)  # fmt: skip

TABLE: tuple[Key, ...] = SCREENS + MOVES + VIEWS + MARKS + ACTS + NOTES + LOGS + GENERAL
BY_ID: dict[str, Key] = {key.id: key for key in TABLE}

_NAMES = {
    "escape": "Esc", "enter": "Enter", "space": "Space", "pagedown": "PgDn", "pageup": "PgUp",
    "tab": "Tab", "up": "↑", "down": "↓", "left": "←", "right": "→", "home": "Home", "end": "End",
}  # fmt: skip


def bindings(*scopes: Scope) -> list[Binding]:
    """Textual bindings of those scopes, each with the id by which people remap it."""
    from textual.binding import Binding  # here: the doctor reads this table without a screen

    return [
        Binding(
            key.keys, action_of(key), key.label, show=False, id=key.id, priority=key.id in _PRIORITY
        )
        for key in TABLE
        if set(scopes) & set(key.scope)
    ]


def action_of(key: Key) -> str:
    """Keys of the whole app act on the app, wherever they are bound."""
    return f"app.{key.action}" if "app" in key.scope else key.action


_PRIORITY = frozenset({"act.emergency_stop"})
"""Works from anywhere, a text field included."""


def shown(key: Key, keymap: Mapping[str, str] | None = None) -> str:
    """How a person reads that key: `j ↓`, `ctrl+x ctrl+x`, `Esc`; empty = it has none."""
    keys = (keymap or {}).get(key.id, key.keys)
    if not keys:
        return ""
    if key.id == "act.emergency_stop":
        return f"{keys} {keys}"
    return " ".join(_NAMES.get(one, one) for one in keys.split(","))


Can = Callable[[Key], bool]
"""Does the screen in front do anything on that key?"""


def anything(_key: Key) -> bool:
    return True


def footer(scopes: tuple[Scope, ...], can: Can = anything) -> list[Key]:
    """Keys of the footer for a screen with those scopes, in their order."""
    found = [key for key in TABLE if key.footer and set(scopes) & set(key.scope) and can(key)]
    return sorted(found, key=lambda key: key.footer)


SCREEN_SCOPES: dict[str, tuple[Scope, ...]] = {
    "board": ("app", "list", "board"),
    "dead": ("app", "list", "dead"),
    "runs": ("app", "list", "runs"),
    "journal": ("app", "list", "journal"),
    "doctor": ("app", "list", "doctor"),
    "costs": ("app", "list", "costs"),
    "agents": ("app", "list", "agents"),
    "log": ("app", "log"),
}
"""Scopes that are live at once; a key may mean one thing in each of these."""


UNBOUND = "unbound"
"""The name of a key that no terminal sends: how Textual is told that something has none."""
_KEY = re.compile(
    r"((ctrl|shift|alt|super|hyper|meta)\+)*([a-z][a-z0-9_]*|[^\s,\x00-\x1f\x7f-\x9f])"
)


def wrong_key(keys: object) -> str | None:
    """Why what a person wrote for one id names no keys; None = it does. Empty = no key."""
    if not isinstance(keys, str):
        return f"{keys!r} is no text"
    names = [one.strip() for one in keys.split(",")] if keys else []
    bad = next((one for one in names if not _KEY.fullmatch(one)), None)
    return None if bad is None else f"{bad!r} is the name of no key"


def conflicts(keymap: Mapping[str, str]) -> list[str]:
    """What is wrong with a person's remapping, one line each; empty when nothing is."""
    problems = [f"no key is called {name!r}" for name in keymap if name not in BY_ID]
    for scopes in SCREEN_SCOPES.values():
        taken: dict[str, str] = {}
        for key in (one for one in TABLE if set(one.scope) & set(scopes)):
            for one in filter(None, keymap.get(key.id, key.keys).split(",")):
                other = taken.setdefault(one.strip(), key.id)
                if other != key.id:
                    problems.append(f"{one.strip()} is bound to both {other} and {key.id}")
    return list(dict.fromkeys(problems))
