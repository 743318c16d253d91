"""systemd unit files: sections and quoting. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from maestro_core.errors import Refused

Section = Sequence[tuple[str, str]]


def unit_text(comment: str, sections: Mapping[str, Section]) -> str:
    """A unit file; entries stay in their order, since some keys may come several times."""
    lines = [f"# {_one_line(comment)}"]
    for name, entries in sections.items():
        lines += ["", f"[{name}]", *(f"{key}={_one_line(value)}" for key, value in entries)]
    return "\n".join(lines) + "\n"


def command_line(words: Iterable[str]) -> str:
    """ExecStart=: each word quoted, `%` and `$` taken literally."""
    return " ".join(_quoted(word.replace("$", "$$")) for word in words)


def environment(values: Mapping[str, str]) -> list[tuple[str, str]]:
    """Environment= lines, one a variable."""
    return [("Environment", _quoted(f"{name}={value}")) for name, value in sorted(values.items())]


def literal(text: str) -> str:
    """For a value that is one path or one sentence: `%` taken literally."""
    return text.replace("%", "%%")


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
