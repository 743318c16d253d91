"""Plans of acts: what they say, ask, run and undo, by the state that was on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from maestro_core.control.commands import Ack, Outcome
from maestro_core.observe.snapshot import CadenceView
from maestro_tui import acts
from maestro_tui.acts import Plan, Refusal
from maestro_tui.acts_cadence import cadence_plan
from maestro_tui.presentation.cells import plural
from maestro_tui.undo import DEPTH, UndoStack
from tests.tui.fixed import CADENCES, DEAD, HOLD, LIVE, NOW, RUNNING, SNAPSHOT, FixedOperator, at

BY_NAME = {view.name: view for view in CADENCES}


def views(*names: str) -> list[CadenceView]:
    return [BY_NAME[name] for name in names]


def plan(what: str, *names: str, **changes: Any) -> Plan | Refusal:
    return cadence_plan(what, views(*names), replace(SNAPSHOT, **changes), NOW)


def asked(one: Plan | Refusal | None) -> list[tuple[Any, ...]]:
    """What the operator is asked for when that plan runs."""
    operator = FixedOperator()
    assert isinstance(one, Plan)
    one.run(operator)
    return operator.asked


@pytest.mark.parametrize(
    ("what", "name", "does", "risk"),
    [
        ("enqueue", "heartbeat", [("enqueue", "heartbeat")], "cost"),
        ("close", "invoice-chaser", [("circuit_close", ("invoice-chaser",))], "undo"),
        ("close", "news-digest", [("circuit_close", ("news-digest",))], "undo"),
        ("close", "calendar-sync", [("circuit_close", ("calendar-sync",))], "undo"),
        ("hold", "heartbeat", [("circuit_open", ("heartbeat",))], "undo"),
        ("probe", "invoice-chaser", [("circuit_probe", ("invoice-chaser",))], "cost"),
        ("pause", "heartbeat", [("pause", "heartbeat")], "undo"),
        ("pause", "expense-report", [("resume", "expense-report")], "undo"),
    ],
)
def test_what_an_act_asks_for(what: str, name: str, does: Any, risk: str) -> None:
    found = plan(what, name)
    assert isinstance(found, Plan)
    assert (asked(found), found.risk, found.targets) == (does, risk, (name,))


@pytest.mark.parametrize(
    ("what", "name", "undone"),
    [
        ("close", "invoice-chaser", [("circuit_open", ("invoice-chaser",))]),
        ("hold", "heartbeat", [("circuit_close", ("heartbeat",))]),
        ("hold", "invoice-chaser", [("circuit_open", ("invoice-chaser",))]),
        ("pause", "heartbeat", [("resume", "heartbeat")]),
        ("pause", "expense-report", [("pause", "expense-report")]),
    ],
)
def test_how_an_act_is_undone(what: str, name: str, undone: Any) -> None:
    found = plan(what, name)
    assert isinstance(found, Plan)
    assert asked(found.undo) == undone


@pytest.mark.parametrize(
    ("what", "name", "why"),
    [("close", "heartbeat", "nothing to close"), ("probe", "heartbeat", "nothing to probe")],
)
def test_an_act_without_an_object_is_refused_with_a_reason(what: str, name: str, why: str) -> None:
    found = plan(what, name)
    assert isinstance(found, Refusal)
    assert why in found.why


@pytest.mark.parametrize("what", ["enqueue", "close", "hold", "probe", "pause"])
def test_nothing_chosen_is_refused(what: str) -> None:
    assert isinstance(plan(what), Refusal)


def test_a_mixed_choice_is_paused_and_only_what_is_not_paused_yet() -> None:
    assert asked(plan("pause", "expense-report", "heartbeat")) == [("pause", "heartbeat")]


def test_closing_reopens_on_undo_for_the_time_that_was_left() -> None:
    found = plan("close", "invoice-chaser")
    assert isinstance(found, Plan)
    seconds: list[float | None] = []

    class Operator(FixedOperator):
        def submit(self, verb: Any, targets: Sequence[str], **more: Any) -> Ack:
            seconds.append(more.get("seconds"))
            return super().submit(verb, targets)

    assert found.undo is not None
    found.undo.run(Operator())
    assert seconds == [pytest.approx(1045)]


def test_a_hold_over_all_is_lifted_from_any_cadence_that_it_keeps() -> None:
    waiting = replace(BY_NAME["heartbeat"], state="quota")
    shot = replace(SNAPSHOT, consumer=replace(LIVE, hold=HOLD))
    found = cadence_plan("close", [waiting], shot, NOW)
    assert asked(found) == [("lift_hold", ("*",))]
    assert isinstance(found, Plan)
    assert found.risk == "cost"


def test_under_a_hold_an_open_circuit_is_still_closed_by_its_own_key() -> None:
    shot = replace(SNAPSHOT, consumer=replace(LIVE, hold=HOLD))
    assert asked(cadence_plan("close", views("invoice-chaser"), shot, NOW))[0][0] == "circuit_close"


def test_the_hold_of_one_cadence_is_lifted_by_its_name() -> None:
    held = replace(BY_NAME["heartbeat"], state="quota")
    assert asked(cadence_plan("close", [held], SNAPSHOT, NOW)) == [("lift_hold", ("heartbeat",))]


# ---- dead letters -------------------------------------------------------------------------


def test_a_retry_says_what_it_usually_costs_and_what_holds_it() -> None:
    found = acts.retry(DEAD[:2], SNAPSHOT, NOW)
    assert isinstance(found, Plan)
    text = "\n".join(found.lines)
    assert "2 dead letters back to the inbox" in text
    assert "invoice-chaser ×2: 3 of the last 6 ok, usually 1m05, about $0.03" in text
    assert "its circuit is open until 02:31:55" in text
    assert "Usually $0.06 together." in text


def test_a_forecast_counts_the_money_of_all_cadences_and_tells_it_first() -> None:
    count = acts.MOST_FORECAST + 2
    shot = replace(
        SNAPSHOT, cadences=tuple(replace(CADENCES[0], name=f"c-{n}") for n in range(count))
    )
    letters = [
        replace(DEAD[0], tick=replace(DEAD[0].tick, id=f"t-{n}", cadence=f"c-{n}"))
        for n in range(count)
    ]
    lines = acts.forecast(letters, shot, NOW)
    assert lines[0] == f"Usually ${0.03 * count:.2f} together."
    assert lines[-1] == "and 2 more cadences"


def test_a_retry_of_two_can_be_tried_on_the_first_alone() -> None:
    found = acts.retry(DEAD[:2], SNAPSHOT, NOW)
    assert isinstance(found, Plan)
    assert asked(found.canary) == [("dlq_retry", (DEAD[0].tick.id,))]
    one = acts.retry(DEAD[:1], SNAPSHOT, NOW)
    assert isinstance(one, Plan)
    assert one.canary is None


@pytest.mark.parametrize(("count", "word"), [(1, None), (acts.MANY, None), (acts.MANY + 1, "26")])
def test_many_retries_want_their_number_typed(count: int, word: str | None) -> None:
    found = acts.retry([DEAD[0]] * count, SNAPSHOT, NOW)
    assert isinstance(found, Plan)
    assert found.word == word


def paused_before(note: Any, detail: str) -> Ack:
    return Ack(id="a", ok=True, at="2026-11-24T02:03:04.567Z", by_pid=1,
               outcomes=(Outcome("heartbeat", True, detail),), before={"paused": note})  # fmt: skip


def test_a_pause_of_somebody_else_is_not_lifted_by_undo() -> None:
    """Two consoles pause at the same moment: the second has changed nothing."""
    found = plan("pause", "heartbeat")
    assert isinstance(found, Plan) and found.take_back is not None
    mine = paused_before(None, "paused")
    theirs = paused_before({"by": "somebody"}, "was paused already")
    assert asked(found.take_back([mine])) == [("resume", "heartbeat")]
    assert found.take_back([theirs]).targets == ()
    assert acts.outcome_words(found, [theirs]) == ("heartbeat was paused already", True)
    assert acts.outcome_words(found, [mine]) == ("paused: heartbeat", True)


def circuits_before(cadence: str = "heartbeat", **facts: Any) -> Ack:
    return Ack(id="a", ok=True, at="2026-11-24T02:03:04.567Z", by_pid=1,
               outcomes=(Outcome(cadence, True),), before={cadence: facts})  # fmt: skip


def test_a_circuit_that_somebody_else_opened_is_open_as_theirs_after_undo() -> None:
    found = plan("hold", "heartbeat")
    assert isinstance(found, Plan) and found.take_back is not None
    theirs = circuits_before(state="open", failures=3, open_until=at(400))
    assert asked(found.take_back([theirs])) == [("circuit_open", ("heartbeat",))]
    shut = circuits_before(state="closed", failures=0)
    assert asked(found.take_back([shut])) == [("circuit_close", ("heartbeat",))]


def test_a_circuit_that_somebody_else_had_closed_is_not_opened_by_undo() -> None:
    found = plan("close", "invoice-chaser")
    assert isinstance(found, Plan) and found.take_back is not None
    shut = circuits_before("invoice-chaser", state="closed", failures=0)
    assert found.take_back(shut).targets == ()


def test_a_discard_is_undone_by_restoring_the_same_ids() -> None:
    found = acts.discard(DEAD[:3])
    assert isinstance(found, Plan)
    ids = tuple(view.tick.id for view in DEAD[:3])
    assert asked(found) == [("dlq_discard", ids)]
    assert asked(found.undo) == [("dlq_restore", ids)]


@pytest.mark.parametrize("found", [acts.retry([], SNAPSHOT, NOW), acts.discard([])])
def test_no_dead_letter_is_refused(found: Plan | Refusal) -> None:
    assert isinstance(found, Refusal)


def test_a_cadence_of_which_nothing_is_known_is_said_to_be_so() -> None:
    assert acts.usual(None) == "no runs yet to judge by"


# ---- everything ---------------------------------------------------------------------------


def test_stopping_a_run_wants_a_word_and_names_what_is_lost() -> None:
    found = acts.stop_run(RUNNING, "inbox-processor", NOW)
    assert (found.word, found.risk) == ("stop", "final")
    assert "after 42s" in found.lines[0]
    assert asked(found) == [("cancel", (RUNNING.run_id,))]


def test_the_emergency_stop_is_undone_by_lifting_it() -> None:
    assert asked(acts.engage_stop()) == [("estop", False)]
    assert asked(acts.engage_stop().undo) == [("estop_clear",)]
    assert asked(acts.engage_kill(2)) == [("estop", True)]


def test_a_partly_failed_answer_names_the_first_failure() -> None:
    outcomes = (Outcome("a", True), Outcome("b", False, "gone"), Outcome("c", False, "gone"))
    ack = Ack(id="x", ok=False, at=at(0), by_pid=1, outcomes=outcomes)
    found = acts.discard(DEAD)
    assert isinstance(found, Plan)
    words, well = acts.outcome_words(found, ack)
    assert not well
    assert "b: gone (and 1 more)" in words


def test_the_last_act_is_undone_first_and_old_ones_are_forgotten() -> None:
    stack = UndoStack()
    for _ in range(DEPTH + 5):
        stack.push(acts.engage_stop(), NOW)
    last = acts.engage_stop()._replace(title="the last one")
    stack.push(last, NOW)
    entry = stack.pop()
    assert entry is not None
    assert entry.plan is last
    assert len(stack) == DEPTH - 1


@pytest.mark.parametrize(("count", "shown"), [(1, "1 tick"), (0, "0 ticks"), (1200, "1,200 ticks")])
def test_plurals(count: int, shown: str) -> None:
    assert plural(count, "tick") == shown
