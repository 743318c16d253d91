"""What a bus that others share needs of the consumer: leases, markers, gates, a place to tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from maestro_core.consumer.holds import EmergencyStop
from maestro_core.consumer.leases import TAKE_OVER_SECONDS
from maestro_core.errors import BusError
from maestro_core.models import Beat, Claim, RunResult
from maestro_core.settings import CadenceSettings, Guard
from tests.core.consumer_kit import BEAT, OK, Kit, always
from tests.support import read_json, write_json


def steal(kit: Kit, tick_id: str) -> None:
    """Another consumer has taken the claim over."""
    path = kit.layout.claimed / f"{tick_id}.json"
    document = read_json(path)
    document["claim"]["token"] = "another"
    write_json(path, document)


def test_a_run_whose_claim_is_lost_is_ended_and_never_settled(tmp_path: Path) -> None:
    kit = Kit(tmp_path, always(OK, 10_000)).start()
    [tick_id] = kit.drop("memo")
    kit.run_for(BEAT)
    assert len(kit.consumer.flights) == 1
    steal(kit, tick_id)
    kit.run_for(2 * BEAT)
    assert not len(kit.consumer.flights)
    assert kit.names("claimed") == [tick_id]
    assert kit.stages().count("claim_lost") == 1
    assert not {"subsession_completed", "put_back", "subsession_failed"} & set(kit.stages())


def test_a_guard_whose_claim_is_lost_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guarded = CadenceSettings(mode="guarded", guard=Guard(command=("check",)))
    kit = Kit(tmp_path, cadences={"memo": guarded}).start()
    [tick_id] = kit.drop("memo")
    with monkeypatch.context() as patched:
        patched.setattr(kit.consumer, "_land", lambda: None)
        kit.consumer.step()
        steal(kit, tick_id)
        kit.clock.advance(2 * BEAT)
        kit.consumer.step()
    kit.run_for(5)
    assert kit.launcher.starts == []
    assert kit.names("claimed") == [tick_id]
    assert kit.stages().count("claim_lost") == 1


def test_a_bus_that_cannot_tell_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit = Kit(tmp_path, always(OK, 10_000)).start()
    kit.drop("memo")
    kit.run_for(5)

    def gone(_claims: list[Claim]) -> list[Claim]:
        raise BusError("the other end is gone")

    monkeypatch.setattr(kit.engine, "heartbeat", gone)
    kit.run_for(3 * BEAT)
    assert len(kit.consumer.flights) == 1
    assert kit.stages().count("trouble") == 1


@pytest.mark.parametrize("shared", [True, False])
def test_on_a_shared_bus_what_the_dead_left_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    kit = Kit(tmp_path).start()
    asked: list[float] = []

    def abandoned() -> list[Claim]:
        asked.append(kit.clock.steady())
        return []

    monkeypatch.setattr(kit.engine, "lease", 60.0 if shared else None)
    monkeypatch.setattr(kit.engine, "abandoned", abandoned)
    kit.run_for(10 * TAKE_OVER_SECONDS)
    assert bool(asked) == shared
    assert len(asked) <= 10


def test_markers_may_stand_elsewhere(tmp_path: Path) -> None:
    class Elsewhere:
        stop: EmergencyStop | None = None
        held: frozenset[str] = frozenset({"memo"})

        def paused(self) -> frozenset[str]:
            return self.held

        def emergency_stop(self) -> EmergencyStop | None:
            return self.stop

    kit, markers = Kit(tmp_path), Elsewhere()
    kit.consumer.ports.markers = markers
    kit.start()
    kit.drop("memo")
    kit.run_for(10)
    assert kit.launcher.starts == []
    markers.held, markers.stop = frozenset(), EmergencyStop()
    kit.run_for(10)
    assert kit.launcher.starts == []
    markers.stop = None
    kit.run_for(10)
    assert kit.launcher.cadences() == ["memo"]


def test_beats_and_ended_runs_are_told_and_a_deaf_listener_hurts_nobody(tmp_path: Path) -> None:
    kit = Kit(tmp_path).start()
    beats: list[Beat] = []
    runs: list[tuple[Any, ...]] = []

    def deaf(claim: Claim, result: RunResult, run_id: str) -> None:
        runs.append((claim.tick.cadence, result.outcome, run_id))
        raise BusError("nobody is there")

    kit.consumer.ports.publish_beat = beats.append
    kit.consumer.ports.publish_run = deaf
    kit.drop("memo")
    kit.run_for(10)
    [(cadence, outcome, run_id)] = runs
    assert (cadence, outcome, run_id) == ("memo", "ok", kit.launcher.starts[0].run_id)
    assert kit.names("claimed") == []
    assert beats and beats[-1].stats.escalated == 1
