"""Keeps the retention without being asked: once a day what is older than `log_retention_days`
goes, whether or not a cadence has the handler `housekeeping`.

Owner: the consumer's thread; the walk through the folders of logs is a job's.
"""

from __future__ import annotations

from maestro_core.consumer.handlers import DAY, housekeep
from maestro_core.consumer.jobs import Job
from maestro_core.consumer.ports import Ports

FIRST = 60.0
"""Seconds after the start: whatever waits goes first, and a run that ends when it is idle has
its housekeeping cadence."""


class Tidy:
    """`work` once a pass."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._next_at = ports.clock.steady() + FIRST
        self._job: Job | None = None

    def work(self) -> None:
        """Raises OSError when the system has no room for the job."""
        if self._job is not None:
            self._land(self._job)
        elif self._ports.clock.steady() >= self._next_at:
            self._begin()

    def _begin(self) -> None:
        ports = self._ports
        self._next_at = ports.clock.steady() + DAY
        days = ports.limits.log_retention_days
        call = housekeep(ports.layout, ports.engine, ports.launcher, ports.clock, days)
        self._job = ports.jobs.call(call, ports.wake)

    def _land(self, job: Job) -> None:
        if (answer := job.poll()) is not None:
            self._job = None
            level = "info" if answer.ok else "warn"
            self._ports.journal.write(level, "housekeeping", detail=answer.detail)
