"""A cadence's prompt: schedules/triggers/<cadence>.md, read when a run starts.

    ---                                     optional front matter: known keys become options
    model: claude-sonnet-5-5                of the CLI, unknown ones are reported and ignored
    max_turns: 30
    budget: 0.50                            # USD
    permission_mode: acceptEdits
    allowed_tools: Read, Bash(git log:*)    # commas, [a, b], or lines with "- "
    add_dirs: [../shared]
    ---
    Work on {tick.payload.subject} …        filled from the tick, as data

Placeholders are replaced once, never evaluated and never looked into again; one that names
nothing stays as it is and is reported. See docs/sub-sessions.md for what the CLI itself
reads out of a prompt, and what of that a payload may not do.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from maestro_core.errors import MaestroError
from maestro_core.models import Tick, tick_document
from maestro_core.session.command import Options

LIMIT = 10_000_000
"""The CLI takes no more than this many bytes on its standard input."""

_PLACEHOLDER = re.compile(r"\{tick\.([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)\}")
_KEY = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)\s*:(?:\s+(.*))?\Z")
_COMMENT = re.compile(r"(?:\A|\s+)#.*\Z")
_ITEM = re.compile(r"\s*-\s+(.*)\Z")
_COMMA = re.compile(r",(?![^(]*\))")
_FENCE = "---"
# A byte order mark is white space to the CLI, and not to us.
_MENTION = re.compile(r"(?<![^\s\ufeff])@(?=\S|\Z)")


class PromptError(MaestroError):
    """The prompt of a cadence cannot be used."""


class Prompt(Struct, frozen=True):
    """What to send, what to tell the CLI beside it, and what a person should know."""

    text: str
    options: Options
    notes: tuple[str, ...] = ()


def read_prompt(path: Path, tick: Tick) -> Prompt:
    """Read, take off the front matter, fill in.

    Raises:
        PromptError: no such file, not readable, empty, too long, or a wrong option.
    """
    front, body = _split(_read(path))
    options, notes = _options(front, path)
    text, unknown = fill(body, tick)
    if not text.strip():
        raise PromptError(f"{path} says nothing", "write what the cadence has to do")
    if len(text.encode("utf-8", "surrogatepass")) > LIMIT:
        raise _too_long(path)
    notes += [f"{{tick.{name}}} names nothing in this tick and stays as it is" for name in unknown]
    return Prompt(text, options, tuple(notes))


def _read(path: Path) -> str:
    try:
        # Without waiting: a FIFO in its place would hold the consumer up for ever.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise PromptError(f"there is no prompt {path}", "write it") from None
    except OSError as error:
        raise PromptError(f"cannot read the prompt {path}: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise PromptError(f"the prompt {path} is no regular file")
    with os.fdopen(fd, "rb") as file:
        data = file.read(LIMIT + 1)
    if len(data) > LIMIT:  # whatever of it is front matter: its end was not read
        raise _too_long(path)
    return data.decode("utf-8", "replace").removeprefix("\ufeff")


def _too_long(path: Path) -> PromptError:
    return PromptError(f"the prompt of {path} is over {LIMIT} bytes", "shorten it")


# ---- front matter --------------------------------------------------------------------------


def _split(text: str) -> tuple[dict[str, str | list[str]], str]:
    """(front matter, body). What only looks like front matter is body."""
    lines = text.splitlines(keepends=True)
    if not lines or lines[0].rstrip() != _FENCE:
        return {}, text
    ends = (number for number, line in enumerate(lines[1:], 1) if line.rstrip() == _FENCE)
    end = next(ends, 0)
    front = _parse([line.rstrip() for line in lines[1:end]]) if end else None
    return ({}, text) if front is None else (front, "".join(lines[end + 1 :]))


def _parse(lines: list[str]) -> dict[str, str | list[str]] | None:
    """`key: value` lines and lists below a key; None when there is anything else."""
    found: dict[str, str | list[str]] = {}
    key = None
    for line in lines:
        pair, item = _KEY.match(line), _ITEM.match(line)
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if pair:
            key = pair[1].lower().replace("-", "_")
            found[key] = _COMMENT.sub("", pair[2] or "") or []
        elif key is None or not (item or line[0].isspace()):
            return None
        elif item:
            before = found[key]
            given = _COMMENT.sub("", item[1])
            found[key] = [*(before if isinstance(before, list) else [before]), given]
    return found


def _options(front: dict[str, str | list[str]], path: Path) -> tuple[Options, list[str]]:
    given: dict[str, Any] = {}
    notes = []
    for key, value in front.items():
        name, reader = _READERS.get(key, ("", None))
        if reader is None:
            notes.append(f"{path.name}: front matter {key!r} is none of ours and is ignored")
            continue
        try:
            given[name] = reader(_items(value))
        except ValueError as error:
            raise PromptError(
                f"{path}: front matter {key!r}: {error}", "correct it or take it out"
            ) from None
    return Options(**given), notes


def _items(value: str | list[str]) -> list[str]:
    if isinstance(value, str):
        inner = value.strip()
        if inner.startswith("[") and inner.endswith("]"):
            inner = inner[1:-1]
        value = _COMMA.split(inner)
    return [one for one in (item.strip().strip("\"'") for item in value) if one]


def _word(items: list[str]) -> str:
    if len(items) != 1 or items[0].startswith("-") or len(items[0].split()) != 1:
        raise ValueError("one word is wanted")
    return items[0]


def _count(items: list[str]) -> int:
    if len(items) != 1 or not items[0].isascii() or not items[0].isdigit() or int(items[0]) < 1:
        raise ValueError("a whole number above 0 is wanted")
    return int(items[0])


def _money(items: list[str]) -> float:
    try:
        amount = float(items[0].removeprefix("$")) if len(items) == 1 else 0.0
    except ValueError:
        amount = 0.0
    if not 0 < amount < 1e6:
        raise ValueError("an amount in USD above 0 is wanted")
    return amount


def _names(items: list[str]) -> tuple[str, ...]:
    if any(one.startswith("-") for one in items):
        raise ValueError("no name may begin with a dash")
    return tuple(items)


_READERS: dict[str, tuple[str, Callable[[list[str]], object]]] = {
    "model": ("model", _word),
    "max_turns": ("max_turns", _count),
    "budget": ("max_budget_usd", _money),
    "max_budget_usd": ("max_budget_usd", _money),
    "permission_mode": ("permission_mode", _word),
    "allowed_tools": ("allowed_tools", _names),
    "add_dirs": ("add_dirs", _names),
}


# ---- placeholders --------------------------------------------------------------------------


def fill(template: str, tick: Tick) -> tuple[str, list[str]]:
    """(text, names that nothing is known of). Texts go in as they are, the rest as JSON."""
    document = tick_document(tick)
    unknown: list[str] = []

    def one(found: re.Match[str]) -> str:
        value = _lookup(document, found[1].split("."))
        if value is UNSET:
            unknown.append(found[1])
            return found[0]
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        return disarm(text, at_start=found.start() == 0)

    text = _PLACEHOLDER.sub(one, template)
    return text, list(dict.fromkeys(unknown))


def _lookup(value: Any, names: list[str]) -> Any:
    for name in names:
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            return UNSET
    return value


def disarm(text: str, *, at_start: bool) -> str:
    """What came from a payload may not be read as an order by the CLI: no file, no command.

    After white space `@path` would attach any readable file without asking, so it gets a
    backslash; a `/word` at the very beginning would be run as a command of the CLI, so it
    gets a space. An address like a@b.c is left alone.
    """
    text = _MENTION.sub(r"\\@", text)
    return f" {text}" if at_start and text.startswith("/") else text
