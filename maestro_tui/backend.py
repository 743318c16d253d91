"""Everything the console needs of the core, behind one interface: reads, acts, the consumer.

`RootBackend` is the real one; tests put fixed data behind the same methods. Reading methods
block and are called from threads; imports of the core's slow parts happen at first use.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from maestro_core.bus.feed import Feed, Topic
from maestro_core.clock import Clock, SystemClock
from maestro_core.control.commands import Ack, Verb
from maestro_core.layout import Layout
from maestro_core.models import LogEnd, Receipt, Running, RunRow, TickView
from maestro_core.observe.snapshot import Snapshot
from maestro_core.web import VARIABLE
from maestro_tui.feed import Consuming

if TYPE_CHECKING:
    from maestro_core.consumer.driver import Driver
    from maestro_core.consumer.ownership import Ownership
    from maestro_core.doctor.finding import Finding
    from maestro_core.observe.reader import SnapshotReader
    from maestro_core.observe.reads import Reads
    from maestro_core.session.ledger import CostRow
    from maestro_tui.mirror import Mirrors
    from maestro_tui.splash.ahead import Early, ReadAhead

LONGEST_AHEAD = 2.0
"""Seconds that the first snapshot is waited for, before it is read here."""
TAIL_BYTES = 16 << 10
STEP_MS = 50
"""A person sees no difference to less, and an idle console pays for every look."""
LOCK_WAIT = 0.5
"""Seconds: an operator's command holds the lock for a moment only, a consumer for long."""


class Acting(Protocol):
    """The operator's facade (control.operator.Operator)."""

    trouble: str | None

    def enqueue(self, cadence: str) -> Receipt: ...
    def pause(self, cadence: str, reason: str | None = None) -> Ack: ...
    def resume(self, cadence: str) -> Ack: ...
    def emergency_stop(self, *, kill: bool = False, reason: str | None = None) -> Ack: ...
    def clear_emergency_stop(self) -> Ack: ...
    def submit(
        self, verb: Verb, targets: Sequence[str], *, reason: str | None = None,
        seconds: float | None = None,
    ) -> Ack: ...  # fmt: skip


class Remembering(Protocol):
    """What the console remembers of this root (memory.Memory)."""

    @property
    def left_at(self) -> float | None: ...
    @property
    def notes(self) -> dict[str, str]: ...
    def leave(self, now: float) -> None: ...
    def note(self, signature: str, text: str) -> None: ...


class Backend(Protocol):
    """See the module docstring."""

    layout: Layout
    clock: Clock
    read_only: bool

    @property
    def operator(self) -> Acting: ...
    @property
    def memory(self) -> Remembering: ...
    def early(self, seconds: float) -> Early | None: ...
    def snapshot(self, topics: frozenset[Topic]) -> Snapshot: ...
    @property
    def mirrors(self) -> Mirrors: ...
    def dead_letters(self, limit: int | None = None) -> Sequence[TickView]: ...
    def dead_of(self, ids: Collection[str]) -> Sequence[TickView]: ...
    def runs(self, limit: int) -> Sequence[RunRow]: ...
    def journal(self, limit: int) -> Sequence[dict[str, Any]]: ...
    def costs(self, since: str) -> Sequence[CostRow]: ...
    def log_of(self, run: Running | RunRow) -> str | None: ...
    def find_log(self, path: str | None, run_id: str | None) -> str | None: ...
    def check_titles(self) -> Sequence[tuple[str, str]]: ...
    def checks(self, on_result: Callable[[Finding], None], only: str | None) -> None: ...
    def log_end(self, path: str, lines: int, run_id: str | None = None) -> LogEnd: ...
    def write_journal(self, level: str, stage: str, **fields: Any) -> None: ...
    def redactor(self) -> Callable[[str], str]: ...
    def make_feed(self) -> Feed: ...
    def make_consumer(self) -> Consuming: ...


class _Owning:
    """A driver that was given its lock beforehand."""

    def __init__(self, driver: Driver, owned: Ownership) -> None:
        self._driver, self._owned = driver, owned

    def run(self) -> int:
        return self._driver.run(ownership=self._owned)

    def stop(self) -> None:
        self._driver.stop()


class RootBackend:
    """A real agent root."""

    def __init__(
        self, layout: Layout, *, read_only: bool = False, clock: Clock | None = None,
        ahead: ReadAhead | None = None,
    ) -> None:  # fmt: skip
        self.layout = layout
        self.clock: Clock = clock or SystemClock()
        self.read_only = read_only
        self._ahead = ahead
        self._reader: SnapshotReader | None = None
        self._known: Snapshot | None = None
        """The snapshot that was read ahead."""
        self._operator: Acting | None = None
        self._journal: Any = None
        self._memory: Remembering | None = None
        self._reads: Reads | None = None
        self._mirrors: Mirrors | None = None

    @property
    def reads(self) -> Reads:
        """Lists, on whichever bus the root has. Raises SettingsError, BusError."""
        if self._reads is None:
            from maestro_core.wiring.view import reads_of

            self._reads = reads_of(self.layout, self.clock)
        return self._reads

    @property
    def mirrors(self) -> Mirrors:
        if self._mirrors is None:
            from maestro_tui.mirror import Mirrors

            self._mirrors = Mirrors(lambda row: self.reads.tail(row))
        return self._mirrors

    @property
    def operator(self) -> Acting:
        if self._operator is None:
            from maestro_core.control.operator import current_actor
            from maestro_core.wiring.operator import operator_of

            self._operator = operator_of(
                self.layout,
                actor=current_actor("web" if os.environ.get(VARIABLE) else "console"),
                read_only=self.read_only,
                clock=self.clock,
                redact=self.redactor(),
            )
        return self._operator

    @property
    def memory(self) -> Remembering:
        if self._memory is None:
            from maestro_tui.memory import Memory, memory_path

            self._memory = Memory(memory_path(self.layout.root), str(self.layout.root))
        return self._memory

    def early(self, seconds: float) -> Early | None:
        """What was read while the console was imported, once; waits so long at most. Before
        the feed's thread runs, then from it alone."""
        found = self._ahead.take(seconds) if self._ahead is not None else None
        self._known = found.snapshot if found is not None else None
        return found

    def snapshot(self, topics: frozenset[Topic]) -> Snapshot:
        """Called from the feed's thread alone."""
        if self._reader is None:
            if self._known is None and (early := self._last_of_ahead()) is not None:
                return early.snapshot
            from maestro_core.wiring.view import reader_of

            self._reader = reader_of(self.layout, self.clock)
            self._reader.follow(self._known)
        return self._reader.read(topics)

    def _last_of_ahead(self) -> Early | None:
        """What is read ahead, if it comes in time: then it is read here no second time at once."""
        early = self.early(LONGEST_AHEAD)
        if self._ahead is not None:
            self._ahead.close()
        return early

    def dead_letters(self, limit: int | None = None) -> Sequence[TickView]:
        """Dead letters, newest first; with `limit` only so many are read."""
        return self.reads.dead(limit=limit)

    def dead_of(self, ids: Collection[str]) -> Sequence[TickView]:
        """The dead letters with those ids."""
        return self.reads.dead_of(ids)

    def runs(self, limit: int) -> Sequence[RunRow]:
        """The newest runs, newest first."""
        return self.reads.runs(limit=limit)

    def journal(self, limit: int) -> Sequence[dict[str, Any]]:
        """Bus journal and operators' acts by time, newest last."""
        return self.reads.journal(limit=limit).entries

    def costs(self, since: str) -> Sequence[CostRow]:
        """Sums by (day, cadence, model) of the runs that ended since that ISO time."""
        return self.reads.costs(("day", "cadence", "model"), since)

    def log_of(self, run: Running | RunRow) -> str | None:
        """Where the log of a run is to be read: a path from the agent root, or for a run on
        another host a file that follows what is told of it."""
        from maestro_core.observe.find_run import row_of

        if run.host is None or self._is_here(run.stdout_path):
            return run.stdout_path
        return str(self.mirrors.of(row_of(run) if isinstance(run, Running) else run).path)

    def find_log(self, path: str | None, run_id: str | None) -> str | None:
        """Where a log is to be read of which only its path on some host is known. Blocks."""
        if path is None or run_id is None or self._is_here(path):
            return path
        row = self.reads.run(run_id)
        return path if row is None or row.host is None else str(self.mirrors.of(row).path)

    def _is_here(self, path: str | None) -> bool:
        from maestro_core.observe.find_run import log_path

        file = log_path(self.layout, path)
        return file is not None and file.exists()

    def check_titles(self) -> Sequence[tuple[str, str]]:
        """Id and title of every check."""
        from maestro_core.doctor import CHECKS
        from maestro_tui.checks import console_checks

        return [(check.id, check.title) for check in (*CHECKS, *console_checks())]

    def checks(self, on_result: Callable[[Finding], None], only: str | None) -> None:
        """Run all checks or one; `on_result` is called with each finding as it comes."""
        from maestro_core.doctor import run_checks
        from maestro_tui.checks import console_checks

        run_checks(
            self.layout, only=None if only is None else [only], on_result=on_result,
            read_only=self.read_only, extra=console_checks(), clock=self.clock,
        )  # fmt: skip

    def log_end(self, path: str, lines: int, run_id: str | None = None) -> LogEnd:
        """The last lines of a log of this agent, or of what another host told of that run; empty
        when it is gone."""
        from maestro_core.observe.find_run import log_path

        target = log_path(self.layout, path)
        if target is None or not target.is_file():
            return self._told_of(run_id, lines)
        with target.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL_BYTES))
            stream = "stderr" if target.name.endswith(".stderr.log") else "stdout"
            return LogEnd(_lines(file.read(TAIL_BYTES), lines), stream)

    def _told_of(self, run_id: str | None, lines: int) -> LogEnd:
        row = self.reads.run(run_id) if run_id is not None else None
        tail = self.reads.tail(row) if row is not None else None
        if tail is None:
            return LogEnd()
        return LogEnd(_lines(tail.text[-TAIL_BYTES:], lines), "stdout", tail.host)

    def write_journal(self, level: str, stage: str, **fields: Any) -> None:
        """A line of this console in the bus journal; nothing in a read-only session."""
        if self.read_only:
            return
        if self._journal is None:
            from maestro_core.journal import Journal

            self._journal = Journal(self.layout, self.clock, self.redactor())
        self._journal.write(level, stage, **fields)

    def make_feed(self) -> Feed:
        from maestro_core.wiring.view import feed_of

        return feed_of(self.layout, self.clock, step_ms=STEP_MS)

    def make_consumer(self) -> Consuming:
        """A consumer that has the lock. Raises Busy soon when somebody else holds it."""
        from maestro_core.consumer.driver import Driver
        from maestro_core.consumer.ownership import Ownership
        from maestro_core.wiring.consumer import chosen_bus

        owned = Ownership.acquire(self.layout, what="console", wait=LOCK_WAIT)
        return _Owning(Driver(self.layout, mode="console", bus=chosen_bus), owned)

    def redactor(self) -> Callable[[str], str]:
        """Masks the secrets of .env and the environment, even where settings are faulty."""
        from maestro_core.redact import Redactor
        from maestro_core.settings import examine_settings

        return Redactor(os.environ).also(examine_settings(self.layout).settings.env)


def _lines(data: bytes, most: int) -> tuple[str, ...]:
    return tuple(data.decode("utf-8", "replace").splitlines()[-most:])
