"""Hosts of a fleet as real processes: each an agent root of its own on one server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from maestro_core.errors import BusError
from maestro_core.fleet.connect import Row
from maestro_core.fleet.engine import PostgresEngine
from maestro_core.models import TickView
from maestro_core.session.ledger import Ledger
from tests.e2e.agent import CONSUMER, Agent
from tests.fleet.server import Database

LEASE = 6


class Mini(Agent):
    """One host."""

    def __init__(self, root: Path, url: str, *, lease: int = LEASE) -> None:
        self._bus = f'[bus]\nurl = "{url}"\nhost = "{root.name}"\nlease_seconds = {lease}\n'
        super().__init__(root)

    def settings(self, text: str) -> None:
        super().settings(text + self._bus)

    def runs(self, cadence: str) -> list[str | None]:
        """Outcomes in this host's own ledger, oldest first: also while the server is away."""
        ledger = Ledger.open(self.layout.ledger, read_only=True)
        try:
            return [row.outcome for row in reversed(ledger.rows(cadence))]
        finally:
            ledger.close()

    def more(self, text: str) -> None:
        """More settings beside the usual ones."""
        self.settings(CONSUMER + text)


class Fleet:
    """The server of a test as its hosts see it, and what is on it."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.engine = PostgresEngine(database.link(), host="looker-on")

    def host(self, name: str, *cadences: str, lease: int = LEASE) -> Mini:
        mini = Mini(self.folder / name, self.database.url, lease=lease)
        for cadence in cadences:
            mini.cadence(cadence, "ok", seconds=0)
        return mini

    def rows(self, sql: str, *args: object) -> list[Row]:
        return self.engine.link.rows(sql, *args)

    def counts(self) -> tuple[int, int, int]:
        """Waiting, running, dead."""
        found = self.engine.counts()
        return found["inbox"], found["claimed"], found["dlq"]

    def where(self, tick_id: str) -> str | None:
        view: TickView | None = self.engine.find(tick_id)
        return view.where if view else None

    def settled(self, tick_id: str) -> bool:
        """Whether it is done and gone; False also while the server is away."""
        try:
            return self.where(tick_id) is None
        except BusError:
            return False

    def runs(self) -> list[tuple[str, str, str]]:
        """(host, cadence, tick) of every run that ended, oldest first."""
        found = self.rows("SELECT host, cadence, tick_id FROM maestro_runs ORDER BY started")
        return [(row["host"], row["cadence"], row["tick_id"]) for row in found]

    def gate(self, name: str, scope: str = "fleet") -> dict[str, Any]:
        sql = "SELECT document FROM maestro_gates WHERE scope = $1 AND name = $2"
        found = self.rows(sql, scope, name)
        return dict(found[0]["document"]) if found else {}
