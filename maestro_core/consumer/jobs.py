"""Small work beside the sub-sessions: a guard's command, a doctor's round, a look at folders.

Each runs in a thread of its own and is polled like a sub-session, so that the consumer's
pass never blocks. A command's processes are kept and marked like those of a run, and none
outlives its answer. `InlineJobs` is the seam for simulations.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from msgspec import Struct

from maestro_core.errors import MaestroError
from maestro_core.layout import Layout
from maestro_core.session import processes
from maestro_core.session.child import Child, abandoned_on_error
from maestro_core.session.command import find_program
from maestro_core.session.spare import Keeper

GUARD_TIMEOUT = 30.0
CALL_TIMEOUT = 600.0
"""A look at folders that has no answer by then hangs on a disk that is gone: its thread is left."""
REAP_SECONDS = 5.0
"""How long processes that survive SIGKILL are waited for."""


class JobResult(Struct, frozen=True):
    """`ok` False has the reason in `detail`."""

    ok: bool
    detail: str = ""
    exit_code: int | None = None


class Job(Protocol):
    def poll(self) -> JobResult | None:
        """The result once there is one. Never blocks."""
        ...

    def stop(self) -> None:
        """End the processes that it started, if any. Never waits for them."""
        ...


class InlineJobs(Protocol):
    """Starts small work. Both raise OSError when the system has no room for it."""

    def command(
        self, argv: tuple[str, ...], wake: Callable[[], None],
        marks: Mapping[str, str] | None = None,
    ) -> Job:  # fmt: skip
        """A command by exit code, in the agent root, at most GUARD_TIMEOUT seconds.

        `marks` are variables that its processes carry: see `marks_of`.
        """
        ...

    def call(self, function: Callable[[], JobResult], wake: Callable[[], None]) -> Job: ...


def marks_of(layout: Layout, cadence: str, tick_id: str) -> dict[str, str]:
    """What a command's processes carry, so that they are found again after a crash."""
    return {
        "AGENT_DIR": str(layout.root),
        processes.ROOT: str(layout.root),
        "MAESTRO_CADENCE": cadence,
        processes.TICK_ID: tick_id,
        processes.RUN_ID: f"guard-{tick_id}.{os.urandom(3).hex()}",
    }


class ThreadJobs:
    """The real thing: one daemon thread a job."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def command(
        self, argv: tuple[str, ...], wake: Callable[[], None],
        marks: Mapping[str, str] | None = None,
    ) -> Job:  # fmt: skip
        command = _Command(self._layout, argv, marks or {})
        return _ThreadJob(command.run, wake, command.stop)

    def call(self, function: Callable[[], JobResult], wake: Callable[[], None]) -> Job:
        return _ThreadJob(function, wake, lambda: None, CALL_TIMEOUT)


class _Command:
    """A command under a keeper of its own, like a run. `run` belongs to the job's thread."""

    def __init__(self, layout: Layout, argv: tuple[str, ...], marks: Mapping[str, str]) -> None:
        self._layout = layout
        self._argv = argv
        self._marks = marks
        self._lock = threading.Lock()
        self._stopped = False
        self._child: Child | None = None

    def run(self) -> JobResult:
        try:
            child = self._start()
        except OSError as error:
            return self._refusal(error.strerror or str(error))
        except MaestroError as error:
            return JobResult(False, error.message)
        in_time = child.hear_out(GUARD_TIMEOUT)
        if not in_time:
            child.order(b"K")
            child.hear_out(REAP_SECONDS)
        self._end_family(child)
        child.abandon()
        if self._stopped:
            return JobResult(False, "stopped")
        if not in_time:
            return JobResult(False, f"no answer in {GUARD_TIMEOUT:.0f} s: {self._argv[0]}")
        return self._answer(child)

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            if self._child is not None:
                self._child.order(b"K")

    def _start(self) -> Child:
        root = self._layout.root
        program = str(find_program(self._argv[0], os.environ, root))
        child = Child(Keeper())
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        with closed_after(null), abandoned_on_error(child):
            child.start(
                (program, *self._argv[1:]), cwd=root, env={**os.environ, **self._marks},
                files=(null, null, null), grace=0.0,
            )  # fmt: skip
        with self._lock:
            self._child = child
            if self._stopped:
                child.order(b"K")
        return child

    def _end_family(self, child: Child) -> None:
        """Nothing of it outlives its answer, without a keeper's adoption (macOS) either."""
        family = processes.Family(child.keeper, (child.pid or 0, child.token))
        wanted = processes.of_run(self._marks.get(processes.RUN_ID, ""), self._layout.root)
        until = time.monotonic() + REAP_SECONDS
        while time.monotonic() < until:
            family.add(processes.marked(wanted))
            if not family.kill():
                return
            time.sleep(0.02)

    def _answer(self, child: Child) -> JobResult:
        if child.refused is not None:
            return self._refusal(os.strerror(child.refused))
        if child.wait_status is None:
            return JobResult(False, "its keeper was ended")
        code = os.waitstatus_to_exitcode(child.wait_status)
        return JobResult(code == 0, self._said(code), code)

    def _refusal(self, why: str) -> JobResult:
        return JobResult(False, f"{self._argv[0]}: {why}")

    def _said(self, code: int) -> str:
        if code < 0:
            return f"{self._argv[0]} was ended by signal {-code}"
        if code in BROKEN_CODES:
            return f"exit {code}: {self._argv[0]}: {BROKEN_CODES[code]}"
        return f"exit {code}"


@contextmanager
def closed_after(fd: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(fd)


BROKEN_CODES = {126: "it cannot be executed", 127: "a command was not found"}
"""What a shell says of a command that it could not run: no answer to the guard's question."""


def answered(result: JobResult) -> bool:
    """Whether a guard has said yes or no; otherwise it is broken, and its tick has failed."""
    code = result.exit_code
    return code is not None and code >= 0 and code not in BROKEN_CODES


class _ThreadJob:
    def __init__(
        self, function: Callable[[], JobResult], wake: Callable[[], None],
        stop: Callable[[], None], limit: float = float("inf"),
    ) -> None:  # fmt: skip
        self._result: JobResult | None = None
        self._limit, self._until = limit, time.monotonic() + limit
        self._function = function
        self._wake = wake
        self._stop = stop
        start_thread(self._run, "maestro-job")

    def poll(self) -> JobResult | None:
        if self._result is None and time.monotonic() >= self._until:
            return JobResult(False, f"no answer in {self._limit:.0f} s")
        return self._result

    def stop(self) -> None:
        if self._result is None:
            self._stop()

    def _run(self) -> None:
        try:
            self._result = self._function()
        except Exception as error:  # reported as the job's failure, whatever it was
            self._result = JobResult(False, f"{type(error).__name__}: {error}")
        self._wake()


def start_thread(target: Callable[[], None], name: str) -> None:
    """A daemon thread. Raises OSError (EAGAIN) when the system has no room for one."""
    try:
        threading.Thread(target=target, daemon=True, name=name).start()
    except RuntimeError as error:
        raise OSError(errno.EAGAIN, f"no room for another thread ({error})") from error
