"""Which agents of this machine belong together: the list in a person's own settings.

    agents = ["/srv/agents/atlas", "~/agents/*"]     ~ is the home, * any folder with a bus

It stands in config.toml, beside the console's settings. `config_path` is the one place that
knows where that file is; commands and the console both ask it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from maestro_core.layout import BUS

APP = "maestro-tui"


class Listed(NamedTuple):
    """Agent roots in the order of the list, and one line for each fault of it."""

    roots: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def config_path(environ: Mapping[str, str], platform: str = sys.platform) -> Path:
    """$XDG_CONFIG_HOME/maestro-tui/config.toml, by default under ~/.config.

    On macOS the one under ~/Library/Application Support counts where the other does not exist.
    """
    home = Path(environ.get("HOME") or "~").expanduser()  # an empty one is not this folder
    path = Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / APP / "config.toml"
    if platform == "darwin" and not environ.get("XDG_CONFIG_HOME") and not path.exists():
        native = home / "Library" / "Application Support" / APP / "config.toml"
        return native if native.exists() else path
    return path


def listed_roots(environ: Mapping[str, str]) -> Listed:
    """The list of this machine's person; empty where there is none. Never raises."""
    import tomllib

    path = config_path(environ)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Listed()
    except (OSError, ValueError) as error:
        return Listed(problems=(f"{path}: {error}",))
    return read_list(document.get("agents", []), environ.get("HOME", ""))


def read_list(value: Any, home: str) -> Listed:
    """What `agents = …` means: each root once, a pattern as the folders it finds."""
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        return Listed(problems=("agents is no list of folders",))
    roots: list[str] = []
    problems: list[str] = []
    for written in value:
        path = f"{home}{written[1:]}" if home and written.startswith("~") else written
        if not path.startswith("/"):
            problems.append(f"agents: {written!r} begins with neither / nor ~")
        elif "*" in path:
            roots.extend(_found(path))
        else:
            roots.append(path)
    return Listed(distinct(roots), tuple(problems))


def distinct(roots: Iterable[str]) -> tuple[str, ...]:
    """Absolute, each once, the first place kept."""
    return tuple(dict.fromkeys(os.path.abspath(root) for root in roots))


def _found(pattern: str) -> Iterator[str]:
    """Folders of that pattern that hold a bus, by name."""
    found = sorted(Path("/").glob(pattern.lstrip("/")))
    return (str(path) for path in found if (path / BUS).is_dir())
