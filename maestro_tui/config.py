"""A person's own settings of the console: ~/.config/maestro-tui/config.toml (optional).

    theme = "maestro-light"          maestro-dark | maestro-light | maestro-mono
    mouse = false
    wire = "eco"                     on | off (stock output) | eco (spare a slow line)
    notices = "bell"                 on (bell and desktop notice) | bell | osc9 | osc777 | off
    agents = ["~/agents/*"]          agent roots of this machine, see maestro_core.roots
    [keys]
    "act.retry" = "f5"               ids as in the help's table; "" = no key

What is wrong in it is said (toast, doctor) and left out; the console always starts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from maestro_core.roots import config_path, read_list
from maestro_tui.keys import BY_ID, conflicts, wrong_key

__all__ = ["ConsoleConfig", "config_path", "load_config", "read_config"]

THEMES = ("maestro-dark", "maestro-light", "maestro-mono")
WIRES = ("on", "off", "eco")
NOTICES = ("on", "bell", "osc9", "osc777", "off")
_NAMES = ("theme", "mouse", "wire", "notices", "agents", "keys")


class ConsoleConfig(NamedTuple):
    """`problems` has one line for each fault; what is faulty is not taken."""

    theme: str = THEMES[0]
    mouse: bool | None = None
    """None = as the terminal can take it."""
    keymap: Mapping[str, str] = {}
    problems: tuple[str, ...] = ()
    wire: str = WIRES[0]
    notices: str = NOTICES[0]


def load_config(environ: Mapping[str, str] | None = None) -> ConsoleConfig:
    """Never raises: an unreadable file is a problem and the defaults."""
    path = config_path(os.environ if environ is None else environ)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ConsoleConfig()
    except (OSError, UnicodeDecodeError) as error:
        return ConsoleConfig(problems=(f"{path}: {error}",))
    import tomllib  # here: most people have no such file, and their start does not wait for it

    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return ConsoleConfig(problems=(f"{path}: {error}",))
    return read_config(document)


def read_config(document: Mapping[str, Any]) -> ConsoleConfig:
    """The settings of a parsed file."""
    problems = [f"unknown setting {name!r}: one of {', '.join(_NAMES)}"
                for name in document if name not in _NAMES]  # fmt: skip
    problems += read_list(document.get("agents", []), os.environ.get("HOME", "")).problems
    theme, wire, notices = (
        _one_of(document, name, allowed, problems)
        for name, allowed in (("theme", THEMES), ("wire", WIRES), ("notices", NOTICES))
    )
    mouse, keys = document.get("mouse"), document.get("keys", {})
    if mouse is not None and not isinstance(mouse, bool):
        problems.append("mouse is neither true nor false")
        mouse = None
    if not isinstance(keys, dict):
        problems.append("[keys] is no table")
        keys = {}
    wrong = {name: why for name, key in keys.items() if (why := wrong_key(key)) is not None}
    problems += [f"{name} stays on its own key: {why}" for name, why in wrong.items()]
    keymap = {name: key for name, key in keys.items() if name not in wrong}
    problems += conflicts(keymap)
    keymap = {name: key for name, key in keymap.items() if name in BY_ID}
    return ConsoleConfig(theme, mouse, keymap, tuple(problems), wire, notices)


def _one_of(
    document: Mapping[str, Any], name: str, allowed: tuple[str, ...], problems: list[str]
) -> str:
    """The setting, or the first of what is allowed."""
    value = document.get(name, allowed[0])
    if value in allowed:
        return str(value)
    problems.append(f"{name} {value!r} is none of {', '.join(allowed)}")
    return allowed[0]
