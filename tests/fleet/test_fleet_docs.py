"""docs/fleet.md is true: every fault in its table is tried by the test that it names, and the
rights that it grants are enough for each role, and no more."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from maestro_core.clock import SystemClock
from maestro_core.errors import BusError, ReadOnly
from maestro_core.fleet import audit, schema
from maestro_core.fleet.connect import Link, parse
from maestro_core.fleet.engine import PostgresEngine
from maestro_core.fleet.hosts import Hosts
from maestro_core.fleet.markers import FleetMarkers
from maestro_core.models import Tick
from tests.fleet.server import Database

pytestmark = pytest.mark.xdist_group("postgresql")

TESTS = Path(__file__).parent
PAGE = TESTS.parents[1] / "docs" / "fleet.md"
ROW = re.compile(r"^\| (?P<fault>.+?) \| (?P<then>.+?) \| `(?P<test>test_\w+)` \|$", re.MULTILINE)


def all_tests() -> dict[str, bool]:
    """Every test of the fleet, and whether it is a long one."""
    found = {}
    for path in TESTS.glob("test_*.py"):
        tree = ast.parse(path.read_text())
        marks = ast.unparse(tree).partition("pytestmark = ")[2].partition("\n")[0]
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                found[node.name] = "mark.long" in marks
    return found


def test_each_fault_of_the_table_is_tried_by_the_test_that_it_names() -> None:
    rows, known = list(ROW.finditer(PAGE.read_text())), all_tests()
    assert len(rows) >= 15
    assert [row["test"] for row in rows if row["test"] not in known] == []
    long = {row["test"] for row in rows if "(*long*)" in row["then"]}
    assert long == {row["test"] for row in rows if known[row["test"]]}


def test_each_fault_that_is_tried_stands_in_the_table() -> None:
    told = {row["test"] for row in ROW.finditer(PAGE.read_text())}
    tried = {
        node.name
        for name in ("test_faults.py", "test_fault_processes.py", "test_scale.py")
        for node in ast.parse((TESTS / name).read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    same = {  # the same fault by the engine's verbs, where the table names the real processes
        "test_a_line_that_is_lost_for_less_than_the_lease_costs_nobody_a_run",
        "test_a_line_that_is_lost_for_longer_ends_the_run_before_another_host_begins_it",
        "test_the_ticks_of_a_consumer_that_is_gone_run_elsewhere_after_the_lease",
    }
    assert tried - told == same


@pytest.fixture
def roles(database: Database) -> Iterator[Database]:
    """With the page's own statements, and a login in each role."""
    [sql] = re.findall(r"^```sql\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    with psycopg.connect(database.url, autocommit=True) as owner:
        for login in ("worker", "viewer"):
            owner.execute(f"DROP ROLE IF EXISTS test_{login}, maestro_{login}".encode())
        owner.execute(sql.encode())
        for login in ("worker", "viewer"):
            owner.execute(f"CREATE ROLE test_{login} LOGIN IN ROLE maestro_{login}".encode())
    yield database
    with psycopg.connect(database.url, autocommit=True) as owner:
        for login in ("worker", "viewer"):
            owner.execute(f"DROP OWNED BY maestro_{login}, test_{login}".encode())
            owner.execute(f"DROP ROLE test_{login}, maestro_{login}".encode())


def link_as(database: Database, login: str) -> Link:
    link = Link(parse(database.url.replace("maestro@", f"{login}@"), {}), SystemClock())
    database.links.append(link)
    return link


def test_a_worker_does_all_that_hosts_and_operators_do_and_forges_no_act(roles: Database) -> None:
    link = link_as(roles, "test_worker")
    engine = PostgresEngine(link, host="mini")
    schema.check(link)
    engine.enqueue(Tick(id="a", cadence="memo"))
    claim = engine.claim(held=lambda _: False)
    assert claim is not None
    assert engine.heartbeat([claim]) == []
    engine.complete(claim)
    Hosts(link, "mini").announce(frozenset({"memo"}))
    FleetMarkers(link).engage({"by": "ops"})
    engine.housekeep(0.0)
    audit.record(link, {"verb": "estop"})
    assert audit.page(link)[0]["login"] == "test_worker"
    for forged in ("UPDATE maestro_audit SET login = 'x'", "DELETE FROM maestro_audit"):
        with pytest.raises(ReadOnly):
            link.execute(forged)
    with pytest.raises((BusError, ReadOnly)):
        link.execute("UPDATE maestro_schema SET number = 99")


def test_a_viewer_sees_everything_and_changes_nothing(roles: Database) -> None:
    PostgresEngine(roles.link(), host="one").enqueue(Tick(id="a", cadence="memo"))
    link = link_as(roles, "test_viewer")
    engine = PostgresEngine(link, host="console")
    schema.check(link)
    assert [view.tick.id for view in engine.page("inbox")] == ["a"]
    assert engine.counts()["inbox"] == 1
    assert Hosts(link).all() == []
    assert audit.page(link) == []
    changes = (
        lambda: engine.enqueue(Tick(id="b", cadence="memo")),
        lambda: engine.withdraw(["a"]),
        lambda: FleetMarkers(link).engage({}),
        lambda: audit.record(link, {}),
        lambda: Hosts(link, "x").announce(frozenset()),
    )
    for change in changes:
        with pytest.raises(ReadOnly):
            change()
