"""A console on a real server: keys are pressed, then the database is read; and the reading
commands on the same server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from maestro_core.clock import FakeClock, SystemClock, iso
from maestro_core.doctor.checks import server
from maestro_core.fleet import audit, probe
from maestro_core.fleet.engine import PostgresEngine
from maestro_core.fleet.hosts import Hosts
from maestro_core.fleet.markers import FleetMarkers
from maestro_core.layout import Layout
from maestro_core.models import Beat, Failure, Running, RunRow, Stats, Tick, Usage
from maestro_tui.backend import RootBackend
from tests.core.cli_kit import Shell
from tests.fleet.server import Database
from tests.tui.support import console, said, see, until

pytestmark = [pytest.mark.xdist_group("postgresql"), pytest.mark.anyio]


class Scene:
    """An agent root on the server, another host that runs a tick, and a dead letter."""

    def __init__(self, database: Database, root: Path) -> None:
        self.layout = Layout(root)
        self.layout.bus.mkdir(parents=True)
        self.layout.cadences_toml.parent.mkdir()
        self.layout.cadences_toml.write_text(
            f'[bus]\nurl = "{database.url}"\nhost = "mini-1"\n[cadence.memo]\nmode = "escalate"\n'
        )
        self.layout.triggers.mkdir(parents=True)
        self.layout.prompt("memo").write_text("write it")
        self.link = database.link()
        self.engine = PostgresEngine(self.link, host="tester")
        self.engine.enqueue(Tick(id="d", cadence="memo"))
        claim = self.engine.claim(held=lambda _: False)
        assert claim is not None
        now = iso(SystemClock().wall())
        self.engine.dead_letter(claim, Failure(now, 1, 1, "exit 1: no invoices here"))
        self.two = Hosts(self.link, "mini-2", "place", address="mini-2.local", root="/srv/atlas")
        self.two.take(60)
        self.two.announce(frozenset({"memo"}))
        running = Running("r1", "t1", "memo", 7, now, None, "logs/r1.stdout.log", None)
        self.two.publish_beat(
            Beat(
                pid=9,
                host="mini-2",
                version="1",
                started_at=now,
                beat_at=now,
                mode="daemon",
                stats=Stats(),
                running=(running,),
            )
        )
        self.two.publish_tail("r1", b"thinking hard\n")

    def backend(self, *, read_only: bool = False) -> RootBackend:
        return RootBackend(self.layout, read_only=read_only)

    def audit(self) -> list[dict[str, Any]]:
        rows = self.link.rows("SELECT document FROM maestro_audit ORDER BY number")
        return [row["document"] for row in rows]


@pytest.fixture
def scene(database: Database, tmp_path: Path) -> Scene:
    return Scene(database, tmp_path / "atlas")


async def test_a_key_on_the_board_changes_the_fleet_and_comes_back_by_the_server(
    scene: Scene,
) -> None:
    async with console(scene.backend()) as (_, pilot):
        await see(pilot, "fleet 1 host")
        await see(pilot, "on mini-2")
        await see(pilot, "thinking hard")
        await pilot.press("P")
        await until(pilot, lambda: FleetMarkers(scene.link).paused() == {"memo"}, "the gate")
        await until(pilot, lambda: [one["verb"] for one in scene.audit()] == ["pause"], "the act")
        await pilot.press("d")
        await see(pilot, "runs on")
        await pilot.press("escape", "4")
        await see(pilot, "on mini-1: pause memo")
        audit.record(
            scene.link,
            {"verb": "resume", "targets": ["memo"], "ok": True, "actor": {"user": "ops"},
             "host": "mini-2", "ts": iso(SystemClock().wall())},
        )  # fmt: skip
        await see(pilot, "ops on mini-2: resume memo")


async def test_a_dead_letter_of_another_host_names_it_and_whose_words_its_output_is(
    scene: Scene,
) -> None:
    logs = "/srv/atlas/logs/r2.stderr.log"
    scene.two.publish_run(
        RunRow(
            run_id="r2", tick_id="e", cadence="memo", attempt=1, started_at="2026-01-02T00:00:00Z",
            ended_at="2026-01-02T00:00:01Z", outcome="failed", failure_class=None, exit_code=1,
            signal=None, usage=Usage(), stdout_path=None, stderr_path=logs, reason="no", pid=7,
            duration=1.0,
        )
    )  # fmt: skip
    scene.two.publish_tail("r2", b"the last words\n")
    engine = PostgresEngine(scene.link, host="mini-2")
    engine.enqueue(Tick(id="e", cadence="memo"))
    claim = engine.claim(held=lambda _: False)
    assert claim is not None
    now = iso(SystemClock().wall())
    engine.dead_letter(claim, Failure(now, 1, 1, "other", stderr_path=logs, run_id="r2"))
    async with console(scene.backend(), size=(160, 36)) as (_, pilot):
        await pilot.press("2", "g")
        await see(pilot, f"mini-2:{logs}")
        await see(pilot, "end of stdout on mini-2")
        await see(pilot, "the last words")


async def test_a_dead_letter_is_retried_on_the_server(scene: Scene) -> None:
    async with console(scene.backend()) as (_, pilot):
        await pilot.press("2")
        await see(pilot, "no invoices here")
        await pilot.press("R")
        await see(pilot, "Retry 1 dead letter")
        await pilot.press("tab", "enter")
        await until(pilot, lambda: scene.engine.counts()["inbox"] == 1, "the tick in the inbox")
    view = scene.engine.find("d")
    assert view is not None
    assert (view.where, view.tick.attempts, len(view.tick.failures)) == ("inbox", 0, 1)


async def test_a_console_that_may_change_nothing_reads_with_a_role_that_may_only_read(
    scene: Scene, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.link.execute("CREATE ROLE onlooker LOGIN")
    try:
        scene.link.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO onlooker")
        monkeypatch.setenv("MAESTRO_BUS", database.url.replace("maestro@", "onlooker@"))
        async with console(scene.backend(read_only=True)) as (app, pilot):
            await see(pilot, "on mini-2")
            await see(pilot, "read-only")
            await pilot.press("P")
            await until(pilot, lambda: any("read-only" in one for one in said(app)), "the refusal")
        assert FleetMarkers(scene.link).paused() == frozenset()
        assert scene.audit() == []
    finally:
        scene.link.execute("DROP OWNED BY onlooker")
        scene.link.execute("DROP ROLE onlooker")


async def test_a_console_of_another_schema_says_so_in_words(scene: Scene) -> None:
    scene.link.execute("UPDATE maestro_schema SET number = 99")
    async with console(scene.backend(), size=(160, 36)) as (_, pilot):
        await see(pilot, "the bus has schema 99")


def test_the_reading_commands_tell_of_the_whole_fleet(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = Shell(scene.layout, capsys)

    def told(*words: str) -> Any:
        done = shell(*words, "--json")
        assert (done.code, done.err) == (0, "")
        return done.document

    status = told("status")
    assert [(one["host"], one["state"]) for one in status["fleet"]["hosts"]] == [("mini-2", "live")]
    assert [(one["run_id"], one["host"]) for one in status["running"]] == [("r1", "mini-2")]
    assert [one["host"] for one in told("runs")["runs"]] == ["mini-2"]
    assert told("dlq", "list")["total"] == 1
    [memo] = told("cadences")["cadences"]
    assert (memo["hosts"], memo["dead"], memo["running"]["host"]) == (["mini-2"], 1, "mini-2")
    assert told("explain", "memo")["obstacles"][0]["code"] == "running"
    tail = told("tail", "memo")
    assert (tail["stdout"], tail["elsewhere"]["host"]) == (["thinking hard"], "mini-2")
    assert told("costs")["rows"] == []
    assert told("journal")["entries"] == []


def doctor(shell: Shell) -> dict[str, str]:
    [found] = [
        one for one in shell("doctor", "bus.server", "--json").document["findings"]
        if one["id"] == "bus.server"
    ]  # fmt: skip
    return {name: found[name] for name in ("status", "detail", "remedy")}


def test_the_doctor_hears_the_server_and_names_hosts_that_are_silent(
    scene: Scene, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = Shell(scene.layout, capsys)
    assert doctor(shell)["status"] == "ok"
    scene.link.execute("UPDATE maestro_hosts SET beat_at = now() - interval '40 s'")
    found = doctor(shell)
    assert (found["status"], "not heard of: mini-2 (40 s)" in found["detail"]) == ("warn", True)
    monkeypatch.setattr(server, "SystemClock", lambda: FakeClock(SystemClock().wall() + 3600))
    monkeypatch.setattr(probe, "HEAR_SECONDS", 0.0)
    detail = doctor(shell)["detail"]
    assert "clock is 3600 s ahead of the server's" in detail
    assert "hints do not arrive" in detail


def test_an_agent_of_a_fleet_is_a_line_among_all_agents(
    scene: Scene, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    other = Layout(tmp_path / "other")
    other.bus.mkdir(parents=True)
    shell = Shell(scene.layout, capsys)
    found = shell("status", "--json", "--root", str(scene.layout.root), "--root", str(other.root))
    lines = {one["agent"]: one for one in found.document["agents"]}
    assert (lines["atlas"]["counts"]["dlq"], lines["atlas"]["state"]) == (1, "running")
    assert lines["other"]["counts"]["dlq"] == 0
