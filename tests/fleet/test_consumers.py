"""Consumers of a fleet as real processes, each with an agent root of its own, one server."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from maestro_core.models import Tick
from tests.fleet.kit import Fleet
from tests.fleet.server import Database
from tests.support import wait_until

pytestmark = [pytest.mark.xdist_group("postgresql"), pytest.mark.e2e, pytest.mark.slow]

PATIENCE = 60.0


@pytest.fixture
def fleet(database: Database, tmp_path: Path) -> Fleet:
    return Fleet(database, tmp_path)


def test_three_consumers_share_the_work_and_each_runs_what_it_can(fleet: Fleet) -> None:
    minis = [
        fleet.host("mini-1", "memo", "mail"),
        fleet.host("mini-2", "memo", "mail"),
        fleet.host("mini-3", "chess"),
    ]
    for number in range(4):
        for cadence in ("memo", "mail", "chess"):
            fleet.engine.enqueue(Tick(id=f"{cadence}-{number}", cadence=cadence))
    fleet.engine.enqueue(Tick(id="nobody", cadence="unheard-of"))
    with ExitStack() as stack:
        for mini in minis:
            stack.enter_context(mini.daemon())
        wait_until(lambda: fleet.counts() == (1, 0, 0), PATIENCE, "all but one to be done")
        wait_until(lambda: len(fleet.runs()) == 12, PATIENCE, "every run to be told of")
    ran = fleet.runs()
    assert len({tick for _, _, tick in ran}) == 12
    assert {host for host, cadence, _ in ran if cadence == "chess"} == {"mini-3"}
    assert fleet.where("nobody") == "inbox"
