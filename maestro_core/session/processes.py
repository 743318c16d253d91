"""Processes: who is alive, who descends from whom, and signals that never hit a stranger.

A pid alone names nobody: pids are used again. A process is therefore named by its pid and
its start token, and a signal is sent only after the token was compared (on Linux through a
pidfd, so that not even the moment between can mislead). A zombie counts as gone.
The only owner of psutil. Safe from any thread.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

import psutil
from msgspec import Struct

RUN_ID = "MAESTRO_RUN_ID"
TICK_ID = "MAESTRO_TICK_ID"
ROOT = "AGENT_ROOT"

_LINUX = sys.platform.startswith("linux")
_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")


class Process(Struct, frozen=True):
    """One living process at the moment of a look."""

    pid: int
    parent: int
    group: int
    session: int
    token: str
    cpu: float = 0.0
    """Seconds of CPU time that it has used."""


# ---- who is alive -----------------------------------------------------------------------


def start_token(pid: int) -> str | None:
    """What tells this process from any other that ever has its pid; None when it is gone."""
    found = _look(pid)
    return found.token if found else None


def alive(pid: int, token: str | None) -> bool:
    """Whether exactly that process lives. Without a token nobody can say, so: no."""
    return token is not None and start_token(pid) == token


def table() -> dict[int, Process]:
    """Every living process that we may look at, by pid."""
    found: Iterable[Process | None] = (
        map(_look_linux, psutil.pids())
        if _LINUX
        else map(_known_psutil, psutil.process_iter(_FIELDS))
    )
    return {one.pid: one for one in found if one is not None}


def _look(pid: int) -> Process | None:
    return _look_linux(pid) if _LINUX else _look_psutil(pid)


def _look_linux(pid: int) -> Process | None:
    """From /proc: one read, and a start time that a clock step cannot move."""
    try:
        text = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # The name in parentheses may itself hold spaces and parentheses.
    fields = text[text.rfind(b")") + 2 :].split()
    if len(fields) < 20 or fields[0] in (b"Z", b"X", b"x"):
        return None
    token = f"{_boot()}:{int(fields[19])}"
    cpu = (int(fields[11]) + int(fields[12])) / _TICKS
    return Process(pid, int(fields[1]), int(fields[2]), int(fields[3]), token, cpu)


@lru_cache(maxsize=1)
def _boot() -> str:
    """Which boot of the machine this is: start times count from it."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()[:8]
    except OSError:
        return "boot"


_FIELDS = ("ppid", "status", "create_time", "cpu_times")


def _look_psutil(pid: int) -> Process | None:
    try:
        one = psutil.Process(pid)
        one.info = one.as_dict(_FIELDS)
    except (psutil.Error, OSError):
        return None
    return _known_psutil(one)


def _known_psutil(one: psutil.Process) -> Process | None:
    info = one.info
    if info["status"] == psutil.STATUS_ZOMBIE or not info["create_time"]:
        return None
    try:
        group, session = os.getpgid(one.pid), os.getsid(one.pid)
    except OSError:
        return None
    token, times = f"{info['create_time']:.6f}", info["cpu_times"]
    cpu = times.user + times.system if times else 0.0  # macOS keeps other users' to itself
    return Process(one.pid, info["ppid"] or 0, group, session, token, cpu)


class Command(Struct, frozen=True):
    """A living process of ours as it was started."""

    pid: int
    argv: tuple[str, ...]
    cwd: str
    env: dict[str, str]


def commands() -> list[Command]:
    """The processes whose command line, folder and environment we may see, but for our own."""
    spared, found = ancestors(), []
    for one in psutil.process_iter():
        if one.pid in spared:
            continue
        try:
            argv = tuple(one.cmdline())
            if argv:
                found.append(Command(one.pid, argv, one.cwd(), one.environ()))
        except (psutil.Error, OSError):
            continue  # another user's, protected by the system, or gone by now
    return found


# ---- the environment marker -------------------------------------------------------------


def marked(wanted: Callable[[dict[str, str]], bool]) -> list[Process]:
    """Living processes whose environment, as they were started with it, is `wanted`.

    Processes that hide their environment (other users', protected ones on macOS) are passed
    over, and so are this process and its ancestors, whatever they carry.
    """
    spared = ancestors()
    pids = [pid for pid in psutil.pids() if pid not in spared and wanted(_environment(pid))]
    return [one for one in map(_look, pids) if one is not None]


def of_run(run_id: str, root: Path) -> Callable[[dict[str, str]], bool]:
    """Whether an environment is that of a run of this agent root."""
    return lambda env: env.get(RUN_ID) == run_id and env.get(ROOT) == str(root)


def of_ticks(tick_ids: Iterable[str], root: Path) -> Callable[[dict[str, str]], bool]:
    """Whether an environment is that of a run of one of these ticks."""
    ids = frozenset(tick_ids)
    return lambda env: env.get(TICK_ID) in ids and env.get(ROOT) == str(root)


def _environment(pid: int) -> dict[str, str]:
    """The variables that matter here; empty when they cannot be seen."""
    if not _LINUX:
        return _environment_psutil(pid)
    try:
        text = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return {}
    if b"MAESTRO_" not in text:
        return {}
    pairs = (os.fsdecode(one).partition("=") for one in text.split(b"\0"))
    return {name: value for name, _, value in pairs}


def _environment_psutil(pid: int) -> dict[str, str]:
    try:
        return psutil.Process(pid).environ()
    except (psutil.Error, OSError):
        return {}


def ancestors() -> frozenset[int]:
    """This process and everything above it: never to be signalled."""
    pids, pid = {0, 1, os.getpid()}, os.getppid()
    while pid not in pids:
        pids.add(pid)
        found = _look(pid)
        pid = found.parent if found else 0
    return frozenset(pids)


# ---- signals ----------------------------------------------------------------------------


def send(pid: int, token: str | None, number: int) -> bool:
    """Signal exactly that process; False when it is gone, or is not ours to signal."""
    if token is None or pid in (0, 1, os.getpid()):
        return False
    try:
        if sys.platform.startswith("linux") and _LINUX:
            return _send_by_pidfd(pid, token, number)
        if start_token(pid) != token:
            return False
        os.kill(pid, number)
    except OSError:  # gone in between, or another user's
        return False
    return True


if sys.platform.startswith("linux"):

    def _send_by_pidfd(pid: int, token: str, number: int) -> bool:
        handle = os.pidfd_open(pid)
        try:
            if start_token(pid) != token:
                return False
            signal.pidfd_send_signal(handle, number)
        finally:
            os.close(handle)
        return True


# ---- a family ---------------------------------------------------------------------------


class Family:
    """Everything that descends from one process, remembered while it happens.

    A look finds the children of remembered processes, and the members of the sessions that
    remembered processes live in, or lived in at the look before: so a grandchild stays known
    when its parents have died and when it has emptied its environment. What leaves parents
    and session between two looks is found by the marker alone.
    """

    def __init__(self, *roots: tuple[int, str | None]) -> None:
        self._known = {pid: token for pid, token in roots if token is not None}
        self._sessions: frozenset[int] = frozenset()

    def look(self) -> list[Process]:
        """Take in newcomers, forget the dead; the members that live."""
        everybody = table()
        members = {
            pid: everybody[pid]
            for pid, token in self._known.items()
            if pid in everybody and everybody[pid].token == token
        }
        # A session whose number now belongs to a stranger has begun anew: its leader lives.
        sessions = {one for one in self._sessions if one in members or one not in everybody}
        _adopt(members, everybody, sessions)
        self._known = {pid: one.token for pid, one in members.items()}
        self._sessions = frozenset(one.session for one in members.values())
        return list(members.values())

    def add(self, found: Iterable[Process]) -> None:
        """Remember processes that were found in another way."""
        self._known.update((one.pid, one.token) for one in found)

    def kill(self) -> list[Process]:
        """SIGKILL to every member that lives; who they were."""
        members = self.look()
        for one in members:
            send(one.pid, one.token, signal.SIGKILL)
        return members


def _adopt(members: dict[int, Process], everybody: dict[int, Process], sessions: set[int]) -> None:
    """Add to `members` who descends from them or shares a session with them."""
    spared = ancestors()
    foreign = {one.session for pid, one in everybody.items() if pid in spared}
    known = spared | members.keys()
    strangers = {pid: one for pid, one in everybody.items() if pid not in known}
    sessions |= {one.session for one in members.values()}
    while found := [
        one
        for one in strangers.values()
        if one.parent in members or one.session in sessions - foreign
    ]:
        sessions |= {one.session for one in found}
        members.update((one.pid, strangers.pop(one.pid)) for one in found)
