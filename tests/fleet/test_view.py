"""What a console sees of a fleet: all hosts as one board, in the server's time; what is not known
is said to be old; nothing gets slow by the number of ticks."""

from __future__ import annotations

import shlex
import signal
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from maestro_core.bus.feed import EVERYTHING
from maestro_core.clock import FakeClock, SystemClock, iso
from maestro_core.consumer.breaker import after_failure, breaker_policy
from maestro_core.fleet import audit
from maestro_core.fleet.connect import Link, parse
from maestro_core.fleet.gates import FLEET, FleetCircuits
from maestro_core.fleet.markers import FleetMarkers
from maestro_core.fleet.shared_gates import SharedHolds
from maestro_core.fleet_view.parts import FleetParts
from maestro_core.fleet_view.reads import FleetReads, ssh_command
from maestro_core.journal import Journal
from maestro_core.layout import Layout
from maestro_core.models import Hold, Tick
from maestro_core.observe.explain import explain
from maestro_core.observe.find_run import find_run
from maestro_core.observe.logfile_tail import GAP, behind
from maestro_core.observe.reader import SnapshotReader
from maestro_core.observe.snapshot import FleetView, Snapshot
from maestro_core.settings import ConsumerSettings
from tests.fleet.server import Database
from tests.fleet.view_kit import HERE, LEASE, Scene, quota
from tests.support import wait_until

pytestmark = pytest.mark.xdist_group("postgresql")

POLICY = breaker_policy(ConsumerSettings())


@pytest.fixture
def scene(database: Database, tmp_path: Path) -> Scene:
    return Scene(database, tmp_path)


def fleet_of(snapshot: Snapshot) -> FleetView:
    assert snapshot.fleet is not None
    return snapshot.fleet


def words(snapshot: Snapshot) -> dict[str, str]:
    return {one.host: one.word for one in fleet_of(snapshot).hosts}


def test_all_hosts_are_one_board_with_the_runs_of_each(scene: Scene) -> None:
    scene.layout.triggers.mkdir(parents=True)
    scene.layout.prompt("memo").write_text("write it")
    scene.host("mini-1", "memo", "mail", running=(scene.running("r1", "memo", since=40),))
    two = scene.host("mini-2", "mail", running=(scene.running("r2", "mail"),))
    scene.ran(two, "r0", "mail", cost=0.25)
    scene.engine.enqueue(Tick(id="a", cadence="mail"))
    scene.engine.enqueue(Tick(id="b", cadence="mail", not_before=iso(scene.clock.wall() + 90)))
    scene.dead("d", "memo")
    shot = scene.reader().read()
    assert {run.run_id: run.host for run in shot.running} == {"r1": "mini-1", "r2": "mini-2"}
    assert words(shot) == {"mini-1": "live", "mini-2": "live"}
    views = {view.name: view for view in shot.cadences}
    assert (views["mail"].hosts, views["mail"].mode) == (("mini-1", "mini-2"), "elsewhere")
    assert (views["mail"].waiting, views["memo"].dead) == (2, 1)
    assert shot.later["mail"].count == 1
    assert shot.later["mail"].next_at == pytest.approx(scene.clock.wall() + 90, abs=0.01)
    assert [row.host for row in views["mail"].recent] == ["mini-2"]
    assert (shot.counts.inbox, shot.counts.dlq, shot.cost_today) == (2, 1, 0.25)
    assert (shot.consumer.word, shot.consumer.pid, shot.problems) == ("live", 71, ())


def test_a_host_that_falls_silent_is_stale_then_gone_and_its_run_is_not_claimed(
    scene: Scene,
) -> None:
    scene.host("mini-2", "memo", running=(scene.running("r", "memo"),))
    one = scene.host("mini-1", "memo")
    reader = scene.reader()
    assert words(reader.read()) == {"mini-1": "live", "mini-2": "live"}
    scene.clock.advance(20)
    scene.beat(one, "mini-1")
    shot = reader.read()
    assert words(shot) == {"mini-1": "live", "mini-2": "stale"}
    assert [run.activity for run in shot.running] == ["its host is silent"]
    scene.clock.advance(LEASE)
    scene.beat(one, "mini-1", stopped_at=iso(scene.clock.wall()))
    shot = reader.read()
    assert (words(shot), shot.running) == ({"mini-1": "stopped", "mini-2": "gone"}, ())
    assert shot.consumer.word == "crashed"


def test_gates_of_the_fleet_stand_on_every_console_and_a_hosts_own_on_that_host(
    scene: Scene,
) -> None:
    scene.host("mini-1", "memo", "mail", "chess", cadences={"chess": quota("the day's budget")})
    scene.host("mini-2", "chess", cadences={"chess": quota("the day's budget")})
    circuits, markers = FleetCircuits(scene.link, scene.clock), FleetMarkers(scene.link)
    for _ in range(3):
        circuits.update("memo", lambda s: after_failure(s, scene.clock.steady(), POLICY))
    markers.pause("mail", {"by": "ops", "reason": "waits"})
    markers.engage({"by": "bob", "reason": "loops"})
    scene.link.execute("UPDATE maestro_gates SET updated = now()")
    reader, now = scene.reader(), scene.clock.steady()
    before = {view.name: view.state for view in reader.read().cadences}
    assert before == {"memo": "open", "mail": "paused", "chess": "quota"}
    holds = SharedHolds(scene.link, scene.clock)
    holds.set(FLEET, Hold("quota", now + 600, now, "resets soon"))
    holds.set("mini-2", Hold("auth", 0.0, now, "the key was refused"))
    scene.clock.advance(1)
    shot = reader.read()
    memo = next(view for view in shot.cadences if view.name == "memo")
    assert (memo.state, shot.counts.open_circuits) == ("quota", 1)
    assert memo.open_until == pytest.approx(scene.clock.wall() + 1799, abs=0.01)
    assert shot.emergency_stop is not None
    assert (shot.emergency_stop.by, shot.emergency_stop.reason) == ("bob", "loops")
    assert shot.emergency_stop.at == pytest.approx(scene.clock.wall() - 1, abs=0.01)
    assert shot.consumer.hold is not None
    assert (shot.consumer.hold.kind, shot.consumer.hold.until) == (
        "quota", iso(scene.clock.wall() + 599)
    )  # fmt: skip
    held = [(one.host, one.hold.kind) for one in fleet_of(shot).hosts if one.hold]
    assert held == [("mini-2", "auth")]


def test_times_are_the_servers_whatever_clocks_the_hosts_and_the_console_have(
    scene: Scene,
) -> None:
    ahead = 3600.0
    run = scene.running("r", "memo", since=40, ahead=ahead)
    two = scene.host("mini-2", "memo", ahead=ahead, running=(run,))
    scene.ran(two, "r0", "memo", ago=60, ahead=ahead)
    console = FakeClock(scene.clock.wall() - 1800)
    scene.engine.enqueue(Tick(id="b", cadence="memo", not_before=iso(scene.clock.wall() + 90)))
    shot = scene.reader(console).read()
    [view] = shot.cadences
    assert (shot.at, words(shot)) == (console.wall(), {"mini-2": "live"})
    assert shot.running[0].started_at == iso(console.wall() - 40)
    assert view.recent[0].ended_at == iso(console.wall() - 60)
    assert shot.later["memo"].next_at == pytest.approx(console.wall() + 90, abs=0.01)
    assert fleet_of(shot).hosts[0].skew == pytest.approx(ahead)


def test_the_last_picture_stays_and_is_said_to_be_old_while_the_server_is_away(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.host("mini-1", "memo", running=(scene.running("r", "memo"),))
    scene.engine.enqueue(Tick(id="a", cadence="memo"))
    link = scene.database.link(scene.clock)
    source = FleetParts(scene.layout, link, scene.clock, here=HERE, lease=LEASE)
    reader = SnapshotReader(scene.layout, scene.clock, source=source)
    reader.read()
    seen_at = scene.clock.wall()
    with monkeypatch.context() as away:
        away.setattr(link, "target", parse("postgresql://ops:secret@127.0.0.1:1/x", {}))
        link.close()
        scene.clock.advance(120)
        shot = reader.read()
        fleet = fleet_of(shot)
        assert (shot.counts.inbox, shot.consumer.word) == (1, "stale")
        assert (fleet.hosts[0].word, fleet.seen_at) == ("stale", seen_at)
        assert fleet.away is not None
        assert "cannot be reached" in fleet.away
        assert "secret" not in str(shot)
        assert explain(shot, "memo").obstacles[0].code == "no_server"
    scene.clock.advance(60)
    shot = reader.read()
    assert (fleet_of(shot).away, shot.problems) == (None, ())


def test_a_schema_of_another_version_is_said_in_words_and_nothing_is_claimed(
    scene: Scene,
) -> None:
    scene.link.execute("UPDATE maestro_schema SET number = 99")
    shot = scene.reader().read()
    assert shot.consumer.word == "stale"
    assert "schema 99" in shot.problems[0]
    assert fleet_of(shot).away == shot.problems[0]


def test_what_did_not_change_keeps_its_identity(scene: Scene) -> None:
    two = scene.host("mini-2", "memo", "mail")
    scene.ran(two, "r0", "memo")
    scene.engine.enqueue(Tick(id="a", cadence="mail"))
    reader = scene.reader()
    first = reader.read()
    scene.clock.advance(1.0)
    second = reader.read()
    assert all(a is b for a, b in zip(first.cadences, second.cadences, strict=True))
    assert second.counts is first.counts
    assert second.fleet is first.fleet


def test_explain_knows_hosts(scene: Scene) -> None:
    for cadence in ("memo", "mail", "chess", "nobody"):
        scene.engine.enqueue(Tick(id=cadence, cadence=cadence))
    busy = scene.running("r", "other")
    scene.host("mini-1", "memo", "other", running=(busy,))
    silent = scene.host("mini-2", "mail")
    scene.host("mini-3", "chess")
    now = scene.clock.steady()
    SharedHolds(scene.link, scene.clock).set("mini-3", Hold("auth", 0.0, now, "bad key"))
    silent.publish_tail("x", b"")
    scene.link.execute(
        "UPDATE maestro_hosts SET beat_at = beat_at - interval '30 s' WHERE host = 'mini-2'"
    )
    shot = scene.reader().read()
    found = {name: explain(shot, name).obstacles[0] for name in ("memo", "mail", "chess", "nobody")}
    assert {name: one.code for name, one in found.items()} == {
        "memo": "slot", "mail": "hosts_away", "chess": "hosts_held", "nobody": "no_host"
    }  # fmt: skip
    assert "other on mini-1" in found["memo"].says
    assert "mini-2 (stale)" in found["mail"].says
    assert "mini-3 waits (auth): bad key" in found["chess"].says


def test_a_stop_of_this_host_alone_is_told_apart_from_the_fleets(scene: Scene) -> None:
    scene.host("mini-1", "memo")
    scene.layout.emergency_stop.write_text('{"by": "ops"}')
    shot = scene.reader().read()
    assert shot.emergency_stop is None
    assert fleet_of(shot).stopped_here is not None
    assert explain(shot, "memo").obstacles[0].act == "clear_here"


# ---- lists ---------------------------------------------------------------------------------


def test_runs_of_all_hosts_are_found_by_id_cadence_host_and_word(scene: Scene) -> None:
    one = scene.host("mini-1", "memo")
    two = scene.host("mini-2", "mail", running=(scene.running("r9", "mail"),))
    scene.ran(one, "r1", "memo", ago=100)
    scene.ran(two, "r2", "mail", ago=50, outcome="failed")
    reads = scene.reads()
    assert [(row.run_id, row.host) for row in reads.runs(limit=10)] == [
        ("r9", "mini-2"), ("r2", "mini-2"), ("r1", "mini-1")
    ]  # fmt: skip
    assert [row.run_id for row in reads.runs(limit=10, cadence="memo")] == ["r1"]
    assert [row.run_id for row in reads.runs(limit=10, contains="MINI-2")] == ["r9", "r2"]
    assert [row.run_id for row in reads.runs(limit=10, before="r2")] == ["r1"]
    assert reads.runs(limit=10, before="nonsense") == []
    going, ended = find_run(reads, None), find_run(reads, "memo")
    assert going is not None
    assert ended is not None
    assert (going.row.run_id, going.going_on, going.row.host) == ("r9", True, "mini-2")
    assert (ended.row.run_id, ended.going_on) == ("r1", False)


def test_costs_are_summed_over_all_hosts(scene: Scene) -> None:
    for number, name in enumerate(("mini-1", "mini-2")):
        scene.ran(scene.host(name), f"r{number}", "memo", outcome="ok" if number else "failed")
    [row] = scene.reads().costs(("cadence", "model"), iso(scene.clock.wall() - 86400))
    assert (row.key, row.runs, row.ok, row.tokens_in, row.cost_usd, row.seconds) == (
        ("memo", "sonnet"), 2, 1, 20, 1.0, 20.0
    )  # fmt: skip


def test_dead_letters_come_newest_first_and_what_is_known_is_not_fetched_again(
    scene: Scene,
) -> None:
    for number in range(3):
        scene.clock.advance(1)
        scene.dead(f"d{number}", "memo" if number else "mail", f"exit 1: reason {number}")
    reads = scene.reads()
    found = reads.dead()
    assert [view.tick.id for view in found] == ["d2", "d1", "d0"]
    assert found[0].since == pytest.approx(scene.clock.wall(), abs=0.01)
    assert [view.tick.id for view in reads.dead(cadence="mail")] == ["d0"]
    assert [view.tick.id for view in reads.dead(contains="REASON 1")] == ["d1"]
    assert [view.tick.id for view in reads.dead(limit=1)] == ["d2"]
    assert [view.tick.id for view in reads.dead_of({"d0", "no"})] == ["d0"]
    scene.engine.discard_dead(["d1"])
    again = reads.dead()
    assert again[0].tick is found[0].tick
    assert (reads.count_dead(), reads.count_dead("trash")) == (2, 1)
    assert [view.tick.id for view in reads.dead("trash")] == ["d1"]


def test_the_journal_is_this_roots_own_with_the_acts_of_the_whole_fleet(scene: Scene) -> None:
    Journal(scene.layout, scene.clock).write("info", "consumer_started")
    scene.clock.advance(5)
    at = iso(scene.clock.wall() + 7000)
    audit.record(scene.link, {"ts": at, "verb": "pause", "targets": ["memo"], "ok": True,
                              "actor": {"user": "ops"}, "root": "/elsewhere"})  # fmt: skip
    scene.link.execute("UPDATE maestro_audit SET at = now()")
    entries = scene.reads().journal(limit=10).entries
    assert [(one["stage"], one.get("host")) for one in entries] == [
        ("consumer_started", HERE), ("operator", None)
    ]  # fmt: skip
    assert entries[1]["ts"] == iso(scene.clock.wall()), "the server's time, not that of who acted"
    assert entries[1]["login"] == "maestro"
    assert scene.reads().journal(limit=10, operators=False).entries == entries[:1]


def test_while_the_server_is_away_this_roots_own_journal_is_still_there(tmp_path: Path) -> None:
    clock, layout = FakeClock(), Layout(tmp_path / "atlas")
    layout.bus.mkdir(parents=True)
    Journal(layout, clock).write("error", "lease_runs_out")
    nowhere = Link(parse("postgresql://maestro@127.0.0.1:1/bus", {}), clock)
    reads = FleetReads(layout, nowhere, clock, here=HERE, lease=LEASE)
    page = reads.journal(limit=10)
    assert [one["stage"] for one in page.entries] == ["lease_runs_out"]
    assert page.missing is not None
    assert "cannot be reached" in page.missing


def test_the_end_of_another_hosts_output_is_read_with_the_command_for_all_of_it(
    scene: Scene,
) -> None:
    two = scene.host("mini-2", "mail", running=(scene.running("r", "mail"),))
    reads = scene.reads()
    found = find_run(reads, "r")
    assert found is not None
    assert reads.tail(found.row) is None
    two.publish_tail("r", b"one\ntwo\n")
    tail = reads.tail(found.row)
    assert tail is not None
    assert (tail.host, tail.text) == ("mini-2", b"one\ntwo\n")
    assert tail.command == "ssh -t mini-2.local 'less +F /srv/atlas/logs/r.stdout.log'"
    assert reads.tail(replace(found.row, host=HERE)) is None


def test_a_path_of_another_host_is_data_to_the_shell() -> None:
    ssh, t, address, there = shlex.split(ssh_command("mini; rm x", "/srv/$(rm x)", "a b'c"))
    assert (ssh, t, address) == ("ssh", "-t", "mini; rm x")
    assert shlex.split(there) == ["less", "+F", "/srv/$(rm x)/a b'c"]
    whole = ssh_command("mini-2", "/srv/atlas", "/srv/atlas/logs/r.log")
    assert whole == "ssh -t mini-2 'less +F /srv/atlas/logs/r.log'"


def test_a_tail_that_moved_on_is_put_behind_what_is_known() -> None:
    assert behind(b"", b"ab") == b"ab"
    assert behind(b"ab", b"ab") == b""
    assert behind(b"ab", b"abcd") == b"cd"
    assert behind(b"x" * 5000 + b"end", b"x" * 4096 + b"end" + b"new") == b"new"
    assert behind(b"abc", b"zzz") == GAP + b"zzz"


# ---- size and rights ------------------------------------------------------------------------


def test_a_hundred_thousand_waiting_and_as_many_dead_do_not_slow_the_board(scene: Scene) -> None:
    scene.many(100_000, "flood", "queued")
    scene.many(100_000, "wreck", "failed", shift=1_000_000)
    scene.link.execute("ANALYZE pgqueuer")
    reader, reads = scene.reader(), scene.reads()
    began = time.monotonic()
    shot = reader.read()
    counted = time.monotonic() - began
    first = reads.dead(limit=300)
    paged = time.monotonic() - began - counted
    for _ in range(20):
        reader.read(EVERYTHING)
    again = time.monotonic() - began - counted - paged
    assert (shot.counts.inbox, shot.counts.dlq, len(first)) == (100_000, 100_000, 300)
    assert first[0].tick.id == "wreck-1"
    print(f"counted {counted:.3f} s, paged {paged:.3f} s, 20 more reads {again:.3f} s")
    assert counted < 3
    assert paged < 3
    assert again < 3


def test_a_role_that_may_only_read_is_enough(scene: Scene) -> None:
    scene.host("mini-1", "memo")
    scene.dead("d", "memo")
    scene.link.execute("CREATE ROLE watcher LOGIN")
    try:
        scene.link.execute("GRANT USAGE ON SCHEMA public, clock TO watcher")
        scene.link.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO watcher")
        url = scene.database.url.replace("maestro@", "watcher@")
        link = Link(parse(url, {}), scene.clock, read_only=True)
        source = FleetParts(scene.layout, link, scene.clock, here=HERE, lease=LEASE)
        reader = SnapshotReader(scene.layout, scene.clock, source=source)
        shot = reader.read()
        reader.close()
        assert (shot.counts.dlq, shot.problems) == (1, ())
    finally:
        scene.link.execute("DROP OWNED BY watcher")
        scene.link.execute("DROP ROLE watcher")


def test_a_server_that_comes_later_is_found(database: Database, tmp_path: Path) -> None:

    scene = Scene(database, tmp_path)
    scene.link.close()
    database.server.stop(signal.SIGINT)
    try:
        link = Link(database.target(), SystemClock())
        source = FleetParts(scene.layout, link, SystemClock(), here=HERE, lease=LEASE)
        reader = SnapshotReader(scene.layout, SystemClock(), source=source)
        assert reader.read().consumer.word == "stale"
    finally:
        database.server.start()
    wait_until(lambda: fleet_of(reader.read()).away is None, 30, "the server")
    reader.close()
