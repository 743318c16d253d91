"""The agent's .env file: parsed by python-dotenv, faults named by line, values never shown.

The one place that knows python-dotenv and the names of the keys. A fault's text holds no
part of the line: what stands there may be a secret that was pasted wrongly.
"""

from __future__ import annotations

import io
import re
from collections import ChainMap
from collections.abc import Mapping
from pathlib import Path

from dotenv.parser import Binding, parse_stream
from dotenv.variables import parse_variables
from msgspec import Struct

from maestro_core.settings_read import Unreadable, read_text, told

REQUIRED_KEYS = ("ANTHROPIC_API_KEY",)
"""Needed unless the subscription is preferred."""

OPTIONAL_KEYS = ("SLACK_USER_TOKEN", "GMAIL_APP_PASSWORD", "OPENAI_API_KEY")
"""Keys of the agent's own tools; the console only says whether they are set."""

OTHER_NAMES = (
    "AGENT_NAME",
    "ANTHROPIC_BASE_URL",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "MAESTRO_PREFER_SUBSCRIPTION_AUTH",
    "MAESTRO_CLAUDE_BIN",
    "MAESTRO_BUS",
    "PGPASSWORD",
    "MAESTRO_NOTICE_WEBHOOK",
)
"""Further documented names that are no [consumer] setting."""

OWN_NAMES = ("MAESTRO_CADENCE", "MAESTRO_TICK_ID", "MAESTRO_RUN_ID", "MAESTRO_WEB")
"""Set by this program: for the processes of a run, and for a console that draws for a browser.
Never settings."""

LONGEST = 128 << 10
"""No system hands a longer value to a program."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_OPEN_QUOTE = re.compile(r"""(?:export\s+)?[^=#\s]+\s*=\s*(["'])(?P<rest>.*)""", re.DOTALL)
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off", ""})


class EnvFile(Struct, frozen=True, kw_only=True):
    """What a .env says. `lines` is where each name stands; problems and warnings name lines."""

    exists: bool = True
    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def read_env(path: Path, environ: Mapping[str, str]) -> EnvFile:
    """Parse `path`; `${NAME}` is filled from the file above it, else from `environ`."""
    try:
        text = read_text(path)
    except Unreadable as error:
        return EnvFile(problems=(f".env {error}",))
    if text is None:
        return EnvFile(exists=False)
    return parse_env(text, environ)


def parse_env(text: str, environ: Mapping[str, str]) -> EnvFile:
    """The entries of a .env text; the last of several equal names wins, as in a shell."""
    entries = _Entries(environ)
    for binding in parse_stream(io.StringIO(text)):
        entries.take(binding)
    return EnvFile(
        values=entries.values,
        lines=entries.lines,
        problems=told(entries.problems),
        warnings=told(entries.warnings),
    )


class _Entries:
    """What was parsed so far."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.values: dict[str, str] = {}
        self.lines: dict[str, int] = {}
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self._names = ChainMap(self.values, dict(environ))

    def take(self, binding: Binding) -> None:
        line = _line(binding)
        if fault := _fault(binding):
            self.problems.append(f".env line {line}: {fault}")
        elif binding.key is not None and binding.value is not None:
            self._set(binding.key, binding.value, line)

    def _set(self, name: str, value: str, line: int) -> None:
        if name in self.values:
            first = self.lines[name]
            self.warnings.append(
                f".env line {line}: {name} stands on line {first} too; the last one counts"
            )
        filled = _filled(value, self._names)
        if filled is None:
            self.problems.append(f".env line {line}: {name} grows over {LONGEST >> 10} KiB")
        else:
            self.values[name], self.lines[name] = filled, line


def flag(value: str | None) -> bool | None:
    """1/true/yes/on -> True, 0/false/no/off/blank -> False, anything else -> None."""
    word = (value or "").strip().lower()
    if word in _TRUE:
        return True
    return False if word in _FALSE else None


def _fault(binding: Binding) -> str | None:
    if binding.error:
        quoted = _OPEN_QUOTE.match(binding.original.string.strip())
        if quoted is None:
            return "is not NAME=value (a comment begins with #)"
        closed = quoted.group(1) in quoted.group("rest")
        return "has text after the closing quote" if closed else "has a quote that is not closed"
    if binding.key is None:
        return None
    if binding.value is None:
        return "has no = after the name"
    if not _NAME.match(binding.key):
        return "has a name with other characters than letters, digits and _"
    return None


def _line(binding: Binding) -> int:
    """The parser counts from the blank lines before an entry; people count from the entry."""
    original = binding.original.string
    blank = original[: len(original) - len(original.lstrip())]
    return binding.original.line + len(re.findall(r"\r\n|\n|\r", blank))


def _filled(value: str, names: Mapping[str, str]) -> str | None:
    """`value` with its ${NAME}s filled in; None when it grows too long."""
    filled = ""
    for atom in parse_variables(value):
        filled += atom.resolve(names)
        if len(filled) > LONGEST:
            return None
    return filled
