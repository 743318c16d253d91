"""What must hold after a stop of the machine and a new start: invariants I1 to I7.

I1  an acknowledged tick is in exactly one place until it is completed or discarded
I2  no file outside tmp/ is torn
I3  one id, one place
I4  what was completed never comes back
I5  attempts, failures and recoveries never fall behind what was acknowledged
I6  once the faults stop, the queue drains
I7  recovering twice is recovering once
I8  a live tick's dedupe key lets no second one in
I9  bytes that are no tick are kept, and end in quarantine with a reason
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import count

from maestro_core.bus.directory import DirectoryEngine
from maestro_core.bus.producer import live_holder
from maestro_core.clock import FakeClock
from maestro_core.control.mailbox import Mailbox

from .disk import CrashDisk, Image, Machine
from .world import (
    GARBAGE,
    KEYED,
    LAYOUT,
    START,
    TICKS,
    Broken,
    Fact,
    Facts,
    facts_on,
    open_engine,
    settle_abandoned,
)

FOLDERS = tuple(map(str, (LAYOUT.root, LAYOUT.bus.parent, *LAYOUT.folders())))


def check(image: Image, before: Facts, after: Facts, machine: Machine) -> None:
    """Start anew from this platter. `before` and `after` differ where a verb was under way."""
    _check_whole(image)
    recovery = recovery_of(image, machine)
    for tick_id in TICKS:
        allowed = {facts.get(tick_id, Fact("done")).recovered() for facts in (before, after)}
        found = recovery.facts.get(tick_id, Fact("done"))
        if found.where == "done":
            allowed = {Fact("done") if one.where == "done" else one for one in allowed}
        if found not in allowed:
            raise Broken(f"I1/I4/I5: {tick_id} is {found}, allowed {allowed}")
    if recovery.fault:
        raise Broken(recovery.fault)
    _check_key(image, before, after)
    _check_garbage(dict(image), before, after)
    _check_markers(image, before, after)


def _check_key(image: Image, before: Facts, after: Facts) -> None:
    """I8: the key of a tick that is acknowledged as live lets no second one in."""
    live = {facts.get(KEYED, Fact("done")).where for facts in (before, after)}
    dead = any(path == f"{LAYOUT.dlq}/{KEYED}.json" for path, _ in image)
    if live <= {"inbox", "claimed"} and not dead:  # it may die in the recovery: of poison
        disk = CrashDisk.of(image, FOLDERS, FakeClock(START))
        if live_holder(LAYOUT, "k", disk) != KEYED:
            raise Broken("I8: the dedupe key of a live tick is forgotten")


def _check_garbage(image: dict[str, bytes], before: Facts, after: Facts) -> None:
    """I9: what is no tick is kept as it came, and ends in quarantine with its reason."""
    known = {facts.get("garbage", Fact("none")).where for facts in (before, after)}
    spot = f"{LAYOUT.quarantine}/bad.json"
    found = [path for path, data in image.items() if data == GARBAGE]
    if "aside" in known and not found:
        raise Broken("I9: bytes that are no tick are lost")
    if known == {"aside"} and (found != [spot] or f"{spot}.reason.json" not in image):
        raise Broken(f"I9: bytes that are no tick are at {found}, not in quarantine with a reason")


def _check_whole(image: Image) -> None:
    for path, data in image:
        if not path.endswith(".lock"):
            try:
                json.loads(data)
            except ValueError:
                raise Broken(f"I2: {path} is torn: {data[:30]!r}") from None


@dataclass
class Recovery:
    """What a start makes of a platter."""

    facts: Facts
    fault: str = ""
    """I6 or I7 broken, and how."""
    stops: set[Image] = field(default_factory=set)
    """What a power cut in the middle of the recovery may leave."""


_recoveries: dict[tuple[Machine, Image], Recovery] = {}


def recovery_of(image: Image, machine: Machine) -> Recovery:
    """Recovery is the same for the same platter: tried once for each."""
    key = (machine, image)
    if key not in _recoveries:
        _recoveries[key] = _recover(image, machine)
    return _recoveries[key]


def forget_recoveries() -> None:
    """The code under test is another now."""
    _recoveries.clear()


def _recover(image: Image, machine: Machine) -> Recovery:
    clock, tokens = FakeClock(START), count(1000)
    disk = CrashDisk.of(image, FOLDERS, clock, machine)
    engine = open_engine(disk, clock, tokens)
    stops: set[Image] = set()
    disk.after = lambda: stops.update(disk.images())
    settle_abandoned(engine)
    disk.after = None
    once = disk.live()
    recovery = Recovery(facts_on(once), stops=stops - {image})
    if settle_abandoned(open_engine(disk, clock, tokens)) or disk.live() != once:
        recovery.fault = "I7: a second recovery found more to do"
    else:
        recovery.fault = _drain(engine, disk, recovery.facts)
    return recovery


def _drain(engine: DirectoryEngine, disk: CrashDisk, facts: Facts) -> str:
    waiting = [tick_id for tick_id, fact in facts.items() if fact.where == "inbox"]
    for _ in waiting:
        claim = engine.claim(held=lambda _: False)
        if claim is None:
            return f"I6: {waiting} do not drain"
        engine.complete(claim)
    left = engine.counts()
    if left["inbox"] or left["claimed"]:
        return "I6: something is left over"
    for image in disk.images():
        if back := facts_on(image).keys() & set(waiting):
            return f"I4: {back} were completed after the recovery and came back"
    return ""


def _check_markers(image: Image, before: Facts, after: Facts) -> None:
    paths = {path for path, _ in image}
    paused = Fact("paused") if f"{LAYOUT.paused}/other.json" in paths else Fact("resumed")
    known = {facts.get("pause", Fact("resumed")) for facts in (before, after)}
    if paused not in known:
        raise Broken(f"an acknowledged pause or resume was forgotten: {paused}")
    words = {facts.get("command", Fact("none")).where for facts in (before, after)}
    acked = f"{LAYOUT.acks}/c1.json" in paths
    disk = CrashDisk.of(image, FOLDERS, FakeClock(START))
    pending = bool(Mailbox(LAYOUT, disk, FakeClock(START)).pending())
    if acked and not words & {"acked", "forgotten"}:
        raise Broken("an answer without a command")
    if not acked and words == {"acked"}:
        raise Broken("an acknowledged answer was forgotten")
    if pending and not words & {"asked"}:
        raise Broken("a command would be carried out a second time")
    if not pending and not acked and words == {"asked"}:
        raise Broken("an accepted command was forgotten")
