"""Scenes of processes: killed before every call, racing, with a pid that is used again; see
`scenes`.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from maestro_core.consumer.ownership import Ownership, is_locked
from maestro_core.errors import Busy
from maestro_core.files import OsFiles
from maestro_core.layout import Layout
from maestro_core.models import Tick
from maestro_core.session import processes
from tests.catalogue.kit import FAILURE, PRIMITIVES, claim_any, engine_on, names, where
from tests.support import wait_until, write_tick

# ---- killed before the k-th call -----------------------------------------------------------


class Deadly(OsFiles):
    """Real files; the process is killed before its k-th call of the file layer."""

    left = 0


def _counted(name: str) -> Callable[..., Any]:
    act = getattr(OsFiles, name)

    def call(self: Deadly, path: Any, *rest: Any) -> Any:
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)
        return act(self, path, *rest)

    return call


for _name in PRIMITIVES:
    setattr(Deadly, _name, _counted(_name))


def life_of_a_tick(layout: Layout, fs: OsFiles) -> None:
    """Enqueued, tried twice, dead, brought back, done."""
    engine = engine_on(layout, fs)
    engine.enqueue(Tick(id="t1", cadence="memo", dedupe_key="k"))
    (layout.root / "acknowledged").touch()
    for verb, *what in (("retry", FAILURE), ("dead_letter", FAILURE), ("complete",)):
        claim = claim_any(engine)
        assert claim is not None
        if verb == "complete":
            (layout.root / "ending").touch()
        getattr(engine, verb)(claim, *what)
        if verb == "dead_letter":
            assert engine.retry_dead(["t1"])[0].ok


def killed_before(layout: Layout, call: int) -> bool:
    """Whether a life was cut short before that call of the file layer."""
    child = os.fork()
    if not child:
        fs = Deadly()
        fs.left = call
        life_of_a_tick(layout, fs)
        os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


def judged(layout: Layout) -> str:
    """What is wrong after a restart; empty for nothing."""
    engine = engine_on(layout)
    for claim in engine.abandoned():
        engine.recovered(claim)
    if engine_on(layout).abandoned():
        return "a second recovery found more"
    places = where(layout, "t1")
    accepted, ending = ((layout.root / one).exists() for one in ("acknowledged", "ending"))
    if len(places) > 1 or (accepted and not ending and not places):
        return f"in {places}"
    if places == ["dlq"]:
        engine.retry_dead(["t1"])
    while claim := claim_any(engine):
        engine.complete(claim)
    left = [one.name for one in (layout.inbox, layout.claimed, layout.dlq) if names(one)]
    if left or names(layout.quarantine):
        return f"left in {left}, quarantine {names(layout.quarantine)}"
    again = engine.enqueue(Tick(id="t2", cadence="memo", dedupe_key="k"))
    return "" if again.fresh else "its key is still taken"


def killed_at_every_call(layout: Layout) -> Any:
    broken, call = {}, 0
    while True:
        call += 1
        root = Layout(layout.root / str(call))
        root.root.mkdir()
        if not killed_before(root, call):
            return {"calls": call - 1, "broken": broken}
        if wrong := judged(root):
            broken[call] = wrong


# ---- races ---------------------------------------------------------------------------------


def in_children(count: int, act: Callable[[], Any]) -> list[Any]:
    """What `act` returns in each of so many processes that begin together."""
    fork = multiprocessing.get_context("fork")  # not everybody's default, and `act` is a closure
    gate, answers = fork.Barrier(count), fork.SimpleQueue()

    def child() -> None:
        gate.wait()
        answers.put(act())
        gate.wait()  # whoever holds something keeps it until all have tried

    children = [fork.Process(target=child) for _ in range(count)]
    for one in children:
        one.start()
    found = [answers.get() for _ in children]
    for one in children:
        one.join()
    return found


def race_for_the_lock(layout: Layout) -> Any:
    held: list[Ownership] = []

    def try_it() -> bool:
        try:
            held.append(Ownership.acquire(layout, what="racer"))
        except Busy:
            return False
        return True

    winners = []
    for number in range(20):
        if number % 2:
            layout.consumer_lock.unlink()
        winners.append(sum(in_children(4, try_it)))
    return {"winners": winners}


def race_for_ticks(layout: Layout) -> Any:
    for number in range(120):
        write_tick(layout.inbox, f"t{number}", "memo")

    def work() -> list[str]:
        engine, mine = engine_on(layout), []
        while claim := claim_any(engine):
            mine.append(claim.tick.id)
            engine.complete(claim)
        return mine

    claimed = [tick_id for mine in in_children(3, work) for tick_id in mine]
    failed = len(names(layout.inbox)) + len(names(layout.claimed)) + len(names(layout.quarantine))
    return {"claimed": claimed, "failed": failed}


# ---- pids ----------------------------------------------------------------------------------


def start_as(pid: int) -> subprocess.Popen[bytes] | None:
    """A sleeper with exactly that pid, in a pid namespace of our own; None if it cannot be."""
    for _ in range(20):
        try:
            Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
        except OSError:
            return None
        sleeper = subprocess.Popen(["sleep", "600"])
        if sleeper.pid == pid:
            return sleeper
        sleeper.kill()
        sleeper.wait()
    return None


def token_of_a_new_one() -> str | None:
    """Without the pid, a token tells when a process was started."""
    with subprocess.Popen(["sleep", "600"]) as probe:
        token = processes.start_token(probe.pid)
        probe.kill()
    return token


def used_again(layout: Layout) -> Any:
    """The pid of a consumer and its run is a stranger's by now."""
    dead = subprocess.Popen(["sleep", "600"])
    token = processes.start_token(dead.pid)
    dead.kill()
    dead.wait()
    wait_until(lambda: token_of_a_new_one() != token, what="the next tick of the kernel's clock")
    stranger = start_as(dead.pid)
    if stranger is None:
        return {"same pid": None}
    try:
        return {
            "same pid": stranger.pid == dead.pid,
            "signalled": processes.send(dead.pid, token, signal.SIGKILL),
            "lives": stranger.poll() is None,
            "locked": is_locked(layout),
        }
    finally:
        stranger.kill()
        stranger.wait()
