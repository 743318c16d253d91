"""Scenes of a machine without room, rights, descriptors or watches; see `scenes`."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from maestro_core.bus.producer import make_document, publish_tick
from maestro_core.bus.watch import WatchFeed
from maestro_core.clock import FakeClock
from maestro_core.consumer.driver import Driver
from maestro_core.errors import BusError
from maestro_core.files import OsFiles
from maestro_core.layout import Layout
from tests.catalogue.kit import FAILURE, claim_any, engine_on, names, program, where
from tests.core.consumer_kit import OK, Kit, always
from tests.support import read_json, wait_until, write_json, write_tick


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


def publish(layout: Layout, tick_id: str) -> None:
    publish_tick(layout, make_document("memo", source="t", now_wall=1.8e9, tick_id=tick_id))


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


def consumer_on_a_full_disk(layout: Layout) -> Any:
    mount(layout.root, "size=12m")
    return through_trouble(
        layout, lambda: fill(layout.root), lambda: (layout.root / "filler").unlink()
    )


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


def consumer_without_descriptors(layout: Layout) -> Any:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def limit(count: int) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))

    def spoil() -> None:
        lowest_free = os.dup(0)
        os.close(lowest_free)
        limit(lowest_free)

    return through_trouble(layout, spoil, lambda: limit(256))


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
