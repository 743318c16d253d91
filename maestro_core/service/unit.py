"""systemd unit files: sections and quoting. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from maestro_core.errors import Refused
from maestro_core.text import visible

Section = Sequence[tuple[str, str]]


def unit_text(comment: str, sections: Mapping[str, Section]) -> str:
    """A unit file; entries stay in their order, since some keys may come several times."""
    lines = [f"# {_one_line(comment)}"]
    for name, entries in sections.items():
        lines += ["", f"[{name}]", *(f"{key}={_one_line(value)}" for key, value in entries)]
    return "\n".join(lines) + "\n"


def command_line(words: Iterable[str]) -> str:
    """ExecStart=: each word quoted, `%` and `$` taken literally; the program's own path knows no
    variables, so its `$` stands for itself."""
    program, *rest = words
    return " ".join([_quoted(program), *(_quoted(word.replace("$", "$$")) for word in rest)])


def environment(values: Mapping[str, str]) -> list[tuple[str, str]]:
    """Environment= lines, one a variable."""
    return [("Environment", _quoted(f"{name}={value}")) for name, value in sorted(values.items())]


def literal(text: str) -> str:
    """`%` taken literally."""
    return text.replace("%", "%%")


def folder(path: str) -> str:
    """A value that is one path. Blanks at its end would be cut off, and a backslash there would
    take in the next line: such a name is followed by what names the same folder."""
    return literal(f"{path}/." if path[-1:].isspace() or path.endswith("\\") else path)


def sentence(text: str) -> str:
    """A value for people."""
    return literal(visible(text).rstrip("\\ "))


def _quoted(word: str) -> str:
    escaped = literal(word.replace("\\", "\\\\").replace('"', '\\"'))
    return f'"{escaped}"'


def _one_line(text: str) -> str:
    if any(character in text for character in "\n\r\0"):
        raise Refused(
            f"{text!r} cannot stand in a unit file: it holds a line break",
            "rename the folder",
        )
    return text
