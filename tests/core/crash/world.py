"""A bus on a crash disk, the verbs that happen to it, and what each verb may change.

`Facts` is the model: for every tick where it is and what was acknowledged about it. A verb
names the facts before and after; a power cut in the middle may show either.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from maestro_core import files
from maestro_core.bus.directory import DirectoryEngine
from maestro_core.bus.producer import make_document, publish_tick
from maestro_core.clock import FakeClock, iso
from maestro_core.control import markers
from maestro_core.control.commands import Ack, Actor, Command
from maestro_core.control.mailbox import Mailbox, encode
from maestro_core.layout import Layout
from maestro_core.models import Claim, Failure, Tick

from .disk import USUAL, CrashDisk, Image, Machine

LAYOUT = Layout(Path("/agent"))
START = 1_800_000_000.0
TICKS = ("t1", "t2")
KEYED = "t2"
POISON = 2
"""So many consumers may die with a tick before it is a dead letter."""
GARBAGE = b'{"id": "bad"}'


@dataclass(frozen=True, order=True)
class Fact:
    """What is known of one tick."""

    where: str
    attempts: int = 0
    failures: int = 0
    recoveries: int = 0

    def recovered(self) -> Fact:
        """The same after its consumer died and the next one put the tick back."""
        if self.where != "claimed":
            return self
        if self.recoveries + 1 >= POISON:
            return replace(self, where="dlq", failures=self.failures + 1)
        return replace(self, where="inbox", recoveries=self.recoveries + 1)


_WHERE = {str(LAYOUT.inbox): "inbox", str(LAYOUT.claimed): "claimed", str(LAYOUT.dlq): "dlq",
          str(LAYOUT.trash): "trash"}  # fmt: skip
Facts = dict[str, Fact]
"""By tick id; "command" and "pause" are facts of their own kind."""


class Broken(AssertionError):
    """An invariant does not hold."""


_ABOVE = (LAYOUT.bus.parent, LAYOUT.bus, LAYOUT.tmp)
PLACES = frozenset(_WHERE.values())


def facts_on(image: Image) -> Facts:
    """What the files say. Broken for one id in two places (I3)."""
    found: Facts = {}
    for path, data in image:
        folder, _, name = path.rpartition("/")
        if folder in _WHERE and data != GARBAGE:
            tick_id = name.removesuffix(".json")
            if tick_id in found:
                raise Broken(f"I3: {tick_id} is in {found[tick_id].where} and {_WHERE[folder]}")
            document = json.loads(data)
            found[tick_id] = Fact(
                _WHERE[folder], document["attempts"], len(document.get("failures", ())),
                document.get("recoveries", 0),
            )  # fmt: skip
    return found


class Refusal(AssertionError):
    """An operator's act was not carried out, and the operator was told."""


class Killed(BaseException):
    """The process ends here; nobody handles it."""


class World:
    """One history, from an empty root on. `facts` is true whenever no verb is running."""

    def __init__(self, machine: Machine = USUAL) -> None:
        self.clock = FakeClock(START)
        self.facts: Facts = {}
        self.claims: dict[str, Claim] = {}
        self.disk = CrashDisk(self.clock, machine)
        self.disk.make_folder(LAYOUT.root)
        self.disk.settle()
        self._tokens = count()
        self._engine: DirectoryEngine | None = None

    @property
    def engine(self) -> DirectoryEngine:
        """The consumer that runs; it begins when it is first needed."""
        if self._engine is None:
            self._engine = open_engine(self.disk, self.clock, self._tokens)
        return self._engine

    def kill(self) -> None:
        """The consumer's memory is gone."""
        self._engine = None
        self.claims.clear()

    def do(self, verb: str) -> None:
        """Carry the verb out and note what is true from now on.

        `verb@n`: the process is killed after n operations of it, and a new one recovers.
        """
        verb, _, stop = verb.partition("@")
        if stop:
            self._do_in_part(verb, int(stop))
            return
        after = self.outcome(verb)
        assert after is not None
        VERBS[verb][1](self)
        self.facts = after

    def _do_in_part(self, verb: str, stop: int) -> None:
        watcher, end = self.disk.after, self.disk.operations + stop

        def stop_there() -> None:
            if watcher is not None:
                watcher()
            if self.disk.operations == end:
                raise Killed

        self.disk.after = stop_there
        with suppress(Killed):
            VERBS[verb][1](self)
        self.disk.after = watcher
        self.kill()
        settle_abandoned(self.engine)
        self.facts |= {tick_id: Fact("done") for tick_id in TICKS if tick_id in self.facts}
        self.facts |= facts_on(self.disk.live())
        if verb == "prune" and self.facts.get("command") == Fact("acked"):
            kept = self.disk.exists(LAYOUT.acks / "c1.json")
            self.facts["command"] = Fact("acked" if kept else "forgotten")

    def outcome(self, verb: str) -> Facts | None:
        """The facts after that verb; None when it is not possible now."""
        return VERBS[verb.partition("@")[0]][0](self)

    def key(self) -> tuple[object, ...]:
        """What two histories share when everything that follows is the same for both."""
        return (
            tuple(sorted(self.facts.items())), self.disk.live(), self.disk.unflushed(),
            tuple(sorted(self.claims)), self._engine and self._engine.claims.departures_flushed,
            self._engine and tuple(sorted(self._engine.inbox.waiting.keys)),
        )  # fmt: skip

    def having(self, where: str) -> str | None:
        """The first tick that is there."""
        return next((i for i, fact in sorted(self.facts.items()) if fact.where == where), None)

    def with_fact(self, tick_id: str, fact: Fact) -> Facts:
        return {**self.facts, tick_id: fact}


def open_engine(disk: files.FileSystem, clock: FakeClock, tokens: count[int]) -> DirectoryEngine:
    return DirectoryEngine(LAYOUT, clock=clock, fs=disk, owner="o", token=lambda: str(next(tokens)))


def settle_abandoned(engine: DirectoryEngine) -> list[Claim]:
    """What a consumer does at its start with what another left."""
    found = engine.abandoned()
    for claim in found:
        if claim.tick.recoveries + 1 >= POISON:
            engine.dead_letter(claim, failure(claim.tick.attempts))
        else:
            engine.recovered(claim)
    engine.refresh()
    return found


def failure(attempt: int) -> Failure:
    return Failure(iso(START), attempt, 1, "exit 1: no")


# ---- what each verb changes, and how it is done --------------------------------------------


def _moved(where: str, to: str, change: Callable[[Fact], Fact]) -> Callable[[World], Facts | None]:
    def outcome(world: World) -> Facts | None:
        tick_id = world.having(where)
        if tick_id is None:
            return None
        return world.with_fact(tick_id, replace(change(world.facts[tick_id]), where=to))

    return outcome


def _more(**by: int) -> Callable[[Fact], Fact]:
    return lambda fact: replace(fact, **{k: getattr(fact, k) + n for k, n in by.items()})


def _enqueued(world: World) -> Facts | None:
    tick_id = next((one for one in TICKS if one not in world.facts), None)
    return None if tick_id is None else world.with_fact(tick_id, Fact("inbox"))


def _enqueue(world: World) -> None:
    tick_id = next(one for one in TICKS if one not in world.facts)
    if tick_id == KEYED:
        tick = Tick(id=tick_id, cadence="memo", dedupe_key="k")
        assert world.engine.enqueue(tick).id == tick_id
    else:  # another program, before the first consumer ever ran
        document = make_document("memo", source="sh", now_wall=START, tick_id=tick_id)
        assert publish_tick(LAYOUT, document, world.disk) == (tick_id, True)


def _claim(world: World) -> None:
    expected = world.having("inbox")
    world.engine.refresh()
    claim = world.engine.claim(held=lambda _: False)
    assert claim is not None, "nothing to claim"
    assert claim.tick.id == expected, "claimed out of order"
    assert claim.tick.attempts == world.facts[claim.tick.id].attempts + 1
    world.claims[claim.tick.id] = claim


def _settle(verb: str, *, failing: bool = False) -> Callable[[World], None]:
    def act(world: World) -> None:
        claim = world.claims.pop(world.having("claimed") or "")
        what = (failure(claim.tick.attempts),) if failing else ()
        getattr(world.engine, verb)(claim, *what)

    return act


def _restarted(world: World) -> Facts | None:
    return {tick_id: fact.recovered() for tick_id, fact in world.facts.items()}


def _restart(world: World) -> None:
    world.kill()
    settle_abandoned(world.engine)


def _dead_verb(verb: str, where: str) -> Callable[[World], None]:
    def act(world: World) -> None:
        [result] = getattr(world.engine, verb)([world.having(where)])
        if not result.ok:
            raise Refusal(result.detail)

    return act


def _pruned(world: World) -> Facts | None:
    if world.having("trash") is None and world.facts.get("command") != Fact("acked"):
        return None
    past = {"trash": Fact("done"), "acked": Fact("forgotten")}
    return {name: past.get(fact.where, fact) for name, fact in world.facts.items()}


def _dropped(world: World) -> Facts | None:
    if "garbage" in world.facts or TICKS[0] not in world.facts:
        return None
    return world.with_fact("garbage", Fact("aside"))


def _drop(world: World) -> None:
    world.disk.put(LAYOUT.inbox / "bad.json", GARBAGE)
    look(world)


def look(world: World) -> None:
    """The consumer takes in what is new, and sets aside what is no tick."""
    world.engine.refresh()
    if not world.engine.rejected():
        raise Refusal("it has to wait for the disk")


def _commanded(world: World) -> Facts | None:
    return None if "command" in world.facts else world.with_fact("command", Fact("asked"))


def _command(world: World) -> None:
    actor = Actor("op", "cli")
    command = Command(id="c1", verb="lift_hold", targets=("*",), at=iso(START), actor=actor)
    path = LAYOUT.control / "c1.json"
    files.ensure_folders(world.disk, (*_ABOVE, LAYOUT.control))
    files.publish(world.disk, LAYOUT.tmp, path, encode(command))


def _acked(world: World) -> Facts | None:
    asked = world.facts.get("command") == Fact("asked")
    return world.with_fact("command", Fact("acked")) if asked else None


def _ack(world: World) -> None:
    mailbox = Mailbox(LAYOUT, world.disk, world.clock)
    [command] = mailbox.pending()
    mailbox.acknowledge(Ack(id=command.id, ok=True, at=iso(START), by_pid=1, outcomes=()))


def _paused(world: World) -> Facts | None:
    on = world.facts.get("pause") == Fact("paused")
    return world.with_fact("pause", Fact("resumed" if on else "paused"))


def _pause(world: World) -> None:
    if world.facts.get("pause") == Fact("paused"):
        markers.resume(LAYOUT, world.disk, "other")
    else:
        markers.pause(LAYOUT, world.disk, "other", {"by": "op"})


VERBS: dict[str, tuple[Callable[[World], Facts | None], Callable[[World], None]]] = {
    "enqueue": (_enqueued, _enqueue),
    "claim": (_moved("inbox", "claimed", _more(attempts=1)), _claim),
    "complete": (_moved("claimed", "done", lambda _: Fact("done")), _settle("complete")),
    "retry": (
        _moved("claimed", "inbox", _more(failures=1)), _settle("retry", failing=True),
    ),
    "dead_letter": (
        _moved("claimed", "dlq", _more(failures=1)), _settle("dead_letter", failing=True),
    ),
    "put_back": (_moved("claimed", "inbox", _more(attempts=-1)), _settle("put_back")),
    "restart": (_restarted, _restart),
    "retry_dead": (
        _moved("dlq", "inbox", lambda f: Fact("dlq", 0, f.failures, 0)),
        _dead_verb("retry_dead", "dlq"),
    ),
    "discard": (_moved("dlq", "trash", _more()), _dead_verb("discard_dead", "dlq")),
    "restore": (_moved("trash", "dlq", _more()), _dead_verb("restore_dead", "trash")),
    "prune": (_pruned, lambda world: world.engine.housekeep(START + 1) and None),
    "garbage": (_dropped, _drop),
    "command": (_commanded, _command),
    "ack": (_acked, _ack),
    "pause": (_paused, _pause),
}  # fmt: skip
