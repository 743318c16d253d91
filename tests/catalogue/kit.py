"""What the catalogue's tests start from: disks that fail in one way, and programs that are run
where a real fault can be made (a user namespace, without privileges, under strace).

A scene is a function of `tests.catalogue.scenes`; it runs in a process of its own, prints one
JSON document, and the test judges that.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from maestro_core.bus.directory import DirectoryEngine
from maestro_core.clock import Clock
from maestro_core.files import OsFiles
from maestro_core.layout import Layout
from maestro_core.models import Claim, Failure

PROJECT = Path(__file__).parents[2]
PROGRAM = Path(sys.executable).with_name("maestro-tui")
LINUX = sys.platform.startswith("linux")
FAILURE = Failure("2026-11-24T02:03:04.000Z", 1, 1, "exit 1: no")

linux_only = pytest.mark.skipif(not LINUX, reason="made with what only Linux has")


# ---- disks ---------------------------------------------------------------------------------


class QuickDisk(OsFiles):
    """Real files without the flushes, where no power cut is at stake."""

    def flush(self, path: Any) -> None:
        pass

    def flush_folder(self, path: Any) -> None:
        pass


class FailingDisk(OsFiles):
    """One primitive fails: `fail("flush", errno.EIO)`; `late` = after it took effect.

    `calls` has every primitive that was called, with its first path.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self._plans: dict[str, tuple[int, int, bool]] = {}

    def fail(self, name: str, number: int, *, times: int = 1, late: bool = False) -> None:
        self._plans[name] = (number, times, late)

    def called(self, name: str) -> list[str]:
        return [path for one, path in self.calls if one == name]

    def carry_out(self, name: str, path: Any, *rest: Any) -> Any:
        self.calls.append((name, os.fspath(path)))
        act: Callable[..., Any] = getattr(OsFiles, name)
        number, times, late = self._plans.get(name, (0, 0, False))
        if times <= 0:
            return act(self, path, *rest)
        self._plans[name] = (number, times - 1, late)
        if late:
            act(self, path, *rest)
        raise OSError(number, os.strerror(number), os.fspath(path))


PRIMITIVES = (
    "read", "create", "flush", "flush_folder", "rename", "link", "unlink", "names", "exists",
    "modified", "settled", "device", "room", "make_folder",
)  # fmt: skip


def _routed(name: str) -> Callable[..., Any]:
    return lambda self, path, *rest: self.carry_out(name, path, *rest)


for _name in PRIMITIVES:
    setattr(FailingDisk, _name, _routed(_name))


# ---- the bus -------------------------------------------------------------------------------


def engine_on(
    layout: Layout, fs: OsFiles | None = None, clock: Clock | None = None
) -> DirectoryEngine:
    return DirectoryEngine(layout, clock=clock, fs=fs or QuickDisk(), owner="test")


def claim_any(engine: DirectoryEngine) -> Claim | None:
    engine.refresh()
    return engine.claim(held=lambda _: False)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def where(layout: Layout, tick_id: str) -> list[str]:
    """Where that tick is."""
    folders = (layout.inbox, layout.claimed, layout.dlq)
    return [one.name for one in folders if (one / f"{tick_id}.json").exists()]


def everything(root: Path) -> list[Path]:
    """Every file and folder below `root`, links not followed."""
    return sorted(Path(at, one) for at, dirs, files in os.walk(root) for one in (*dirs, *files))


# ---- programs ------------------------------------------------------------------------------


def environment(**more: str) -> dict[str, str]:
    """For a program that knows nothing of this machine's agent, and writes what it is told to:
    a cache of bytecode would be the first write that a fault hits."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    given = {"TZ": "UTC", "HOME": "/nonexistent", "PYTHONPATH": str(PROJECT)}
    return {**kept, **given, "PYTHONDONTWRITEBYTECODE": "1", **more}


def program(
    layout: Layout, *words: str, prefix: Sequence[str] = (), **options: Any
) -> subprocess.CompletedProcess[str]:
    """`maestro-tui` to its end."""
    argv = [*prefix, str(PROGRAM), "--root", str(layout.root), *words]
    given = {"env": environment(), "cwd": "/", "stdin": subprocess.DEVNULL, "timeout": 60}
    return subprocess.run(argv, capture_output=True, text=True, **(given | options))


def scene(name: str, layout: Layout, *, prefix: Sequence[str] = ()) -> Any:
    """What a scene has seen."""
    argv = [*prefix, sys.executable, "-m", "tests.catalogue.scenes", name, str(layout.root)]
    done = subprocess.run(
        argv, env=environment(), cwd=PROJECT, capture_output=True, text=True, timeout=120,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout.splitlines()[-1])


MOUNTS = ("unshare", "--user", "--map-root-user", "--mount")
PIDS = (*MOUNTS, "--pid", "--fork", "--mount-proc")


@cache
def _works(*words: str) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        argv = [*words, "sh", "-c", f"mount -t tmpfs -o size=64k tmpfs {folder}"]
        try:
            done = subprocess.run(argv, capture_output=True, timeout=30, check=False)
        except OSError:
            return False
        return done.returncode == 0


def in_namespace(*words: str) -> tuple[str, ...]:
    """The prefix that opens this namespace; skips the test where the system allows none."""
    if not _works(*words):
        pytest.skip("this system gives no user namespace with mounts of its own")
    return words


_POWERLESS = """
import ctypes, os, sys
for capability in (0, 1, 2, 3):  # chown, dac_override, dac_read_search, fowner
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""


def powerless() -> tuple[str, ...]:
    """A prefix under which modes of files count for root too."""
    if os.geteuid() != 0:
        return ()
    if not LINUX:
        pytest.skip("root may do everything here")
    return (sys.executable, "-I", "-S", "-c", _POWERLESS)


@cache
def _strace_works() -> bool:
    path = shutil.which("strace")
    if path is None:
        return False
    inject = ["-e", "trace=fsync", "-e", "inject=fsync:error=EIO:when=1"]
    done = subprocess.run(
        [path, "-f", "-o", os.devnull, *inject, "true"], capture_output=True, check=False
    )
    return done.returncode == 0


def injected(call: str, what: str) -> tuple[str, ...]:
    """A prefix that makes the first such system call go wrong: `error=EIO`, `signal=KILL`."""
    if not _strace_works():
        pytest.skip("there is no strace here that may trace")
    return (
        "strace", "-f", "-o", os.devnull, "-e", f"trace={call}", "-e", f"inject={call}:{what}",
    )  # fmt: skip
