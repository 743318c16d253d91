"""Units of this user's systemd instance: a timer with its service, or the consumer's service."""

from __future__ import annotations

import os
from pathlib import Path

from maestro_core.files import FileSystem
from maestro_core.service.identity import Identity
from maestro_core.service.job import CONSUMER, TICK, Job
from maestro_core.service.manager import Folder, Kind, State, Times, foreign, run
from maestro_core.service.shell import Shell
from maestro_core.service.unit import command_line, environment, folder, sentence, unit_text

RESTART_SECONDS = 10
WATCHDOG_SECONDS = 120
STARTS, STARTS_WITHIN = 10, 600
_ALIVE = ("running", "degraded", "starting", "initializing", "maintenance")
_MARK = "# Made by maestro-tui for "
_GONE_UNIT = f"{CONSUMER}-gone"
_MISSING_IS_FINE = (0, 1, 5)
"""disable, reset-failed: done, or there is no such unit."""


class Systemd:
    """See `Manager`."""

    kind: Kind = "systemd"

    def __init__(self, identity: Identity, shell: Shell, config: Path, fs: FileSystem) -> None:
        self.identity = identity
        self.folder = config / "systemd" / "user"
        self._files = Folder(self.folder, fs)
        self._shell = shell

    def write(self, job: Job) -> None:
        self._files.write(job)

    def remove(self, job: Job) -> None:
        self._files.remove(job)

    def base(self, job_name: str) -> str:
        """The unit's name without its suffix."""
        return f"maestro-tui-{self.identity.key}-{job_name}"

    def unavailable(self) -> str | None:
        done = self._shell.run(["systemctl", "--user", "is-system-running"])
        if any(word in done.out.split() for word in _ALIVE):
            return None
        said = " ".join(done.out.split()) or f"exit {done.code}"
        return (
            f"this user's systemd instance cannot be reached ({said}); log in on this machine"
            " itself, or `loginctl enable-linger`, or `machinectl shell USER@` instead of su"
        )

    # -- files

    def tick_job(self, cadence: str, times: Times) -> Job:
        name = f"{TICK}{cadence}"
        title = f"{cadence} of {self.identity.root}"
        words = self.identity.command("enqueue", cadence, "--due", "--source", "systemd")
        service = [
            ("Type", "oneshot"),
            ("ExecStart", command_line(words)),
            *self._surroundings(),
            ("StandardOutput", "null"),
        ]
        timer = [
            *(("OnCalendar", line) for line in times.systemd),
            ("AccuracySec", "1s"),
            ("Persistent", "true"),
        ]
        return Job(name, {
            f"{self.base(name)}.service": self._unit({
                "Unit": [("Description", sentence(f"Tick for {title}"))], "Service": service,
            }),
            f"{self.base(name)}.timer": self._unit({
                "Unit": [("Description", sentence(f"Schedule of {title}"))],
                "Timer": timer,
                "Install": [("WantedBy", "timers.target")],
            }),
        })  # fmt: skip

    def consumer_job(self, stop_seconds: float) -> Job:
        words = self.identity.command("run", "--service")
        service = [
            ("Type", "notify"),
            ("NotifyAccess", "main"),
            ("ExecStart", command_line(words)),
            *self._surroundings(),
            ("Restart", "on-failure"),
            ("RestartSec", f"{RESTART_SECONDS}"),
            ("WatchdogSec", f"{WATCHDOG_SECONDS}"),
            ("TimeoutStartSec", f"{STARTS_WITHIN}"),
            ("TimeoutStopSec", f"{round(stop_seconds)}"),
            ("KillMode", "mixed"),
        ]
        unit = [
            ("Description", sentence(f"maestro-tui consumer of {self.identity.root}")),
            ("StartLimitIntervalSec", f"{STARTS_WITHIN}"),
            ("StartLimitBurst", f"{STARTS}"),
            ("OnFailure", f"{self.base(_GONE_UNIT)}.service"),
        ]
        gone = [
            ("Type", "oneshot"),
            ("ExecStart", command_line(self.identity.command("service", "gone"))),
            *self._surroundings(),
        ]
        return Job(CONSUMER, {
            f"{self.base(CONSUMER)}.service": self._unit({
                "Unit": unit, "Service": service, "Install": [("WantedBy", "default.target")],
            }),
            f"{self.base(_GONE_UNIT)}.service": self._unit({
                "Unit": [("Description", sentence(f"Says that the {unit[0][1]} is gone"))],
                "Service": gone,
            }),
        })  # fmt: skip

    def present(self, prefix: str) -> list[Job]:
        found: dict[str, dict[str, bytes]] = {}
        mark = os.fsencode(f"{_MARK}{self.identity.root}")
        for file, data in self._files.matching(self.base(prefix), (".service", ".timer")).items():
            if data.split(b"\n", 1)[0] != mark:
                raise foreign(self.folder / file, "its first line does not name this root")
            name = file.rpartition(".")[0].removeprefix(self.base(""))
            found.setdefault(CONSUMER if name == _GONE_UNIT else name, {})[file] = data
        return [Job(name, files) for name, files in found.items()]

    def essence(self, job: Job) -> object:
        return {
            name: [line for line in data.splitlines() if not line.startswith(b"Environment=")]
            for name, data in job.files.items()
        }

    def _surroundings(self) -> list[tuple[str, str]]:
        directory = ("WorkingDirectory", folder(str(self.identity.root)))
        return [directory, *environment(self.identity.environment)]

    def _unit(self, sections: dict[str, list[tuple[str, str]]]) -> bytes:
        comment = f"{_MARK}{self.identity.root}".removeprefix("# ")
        return os.fsencode(unit_text(comment, sections))

    # -- commands

    def refresh(self) -> None:
        run(self._shell, ["systemctl", "--user", "daemon-reload"])

    def load(self, job: Job, *, changed: bool) -> None:
        for command in self.commands("load", job):
            run(self._shell, command)
        if changed:
            self.restart(job)

    def unload(self, job: Job) -> None:
        for command in self.commands("unload", job):
            run(self._shell, command, fine=_MISSING_IS_FINE)

    def restart(self, job: Job) -> None:
        for command in self.commands("restart", job):
            run(self._shell, command, fine=_MISSING_IS_FINE if "reset-failed" in command else (0,))

    def commands(self, act: str, job: Job) -> list[list[str]]:
        user, unit = ["systemctl", "--user"], self._main(job.name)
        return {
            "refresh": [[*user, "daemon-reload"]],
            "load": [[*user, "enable", "--now", unit]],
            "unload": [[*user, "disable", "--now", unit]],
            "restart": [[*user, "reset-failed", unit], [*user, "restart", unit]],
        }[act]

    def state(self, job_name: str) -> State:
        names = "LoadState,ActiveState,SubState,MainPID,NRestarts,Result"
        unit = self._main(job_name)
        done = self._shell.run(["systemctl", "--user", "show", f"--property={names}", unit])
        found = dict(line.split("=", 1) for line in done.out.splitlines() if "=" in line)
        if not done.ok or found.get("LoadState", "not-found") == "not-found":
            return State("absent")
        active = found.get("ActiveState", "unknown")
        word = {"active": "running", "inactive": "loaded"}.get(active, active)
        if unit.endswith(".timer") and word == "running":
            word = "loaded"
        pid = found.get("MainPID", "0")
        detail = [found.get("SubState", "")]
        if found.get("NRestarts", "0") != "0":
            detail.append(f"{found['NRestarts']} restarts")
        if found.get("Result", "success") != "success":
            detail.append(f"result {found['Result']}")
        return State(word, int(pid) if pid.isdigit() and pid != "0" else None, ", ".join(detail))

    def _main(self, job_name: str) -> str:
        """What is enabled and asked for: a tick's timer, the consumer's service."""
        return f"{self.base(job_name)}.{'timer' if job_name.startswith(TICK) else 'service'}"
