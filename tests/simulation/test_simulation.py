"""Simulated weeks keep every invariant; planted bugs do not get through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from maestro_core.models import Claim
from tests.simulation.children import Broken
from tests.simulation.world import Plant, World

SEEDS = range(1000, 1012)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_three_weeks_keep_every_invariant_and_the_queue_drains(seed: int) -> None:
    world = World(seed)
    world.live(21)
    world.settle_down()
    assert world.children.starts > 500
    assert world.deaths > 5


def test_one_seed_makes_one_history() -> None:
    def told(seed: int) -> tuple[object, ...]:
        world = World(seed)
        world.live(5)
        return (world.counts, world.books.stages, world.disk.operations, world.children.starts)

    assert told(7) == told(7)
    assert told(7) != told(8)


def forget_to_remove_the_circuit_file(world: World) -> None:
    gates = world.consumer.gates  # type: ignore[union-attr]
    write: Callable[..., None] = gates._write
    gates._write = lambda path, key, content: write(path, key, content) if content else None  # type: ignore[method-assign]


def spend_an_attempt_on_a_put_back(world: World) -> None:
    engine: Any = world.engine
    put_back = engine.put_back
    engine.put_back = lambda claim: put_back(
        Claim(claim.tick.evolve(attempts=claim.tick.attempts + 1), claim.token)
    )


def let_a_held_cadence_block_the_others(world: World) -> None:
    engine: Any = world.engine
    claim = engine.claim

    def only_the_first(*, held: Callable[[str], bool], **how: Any) -> Claim | None:
        first = engine.page("inbox", limit=1)
        if first and held(first[0].tick.cadence):
            return None
        found: Claim | None = claim(held=held, **how)
        return found

    engine.claim = only_the_first


def leave_orphans_beside_their_second_run(world: World) -> None:
    world.launcher.end_orphans = lambda tick_ids: []  # type: ignore[method-assign]


PLANTS: list[tuple[Plant, str]] = [
    (forget_to_remove_the_circuit_file, "circuits"),
    (spend_an_attempt_on_a_put_back, "attempts"),
    (let_a_held_cadence_block_the_others, "blocked"),
    (leave_orphans_beside_their_second_run, "two runs of"),
]


def play_until_broken(plant: Plant | None) -> str:
    for seed in SEEDS:
        world = World(seed, plant)
        if plant is leave_orphans_beside_their_second_run:
            plant(world)  # before the first start: it acts while taking over
        try:
            world.live(14)
            world.settle_down()
        except Broken as error:
            return str(error)
    return "nothing broke"


@pytest.mark.parametrize(("plant", "found"), PLANTS)
def test_a_planted_bug_is_found(plant: Plant, found: str) -> None:
    assert found in play_until_broken(plant)


def test_a_poisonous_tick_that_goes_on_for_ever_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("maestro_core.consumer.recovery.is_poison", lambda tick: False)
    assert "poison" in play_until_broken(None)


def test_a_completion_that_is_not_durable_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The power goes after a run was settled, and its tick is back."""
    monkeypatch.setattr("tests.simulation.disk.SimDisk.flush_folder", lambda self, path: None)
    found = play_until_broken(None)
    assert "repeated" in found or "lost" in found or "runs again" in found
