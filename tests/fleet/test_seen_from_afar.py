"""Real consumers on two hosts, seen by the commands of a third agent root."""

from __future__ import annotations

from pathlib import Path

import pytest

from maestro_core.models import Tick
from tests.fleet.kit import Fleet
from tests.fleet.server import Database
from tests.support import wait_until

pytestmark = [pytest.mark.xdist_group("postgresql"), pytest.mark.e2e, pytest.mark.slow]


def test_runs_of_real_consumers_are_seen_from_another_host(
    database: Database, tmp_path: Path
) -> None:
    fleet = Fleet(database, tmp_path)
    one, two, desk = fleet.host("mini-1", "memo"), fleet.host("mini-2", "mail"), fleet.host("desk")
    for cadence in ("memo", "mail"):
        fleet.engine.enqueue(Tick(id=cadence, cadence=cadence))
    with one.daemon(), two.daemon():
        wait_until(lambda: len(desk.json("runs")["runs"]) == 2, 60, "both runs to be told of")
        status = desk.json("status")
        hosts = {host["host"]: host for host in status["fleet"]["hosts"]}
        assert {name: host["state"] for name, host in hosts.items()} == {
            "mini-1": "live", "mini-2": "live"
        }  # fmt: skip
        assert hosts["mini-1"]["root"] == str(one.layout.root)
        assert [view["hosts"] for view in status["cadences"]] == [["mini-2"], ["mini-1"]]
    runs = {run["cadence"]: run for run in desk.json("runs")["runs"]}
    assert {name: (run["host"], run["outcome"]) for name, run in runs.items()} == {
        "memo": ("mini-1", "ok"), "mail": ("mini-2", "ok")
    }  # fmt: skip
    tail = desk.json("tail", "memo")
    assert tail["elsewhere"]["host"] == "mini-1"
    assert str(one.layout.root) in tail["elsewhere"]["command"]
    assert tail["stdout"]
    assert sum(row["runs"] for row in desk.json("costs")["rows"]) == 2
    states = {host["host"]: host["state"] for host in desk.json("status")["fleet"]["hosts"]}
    assert states == {"mini-1": "stopped", "mini-2": "stopped"}
