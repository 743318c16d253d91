"""What launchd and systemd have in common: files in a folder, loaded and taken away by commands.

Nothing is touched that does not carry both our name (with the root's hash) and this root's
path inside.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol

from msgspec import Struct

from maestro_core import files
from maestro_core.errors import MaestroError, Refused
from maestro_core.files import FileSystem
from maestro_core.service.identity import Identity
from maestro_core.service.job import Job
from maestro_core.service.shell import Done, Shell

Kind = Literal["launchd", "systemd"]
_LIMIT = 1 << 20


class ManagerFailed(MaestroError):
    """launchctl or systemctl said no."""


class State(Struct, frozen=True):
    """A job as the manager sees it. `word` loaded | running | failed | … | absent."""

    word: str
    pid: int | None = None
    detail: str = ""

    @property
    def loaded(self) -> bool:
        return self.word != "absent"


class Manager(Protocol):
    """See the module docstring. Methods that run commands raise ManagerFailed."""

    kind: Kind
    folder: Path

    def unavailable(self) -> str | None:
        """Why nothing can be loaded here and now; None = it can."""
        ...

    def tick_job(self, cadence: str, times: Times) -> Job: ...
    def consumer_job(self, stop_seconds: float) -> Job: ...
    def present(self, prefix: str) -> list[Job]:
        """Our installed jobs whose name begins so. Raises Refused at a foreign file."""
        ...

    def essence(self, job: Job) -> object:
        """What a job is apart from the environment of the shell that installed it."""
        ...

    def write(self, job: Job) -> None: ...
    def remove(self, job: Job) -> None: ...
    def refresh(self) -> None:
        """After files were written or removed."""
        ...

    def load(self, job: Job, *, changed: bool) -> None: ...
    def unload(self, job: Job) -> None: ...
    def restart(self, job: Job) -> None: ...
    def state(self, job_name: str) -> State: ...
    def commands(self, act: str, job: Job) -> list[list[str]]:
        """What `refresh`, `load`, `unload` or `restart` run: told by a dry run."""
        ...


class Times(Struct, frozen=True):
    """When a timer fires, as its manager writes it: OnCalendar lines, or plist keys."""

    systemd: tuple[str, ...] = ()
    launchd: dict[str, int | list[dict[str, int]]] = {}


class Folder:
    """Reads and writes the files of jobs. `home` is the manager's folder."""

    def __init__(self, home: Path, fs: FileSystem) -> None:
        self.home = home
        self.fs = fs

    def matching(self, prefix: str, suffixes: tuple[str, ...]) -> dict[str, bytes]:
        """File name -> bytes, of those whose name begins and ends so."""
        try:
            names = sorted(self.fs.names(self.home))
        except FileNotFoundError:
            return {}
        ours = [name for name in names if name.startswith(prefix) and name.endswith(suffixes)]
        return {name: self._read(self.home / name) for name in ours}

    def write(self, job: Job) -> None:
        self.fs.make_folder(self.home)
        for name, data in job.files.items():
            files.replace(self.fs, self.home, self.home / name, data)

    def remove(self, job: Job) -> None:
        for name in job.files:
            files.remove(self.fs, self.home / name)

    def _read(self, path: Path) -> bytes:
        try:
            return self.fs.read(path, _LIMIT)
        except OSError as error:
            raise foreign(path, error.strerror or str(error)) from error


def foreign(path: Path, why: str) -> Refused:
    return Refused(f"{path} has our name and is not ours: {why}", "look at it and move it away")


def run(shell: Shell, argv: list[str], *, fine: tuple[int, ...] = (0,)) -> Done:
    """Raises ManagerFailed for another exit code."""
    done = shell.run(argv)
    if done.code not in fine:
        said = " ".join(done.out.split())[:300] or f"exit {done.code}"
        raise ManagerFailed(f"{' '.join(argv)}: {said}")
    return done


def manager_kind(environ: Mapping[str, str]) -> Kind:
    """What this machine has. Raises Refused when it is neither."""
    if sys.platform == "darwin":
        return "launchd"
    folders = environ.get("PATH", os.defpath).split(os.pathsep)
    if any(os.access(Path(folder) / "systemctl", os.X_OK) for folder in folders):
        return "systemd"
    raise Refused(
        "this machine has neither launchd nor systemd",
        'let cron run `maestro-tui enqueue CADENCE --due`, or set producer = "consumer"; keep'
        " `maestro-tui run` going with what the machine has",
    )


def make_manager(
    kind: Kind, identity: Identity, shell: Shell, environ: Mapping[str, str], fs: FileSystem
) -> Manager:
    from maestro_core.service.launchd import Launchd
    from maestro_core.service.systemd import Systemd

    home = Path(environ.get("HOME") or str(Path("~").expanduser()))
    if kind == "launchd":
        return Launchd(identity, shell, home, fs)
    config = environ.get("XDG_CONFIG_HOME", "")
    base = Path(config) if config.startswith(os.sep) else home / ".config"
    return Systemd(identity, shell, base, fs)
