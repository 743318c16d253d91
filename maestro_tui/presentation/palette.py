"""The commands of the palette, made from the key table, and how they are found. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rich.text import Text

from maestro_tui.keys import SCREEN_SCOPES, TABLE, Can, Key, anything, shown
from maestro_tui.presentation.cells import fit, line


class Command(NamedTuple):
    """One line of the palette. `action` is a Textual action that the screen runs."""

    title: str
    help: str
    key: str
    shell: str
    action: str
    danger: bool


_ONLY_HERE = (
    Command(
        "Emergency stop, end what runs",
        "Nothing is claimed, and running sub-sessions are ended now",
        "", "maestro-tui estop --kill", "app.kill_all", True,
    ),
    Command("Recap", "What happened since you last left", "", "", "app.recap", False),
)  # fmt: skip
"""Commands without a key."""

_DIRECT = frozenset({"act.emergency_stop"})


def commands(screen: str, keymap: Mapping[str, str], can: Can = anything) -> list[Command]:
    """What can be done on `screen`, acts first."""
    scopes = set(SCREEN_SCOPES.get(screen, ("app",)))
    keys = [
        key for key in TABLE
        if scopes & set(key.scope) and key.group not in ("Move", "Mark") and can(key)
    ]  # fmt: skip
    keys.sort(key=lambda key: key.group != "Act")
    return [_command(key, keymap) for key in keys] + list(_ONLY_HERE)


def _command(key: Key, keymap: Mapping[str, str]) -> Command:
    action = f"app.{key.action}" if "app" in key.scope else key.action
    if key.id in _DIRECT:
        action = "app.emergency_stop_now"
    return Command(key.label, key.help, shown(key, keymap), key.command, action, key.risk != "none")


def ranked(all_commands: Sequence[Command], text: str) -> list[Command]:
    """Those that hold every word; a title that begins with the text comes first."""
    words = text.casefold().split()
    scored = []
    for command in all_commands:
        title, rest = command.title.casefold(), f"{command.help} {command.shell}".casefold()
        if all(word in title or word in rest for word in words):
            score = sum(
                0 if title.startswith(word) else 1 if word in title else 2 for word in words
            )
            scored.append((score, command))
    return [command for _, command in sorted(scored, key=lambda item: item[0])]


WIDE = 90
"""From here on the shell command has a column."""
SHORTEST_HELP = 24


def command_line(command: Command, on: bool, width: int) -> Text:
    """Title, key, shell command; what it does where there is room."""
    key_width, title_width = 14, 20
    shell_width = 32 if width >= WIDE else 0
    help_width = width - key_width - title_width - shell_width - 6
    if help_width < SHORTEST_HELP:
        title_width, help_width = max(title_width, title_width + help_width), 0
    text = line(
        ("▌ " if on else "  ", "accent"),
        fit(line((command.title, "title")), title_width),
        fit(line((command.key, "key.danger" if command.danger else "key")), key_width),
        fit(line((command.help, "muted")), help_width),
        "  ",
        fit(line((command.shell, "code")), shell_width),
    )  # fmt: skip
    text = fit(text, width)
    if on:
        text.style = "row.cursor"
    return text


def about_lines(command: Command, width: int) -> list[Text]:
    """Under a list that has no room for it: what the chosen one does, here and in a shell."""
    if width >= WIDE:
        return []
    shell = line(("$ ", "faint"), (command.shell, "code")) if command.shell else line("")
    return [
        line(""),
        fit(line("  ", (command.help, "muted")), width),
        fit(line("  ", shell), width),
    ]
