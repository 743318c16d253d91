"""Lifting one hold never lifts another: tonight's budget stays what it was."""

from __future__ import annotations

from pathlib import Path

from maestro_core.models import RunResult, Usage
from tests.core.consumer_kit import Kit, always

LIMITED = RunResult(outcome="overload", exit_code=1, failure_class="rate_limit", reason="429")
DEAR = RunResult(outcome="ok", exit_code=0, usage=Usage(cost_usd=2.0))


def test_lifting_an_overload_leaves_the_budget_of_the_day_in_force(tmp_path: Path) -> None:
    kit = Kit(tmp_path, always(LIMITED), daily_hold_usd=3.0).start()
    kit.prompt("memo")
    kit.drop("memo", 4)
    kit.run_for(10)
    assert kit.beat()["hold"]["kind"] == "overload"
    kit.launcher.script = always(DEAR)
    assert kit.command("lift_hold", "*")
    kit.run_for(600)
    assert len(kit.launcher.starts) == 1 + 2, "2 + 2 USD, then the limit of 3 holds"


def test_a_spent_budget_is_lifted_by_the_same_order(tmp_path: Path) -> None:
    kit = Kit(tmp_path, always(DEAR), daily_hold_usd=3.0).start()
    kit.prompt("memo")
    kit.drop("memo", 4)
    kit.run_for(60)
    assert len(kit.launcher.starts) == 2
    assert kit.command("lift_hold", "*")
    kit.run_for(60)
    assert len(kit.launcher.starts) == 4


def test_without_a_hold_there_is_nothing_to_lift(tmp_path: Path) -> None:
    kit = Kit(tmp_path, always(DEAR), daily_hold_usd=3.0).start()
    kit.run_for(5)
    assert not kit.command("lift_hold", "*")
