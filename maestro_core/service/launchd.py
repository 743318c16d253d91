"""LaunchAgents of this user: one property list a job, loaded by launchctl.

Made and checked on other machines too; the commands run on macOS alone.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any

from maestro_core.files import FileSystem
from maestro_core.service.identity import Identity
from maestro_core.service.job import CONSUMER, TICK, Job
from maestro_core.service.manager import Folder, Kind, ManagerFailed, State, Times, foreign, run
from maestro_core.service.plist import decode_plist, encode_plist
from maestro_core.service.shell import Shell

PREFIX = "local.maestro-tui"
THROTTLE = 30
"""Seconds between two starts of a consumer that keeps ending."""
_NOT_LOADED = (0, 3, 36, 113)
"""bootout: done, no such process, still going on, no such service."""
_GONE_WITHIN = 30.0


class Launchd:
    """See `Manager`."""

    kind: Kind = "launchd"

    def __init__(self, identity: Identity, shell: Shell, home: Path, fs: FileSystem) -> None:
        self.identity = identity
        self.folder = home / "Library" / "LaunchAgents"
        self._files = Folder(self.folder, fs)
        self._shell = shell
        self._domain = f"gui/{os.getuid()}"

    def write(self, job: Job) -> None:
        self._files.write(job)

    def remove(self, job: Job) -> None:
        self._files.remove(job)

    def label(self, job_name: str) -> str:
        return f"{PREFIX}.{self.identity.key}.{job_name}"

    def unavailable(self) -> str | None:
        done = self._shell.run(["launchctl", "print", self._domain])
        if done.ok:
            return None
        return (
            f"launchctl has no domain {self._domain}: log in on the machine's screen once"
            " (or by Screen Sharing), then try again"
        )

    # -- files

    def tick_job(self, cadence: str, times: Times) -> Job:
        name = f"{TICK}{cadence}"
        words = ("enqueue", cadence, "--due", "--source", "launchd")
        document = self._document(name, words) | times.launchd
        document["StandardOutPath"] = os.devnull
        document["StandardErrorPath"] = str(self.identity.logs / "schedule.log")
        return self._job(name, document)

    def consumer_job(self, stop_seconds: float) -> Job:
        log = str(self.identity.logs / "consumer.log")
        document = self._document(CONSUMER, ("run", "--service")) | {
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": THROTTLE,
            "ExitTimeOut": round(stop_seconds),
            "StandardOutPath": log,
            "StandardErrorPath": log,
        }
        return self._job(CONSUMER, document)

    def present(self, prefix: str) -> list[Job]:
        found = []
        for file, data in self._files.matching(self.label(prefix), (".plist",)).items():
            document = decode_plist(data)
            if document is None:
                raise foreign(self.folder / file, "it is no property list")
            if _root_of(document) != str(self.identity.root):
                raise foreign(self.folder / file, "it names another agent root")
            name = file.removesuffix(".plist").removeprefix(self.label(""))
            found.append(Job(name, {file: data}))
        return found

    def essence(self, job: Job) -> object:
        documents = {name: decode_plist(data) or {} for name, data in job.files.items()}
        for document in documents.values():
            document.pop("EnvironmentVariables", None)
        return documents

    def _document(self, name: str, words: tuple[str, ...]) -> dict[str, Any]:
        return {
            "Label": self.label(name),
            "ProgramArguments": list(self.identity.command(*words)),
            "EnvironmentVariables": self.identity.environment,
            "WorkingDirectory": str(self.identity.root),
        }

    def _job(self, name: str, document: dict[str, Any]) -> Job:
        return Job(name, {f"{self.label(name)}.plist": encode_plist(document)})

    # -- commands

    def refresh(self) -> None:
        """launchd reads a file when it is loaded."""

    def load(self, job: Job, *, changed: bool) -> None:
        if self.state(job.name).loaded:
            if not changed:
                return
            self.unload(job)
        for command in self.commands("load", job):
            run(self._shell, command)

    def unload(self, job: Job) -> None:
        for command in self.commands("unload", job):
            run(self._shell, command, fine=_NOT_LOADED)
        deadline = time.monotonic() + _GONE_WITHIN
        while self.state(job.name).loaded:
            if time.monotonic() > deadline:
                raise ManagerFailed(f"{self.label(job.name)} does not end")
            time.sleep(0.2)

    def restart(self, job: Job) -> None:
        for command in self.commands("restart", job):
            run(self._shell, command)

    def commands(self, act: str, job: Job) -> list[list[str]]:
        target = f"{self._domain}/{self.label(job.name)}"
        plist = str(self.folder / f"{self.label(job.name)}.plist")
        return {
            "refresh": [],
            "load": [
                ["launchctl", "enable", target],
                ["launchctl", "bootstrap", self._domain, plist],
            ],
            "unload": [["launchctl", "bootout", target]],
            "restart": [["launchctl", "kickstart", "-k", target]],
        }[act]

    def state(self, job_name: str) -> State:
        done = self._shell.run(["launchctl", "print", f"{self._domain}/{self.label(job_name)}"])
        if not done.ok:
            return State("absent")
        found = dict(re.findall(r"^\s*(state|pid|last exit code|runs) = (.+)$", done.out, re.M))
        pid = found.get("pid", "")
        word = "running" if found.get("state") == "running" else "loaded"
        code = found.get("last exit code", "")
        detail = f"last exit code {code}" if code and word != "running" else ""
        if word == "loaded" and code.split(":")[0].strip() not in ("", "0", "(never exited)"):
            word = "failed"
        return State(word, int(pid) if pid.isdigit() else None, detail)


def _root_of(document: dict[str, Any]) -> object:
    environment = document.get("EnvironmentVariables")
    return environment.get("AGENT_ROOT") if isinstance(environment, dict) else None
