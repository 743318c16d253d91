"""Scenes: faults that need a process of their own. `python -m tests.catalogue.scenes NAME ROOT`
prints what was seen as one JSON document on its last line.
"""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from maestro_core.bus.producer import make_document, publish_tick
from maestro_core.bus.watch import WatchFeed
from maestro_core.clock import FakeClock
from maestro_core.consumer.driver import Driver
from maestro_core.consumer.ownership import Ownership, is_locked
from maestro_core.errors import BusError, Busy
from maestro_core.files import OsFiles
from maestro_core.layout import Layout
from maestro_core.models import Tick
from maestro_core.session import processes
from tests.catalogue.kit import FAILURE, PRIMITIVES, claim_any, engine_on, names, program
from tests.core.consumer_kit import OK, Kit, always
from tests.support import read_json, wait_until, write_json, write_tick

SCENES: dict[str, Callable[[Layout], Any]] = {}


def scene(play: Callable[[Layout], Any]) -> Callable[[Layout], Any]:
    SCENES[play.__name__] = play
    return play


@scene
def unreadable(layout: Layout) -> Any:
    """A file of mode 000 beside a good one."""
    clock = FakeClock(time.time())
    write_tick(layout.inbox, "mine", "memo").chmod(0)
    write_tick(layout.inbox, "good", "memo")
    engine = engine_on(layout, clock=clock)
    claim = claim_any(engine)
    first = {"inbox": names(layout.inbox), "claimed": claim and claim.tick.id}
    clock.advance(10)
    assert claim_any(engine) is None
    return {
        "at once": first,
        "later": {"inbox": names(layout.inbox), "quarantine": names(layout.quarantine)},
        "reason": read_json(layout.quarantine / "mine.json.reason.json")["reason"],
    }


# ---- a machine without room ----------------------------------------------------------------


def mount(folder: Path, options: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)


def fill(root: Path, leave: int = 0) -> Path:
    """A file that leaves so many bytes free."""
    path, block = root / "filler", b"\0" * 4096
    with path.open("ab", buffering=0) as file:
        try:
            while OsFiles().room(root)[0] > leave:
                file.write(block)
        except OSError as error:
            assert error.errno == errno.ENOSPC
    return path


def use_inodes(root: Path, leave: int) -> Path:
    """A folder of empty files that leaves so many inodes free."""
    folder = root / "many"
    folder.mkdir()
    for number in range(OsFiles().room(root)[1] - leave):
        (folder / str(number)).touch()
    return folder


def said(act: Callable[[], object]) -> str:
    """What an act that must fail says; empty when it did not."""
    try:
        act()
    except BusError as error:
        return str(error)
    return ""


def where(layout: Layout, tick_id: str) -> list[str]:
    folders = (layout.inbox, layout.claimed, layout.dlq)
    return [one.name for one in folders if (one / f"{tick_id}.json").exists()]


def publish(layout: Layout, tick_id: str) -> None:
    publish_tick(layout, make_document("memo", source="t", now_wall=1.8e9, tick_id=tick_id))


@scene
def full_disk(layout: Layout) -> Any:
    """Bytes run out, then inodes; what was accepted stays, what runs may end."""
    mount(layout.root, "size=10m,nr_inodes=300")
    engine = engine_on(layout, OsFiles())
    ids = ("done", "dead", "stuck", "late")
    for tick_id in ids:
        publish(layout, tick_id)
    claims = {claim.tick.id: claim for _ in ids[:3] if (claim := claim_any(engine))}
    seen: dict[str, Any] = {"claimed": sorted(claims)}
    first, second, third = sorted(claims)
    late = next(one for one in ids if one not in claims)

    filler = fill(layout.root, leave=3 << 20)
    seen["nearly full"] = said(lambda: publish(layout, "more"))
    engine.complete(claims[first])
    engine.dead_letter(claims[second], FAILURE)
    fill(layout.root)
    seen["full: claim"] = said(lambda: claim_any(engine))
    seen["full: settle"] = said(lambda: engine.dead_letter(claims[third], FAILURE))
    seen["full: places"] = [where(layout, one) for one in (first, second, third, late)]
    filler.unlink()
    engine.dead_letter(claims[third], FAILURE)
    seen["room: places"] = [where(layout, one) for one in (first, second, third, late)]

    many = use_inodes(layout.root, leave=30)
    seen["few inodes"] = said(lambda: publish(layout, "more"))
    (last,) = [claim_any(engine)]
    assert last is not None
    for number in range(OsFiles().room(layout.root)[1]):
        (layout.root / f"last-{number}").touch()
    seen["no inodes: settle"] = said(lambda: engine.retry(last, FAILURE))
    seen["no inodes: place"] = where(layout, late)
    shutil.rmtree(many)
    engine.retry(last, FAILURE)
    seen["inodes: place"] = where(layout, late)
    seen["tmp"] = names(layout.tmp)
    return seen


def through_trouble(
    layout: Layout, spoil: Callable[[], object], mend: Callable[[], object]
) -> dict[str, Any]:
    """A consumer on real files and a fake clock, before, during and after a trouble."""
    kit = Kit(layout.root, always(OK), fs=OsFiles())
    kit.start()
    kit.drop("memo")
    kit.drop("memo", 2, payload="x" * 9000)  # more than the end of the first one gives back
    kit.run_for(0.5)
    passes = 0
    step = kit.consumer.step

    def counted() -> float:
        nonlocal passes
        passes += 1
        return step()

    kit.consumer.step = counted  # type: ignore[method-assign]
    spoil()
    kit.run_for(120)
    during = {"trouble": kit.consumer.trouble, "passes": passes}
    mend()
    kit.run_for(120)
    left = {one: kit.names(one) for one in ("inbox", "claimed", "dlq", "quarantine")}
    told = {"beat": kit.beat()["trouble"], "told": kit.stages().count("trouble")}
    return {**during, **told, "left": left, "runs": len(kit.launcher.starts)}


@scene
def consumer_on_a_full_disk(layout: Layout) -> Any:
    mount(layout.root, "size=12m")
    return through_trouble(
        layout, lambda: fill(layout.root), lambda: (layout.root / "filler").unlink()
    )


@scene
def consumer_on_a_read_only_disk(layout: Layout) -> Any:
    mount(layout.root, "size=12m")
    prompt = layout.prompt("memo")
    prompt.parent.mkdir(parents=True)
    prompt.write_text("Do memo.\n")
    refused: list[str] = []

    def spoil() -> None:
        subprocess.run(["mount", "-o", "remount,ro", layout.root], check=True)
        done = program(layout, "enqueue", "memo")
        refused.extend((str(done.returncode), done.stdout, done.stderr))

    def mend() -> None:
        subprocess.run(["mount", "-o", "remount,rw", layout.root], check=True)

    return {**through_trouble(layout, spoil, mend), "enqueue": refused}


@scene
def consumer_without_permission(layout: Layout) -> Any:
    """Somebody took the right to write to the bus away."""
    refused: list[str] = []

    def spoil() -> None:
        for folder in (layout.inbox, layout.claimed, layout.tmp, layout.bus):
            folder.chmod(0o500)
        done = program(layout, "enqueue", "memo")
        refused.extend((str(done.returncode), done.stdout, done.stderr))

    def mend() -> None:
        for folder in (layout.inbox, layout.claimed, layout.tmp, layout.bus):
            folder.chmod(0o700)

    return {**through_trouble(layout, spoil, mend), "enqueue": refused}


@scene
def consumer_without_descriptors(layout: Layout) -> Any:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def limit(count: int) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))

    def spoil() -> None:
        lowest_free = os.dup(0)
        os.close(lowest_free)
        limit(lowest_free)

    return through_trouble(layout, spoil, lambda: limit(256))


@scene
def two_file_systems(layout: Layout) -> Any:
    """One folder after the other on another file system than the bus."""
    seen = {}
    for folder in (layout.tmp, layout.inbox, layout.claimed):
        mount(folder, "size=8m")
        ran = program(layout, "run", "--until-idle")
        asked = program(layout, "enqueue", "memo")
        seen[folder.name] = [
            ran.returncode, ran.stderr.replace(str(layout.root), ""), asked.returncode,
            asked.stderr, len(names(layout.inbox)), names(layout.tmp),
        ]  # fmt: skip
        subprocess.run(["umount", folder], check=True)
        for left in layout.inbox.iterdir():
            left.unlink()
    return seen


@scene
def no_watches(layout: Layout) -> Any:
    """The system gives no inotify instance; nobody looks without a hint for a minute."""
    Path("/proc/sys/user/max_inotify_instances").write_text("0")
    write_json(layout.gates, {})
    layout.cadences_toml.parent.mkdir()
    layout.cadences_toml.write_text(
        '[consumer]\npoll_seconds = 60\n[cadence.beat]\nmode = "inline"\nhandler = "heartbeat"\n'
    )
    feed = WatchFeed(layout)
    driver = Driver(layout, mode="daemon", feed=feed)
    thread = threading.Thread(target=driver.run)
    thread.start()
    try:
        wait_until(lambda: feed.degraded, what="the feed to say that it polls")
        wait_until(layout.consumer_json.exists)
        write_tick(layout.inbox, "t1", "beat")
        wait_until(lambda: read_json(layout.consumer_json)["stats"]["inline"], what="the tick")
    finally:
        driver.stop()
        thread.join(20)
    return {"degraded": feed.degraded, "inbox": names(layout.inbox)}


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


@scene
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
    gate, answers = multiprocessing.Barrier(count), multiprocessing.SimpleQueue()

    def child() -> None:
        gate.wait()
        answers.put(act())
        gate.wait()  # whoever holds something keeps it until all have tried

    children = [multiprocessing.Process(target=child) for _ in range(count)]
    for one in children:
        one.start()
    found = [answers.get() for _ in children]
    for one in children:
        one.join()
    return found


@scene
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


@scene
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


@scene
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


if __name__ == "__main__":
    print(json.dumps(SCENES[sys.argv[1]](Layout(Path(sys.argv[2])))))
