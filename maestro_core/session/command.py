"""Which program a run starts, and with which arguments. Looks at the disk, starts nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from maestro_core.errors import MaestroError
from maestro_core.session.environment import home, widened_path

CLAUDE = "MAESTRO_CLAUDE_BIN"


class CliMissing(MaestroError):
    """There is no `claude` to start."""


class Options(Struct, frozen=True, kw_only=True):
    """What a run may tell the CLI beside its prompt; None or empty = the CLI's default."""

    model: str | None = None
    max_turns: int | None = None
    max_budget_usd: float | None = None
    permission_mode: str | None = None
    allowed_tools: tuple[str, ...] = ()
    add_dirs: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    """Further arguments, as they are."""


def find_claude(env: Mapping[str, str], root: Path) -> Path:
    """$MAESTRO_CLAUDE_BIN, else `claude` on the widened PATH.

    A name with a slash is a path (`~` and relative to the agent root allowed), any other
    one is looked up on the PATH.

    Raises:
        CliMissing: nothing there, or nothing that can be executed.
    """
    named = env.get(CLAUDE, "").strip()
    found = _executable(named or "claude", env, root)
    if found is not None:
        return found
    if named:
        raise CliMissing(
            f"{CLAUDE} names {named!r}, which is no executable file", f"correct or remove {CLAUDE}"
        )
    raise CliMissing(
        f"no `claude` on the PATH {widened_path(env)}", f"install Claude Code, or set {CLAUDE}"
    )


def find_program(name: str, env: Mapping[str, str], root: Path) -> Path:
    """The program of a handler command, by the same rules.

    Raises:
        CliMissing: there is none.
    """
    found = _executable(name, env, root)
    if found is None:
        raise CliMissing(f"no executable {name!r}", "correct the handler's command")
    return found


def _executable(name: str, env: Mapping[str, str], root: Path) -> Path | None:
    if os.sep not in name:
        found = shutil.which(name, path=widened_path(env))
        return Path(found) if found else None
    path = root / (name.replace("~", home(env), 1) if name.startswith("~/") else name)
    return path if path.is_file() and os.access(path, os.X_OK) else None


def claude_arguments(options: Options) -> list[str]:
    """The arguments after the program. The prompt is none of them: it goes over stdin."""
    given = options.args
    line = ["--print"]
    if not _says(given, "--output-format"):
        line += ["--output-format", "stream-json"]
        if not _says(given, "--verbose"):
            line.append("--verbose")
    single = (
        ("--model", options.model),
        ("--max-turns", options.max_turns),
        ("--max-budget-usd", options.max_budget_usd),
        ("--permission-mode", options.permission_mode),
        # One value each: an option that takes many would swallow what follows it.
        ("--allowedTools", ",".join(options.allowed_tools) or None),
    )
    for name, value in single:
        if value is not None and not _says(given, name):
            line += [name, str(value)]
    for folder in options.add_dirs:
        line += ["--add-dir", folder]
    return [*line, *given]


def _says(given: Sequence[str], name: str) -> bool:
    return any(one == name or one.startswith(f"{name}=") for one in given)
