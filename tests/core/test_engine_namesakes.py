"""Ids that a script uses again, and acts that are taken back: of two dead letters with one id
both stay, each under an id of its own; what a dropped file with a known id or key does; a
retry that is taken back while nobody has claimed its tick. On every engine that it concerns."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

import pytest

from maestro_core.bus.codec import decode
from maestro_core.bus.directory import DirectoryEngine
from maestro_core.bus.memory import MemoryEngine
from maestro_core.clock import iso
from maestro_core.models import Tick, TickView
from tests.core.test_engine_contract import Bench, bench

__all__ = ["bench"]  # the fixture: one suite for all engines


def drop(bench: Bench, tick_id: str, **fields: object) -> None:
    """A file that a script renames into the inbox: nobody asks whether its id is taken."""
    bench.clock.advance(0.01)
    at = iso(bench.clock.wall())
    document = {"id": tick_id, "cadence": "memo", "enqueued_at": at} | fields
    if isinstance(bench.engine, MemoryEngine):
        tick = decode(json.dumps(document).encode(), tick_id, bench.clock.wall)
        bench.engine.store.views["inbox"][tick_id] = TickView(tick, "inbox", bench.clock.wall())
        return
    if bench.layout is None:
        pytest.skip("nobody can drop a file into this bus, and its enqueue refuses a known id")
    spare = bench.layout.inbox / f".{tick_id}"
    spare.write_text(json.dumps(document))
    spare.rename(bench.layout.inbox / f"{tick_id}.json")
    bench.engine.refresh()


def die(bench: Bench) -> None:
    bench.engine.dead_letter(bench.claim(), bench.failure())


def payloads(bench: Bench, where: str = "dlq") -> dict[str, object]:
    """Payloads by id."""
    return {v.tick.id: v.tick.payload for v in bench.engine.page(where)}  # type: ignore[arg-type]


def test_a_dead_letter_never_displaces_an_older_one_with_its_id(bench: Bench) -> None:
    for payload in ("first", "second", "third"):
        drop(bench, "hook-1", payload=payload, enqueued_at="2026-01-01T00:00:00.000Z")
        die(bench)
    found = payloads(bench)
    assert sorted(found.values()) == ["first", "second", "third"]  # type: ignore[type-var]
    assert found["hook-1"] == "first", "an id that an operator has seen means the same letter"
    assert bench.engine.counts() == {
        "inbox": 0, "claimed": 0, "dlq": 3, "trash": 0, "quarantine": 0,
    }  # fmt: skip
    others = [one for one in found if one != "hook-1"]
    for tick_id in others:
        view = bench.engine.find(tick_id)
        assert view is not None
        assert view.tick.extra["namesake_of"] == "hook-1"
        assert view.tick.last_error == "exit 1: no"


def test_each_of_two_letters_is_retried_and_discarded_by_its_own_id(bench: Bench) -> None:
    for payload in ("first", "second"):
        drop(bench, "hook-1", payload=payload)
        die(bench)
    [other] = [one for one in payloads(bench) if one != "hook-1"]
    assert bench.engine.retry_dead([other])[0].ok
    assert payloads(bench) == {"hook-1": "first"}
    claim = bench.claim()
    assert (claim.tick.id, claim.tick.payload, claim.tick.attempts) == (other, "second", 1)
    bench.engine.complete(claim)
    assert bench.engine.discard_dead(["hook-1"])[0].ok
    assert payloads(bench, "trash") == {"hook-1": "first"}


def test_the_longest_id_has_room_for_a_namesake(bench: Bench) -> None:
    for payload in ("first", "second"):
        drop(bench, "x" * 128, payload=payload)
        die(bench)
    assert sorted(payloads(bench).values()) == ["first", "second"]  # type: ignore[type-var]
    assert all(result.ok for result in bench.engine.retry_dead(list(payloads(bench))))


def test_a_discard_keeps_what_lies_in_the_trash_under_its_id(bench: Bench) -> None:
    for payload in ("first", "second"):
        bench.kill(tick_id="hook-1", payload=payload)
        assert bench.engine.discard_dead(["hook-1"])[0].ok
    trash = payloads(bench, "trash")
    assert trash["hook-1"] == "second", "what was discarded last comes back by its id"
    assert sorted(trash.values()) == ["first", "second"]  # type: ignore[type-var]
    assert bench.engine.counts()["quarantine"] == 0
    assert all(result.ok for result in bench.engine.restore_dead(list(trash)))
    assert sorted(payloads(bench).values()) == ["first", "second"]  # type: ignore[type-var]


def test_a_file_dropped_again_while_the_first_waits_takes_its_place(bench: Bench) -> None:
    drop(bench, "hook-1", payload="first")
    drop(bench, "hook-1", payload="second")
    assert bench.claim().tick.payload == "second"
    assert bench.nothing_to_claim()


def test_dropped_files_with_one_dedupe_key_are_two_ticks(bench: Bench) -> None:
    """Only producers that enqueue look at the key."""
    for tick_id in ("a", "b"):
        drop(bench, tick_id, dedupe_key="morning")
    assert [bench.claim().tick.id for _ in range(2)] == ["a", "b"]


def test_a_file_dropped_while_its_id_is_claimed_waits_for_the_end_of_that(tmp_path: Path) -> None:
    bench = on_disk(tmp_path)
    drop(bench, "hook-1", payload="first")
    claim = bench.claim()
    drop(bench, "hook-1", payload="second")
    assert bench.nothing_to_claim()
    bench.engine.complete(claim)
    assert bench.claim().tick.payload == "second"


def test_a_tick_that_goes_back_sets_a_file_with_its_id_aside(tmp_path: Path) -> None:
    bench = on_disk(tmp_path)
    drop(bench, "hook-1", payload="first")
    claim = bench.claim()
    drop(bench, "hook-1", payload="second")
    bench.engine.put_back(claim)
    assert bench.claim().tick.payload == "first"
    assert bench.layout is not None
    kept = json.loads((bench.layout.quarantine / "hook-1.json").read_text())
    reason = json.loads((bench.layout.quarantine / "hook-1.json.reason.json").read_text())
    assert kept["payload"] == "second"
    assert "another tick with the id hook-1" in reason["reason"]


def test_housekeeping_waits_for_no_producer(tmp_path: Path) -> None:
    bench = on_disk(tmp_path)
    assert bench.layout is not None
    bench.engine.enqueue(Tick(id="a", cadence="memo", dedupe_key="k"))
    bench.engine.complete(bench.claim())
    later = bench.clock.wall() + 60
    with bench.layout.dedupe_lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert bench.engine.housekeep(later)["dedupe"] == 0
    assert bench.engine.housekeep(later)["dedupe"] == 1


def on_disk(root: Path) -> Bench:
    from maestro_core.layout import Layout

    layout = Layout(root)
    return Bench(lambda clock: DirectoryEngine(layout, clock=clock, owner="test"), layout)


# ---- acts that are taken back ---------------------------------------------------------------


def test_a_retry_is_taken_back_exactly_while_nobody_has_claimed_it(bench: Bench) -> None:
    tick_id = bench.kill(payload="p", extra={"trace": 1})
    before = bench.engine.find(tick_id)
    assert before is not None
    bench.engine.retry_dead([tick_id])
    assert bench.engine.unretry([tick_id])[0].ok
    after = bench.engine.find(tick_id)
    assert after is not None
    assert (after.where, after.tick) == ("dlq", before.tick)
    assert bench.nothing_to_claim()


def test_a_retry_that_was_claimed_since_is_for_good(bench: Bench) -> None:
    tick_id = bench.kill()
    bench.engine.retry_dead([tick_id])
    claim = bench.claim()
    assert "retried" not in claim.tick.extra
    assert not bench.engine.unretry([tick_id])[0].ok
    bench.engine.put_back(claim)
    [result] = bench.engine.unretry([tick_id])
    assert not result.ok
    assert "a consumer has had it since" in result.detail
    assert bench.where(tick_id) == "inbox"


@pytest.mark.parametrize("was", ["soon", {"attempts": -1, "recoveries": "x"}])
def test_what_a_script_writes_as_a_retry_is_no_count(bench: Bench, was: object) -> None:
    drop(bench, "odd", retried=was)
    [result] = bench.engine.unretry(["odd"])
    assert result.ok == isinstance(was, dict)
    view = bench.engine.find("odd")
    assert view is not None
    assert (view.tick.attempts, view.tick.recoveries) == (0, 0)


def test_a_waiting_tick_is_withdrawn_to_the_trash(bench: Bench) -> None:
    tick_id, other = bench.add(), bench.add()
    assert bench.engine.withdraw([tick_id])[0].ok
    assert bench.where(tick_id) == "trash"
    assert bench.claim().tick.id == other
    assert not bench.engine.withdraw([tick_id, other])[1].ok
    assert bench.nothing_to_claim()


def test_what_stopped_in_a_withdrawal_waits_and_is_not_in_the_trash_too(tmp_path: Path) -> None:
    bench = on_disk(tmp_path)
    assert bench.layout is not None
    tick_id = bench.add()
    path = bench.layout.inbox / f"{tick_id}.json"
    os.link(path, bench.layout.trash / path.name)
    bench.engine = bench.open()
    assert bench.engine.abandoned() == []
    assert bench.engine.counts()["trash"] == 0
    assert bench.claim().tick.id == tick_id
