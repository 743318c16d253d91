"""What the checks are given: the agent root, its settings, the environment, the clock.

Read-only and shared by the checks' threads; files are read once, by whichever needs them first.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import NamedTuple

from maestro_core.clock import Clock, SystemClock
from maestro_core.doctor.finding import Verdict
from maestro_core.files import FileSystem, OsFiles
from maestro_core.layout import Layout
from maestro_core.redact import Redactor
from maestro_core.session.environment import effective, widened_path
from maestro_core.settings import Examined, Settings, examine_settings

_RUN_MARKS = ("MAESTRO_CADENCE", "MAESTRO_TICK_ID", "MAESTRO_RUN_ID")


class Context:
    """`offline` forbids the network, `deep` allows what costs tokens, `read_only` any write."""

    def __init__(
        self, layout: Layout, settings: Settings | None = None, *, offline: bool = False,
        deep: bool = False, read_only: bool = False, environ: Mapping[str, str] | None = None,
        clock: Clock | None = None, fs: FileSystem | None = None,
    ) -> None:  # fmt: skip
        self.layout = layout
        self.offline = offline
        self.deep = deep
        self.read_only = read_only
        self.environ = dict(os.environ if environ is None else environ)
        self.clock: Clock = clock or SystemClock()
        self.fs: FileSystem = fs or OsFiles()
        self._given = settings
        self._lock = threading.RLock()

    @property
    def examined(self) -> Examined:
        """The settings files as they are now, faults included."""
        with self._lock:
            return self._examined

    @cached_property
    def _examined(self) -> Examined:
        return examine_settings(self.layout, self.environ)

    @property
    def settings(self) -> Settings:
        """The settings to go by: those of the files, else those that the caller still has."""
        if self.examined.problems and self._given is not None:
            return self._given
        return self.examined.settings

    @property
    def env(self) -> dict[str, str]:
        """The variables that count for a sub-session: the environment over .env."""
        return effective(self.environ, self.examined.settings.env)

    def child_env(self) -> dict[str, str]:
        """For a program that a check starts: like a sub-session's, without a run's marks."""
        env = {**self.env, "PATH": widened_path(self.env), "DISABLE_AUTOUPDATER": "1"}
        return {name: value for name, value in env.items() if name not in _RUN_MARKS}

    def redactor(self) -> Redactor:
        return Redactor(self.environ).also(self.examined.settings.env)


class Check(NamedTuple):
    """One check: a stable id, a title, what to do, and how long it may take (seconds)."""

    id: str
    title: str
    run: Callable[[Context], Verdict]
    timeout: float = 5.0
