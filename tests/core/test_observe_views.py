"""Proves that failures group by what they have in common, that dead letters list cheaply and
survive hostile files, and that the blocking chain names every obstacle in order with its remedy."""

from __future__ import annotations

import os
from typing import Any

import pytest
from msgspec.structs import replace

from maestro_core.errors import BusError
from maestro_core.layout import Layout
from maestro_core.models import HoldBeat, Running
from maestro_core.observe.dead import count_dead, dead_letters, grouped
from maestro_core.observe.explain import explain
from maestro_core.observe.signature import NONE, signature
from maestro_core.observe.snapshot import CadenceView, ConsumerView, Later, MarkerView, Snapshot
from tests.support import write_tick

# ---- signatures ----------------------------------------------------------------------------

SAME = [
    ("timeout after 1800 s", "timeout after 912.5 s"),
    ("exit 1: page 3 of 7", "exit 1: page 12 of 700"),
    ("failed at 2026-11-24T02:03:04.567Z", "failed at 2026-11-25 23:59:59"),
    ("no /home/ravi/a/b.md", "no /Users/other/c.txt"),
    ("object deadbeef01 lost", "object 00ff12ab34cd lost"),
    ("id 123e4567-e89b-12d3-a456-426614174000", "id 00000000-0000-0000-0000-000000000000"),
    ("overloaded req_011CQabcdef", "overloaded req_zzzzzzzzzz"),
    ("resets at 3:15pm", "resets at 11:45 pm"),
    ("a  b\n c", "a b c"),
]
OTHER = [
    ("exit 1: boom", "exit 2: boom"),
    ("API Error: 401", "API Error: 529"),
    ("HTTP 502", "HTTP 503"),
    ("killed by signal 9", "killed by signal 15"),
    ("no such file", "permission denied"),
]


@pytest.mark.parametrize(("one", "another"), SAME)
def test_what_differs_from_run_to_run_is_left_out(one: str, another: str) -> None:
    assert signature(one) == signature(another)


@pytest.mark.parametrize(("one", "another"), OTHER)
def test_codes_and_words_tell_failures_apart(one: str, another: str) -> None:
    assert signature(one) != signature(another)


@pytest.mark.parametrize("error", [None, "", "  \n "])
def test_no_error_has_a_signature_too(error: str | None) -> None:
    assert signature(error) == NONE


def test_a_signature_is_short_and_stable_however_long_the_error() -> None:
    assert len(signature("x y " * 100_000)) <= 160
    for one, _ in SAME + OTHER:
        assert signature(signature(one)) == signature(one)


# ---- dead letters --------------------------------------------------------------------------


def dead(layout: Layout, tick_id: str, age: float = 0.0, **fields: Any) -> None:
    path = write_tick(layout.dlq, tick_id, **fields)
    os.utime(path, (1_700_000_000 - age,) * 2)


def test_dead_letters_come_newest_first_and_only_as_many_as_asked_for(agent_root: Layout) -> None:
    for number in range(5):
        dead(agent_root, f"t{number}", age=number)
    assert [view.tick.id for view in dead_letters(agent_root)] == ["t0", "t1", "t2", "t3", "t4"]
    newest = dead_letters(agent_root, limit=2)
    assert [view.since for view in newest] == [1_700_000_000, 1_699_999_999]
    assert count_dead(agent_root) == 5


def test_dead_letters_are_filtered_by_cadence_and_text(agent_root: Layout) -> None:
    failure = {"at": "2026-11-24T02:03:04Z", "attempt": 1, "exit_code": 1, "reason": "Rate LIMIT"}
    dead(agent_root, "a", cadence="memo", failures=[failure])
    dead(agent_root, "b", cadence="inbox", last_error="exit 1: rate limit")
    dead(agent_root, "c", cadence="inbox", last_error="exit 1: other")

    def ids(**filters: Any) -> list[str]:
        return sorted(view.tick.id for view in dead_letters(agent_root, **filters))

    assert ids(cadence="inbox") == ["b", "c"]
    assert ids(contains="rate limit") == ["a", "b"]
    assert ids(contains="rate limit", cadence="memo") == ["a"]


def test_groups_join_one_cause_over_cadences_newest_first(agent_root: Layout) -> None:
    dead(agent_root, "a", age=30, cadence="memo", last_error="exit 1: page 1")
    dead(agent_root, "b", age=20, cadence="inbox", last_error="exit 1: page 2")
    dead(agent_root, "c", age=25, cadence="inbox", last_error="exit 2: disk full")
    groups = grouped(dead_letters(agent_root))
    assert [(group.signature, len(group.letters)) for group in groups] == [
        ("exit 1: page N", 2),
        ("exit 2: disk full", 1),
    ]
    assert groups[0].cadences == ("inbox", "memo")
    assert (groups[0].newest, groups[0].oldest) == (1_699_999_980, 1_699_999_970)


def test_files_that_are_no_tick_are_passed_over(agent_root: Layout) -> None:
    dead(agent_root, "good")
    (agent_root.dlq / "torn.json").write_bytes(b'{"id": "torn"')
    (agent_root.dlq / "folder.json").mkdir()
    (agent_root.dlq / "link.json").symlink_to(agent_root.dlq / "good.json")
    os.mkfifo(agent_root.dlq / "fifo.json")
    (agent_root.dlq / "notes.txt").write_text("x")
    assert [view.tick.id for view in dead_letters(agent_root)] == ["good"]


def test_a_missing_folder_has_none_and_an_unreadable_one_is_an_error(agent_root: Layout) -> None:
    agent_root.trash.rmdir()
    assert dead_letters(agent_root, where="trash") == []
    agent_root.trash.symlink_to(agent_root.trash)
    with pytest.raises(BusError):
        dead_letters(agent_root, where="trash")


# ---- explain -------------------------------------------------------------------------------

NOW = 1_800_000_000.0
LIVE = ConsumerView(word="live", beat_at=NOW)
VIEW = CadenceView(name="memo", mode="escalate", waiting=1)
RUN = Running("r1", "t1", "memo", 9, "2026-11-24T02:03:04Z", None, None, None)
HOLD = HoldBeat("quota", "2027-01-15T09:00:00.000Z", "2027-01-15T08:00:00.000Z", "5-hour limit")


def snapshot(view: CadenceView = VIEW, **parts: Any) -> Snapshot:
    base: dict[str, Any] = {"root": "/agent", "agent": "ravi", "at": NOW, "consumer": LIVE}
    return Snapshot(**base | {"cadences": (view,)} | parts)


def codes(found: Snapshot) -> list[str]:
    return [one.code for one in explain(found, "memo").obstacles]


def test_nothing_in_the_way_is_an_empty_chain() -> None:
    found = explain(snapshot(), "memo")
    assert found.known
    assert found.obstacles == ()


CASES: dict[str, tuple[Snapshot, str, str | None]] = {
    "emergency_stop": (
        snapshot(emergency_stop=MarkerView(NOW, "ops", "fire")), "clear_estop",
        "maestro-tui estop --clear",
    ),
    "no_consumer": (
        snapshot(consumer=ConsumerView(word="crashed")), "start_consumer", "maestro-tui run",
    ),
    "trouble": (snapshot(consumer=replace(LIVE, trouble="disk full")), "make_room", None),
    "paused": (
        snapshot(replace(VIEW, state="paused", paused=MarkerView(NOW, "ops", None))), "resume",
        "maestro-tui resume memo",
    ),
    "circuit_open": (
        snapshot(replace(VIEW, state="open", failures=3, open_until=NOW + 60)), "close_circuit",
        "maestro-tui circuit close memo",
    ),
    "backoff": (
        snapshot(replace(VIEW, state="backoff", failures=1, next_allowed_at=NOW + 30)),
        "close_circuit", "maestro-tui circuit close memo",
    ),
    "quota": (
        snapshot(replace(VIEW, state="quota"), consumer=replace(LIVE, hold=HOLD)), "lift_hold",
        "maestro-tui hold lift",
    ),
    "budget": (
        snapshot(replace(VIEW, state="quota", reason="budget: 5 of 5 USD")), "lift_hold",
        "maestro-tui hold lift memo",
    ),
    "running": (
        snapshot(replace(VIEW, running=RUN), running=(RUN,)), "cancel_run",
        "maestro-tui cancel r1",
    ),
    "slot": (
        snapshot(running=(replace(RUN, cadence="other"),)), "wait", "maestro-tui cancel r1",
    ),
    "no_prompt": (snapshot(replace(VIEW, prompt_exists=False)), "write_prompt", None),
    "unknown": (
        snapshot(replace(VIEW, mode="unregistered", prompt_exists=False)), "write_prompt", None,
    ),
    "nothing_waiting": (
        snapshot(replace(VIEW, waiting=0)), "enqueue", "maestro-tui enqueue memo",
    ),
}  # fmt: skip


@pytest.mark.parametrize("code", CASES)
def test_each_obstacle_is_named_with_what_lifts_it(code: str) -> None:
    found, act, command = CASES[code]
    (obstacle,) = explain(found, "memo").obstacles
    assert (obstacle.code, obstacle.act, obstacle.command) == (code, act, command)
    assert obstacle.says


def test_ticks_that_are_not_due_yet_are_an_obstacle_with_a_time() -> None:
    later = {"memo": Later(2, NOW + 5)}
    (obstacle,) = explain(snapshot(replace(VIEW, waiting=2), later=later), "memo").obstacles
    assert (obstacle.code, obstacle.until) == ("not_before", NOW + 5)
    assert codes(snapshot(replace(VIEW, waiting=3), later=later)) == []


def test_everything_at_once_comes_in_the_order_in_which_it_stops() -> None:
    view = replace(
        VIEW, state="paused", paused=MarkerView(None, None, None), open_until=NOW + 9, failures=3,
        prompt_exists=False, waiting=0,
    )  # fmt: skip
    everything = snapshot(
        view,
        emergency_stop=MarkerView(None, None, None),
        consumer=ConsumerView(word="none", settings_error="[consumer]: bad", hold=HOLD),
        running=(replace(RUN, cadence="other"),),
    )
    assert codes(everything) == [
        "emergency_stop", "settings_error", "no_consumer", "paused", "circuit_open", "quota",
        "slot", "no_prompt", "nothing_waiting",
    ]  # fmt: skip


def test_an_inline_cadence_needs_no_slot_no_prompt_and_no_quota() -> None:
    view = replace(VIEW, mode="inline", prompt_exists=False)
    busy = snapshot(
        view, consumer=replace(LIVE, hold=HOLD), running=(replace(RUN, cadence="other"),)
    )
    assert codes(busy) == []


def test_an_unknown_cadence_is_said_to_be_unknown() -> None:
    found = explain(snapshot(), "typo")
    assert not found.known
    assert found.obstacles[0].code == "unknown"


def test_names_are_quoted_for_the_shell() -> None:
    found = snapshot(replace(VIEW, running=replace(RUN, run_id="a b;c")))
    (obstacle,) = explain(found, "memo").obstacles
    assert obstacle.command == "maestro-tui cancel 'a b;c'"
