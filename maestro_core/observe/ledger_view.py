"""The ledger as the board needs it: each cadence's last runs, their usual time, cost today."""

from __future__ import annotations

from statistics import median

from msgspec import Struct

from maestro_core.layout import Layout
from maestro_core.models import RunRow
from maestro_core.observe.documents import keep
from maestro_core.session.ledger import Ledger, LedgerTrouble

RECENT = 20


class CadenceRuns(Struct, frozen=True):
    """Ended runs of one cadence, oldest first; the median duration of those that succeeded."""

    rows: tuple[RunRow, ...] = ()
    usual_seconds: float | None = None


class LedgerView:
    """Re-reads on demand; unchanged cadences keep their identity. Owner: one thread."""

    def __init__(self, layout: Layout) -> None:
        self._ledger = Ledger.open(layout.ledger, read_only=True)
        self.cadences: dict[str, CadenceRuns] = {}
        self.cost_today = 0.0
        self.problem: str | None = None

    def refresh(self, day: str) -> None:
        """`day` is the UTC date whose cost counts. Trouble keeps the last picture."""
        try:
            recent = self._ledger.recent(RECENT)
            self.cost_today = self._ledger.cost_since(day)
        except LedgerTrouble as error:
            self.problem = str(error)
            return
        self.problem = None
        self.cadences = {name: self._runs(name, rows) for name, rows in recent.items()}

    def close(self) -> None:
        self._ledger.close()

    def _runs(self, name: str, rows: tuple[RunRow, ...]) -> CadenceRuns:
        times = [row.duration for row in rows if row.outcome == "ok" and row.duration is not None]
        runs = CadenceRuns(rows, median(times) if times else None)
        return keep(self.cadences.get(name, runs), runs)
