"""A person's own settings of the console: ~/.config/maestro-tui/config.toml (optional).

    theme = "maestro-light"          maestro-dark | maestro-light | maestro-mono
    mouse = false
    wire = "eco"                     on | off (stock output) | eco (spare a slow line)
    agents = ["~/agents/*"]          agent roots of this machine, see maestro_core.roots
    [keys]
    "act.retry" = "f5"               ids as in the help's table

What is wrong in it is said (toast, doctor) and left out; the console always starts.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from typing import Any, NamedTuple

from maestro_core.roots import config_path, read_list
from maestro_tui.keys import BY_ID, conflicts

__all__ = ["ConsoleConfig", "config_path", "load_config", "read_config"]

THEMES = ("maestro-dark", "maestro-light", "maestro-mono")
WIRES = ("on", "off", "eco")


class ConsoleConfig(NamedTuple):
    """`problems` has one line for each fault; what is faulty is not taken."""

    theme: str = THEMES[0]
    mouse: bool = True
    keymap: Mapping[str, str] = {}
    problems: tuple[str, ...] = ()
    wire: str = WIRES[0]


def load_config(environ: Mapping[str, str] | None = None) -> ConsoleConfig:
    """Never raises: an unreadable file is a problem and the defaults."""
    path = config_path(os.environ if environ is None else environ)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ConsoleConfig()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return ConsoleConfig(problems=(f"{path}: {error}",))
    return read_config(document)


def read_config(document: Mapping[str, Any]) -> ConsoleConfig:
    """The settings of a parsed file."""
    problems = [f"unknown setting {name!r}: theme, mouse, wire, agents or [keys]"
                for name in document
                if name not in ("theme", "mouse", "wire", "agents", "keys")]  # fmt: skip
    problems += read_list(document.get("agents", []), os.environ.get("HOME", "")).problems
    theme, mouse, keys = (
        document.get("theme", THEMES[0]),
        document.get("mouse", True),
        document.get("keys", {}),
    )
    if theme not in THEMES:
        problems.append(f"theme {theme!r} is none of {', '.join(THEMES)}")
        theme = THEMES[0]
    wire = document.get("wire", WIRES[0])
    if wire not in WIRES:
        problems.append(f"wire {wire!r} is none of {', '.join(WIRES)}")
        wire = WIRES[0]
    if not isinstance(mouse, bool):
        problems.append("mouse is neither true nor false")
        mouse = True
    if not isinstance(keys, dict):
        problems.append("[keys] is no table")
        keys = {}
    keymap = {name: key for name, key in keys.items() if name in BY_ID and isinstance(key, str)}
    problems += conflicts({name: str(key) for name, key in keys.items()})
    return ConsoleConfig(theme, mouse, keymap, tuple(problems), wire)
