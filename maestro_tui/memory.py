"""What this person's console remembers of an agent root: when it was left, notes on failures.

One small file for each root under ~/.local/state/maestro-tui/. Nothing depends on it: where it
cannot be read or written the console works without. Called from threads, one at a time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

from maestro_core import files
from maestro_core.clock import iso
from maestro_tui.presentation.times import moment

MOST_NOTES = 500
LONGEST_NOTE = 500
MOST_BYTES = 8 << 20
LONGEST_NAME = 200
"""Of a file, without what stands behind its dot; systems allow 255 bytes."""


def memory_path(root: Path, environ: Mapping[str, str] | None = None) -> Path:
    """Where the memory of that root is, by the XDG rules."""
    env = os.environ if environ is None else environ
    home = Path(env.get("HOME") or Path("~").expanduser())
    base = Path(env.get("XDG_STATE_HOME") or home / ".local" / "state")
    return base / "maestro-tui" / f"{_name_of(os.fsencode(root))}.json"


def _name_of(root: bytes) -> str:
    """The path itself where a file's name can be so long."""
    name = quote_from_bytes(root, safe="")
    if len(name) <= LONGEST_NAME:
        return name
    import hashlib  # here: it is slow to import, and the first picture waits for this name

    return hashlib.sha256(root).hexdigest()


class Memory:
    """See the module docstring."""

    def __init__(self, path: Path, root: str) -> None:
        self._path, self._root = path, root
        self._document = _read(path)

    @property
    def left_at(self) -> float | None:
        """Wall time at which the last console on this root was left; None = never."""
        at = self._document.get("left_at")
        return moment(at) if isinstance(at, str) else None

    @property
    def notes(self) -> dict[str, str]:
        """Failure signature -> note."""
        return _notes(self._document)

    def leave(self, now: float) -> None:
        """Remember that the console was left."""
        self._save("left_at", iso(now))

    def note(self, signature: str, text: str) -> None:
        """Keep a note; an empty one is forgotten."""
        notes = _notes(self._document | _read(self._path))
        notes.pop(signature, None)
        if text.strip():
            notes[signature] = text.strip()[:LONGEST_NOTE]
        self._save("notes", dict(list(notes.items())[-MOST_NOTES:]))

    def _save(self, name: str, value: object) -> None:
        """Into what the file holds now: another console on this root writes it too."""
        self._document[name] = value
        document = {"root": self._root, **self._document, **_read(self._path), name: value}
        data = json.dumps(document, indent=2, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        fs = files.OsFiles()
        try:
            fs.make_folder(self._path.parent)
            files.replace(fs, self._path.parent, self._path, data)
        except OSError:
            return  # a home that cannot be written costs the memory and nothing else


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(files.OsFiles().read(path, MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _notes(document: Mapping[str, Any]) -> dict[str, str]:
    found = document.get("notes")
    if not isinstance(found, dict):
        return {}
    return {str(name): text for name, text in found.items() if isinstance(text, str)}
