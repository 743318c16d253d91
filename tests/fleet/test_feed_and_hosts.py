"""Hints reach a listener, also after the server was restarted under it; hosts tell of
themselves; acts are kept with the login; the schema is checked in words."""

from __future__ import annotations

import signal

import pytest

from maestro_core.bus.feed import ManualFeed
from maestro_core.clock import SystemClock
from maestro_core.errors import BusError, ReadOnly, SettingsError
from maestro_core.fleet import audit, schema
from maestro_core.fleet.connect import Link, parse
from maestro_core.fleet.engine import PostgresEngine
from maestro_core.fleet.feed import FleetFeed, Listener
from maestro_core.fleet.hosts import TAIL_LIMIT, Hosts
from maestro_core.models import Tick
from tests.fleet.server import Database
from tests.support import wait_until

pytestmark = pytest.mark.xdist_group("postgresql")


def test_a_listener_hears_of_a_tick_also_after_a_restart_of_the_server(
    database: Database,
) -> None:
    feed = FleetFeed(database.target(), SystemClock())
    engine = PostgresEngine(database.link(), host="one")
    try:
        assert "inbox" in feed.wait(30), "everything once, after connecting"
        engine.enqueue(Tick(id="a", cadence="memo"))
        assert "inbox" in feed.wait(30)
        database.server.stop(signal.SIGINT)
        with pytest.raises(BusError, match="cannot be reached"):
            engine.counts()
        database.server.start()
        wait_until(lambda: "inbox" in feed.wait(1), 30, "everything once more")
        wait_until(lambda: _counted(engine), 30, "the engine's return")
        assert feed.degraded is None
    finally:
        feed.close()


def _counted(engine: PostgresEngine) -> bool:
    try:
        return engine.counts()["inbox"] == 1
    except BusError:
        return False


def test_hints_that_come_faster_than_they_are_told_are_told_together_and_none_late(
    database: Database,
) -> None:
    """A busy queue must not keep the emergency stop from a screen."""
    feed = ManualFeed()
    listener = Listener(database.target(), SystemClock(), feed.tell, quiet=0.5)
    link = database.link()
    try:
        assert "estop" in feed.wait(30), "everything once, after connecting"
        for _ in range(60):
            link.execute("SELECT pg_notify('maestro_bus', 'queue')")
        link.execute("SELECT pg_notify('maestro_bus', 'gates')")
        wait_until(lambda: "estop" in feed.wait(0.1), 10, "what came after the flood")
    finally:
        listener.close()
        feed.close()


def test_a_look_for_ticks_that_finds_none_tells_nobody(database: Database) -> None:
    """Else the consumers of an idle fleet would wake each other without end."""
    engine = PostgresEngine(database.link(), host="one")
    engine.enqueue(Tick(id="later", cadence="memo", not_before="2999-01-01T00:00:00.000Z"))
    with database.link().connect() as connection:
        connection.execute("LISTEN maestro_bus")
        assert engine.claim(held=lambda _: False) is None
        assert list(connection.notifies(timeout=0.2)) == []


def test_a_host_tells_what_it_can_run_and_the_end_of_its_output(database: Database) -> None:
    here, console = Hosts(database.link(), "mini"), Hosts(database.link())
    here.announce(frozenset({"memo", "inbox"}))
    here.publish_tail("run", b"x" * TAIL_LIMIT + b"end")
    [view] = console.all()
    assert (view.host, view.cadences, view.beat) == ("mini", ("inbox", "memo"), None)
    tail = console.tail("run")
    assert tail is not None
    assert (len(tail), tail[-3:]) == (TAIL_LIMIT, b"end")


def test_acts_are_kept_with_the_login_newest_first(database: Database) -> None:
    link = database.link()
    for verb in ("pause", "resume"):
        audit.record(link, {"verb": verb})
    newest, oldest = audit.page(link)
    assert (newest["verb"], newest["login"]) == ("resume", "maestro")
    assert audit.page(link, before=newest["number"]) == [oldest]


def test_a_schema_that_does_not_fit_is_told_of_in_words(database: Database) -> None:
    link = database.link()
    schema.check(link)
    assert schema.install(link) == []
    link.execute("UPDATE maestro_schema SET number = 99")
    with pytest.raises(BusError, match="schema 99"):
        schema.check(link)
    with pytest.raises(BusError, match="schema 99"):
        schema.install(link)
    bare = Link(parse(database.server.url(), {}), SystemClock())
    with pytest.raises(BusError, match="not installed"):
        schema.check(bare)
    bare.close()


def test_a_read_only_session_reads_and_changes_nothing(database: Database) -> None:
    PostgresEngine(database.link(), host="one").enqueue(Tick(id="a", cadence="memo"))
    link = Link(database.target(), SystemClock(), read_only=True)
    engine = PostgresEngine(link, host="console")
    assert [view.tick.id for view in engine.page("inbox")] == ["a"]
    with pytest.raises(ReadOnly):
        engine.enqueue(Tick(id="b", cadence="memo"))
    link.close()


@pytest.mark.parametrize(
    "url", ["postgresql://ops:geheim@127.0.0.1:1/x", "postgresql://a:geheim@["]
)
def test_a_password_is_never_shown(url: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse(url, {}, from_file=True)
    said = [str(refused.value), repr(refused.value.__cause__)]
    if not url.endswith("["):
        target = parse(url, {})
        said += [repr(target), str(target), target.shown]
        link = Link(target, SystemClock())
        with pytest.raises(BusError) as away:
            link.rows("SELECT 1")
        said += [str(away.value), repr(away.value.__cause__), str(link.trouble)]
    assert not [one for one in said if "geheim" in one]


def test_a_server_that_does_not_let_us_in_is_told_with_what_helps(database: Database) -> None:
    nowhere = parse(database.url.replace(database.name, "no_such_database"), {})
    with pytest.raises(BusError) as caught:
        Link(nowhere, SystemClock()).rows("SELECT 1")
    assert 'database "no_such_database" does not exist' in caught.value.message
    assert caught.value.hint == "look at the database and the user in the address of the bus"
