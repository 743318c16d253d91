"""What a person reads beside the snapshot: runs, dead letters, journal, costs, output of a run.

`Reads` is the seam: `FileReads` has the files of one agent root, a fleet has its server. Methods
block; each may be called from any thread. Times are this machine's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from msgspec import Struct

from maestro_core.files import OsFiles
from maestro_core.journal import JournalPage, read_page
from maestro_core.layout import Layout
from maestro_core.models import Running, RunRow, TickView
from maestro_core.observe.beat import read_beat
from maestro_core.observe.dead import Place, count_dead, dead_letters
from maestro_core.observe.documents import read_document
from maestro_core.session.ledger import CostKey, CostRow, Ledger


class PublishedTail(Struct, frozen=True):
    """The end of the output of a run on another host, as its consumer told it."""

    host: str
    text: bytes
    """At most 64 KiB."""
    age: float
    """Seconds since it was told, by the server."""
    command: str
    """The shell command that shows all of it."""


class Reads(Protocol):
    """All raise BusError when the bus cannot be read, LedgerTrouble for a ledger."""

    def running(self) -> tuple[Running, ...]:
        """What is said to be running, however old that is."""
        ...

    def runs(
        self, *, limit: int, cadence: str | None = None, before: str | None = None,
        contains: str | None = None,
    ) -> list[RunRow]:  # fmt: skip
        """Newest first. `before`: a run id or an ISO time; `contains`: any case, in id, tick,
        cadence, outcome, class, reason, model or host."""
        ...

    def run(self, run_id: str) -> RunRow | None: ...
    def costs(self, by: Sequence[CostKey], since: str) -> list[CostRow]:
        """Sums of the runs that ended since that ISO time."""
        ...

    def dead(
        self, where: Place = "dlq", *, cadence: str | None = None, contains: str | None = None,
        limit: int | None = None,
    ) -> list[TickView]:  # fmt: skip
        """Dead letters, or discarded ones, newest first."""
        ...

    def dead_of(self, ids: Collection[str]) -> list[TickView]:
        """The dead letters with those ids."""
        ...

    def count_dead(self, where: Place = "dlq") -> int: ...
    def journal(
        self, *, limit: int, cadence: str | None = None, level: str | None = None,
        contains: str | None = None, operators: bool = True,
    ) -> JournalPage:  # fmt: skip
        """The bus journal of this root, and what operators did: of a fleet everywhere."""
        ...

    def tail(self, row: RunRow) -> PublishedTail | None:
        """None for a run whose logs are files here, or of which nothing was told."""
        ...

    def close(self) -> None: ...


class FileReads:
    """The files of one agent root."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def running(self) -> tuple[Running, ...]:
        return read_beat(read_document(OsFiles(), self._layout.consumer_json)).running

    def runs(
        self, *, limit: int, cadence: str | None = None, before: str | None = None,
        contains: str | None = None,
    ) -> list[RunRow]:  # fmt: skip
        with _Opened(self._layout) as ledger:
            return ledger.rows(cadence, limit, before, contains)

    def run(self, run_id: str) -> RunRow | None:
        with _Opened(self._layout) as ledger:
            return ledger.get(run_id)

    def costs(self, by: Sequence[CostKey], since: str) -> list[CostRow]:
        with _Opened(self._layout) as ledger:
            return ledger.costs(by, since)

    def dead(
        self, where: Place = "dlq", *, cadence: str | None = None, contains: str | None = None,
        limit: int | None = None,
    ) -> list[TickView]:  # fmt: skip
        return dead_letters(
            self._layout, where=where, cadence=cadence, contains=contains, limit=limit
        )

    def dead_of(self, ids: Collection[str]) -> list[TickView]:
        return [view for view in dead_letters(self._layout) if view.tick.id in ids]

    def count_dead(self, where: Place = "dlq") -> int:
        return count_dead(self._layout, where)

    def journal(
        self, *, limit: int, cadence: str | None = None, level: str | None = None,
        contains: str | None = None, operators: bool = True,
    ) -> JournalPage:  # fmt: skip
        return read_page(
            self._layout, limit=limit, cadence=cadence, level=level, contains=contains,
            operators=operators,
        )  # fmt: skip

    def tail(self, _row: RunRow) -> PublishedTail | None:
        return None

    def close(self) -> None:
        """Nothing is held open."""


class _Opened:
    """A ledger to read from, for as long as it takes; one that is not there reads as empty."""

    def __init__(self, layout: Layout) -> None:
        self._ledger = Ledger.open(layout.ledger, read_only=True)

    def __enter__(self) -> Ledger:
        return self._ledger

    def __exit__(self, *_: object) -> None:
        self._ledger.close()
