"""Help as lines, generated from the key table. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest

from rich.text import Text

from maestro_tui.keys import SCREEN_SCOPES, TABLE, Can, Key, anything, shown
from maestro_tui.presentation.cells import fit, line

GROUPS = ("Act", "View", "Log", "Mark", "Move", "Screens", "General")
INTRO = (
    "Upper-case letters change something; every act is journalled with who did it.",
    "Any key can be remapped by its id in config.toml.",
)
READ_ONLY = "This console is read-only: no key of it changes anything."
TWO_COLUMNS_FROM = 110
ALIGNED_FROM = 90
LABEL = 23
RISKS = {"undo": "u undoes", "cost": "asks: it costs", "final": "asks for a word"}


def help_lines(
    screen: str, keymap: Mapping[str, str], width: int, can: Can = anything
) -> list[Text]:
    """All keys that work on `screen`, by group; two columns where there is room."""
    scopes = set[str](SCREEN_SCOPES.get(screen, ("app",)))
    groups = [lines for name in GROUPS if (lines := _group(name, scopes, keymap, can, width))]
    acts = any(key.risk != "none" and scopes & set(key.scope) and can(key) for key in TABLE)
    about = (INTRO[0] if acts else READ_ONLY, *INTRO[1:])
    intro = [line((text, "muted")) for text in about] + [line("")]
    if width < TWO_COLUMNS_FROM:
        return intro + [text for lines in groups for text in lines]
    half = (width - 3) // 2
    left, right = _balance(groups)
    return intro + [
        line(fit(a or line(""), half), "   ", fit(b or line(""), half))
        for a, b in zip_longest(left, right)
    ]


def _balance(groups: list[list[Text]]) -> tuple[list[Text], list[Text]]:
    left: list[Text] = []
    right: list[Text] = []
    for lines in groups:
        (left if len(left) <= len(right) else right).extend(lines)
    return left, right


def _group(
    name: str, scopes: set[str], keymap: Mapping[str, str], can: Can, width: int
) -> list[Text]:
    keys = [key for key in TABLE if key.group == name and scopes & set(key.scope) and can(key)]
    if not keys:
        return []
    return [line((name.upper(), "head")), *(_key(key, keymap, width) for key in keys), line("")]


def _key(key: Key, keymap: Mapping[str, str], width: int) -> Text:
    style = "key" if key.risk == "none" else "key.danger"
    label = LABEL if width >= ALIGNED_FROM else 0
    text = line(
        (f"  {shown(key, keymap):<14}", style),
        (f"{key.label:<{label}}", "title"),
        (f"  {key.help}", "muted"),
    )
    if key.risk in RISKS and key.id != "act.emergency_stop":
        text.append(f" · {RISKS[key.risk]}", "muted")
    return text
