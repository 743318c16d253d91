"""A bus with something of everything on it, and what stands where on either side."""

from __future__ import annotations

import json
import os
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maestro_core.bus.directory import DirectoryEngine
from maestro_core.bus.engine import Engine
from maestro_core.clock import SystemClock, iso
from maestro_core.consumer.breaker import BreakerPolicy
from maestro_core.files import OsFiles
from maestro_core.fleet.connect import Link
from maestro_core.fleet.engine import PostgresEngine
from maestro_core.fleet.moves import SHELVES, Depot, Parcel
from maestro_core.layout import Layout
from maestro_core.migrate.level import FolderSide, Level, ServerSide
from maestro_core.migrate.move import Direction, Report
from maestro_core.migrate.run import migrate
from maestro_core.models import tick_document
from tests.fleet.server import Database
from tests.support import write_json, write_tick

if TYPE_CHECKING:
    from maestro_core.files import StrPath

POLICY = BreakerPolicy()
HOST = "test"
OLD = 1_790_000_000.0
"""When the letters died and were thrown away."""

FAILURE = {"at": "2026-11-24T02:05:00.000Z", "attempt": 1, "exit_code": 1, "reason": "exit 1: no"}
LATER = "2030-01-01T00:00:00.000Z"


class Killed(BaseException):
    """The process ends here; not an Exception, so nobody handles it."""


class Steps:
    """Counts what changes a disk or asks the server; the process dies before number `last`."""

    def __init__(self, last: int | None = None) -> None:
        self.last = last
        self._counter = count()

    def step(self) -> None:
        if next(self._counter) == self.last:
            raise Killed


class MortalFiles(OsFiles):
    """The real disk of a process that dies at some step."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    def create(self, path: StrPath, data: bytes) -> None:
        self._steps.step()
        super().create(path, data)

    def rename(self, source: StrPath, target: StrPath) -> None:
        self._steps.step()
        super().rename(source, target)

    def link(self, source: StrPath, target: StrPath) -> None:
        self._steps.step()
        super().link(source, target)

    def unlink(self, path: StrPath) -> None:
        self._steps.step()
        super().unlink(path)

    def make_folder(self, path: StrPath) -> None:
        self._steps.step()
        super().make_folder(path)


class MortalLink(Link):
    """A connection of such a process."""

    steps = Steps()

    def run(self, work: Any) -> Any:
        self.steps.step()
        return super().run(work)


class Bench:
    """An agent root and a server with a database for it."""

    def __init__(self, root: Path, database: Database) -> None:
        self.layout = Layout(root)
        self.database = database
        self.clock = SystemClock()
        self.link = database.link()

    def furnish(self) -> None:
        """Something of everything, in the folders."""
        write_tick(
            self.layout.inbox, "urgent", "memo", priority=7, attempts=1, failures=[FAILURE],
            payload={"n": 12345678901234567890, "text": "ä\u2028€", "none": None},
            last_error="exit 1: no", recoveries=1, of_another_program={"deep": [1, {"a": 2.5}]},
        )  # fmt: skip
        write_tick(self.layout.inbox, "later", "memo", not_before=LATER, payload=None)
        write_tick(self.layout.inbox, "keyed", "inbox", dedupe_key="k")
        for number, shelf in enumerate((self.layout.dlq, self.layout.trash)):
            path = write_tick(
                shelf, f"dead{number}", "memo", attempts=2, failures=[FAILURE, FAILURE],
                last_error="exit 1: no", dedupe_key="k",
            )  # fmt: skip
            os.utime(path, (OLD + number, OLD + number))
        self.hold()

    def furnish_server(self) -> None:
        """The same on the server, and nothing in the folders."""
        self.furnish()
        folders, depot = self.folders(), Depot(self.link, "furnish")
        for shelf in SHELVES:
            parcels = [Parcel(one.tick, one.since) for one in folders.page(shelf)]
            assert depot.arrive(shelf, parcels) == {}
        side = FolderSide(self.layout, OsFiles(), self.clock, POLICY)
        ServerSide(self.link, self.clock, HOST).add(side.read())
        depot.forget()
        side.clear()
        self.clear()

    def clear(self) -> None:
        """No tick in the folders."""
        for shelf in (self.layout.inbox, self.layout.dlq, self.layout.trash):
            for path in shelf.iterdir():
                path.unlink()

    def hold(self) -> None:
        now = self.clock.wall()
        write_json(self.layout.paused / "memo.json", {"by": "ops", "reason": "a look"})
        write_json(self.layout.emergency_stop, {"by": "ops", "reason": "fire"})
        write_json(
            self.layout.circuit_open,
            {
                "generated": iso(now),
                "open": {"inbox": {"failures": 3, "open_until": iso(now + 900)}},
            },
        )
        write_json(
            self.layout.gates,
            {"cadences": {"inbox": {"failures": 3}, "memo": {"failures": 1, "next_allowed_at":
             iso(now + 20)}}, "hold": {"kind": "quota", "until": iso(now + 600),
             "since": iso(now), "reason": "usage limit"}},
        )  # fmt: skip

    def move(self, to: Direction, *, last: int | None = None, dry_run: bool = False) -> Report:
        """With `last` the process dies before that step: Killed."""
        steps = Steps(last)
        link = MortalLink(self.database.target(), self.clock)
        link.steps = steps
        try:
            return migrate(
                self.layout, link, to, policy=POLICY, host=HOST, dry_run=dry_run, clock=self.clock,
                fs=MortalFiles(steps),
            )  # fmt: skip
        finally:
            link.close()

    def folders(self) -> DirectoryEngine:
        return DirectoryEngine(self.layout, clock=self.clock)

    def server(self) -> PostgresEngine:
        return PostgresEngine(self.link, clock=self.clock, host="test", per_cadence=0)

    def levels(self) -> tuple[Level, Level]:
        """Of the folders and of the server."""
        return (
            FolderSide(self.layout, OsFiles(), self.clock, POLICY).read(),
            ServerSide(self.link, self.clock, HOST).read(),
        )

    def empty(self) -> None:
        """The server as after an install."""
        for table in (
            "pgqueuer", "pgqueuer_log", "maestro_gates", "maestro_trash", "maestro_moves",
            "maestro_cadences", "maestro_quarantine", "maestro_hosts",
        ):  # fmt: skip
            self.link.execute(f"DELETE FROM {table}")  # quicker than TRUNCATE for a few rows


def content(engine: Engine) -> dict[tuple[str, str], dict[str, Any]]:
    """(shelf, id) -> the tick's document, all of it."""
    if isinstance(engine, DirectoryEngine):
        engine.refresh()
    return {
        (shelf, view.tick.id): json.loads(json.dumps(tick_document(view.tick)))
        for shelf in SHELVES
        for view in engine.page(shelf, limit=10_000)
    }


def work(engine: Engine) -> list[str]:
    """Run everything that can be claimed, as a consumer would; the ids in that order."""
    done = []
    engine.refresh()
    while claim := engine.claim(held=lambda _: False):
        engine.complete(claim)
        done.append(claim.tick.id)
    return done
