"""A fleet as its server tells it, made by hand: hosts with heartbeats, runs, gates, ticks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from maestro_core.clock import Clock, FakeClock, iso
from maestro_core.fleet.connect import Link
from maestro_core.fleet.engine import PostgresEngine
from maestro_core.fleet.hosts import Hosts
from maestro_core.fleet_view.parts import FleetParts
from maestro_core.fleet_view.reads import FleetReads
from maestro_core.layout import Layout
from maestro_core.models import Beat, CadenceBeat, Failure, Running, RunRow, Stats, Tick, Usage
from maestro_core.observe.reader import SnapshotReader
from tests.fleet.server import Database

LEASE = 60.0
HERE = "mini-1"


class Scene:
    """One database, its time a FakeClock, and an agent root that is the host `mini-1`."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.clock = FakeClock()
        self.layout = Layout(folder / "atlas")
        self.layout.bus.mkdir(parents=True)
        self.link: Link = database.link(self.clock)
        self.engine = PostgresEngine(self.link, host="tester", clock=self.clock)

    def reader(self, clock: Clock | None = None) -> SnapshotReader:
        clock = clock or self.clock
        source = FleetParts(
            self.layout, self.database.link(self.clock), clock, here=HERE, lease=LEASE
        )
        return SnapshotReader(self.layout, clock, source=source)

    def reads(self) -> FleetReads:
        link = self.database.link(self.clock)
        return FleetReads(self.layout, link, self.clock, here=HERE, lease=LEASE)

    def host(self, name: str, *cadences: str, ahead: float = 0.0, **beat: Any) -> Hosts:
        """It beats now; its own clock is so many seconds ahead."""
        hosts = Hosts(self.link, name, f"{name}-place", address=f"{name}.local", root="/srv/atlas")
        hosts.take(LEASE)
        hosts.announce(frozenset(cadences))
        self.beat(hosts, name, ahead=ahead, **beat)
        return hosts

    def beat(self, hosts: Hosts, name: str, *, ahead: float = 0.0, **more: Any) -> None:
        at = iso(self.clock.wall() + ahead)
        hosts.publish_beat(
            Beat(
                pid=71,
                host=name,
                version="1.0",
                started_at=at,
                beat_at=at,
                mode="daemon",
                stats=Stats(),
                **more,
            )
        )

    def running(
        self, run_id: str, cadence: str, *, since: float = 0.0, ahead: float = 0.0
    ) -> Running:
        now = self.clock.wall() + ahead
        return Running(
            run_id=run_id, tick_id=f"t-{run_id}", cadence=cadence, pid=7,
            started_at=iso(now - since), timeout_at=iso(now + 900),
            stdout_path=f"logs/{run_id}.stdout.log", stderr_path=None,
        )  # fmt: skip

    def ran(
        self, hosts: Hosts, run_id: str, cadence: str, *, ago: float = 60.0, outcome: str = "ok",
        cost: float = 0.5, ahead: float = 0.0,
    ) -> None:  # fmt: skip
        now = self.clock.wall() + ahead
        hosts.publish_run(
            RunRow(
                run_id=run_id,
                tick_id=f"t-{run_id}",
                cadence=cadence,
                attempt=1,
                started_at=iso(now - ago - 10),
                ended_at=iso(now - ago),
                outcome=outcome,
                failure_class=None,
                exit_code=0,
                signal=None,
                usage=Usage(tokens_in=10, tokens_out=5, cost_usd=cost, model="sonnet"),
                stdout_path=f"logs/{run_id}.stdout.log",
                stderr_path=None,
                reason=None,
                pid=7,
                duration=10.0,
            )
        )

    def dead(self, tick_id: str, cadence: str, reason: str = "exit 1: no") -> None:
        """A dead letter that failed once, now."""
        self.engine.enqueue(Tick(id=tick_id, cadence=cadence, priority=100))
        claim = self.engine.claim(held=lambda one: one != cadence)
        assert claim is not None
        assert claim.tick.id == tick_id
        at = iso(self.clock.wall())
        self.engine.dead_letter(claim, Failure(at=at, attempt=1, exit_code=1, reason=reason))

    def many(self, count: int, cadence: str, status: str, shift: int = 0) -> None:
        """So many ticks at once, by one statement."""
        document = msgspec.json.encode(
            {"id": "ID", "cadence": cadence, "source": "x", "enqueued_at": iso(self.clock.wall()),
             "attempts": 2, "last_error": "exit 1: no invoices here"}
        ).decode()  # fmt: skip
        self.link.execute(
            "INSERT INTO maestro_cadences (name) VALUES ($1) ON CONFLICT DO NOTHING", cadence
        )
        self.link.execute(
            "INSERT INTO pgqueuer (id, priority, entrypoint, status, headers, attempts, updated,"
            " payload) SELECT $5 + n, 0, $2::text, $3::text::pgqueuer_status,"
            " jsonb_build_object('id', $2::text || '-' || n), 2, now() - make_interval(secs => n),"
            " convert_to(replace($4, 'ID', $2::text || '-' || n), 'UTF8')"
            " FROM generate_series(1, $1::int) n",
            count, cadence, status, document, shift,
        )  # fmt: skip


def quota(reason: str) -> CadenceBeat:
    return CadenceBeat("quota", 0, None, None, reason)
