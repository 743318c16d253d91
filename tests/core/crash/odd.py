"""Histories with somebody else in them: another program that uses an id again, edits a waiting
tick, leaves rubbish. Each must lose nothing, whatever it is stopped at."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import msgspec

from maestro_core.clock import iso
from maestro_core.control.commands import Ack
from maestro_core.control.mailbox import Mailbox, encode
from maestro_core.errors import BusError
from maestro_core.models import Tick

from .check import FOLDERS, recovery_of
from .disk import USUAL, CrashDisk, Image, Machine
from .world import (
    GARBAGE,
    LAYOUT,
    START,
    Broken,
    Fact,
    World,
    facts_on,
    failure,
    open_engine,
    settle_abandoned,
)

Act = Callable[[World], object]


def _document(tick_id: str, **fields: object) -> bytes:
    return msgspec.json.encode({"id": tick_id, "cadence": "memo", "source": "other"} | fields)


def _world(machine: Machine, *verbs: str) -> World:
    world = World(machine)
    for verb in verbs:
        world.do(verb)
    return world


def _stopped_anywhere(world: World, act: Act, sure: Callable[[set[bytes], str], None]) -> None:
    """Carry `act` out; at every operation `sure` sees the contents of every legal platter."""

    def look() -> None:
        for image in world.disk.images():
            sure({data for _, data in image}, "a power cut")

    world.disk.after = look
    act(world)
    world.disk.after = None
    look()


def an_id_used_again_while_its_tick_is_claimed(machine: Machine) -> None:
    """Both ticks live on: ours goes back to the inbox, the other one to quarantine."""
    world = _world(machine, "enqueue", "claim")
    other = _document("t1", enqueued_at="2026-01-01T00:00:00Z", payload="the other")
    world.disk.put(LAYOUT.inbox / "t1.json", other)

    def sure(contents: set[bytes], when: str) -> None:
        if other not in contents or not any(b'"attempts": 1' in data for data in contents):
            raise Broken(f"{when} lost one of two ticks with one id")

    world.engine.refresh()
    assert world.engine.claim(held=lambda _: False) is None, "claimed beside its namesake"
    claim = world.claims["t1"]
    _stopped_anywhere(world, lambda w: w.engine.retry(claim, failure(1)), sure)
    assert world.disk.read(LAYOUT.quarantine / "t1.json", 999) == other
    assert world.disk.exists(LAYOUT.quarantine / "t1.json.reason.json")
    again = world.engine.claim(held=lambda _: False)
    assert again is not None
    assert (again.tick.attempts, len(again.tick.failures)) == (2, 1)


def an_id_used_again_while_its_claim_is_abandoned(machine: Machine) -> None:
    """The start takes them for two ticks, as they are."""
    world = _world(machine, "enqueue", "claim")
    other = _document("t1", enqueued_at="2026-01-01T00:00:00Z", payload="the other")
    world.disk.put(LAYOUT.inbox / "t1.json", other)
    world.kill()
    settle_abandoned(world.engine)
    assert world.disk.read(LAYOUT.quarantine / "t1.json", 999) == other
    assert world.engine.find("t1").tick.recoveries == 1  # type: ignore[union-attr]


def a_tick_that_turns_to_rubbish_before_it_is_claimed(machine: Machine) -> None:
    """It is set aside with its reason, and the next tick is claimed."""
    world = _world(machine, "enqueue", "enqueue")
    world.engine.refresh()
    world.engine.waiting()
    world.disk.put(LAYOUT.inbox / "t1.json", GARBAGE)

    def sure(contents: set[bytes], when: str) -> None:
        if GARBAGE not in contents:
            raise Broken(f"{when} lost bytes that are no tick")

    found = []
    _stopped_anywhere(world, lambda w: found.append(w.engine.claim(held=lambda _: False)), sure)
    assert found[0] is not None, "rubbish kept others from being claimed"
    assert found[0].tick.id == "t2"
    assert world.engine.rejected() == [("t1.json", "the field cadence is missing")]
    assert world.disk.read(LAYOUT.quarantine / "t1.json", 999) == GARBAGE
    assert world.disk.exists(LAYOUT.quarantine / "t1.json.reason.json")
    assert not world.disk.exists(LAYOUT.claimed / "t1.json")
    assert not world.disk.exists(LAYOUT.inbox / "t1.json")


def a_tick_whose_cadence_changes_while_it_waits(machine: Machine) -> None:
    """A held cadence's tick is not claimed because the index was out of date."""
    world = _world(machine, "enqueue")
    world.engine.refresh()
    world.engine.waiting()
    edited = _document("t1", cadence="held", attempts=1, enqueued_at="2026-01-01T00:00:00Z")
    world.disk.put(LAYOUT.inbox / "t1.json", edited)
    assert world.engine.claim(held=lambda cadence: cadence == "held") is None
    assert world.engine.waiting() == {"held": 1}
    assert not world.disk.exists(LAYOUT.claimed / "t1.json")
    claim = world.engine.claim(held=lambda _: False)
    assert claim is not None
    assert claim.tick.attempts == 2


def rubbish_among_the_claims(machine: Machine) -> None:
    """It is set aside at the start, whatever it is called."""
    world = _world(machine, "enqueue", "claim")
    world.disk.put(LAYOUT.claimed / "odd.json", GARBAGE)
    world.disk.put(LAYOUT.claimed / "no name", b"{}")
    world.kill()
    settle_abandoned(world.engine)
    assert world.disk.names(LAYOUT.claimed) == []
    for name in ("odd.json", "no name"):
        assert world.disk.exists(LAYOUT.quarantine / name)
        assert world.disk.exists(LAYOUT.quarantine / f"{name}.reason.json")


def a_key_that_comes_back_with_its_dead_letter(machine: Machine) -> None:
    """Its key holds again, though another tick has had it meanwhile."""
    world = _world(machine, "restart")
    engine = world.engine
    engine.enqueue(Tick(id="a", cadence="memo", dedupe_key="k"))
    engine.dead_letter(engine.claim(held=lambda _: False), failure(1))  # type: ignore[arg-type]
    engine.enqueue(Tick(id="b", cadence="memo", dedupe_key="k"))
    assert not engine.retry_dead(["a"])[0].ok, "two live ticks with one key"
    engine.complete(engine.claim(held=lambda _: False))  # type: ignore[arg-type]
    assert engine.retry_dead(["a"])[0].ok
    receipt = engine.enqueue(Tick(id="c", cadence="memo", dedupe_key="k"))
    assert (receipt.id, receipt.fresh) == ("a", False)


def an_enqueue_with_an_id_that_is_taken(machine: Machine) -> None:
    """Refused, and what was there stays as it was."""
    world = _world(machine, "restart")
    world.engine.enqueue(Tick(id="t1", cadence="memo", payload="first"))
    before = world.disk.live()
    try:
        world.engine.enqueue(Tick(id="t1", cadence="memo", payload="second"))
    except FileExistsError:
        pass
    else:
        raise Broken("an id was taken twice")
    assert world.disk.live() == before


def a_claim_that_another_consumer_makes_first(machine: Machine) -> None:
    """Two engines over one bus: one of them gets the tick, and later settles are told apart."""
    world = _world(machine, "enqueue")
    first = world.engine
    first.refresh()
    first.waiting()
    world.kill()
    second = world.engine
    second.refresh()
    claim = second.claim(held=lambda _: False)
    assert claim is not None
    assert first.claim(held=lambda _: False) is None, "claimed twice"
    second.complete(claim)
    assert first.claim(held=lambda _: False) is None, "claimed after it was completed"
    assert recovery_of(world.disk.live(), machine).facts.get("t1", Fact("done")) == Fact("done")


def a_retry_of_a_dead_letter_that_the_disk_refused(machine: Machine) -> None:
    """What the operator was told has failed is not run behind their back, and can be repeated."""
    for operation in range(1, 12):
        for for_good, looks in ((False, True), (True, True), (False, False), (True, False)):
            world = _world(machine, "enqueue", "claim", "dead_letter")
            world.disk.fail_at, world.disk.fail_on = operation, for_good
            try:
                told = world.engine.retry_dead(["t1"])[0]
            except BusError:
                continue
            finally:
                world.disk.fail_at = 0
            if told.ok or "not confirmed" in told.detail:
                continue
            if looks:
                world.engine.refresh()
                assert world.engine.claim(held=lambda _: False) is None, "claimed, though refused"
            assert world.engine.retry_dead(["t1"])[0].ok
            assert set(facts_on(world.disk.live()).values()) == {Fact("inbox", 0, 1)}


def _sure_of_two(world: World, act: Act) -> None:
    """Whatever `act` is stopped at, a start has `first` and `second` once each."""
    images: set[Image] = set()
    world.disk.after = lambda: images.update(world.disk.images())
    act(world)
    world.disk.after = None
    for image in images | set(world.disk.images()):
        disk = CrashDisk.of(image, FOLDERS, world.clock, world.disk.machine)
        settle_abandoned(open_engine(disk, world.clock, count(1000)))
        for payload in ("first", "second"):
            found = [path for path, data in disk.live() if f'"{payload}"'.encode() in data]
            if len(found) != 1 or "/quarantine/" in found[0]:
                raise Broken(f"after a stop {payload} is in {found}")


def _two_of_one_id(machine: Machine) -> World:
    """A dead letter, and another tick with its id that is claimed."""
    world = _world(machine, "restart")
    first = _document("t1", enqueued_at="2026-01-01T00:00:00Z", payload="first")
    world.disk.put(LAYOUT.inbox / "t1.json", first)
    world.engine.refresh()
    world.engine.dead_letter(world.engine.claim(held=lambda _: False), failure(1))  # type: ignore[arg-type]
    second = _document("t1", enqueued_at="2026-01-01T00:00:00Z", payload="second")
    world.disk.put(LAYOUT.inbox / "t1.json", second)
    world.engine.refresh()
    return world


def a_dead_letter_whose_id_another_one_has(machine: Machine) -> None:
    """Both are dead letters, each once, and none is set aside."""
    world = _two_of_one_id(machine)
    claim = world.engine.claim(held=lambda _: False)
    assert claim is not None
    _sure_of_two(world, lambda w: w.engine.dead_letter(claim, failure(1)))
    assert len(world.disk.names(LAYOUT.dlq)) == 2


def a_dead_letter_that_the_disk_took_only_half(machine: Machine) -> None:
    """The second try is the same letter, under its own id or under the other one."""
    for operation in range(1, 12):
        world = _two_of_one_id(machine)
        claim = world.engine.claim(held=lambda _: False)
        assert claim is not None
        world.disk.fail_at = operation
        try:
            world.engine.dead_letter(claim, failure(1))
        except BusError:
            world.disk.fail_at = 0
            world.engine.dead_letter(claim, failure(1))
        finally:
            world.disk.fail_at = 0
        assert len(world.disk.names(LAYOUT.dlq)) == 2
        assert world.disk.names(LAYOUT.quarantine) == []


def a_discard_of_an_id_that_lies_in_the_trash(machine: Machine) -> None:
    """The older one goes on in the trash under another id."""
    world = _two_of_one_id(machine)
    assert world.engine.discard_dead(["t1"])[0].ok
    world.engine.dead_letter(world.engine.claim(held=lambda _: False), failure(1))  # type: ignore[arg-type]
    contents: list[set[bytes]] = []

    def sure(found: set[bytes], when: str) -> None:
        contents.append(found)
        for payload in (b'"first"', b'"second"'):
            if not any(payload in data for data in found):
                raise Broken(f"{when} lost {payload!r}")

    _stopped_anywhere(world, lambda w: w.engine.discard_dead(["t1"]), sure)
    assert contents
    assert len(world.disk.names(LAYOUT.trash)) == 2
    assert world.disk.names(LAYOUT.quarantine) == []
    assert b'"second"' in world.disk.read(LAYOUT.trash / "t1.json", 9999)


def _one_of(world: World, act: Act, allowed: set[Fact]) -> None:
    """Whatever `act` is stopped at, a start finds t1 once, and as one of these."""
    images: set[Image] = set()
    world.disk.after = lambda: images.update(world.disk.images())
    act(world)
    world.disk.after = None
    for image in images | set(world.disk.images()):
        found = recovery_of(image, world.disk.machine)
        if found.fault or found.facts.get("t1") not in allowed:
            raise Broken(f"after a stop t1 is {found.facts.get('t1')}: {found.fault}")


def a_retry_that_is_taken_back(machine: Machine) -> None:
    """It waits as it did, or it is dead with the attempt that it had spent."""
    world = _world(machine, "enqueue", "claim", "dead_letter", "retry_dead")
    waiting, dead = Fact("inbox", 0, 1), Fact("dlq", 1, 1)
    _one_of(world, lambda w: w.engine.unretry(["t1"]), {waiting, dead})
    if facts_on(world.disk.live()) != {"t1": dead}:
        raise Broken("a retry that was taken back left no dead letter as it was")


def a_tick_that_is_withdrawn(machine: Machine) -> None:
    """It waits, or it lies in the trash."""
    world = _world(machine, "enqueue")
    _one_of(world, lambda w: w.engine.withdraw(["t1"]), {Fact("inbox"), Fact("trash")})
    assert facts_on(world.disk.live()) == {"t1": Fact("trash")}


def a_command_whose_answer_is_there_already(machine: Machine) -> None:
    """It is not carried out again, and it goes: answers are pruned one day, and then it would."""
    world = _world(machine, "command")
    ack = Ack(id="c1", ok=True, at=iso(START), by_pid=1, outcomes=())
    world.disk.make_folder(LAYOUT.acks)
    world.disk.put(LAYOUT.acks / "c1.json", encode(ack))
    if Mailbox(LAYOUT, world.disk, world.clock).pending():
        raise Broken("an answered command would be carried out again")
    if any(f"{LAYOUT.control}/c1.json" in dict(image) for image in world.disk.images()):
        raise Broken("an answered command stays")


HISTORIES: tuple[Callable[[Machine], None], ...] = (
    an_id_used_again_while_its_tick_is_claimed,
    an_id_used_again_while_its_claim_is_abandoned,
    a_tick_that_turns_to_rubbish_before_it_is_claimed,
    a_tick_whose_cadence_changes_while_it_waits,
    rubbish_among_the_claims,
    a_key_that_comes_back_with_its_dead_letter,
    an_enqueue_with_an_id_that_is_taken,
    a_claim_that_another_consumer_makes_first,
    a_retry_of_a_dead_letter_that_the_disk_refused,
    a_dead_letter_whose_id_another_one_has,
    a_dead_letter_that_the_disk_took_only_half,
    a_discard_of_an_id_that_lies_in_the_trash,
    a_retry_that_is_taken_back,
    a_tick_that_is_withdrawn,
    a_command_whose_answer_is_there_already,
)


def run_all(machine: Machine = USUAL) -> None:
    """Every history on that kind of file system."""
    for history in HISTORIES:
        history(machine)
