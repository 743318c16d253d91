"""Nothing acknowledged is lost, whatever the machine is stopped at: every history of up to
seven verbs, every operation of it, every legal state of the platter, with and without a
journal; kills of the process, failing disks, file systems without hard links; and proof that
the check would notice: with any one write, flush or attempt left out of the bus it turns red.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from .check import forget_recoveries
from .disk import USUAL, WITHOUT_LINKS, Machine
from .explore import Explorer
from .faults import FaultExplorer
from .mutate import Mutant, mutants, planted
from .odd import HISTORIES, run_all
from .world import VERBS

MACHINES = {"usual": USUAL, "without links": WITHOUT_LINKS}


@pytest.fixture(autouse=True)
def fresh_recoveries() -> Iterator[None]:
    forget_recoveries()
    yield
    forget_recoveries()


def test_no_history_of_seven_verbs_loses_anything_to_a_power_cut() -> None:
    tally = Explorer(7).run()
    assert tally.verbs == set(VERBS)
    assert tally.states > 50_000
    assert tally.different > 10_000


def test_a_kill_of_the_process_and_then_a_power_cut_lose_nothing() -> None:
    tally = Explorer(3, kills=True).run()
    assert tally.histories > 500


def test_without_hard_links_a_journal_is_enough() -> None:
    Explorer(4, machine=WITHOUT_LINKS).run()
    Explorer(3, machine=WITHOUT_LINKS, kills=True).run()


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_a_disk_that_fails_loses_nothing_and_the_second_try_succeeds(machine: Machine) -> None:
    explorer = FaultExplorer(3, machine)
    explorer.run()
    assert explorer.faults > 1000


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
@pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history.__name__)
def test_somebody_else_on_the_bus(history: Callable[[Machine], None], machine: Machine) -> None:
    history(machine)


@pytest.mark.slow
def test_kills_in_longer_histories() -> None:
    Explorer(5, kills=True).run()


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_failing_disks_in_longer_histories(machine: Machine) -> None:
    FaultExplorer(5, machine).run()


# ---- would it be noticed? -----------------------------------------------------------------

SUITE: tuple[Callable[[], object], ...] = (
    lambda: Explorer(4).run(),
    run_all,
    lambda: Explorer(5, verbs=("enqueue", "claim", "restart")).run(),
    lambda: Explorer(5, verbs=("enqueue", "claim", "dead_letter", "discard", "prune")).run(),
    lambda: run_all(WITHOUT_LINKS),
    lambda: Explorer(3, machine=WITHOUT_LINKS).run(),
    lambda: FaultExplorer(3).run(),
    lambda: Explorer(5).run(),
    lambda: FaultExplorer(3, WITHOUT_LINKS).run(),
    lambda: FaultExplorer(4).run(),
)
"""The tests above, the quick ones first."""


def test_every_kind_of_write_has_a_mutant() -> None:
    texts = " ".join(map(str, mutants()))
    kinds = {mutant.kind for mutant in mutants()}
    assert kinds == {"removed", "attempt", "overwrite"}
    for call in ("fs.create", "fs.flush(", "fs.flush_folder", "fs.rename", "fs.link", "fs.unlink"):
        assert call in texts
    assert len(mutants()) > 60


@pytest.mark.parametrize("mutant", mutants(), ids=str)
def test_with_any_one_write_left_out_the_suite_turns_red(mutant: Mutant) -> None:
    with planted(mutant):
        assert any(map(_turns_red, SUITE)), f"nobody notices: {mutant}"


def _turns_red(part: Callable[[], object]) -> bool:
    forget_recoveries()
    try:
        part()
    except Exception:  # an invariant, or it does not even work undisturbed
        return True
    return False


def test_a_mutant_leaves_no_trace() -> None:
    for mutant in mutants():
        with planted(mutant):
            pass
    Explorer(3).run()
