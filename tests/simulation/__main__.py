"""`python -m tests.simulation [--days N] [--seed S] [--workers W]`: many histories, one report.

Each worker plays histories of 20 days, each from its own seed, and lets each settle down.
Exit 1 with the seed and the broken invariant as soon as one does not hold.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter

from tests.simulation.children import Broken
from tests.simulation.world import World

DAYS_EACH = 20.0


def play(seed: int) -> tuple[int, Counter[str], str | None]:
    """One history: what it covered, and what broke."""
    world = World(seed)
    broken = None
    try:
        world.live(DAYS_EACH)
        world.settle_down()
    except Broken as error:
        broken = str(error)
    covered: Counter[str] = Counter(world.counts)
    covered["ticks enqueued"] = covered.pop("tick")
    covered["runs started"] = world.children.starts
    covered["runs failed"] = world.children.failures
    covered["ticks done"] = world.books.done
    covered["disk operations"] = world.disk.operations
    covered["disk faults"] = world.disk.faults
    covered["consumer deaths"] = world.deaths
    for stage in ("circuit_opened", "circuit_closed", "poison_tick", "recovered", "hold_set"):
        covered[stage] = world.books.stages.get(stage, 0)
    return seed, covered, broken


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--days", type=float, default=1000.0, help="simulated days in all")
    parser.add_argument("--seed", type=int, default=1, help="the first history's seed")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    seeds = range(options.seed, options.seed + max(1, round(options.days / DAYS_EACH)))
    total: Counter[str] = Counter()
    begun = time.monotonic()
    with multiprocessing.Pool(options.workers) as pool:
        for seed, covered, broken in pool.imap_unordered(play, seeds):
            total.update(covered)
            if broken:
                print(f"BROKEN in history {seed}: {broken}", file=sys.stderr)
                print(f"again: python -m tests.simulation --days {DAYS_EACH} --seed {seed}")
                return 1
    took = time.monotonic() - begun
    print(f"{len(seeds) * DAYS_EACH:.0f} simulated days in {took:.0f} s, seeds from {options.seed}")
    for name, count in sorted(total.items()):
        print(f"  {name:18} {count:12,}")
    print("no invariant broke, and every queue drained after the faults stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
