"""Operators' acts on a fleet, and those that take them back, without any consumer."""

from __future__ import annotations

from pathlib import Path

import pytest

from maestro_core.clock import SystemClock
from maestro_core.control.commands import Actor
from maestro_core.control.operator import Operator
from maestro_core.errors import BusError, ReadOnly
from maestro_core.fleet.acts import FleetActs
from maestro_core.fleet.engine import PostgresEngine
from maestro_core.journal import Journal
from maestro_core.layout import Layout
from maestro_core.models import Failure, Tick
from maestro_core.settings import BusSettings
from tests.fleet.server import Database

pytestmark = pytest.mark.xdist_group("postgresql")

ACTOR = Actor(user="ops", via="console")


def operator_on(url: str, folder: Path, *, read_only: bool = False) -> Operator:
    layout, clock = Layout(folder), SystemClock()
    acts = FleetActs(layout, BusSettings(url=url, host="desk"), clock, Journal(layout, clock), 2.0)
    return Operator(layout, actor=ACTOR, read_only=read_only, acts=acts)


@pytest.fixture
def operator(database: Database, tmp_path: Path) -> Operator:
    return operator_on(database.url, tmp_path)


@pytest.fixture
def engine(database: Database) -> PostgresEngine:
    return PostgresEngine(database.link(), host="one")


def where(engine: PostgresEngine, tick_id: str) -> str | None:
    view = engine.find(tick_id)
    return view.where if view else None


def test_a_retry_and_an_enqueue_are_taken_back(operator: Operator, engine: PostgresEngine) -> None:
    engine.enqueue(Tick(id="a", cadence="memo"))
    claim = engine.claim(held=lambda _: False)
    assert claim is not None
    engine.dead_letter(claim, Failure("2026-01-01T00:00:00.000Z", 1, 1, "exit 1"))
    assert operator.submit("dlq_retry", ["a"]).ok
    assert where(engine, "a") == "inbox"
    assert operator.submit("dlq_unretry", ["a"]).ok
    assert where(engine, "a") == "dlq"
    made = operator.enqueue("memo", payload={"n": 1})
    assert where(engine, made.id) == "inbox"
    taken = operator.submit("withdraw", [made.id])
    assert (taken.ok, taken.before, taken.after) == (True, {made.id: "inbox"}, {made.id: "trash"})
    assert not operator.submit("withdraw", [made.id]).ok
    assert operator.trouble is None
    operator.close()


def test_acts_of_many_ids_are_one_answer(operator: Operator, engine: PostgresEngine) -> None:
    ids = [f"t{number:04}" for number in range(1200)]
    engine.enqueue_many([Tick(id=one, cadence="memo") for one in ids])
    ack = operator.submit("withdraw", ids)
    assert (ack.ok, len(ack.outcomes)) == (True, 1200)
    assert engine.counts()["trash"] == 1200
    operator.close()


def test_a_read_only_operator_does_not_even_ask_the_server(tmp_path: Path) -> None:
    operator = operator_on("postgresql://127.0.0.1:1/none", tmp_path, read_only=True)
    with pytest.raises(ReadOnly):
        operator.emergency_stop()
    able = operator_on("postgresql://127.0.0.1:1/none", tmp_path)
    with pytest.raises(BusError, match="cannot be reached") as refused:
        able.emergency_stop(kill=True)
    assert "to stop this host alone, write" in refused.value.hint
