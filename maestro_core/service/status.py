"""How the consumer's service stands: installed, running, which version, and whether it loops."""

from __future__ import annotations

from msgspec import Struct

from maestro_core.service.job import CONSUMER, Job
from maestro_core.service.manager import Manager, State
from maestro_core.service.shell import Shell
from maestro_core.service.starts import LOOP, Start, bad_ends
from maestro_core.settings import Settings

STOP_ROOM = 30.0
"""Seconds beyond the runs' own grace that the manager waits for a clean end."""


class ServiceStatus(Struct, frozen=True, kw_only=True):
    """`files` installed | outdated | missing; `linger` None = not asked or not known."""

    manager: str
    files: str
    state: State
    unavailable: str | None
    starts: tuple[Start, ...]
    bad: int
    """Bad ends in a row, up to now."""
    linger: bool | None

    @property
    def looping(self) -> bool:
        return self.bad >= LOOP


def wanted_job(manager: Manager, settings: Settings) -> Job:
    """The consumer's job as it would be installed now."""
    return manager.consumer_job(settings.consumer.kill_grace_seconds + STOP_ROOM)


def service_status(
    manager: Manager, settings: Settings, starts: list[Start], shell: Shell, now: float
) -> ServiceStatus:
    """Asks the manager. Raises Refused for a foreign file."""
    why = manager.unavailable()
    ended = [one for one in starts if one.ended is not None or one is not starts[-1]]
    return ServiceStatus(
        manager=manager.kind,
        files=_files(manager, settings),
        state=State("unknown") if why else manager.state(CONSUMER),
        unavailable=why,
        starts=tuple(starts),
        bad=bad_ends(ended, now),
        linger=_linger(shell) if manager.kind == "systemd" else None,
    )


def _files(manager: Manager, settings: Settings) -> str:
    present = manager.present(CONSUMER)
    if not present:
        return "missing"
    same = manager.essence(present[0]) == manager.essence(wanted_job(manager, settings))
    return "installed" if same else "outdated"


def _linger(shell: Shell) -> bool | None:
    """Whether this user's services go on after a logout and start at boot."""
    done = shell.run(["loginctl", "show-user", "--property=Linger", "--value"])
    word = done.out.strip()
    return word == "yes" if done.ok and word in ("yes", "no") else None
