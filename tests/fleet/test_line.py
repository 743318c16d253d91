"""A line to the server that is cut or stalls: what one connection makes of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest

from maestro_core.clock import SystemClock
from maestro_core.errors import BusError
from maestro_core.fleet.connect import Link
from maestro_core.fleet.engine import PostgresEngine
from maestro_core.models import Tick
from tests.fleet.proxy import Line
from tests.fleet.server import Database
from tests.support import wait_until

pytestmark = pytest.mark.xdist_group("postgresql")


@pytest.fixture
def line(database: Database) -> Iterator[Line]:
    one = Line(database.server.port)
    yield one
    one.close()


def link_over(line: Line, database: Database, **options: float | None) -> Link:
    link = Link(database.target(line.port), SystemClock(), **options)  # type: ignore[arg-type]
    database.links.append(link)
    return link


def answers(link: Link) -> bool:
    try:
        return bool(link.rows("SELECT 1 AS one"))
    except BusError:
        return False


def test_a_call_to_a_server_that_hangs_ends_and_the_next_ones_come_back(
    line: Line, database: Database
) -> None:
    link = link_over(line, database, patience=0.4)
    assert answers(link)
    line.stall()
    with pytest.raises(BusError, match="cannot be reached"):
        link.rows("SELECT 1")
    line.mend()
    wait_until(lambda: answers(link), 30, "the connection's return")
    assert link.connections == 2


def test_a_long_call_is_let_be_where_patience_has_no_end(line: Line, database: Database) -> None:
    link = link_over(line, database, patience=None)
    assert answers(link)
    line.stall()
    done = threading.Event()
    threading.Thread(target=lambda: (link.rows("SELECT 1"), done.set()), daemon=True).start()
    assert not done.wait(1)
    line.mend()
    assert done.wait(30)


def test_a_server_that_may_forget_is_told_not_to(database: Database) -> None:
    with psycopg.connect(database.url) as other:
        found = other.execute("SHOW synchronous_commit").fetchall()
    assert found == [("off",)], "as the tests' server has it"
    [row] = database.link().rows("SHOW synchronous_commit")
    assert row == {"synchronous_commit": "on"}


def test_while_the_line_is_cut_a_call_fails_at_once_and_says_so(
    line: Line, database: Database
) -> None:
    link = link_over(line, database)
    assert answers(link)
    line.cut()
    for _ in range(20):  # the first ones notice, the others do not even try
        with pytest.raises(BusError, match="cannot be reached"):
            link.rows("SELECT 1")
    line.mend()
    wait_until(lambda: answers(link), 30, "the connection's return")


def test_a_settle_whose_answer_was_lost_is_known_to_be_done(line: Line, database: Database) -> None:
    """The server has it, the consumer does not know: settled again it is neither an error nor
    done twice."""
    engine = PostgresEngine(link_over(line, database, patience=0.4), host="one")
    engine.enqueue(Tick(id="a", cadence="memo"))
    claim = engine.claim(held=lambda _: False)
    assert claim is not None
    line.stall_answers()
    with pytest.raises(BusError):
        engine.complete(claim)
    line.mend()
    wait_until(lambda: answers(engine.link), 30, "the connection's return")
    engine.complete(claim)
    assert engine.counts()["inbox"] == engine.counts()["claimed"] == 0


def test_a_claim_whose_answer_was_lost_waits_again_unspent(line: Line, database: Database) -> None:
    """The server gave the tick away, the consumer does not know: it need not wait for the lease."""

    def lose_the_answer(_cadence: str) -> int:
        line.stall_answers()
        return 0

    engine = PostgresEngine(link_over(line, database, patience=0.4), host="one")
    assert engine.number > 0, "it is known to the server"
    engine.enqueue(Tick(id="a", cadence="memo"))
    with pytest.raises(BusError):
        engine.claim(held=lambda _: False, rank=lose_the_answer)
    line.mend()
    wait_until(lambda: answers(engine.link), 30, "the connection's return")
    assert engine.counts()["claimed"] == 1
    again = engine.claim(held=lambda _: False)
    assert again is not None
    assert (again.tick.id, again.tick.attempts) == ("a", 1)
