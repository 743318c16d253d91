"""Which files and labels on this machine belong to an agent root, and how its jobs are started.

Every name holds a short hash of the root's path, so several roots share a machine and nobody
touches another one's jobs.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from maestro_core.errors import Refused
from maestro_core.layout import Layout

_HANDED_ON = ("LANG", "LC_ALL", "LC_CTYPE", "TZ", "CLAUDE_CONFIG_DIR", "XDG_CONFIG_HOME")
"""Variables of the installing shell that the jobs need too, none of them a secret."""
_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


class Identity(Struct, frozen=True, kw_only=True):
    """An agent root on this machine. `environment` is what its jobs are started with."""

    root: Path
    key: str
    """8 hex digits of the root's path."""
    program: tuple[str, ...]
    """The words that start maestro-tui."""
    environment: dict[str, str]
    logs: Path

    def command(self, *words: str) -> tuple[str, ...]:
        """A command line of maestro-tui for this root."""
        return (*self.program, "--root", str(self.root), *words)


def identity(layout: Layout, environ: Mapping[str, str]) -> Identity:
    """Of the root as it is named after links are resolved.

    Raises:
        Refused: no file of launchd or systemd can hold its path.
    """
    root = Path(os.path.realpath(layout.root))
    program = program_words()
    for path in (str(root), program[0]):
        if not _can_stand(path):
            raise Refused(
                f"{path!r} cannot stand in a file of launchd or systemd: it holds a control"
                " character", "rename the folder",
            )  # fmt: skip
    return Identity(
        root=root,
        key=hashlib.sha256(os.fsencode(root)).hexdigest()[:8],
        program=program,
        environment=_environment(root, program[0], environ),
        logs=Layout(root).logs / "service",
    )


def program_words() -> tuple[str, ...]:
    """The installed command beside this Python (kept over upgrades), else Python itself."""
    beside = Path(sys.executable).parent / "maestro-tui"
    if os.access(beside, os.X_OK):
        return (str(beside),)
    return (sys.executable, "-m", "maestro_tui")


def _environment(root: Path, program: str, environ: Mapping[str, str]) -> dict[str, str]:
    found = {
        "HOME": environ.get("HOME") or str(Path("~").expanduser()),
        "PATH": _path(program, environ),
        "AGENT_ROOT": str(root),
    }
    found |= {name: environ[name] for name in _HANDED_ON if environ.get(name)}
    return {name: value for name, value in found.items() if _can_stand(value)}


def _can_stand(text: str) -> bool:
    """No control character, and UTF-8: what both kinds of files can hold as it is."""
    return _CONTROL.search(text) is None


def _path(program: str, environ: Mapping[str, str]) -> str:
    """Where the installing shell finds its programs, as far as those are folders."""
    folders = [str(Path(program).parent), *environ.get("PATH", os.defpath).split(os.pathsep)]
    usable = [
        one for one in folders
        if one.startswith(os.sep) and _can_stand(one) and os.path.isdir(one)
    ]  # fmt: skip
    return os.pathsep.join(dict.fromkeys(usable))
