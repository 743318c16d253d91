"""Small work beside the sub-sessions: a guard's command, a doctor's round.

Each runs in a thread of its own and is polled like a sub-session, so that the consumer's
pass never blocks. `InlineJobs` is the seam for simulations.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from maestro_core.layout import Layout

GUARD_TIMEOUT = 30.0


class JobResult(Struct, frozen=True):
    """`ok` False has the reason in `detail`."""

    ok: bool
    detail: str = ""
    exit_code: int | None = None


class Job(Protocol):
    def poll(self) -> JobResult | None:
        """The result once there is one. Never blocks."""
        ...


class InlineJobs(Protocol):
    """Starts small work."""

    def command(self, argv: tuple[str, ...], wake: Callable[[], None]) -> Job:
        """A command by exit code, in the agent root, at most GUARD_TIMEOUT seconds."""
        ...

    def call(self, function: Callable[[], JobResult], wake: Callable[[], None]) -> Job: ...


class ThreadJobs:
    """The real thing: one daemon thread a job."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def command(self, argv: tuple[str, ...], wake: Callable[[], None]) -> Job:
        return _ThreadJob(lambda: self._run(argv), wake)

    def call(self, function: Callable[[], JobResult], wake: Callable[[], None]) -> Job:
        return _ThreadJob(function, wake)

    def _run(self, argv: tuple[str, ...]) -> JobResult:
        try:
            done = subprocess.run(
                argv, cwd=self._layout.root, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, timeout=GUARD_TIMEOUT, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return JobResult(False, f"no answer in {GUARD_TIMEOUT:.0f} s: {argv[0]}")
        except OSError as error:
            return JobResult(False, f"{argv[0]}: {error.strerror}")
        return JobResult(done.returncode == 0, f"exit {done.returncode}", done.returncode)


class _ThreadJob:
    def __init__(self, function: Callable[[], JobResult], wake: Callable[[], None]) -> None:
        self._result: JobResult | None = None
        self._function = function
        self._wake = wake
        threading.Thread(target=self._run, daemon=True, name="maestro-job").start()

    def poll(self) -> JobResult | None:
        return self._result

    def _run(self) -> None:
        try:
            self._result = self._function()
        except Exception as error:  # reported as the job's failure, whatever it was
            self._result = JobResult(False, f"{type(error).__name__}: {error}")
        self._wake()
