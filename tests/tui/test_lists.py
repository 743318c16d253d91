"""Rows of the lists: dead letters by signature, journal, doctor, costs, recap, explain, sorting."""

# ruff: noqa: E501  (tables read best with one row a line)

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

import maestro_core
from maestro_core.models import LogEnd, TickView
from maestro_core.observe.explain import explain
from maestro_tui.presentation import costs, dead, doctor
from maestro_tui.presentation import runs as runs_view
from maestro_tui.presentation.columns import arrange
from maestro_tui.presentation.dead import GroupRow, dead_rows, grouped
from maestro_tui.presentation.explain import KEYS, explain_lines
from maestro_tui.presentation.journal import STAGE_STYLES, journal_rows
from maestro_tui.presentation.journal_words import operator_words, summary
from maestro_tui.presentation.reasons import gist
from maestro_tui.presentation.recap import recap_lines, recap_of, worth_telling
from maestro_tui.presentation.runs import judged, run_of
from maestro_tui.query import parse
from maestro_tui.rows import Order, arrange_rows
from tests.tui.fixed import COSTS, DEAD, FINDINGS, JOURNAL, NOW, SNAPSHOT, TAIL, at, run
from tests.tui.log_support import run_row

NONE: frozenset[str] = frozenset()


def plain(lines: object) -> str:
    return "\n".join(one.plain for one in lines)  # type: ignore[attr-defined]


# ---- dead letters -------------------------------------------------------------------------


def test_one_cause_is_one_group_and_a_single_one_is_just_a_row() -> None:
    rows = grouped(dead_rows(DEAD), NONE, {})
    kinds = [type(row).__name__ for row in rows]
    assert kinds == ["GroupRow", "DeadRow", "DeadRow", "DeadRow", "DeadRow", "DeadRow"]
    assert isinstance(rows[0], GroupRow)
    assert rows[0].ids == tuple(
        view.tick.id for view in DEAD if "no invoices" in str(view.tick.last_error)
    )


def test_a_closed_group_hides_its_rows() -> None:
    (first, *_) = grouped(dead_rows(DEAD), NONE, {})
    rows = grouped(dead_rows(DEAD), frozenset({first.signature}), {})
    assert len(rows) == 3


def test_a_note_shows_on_its_signature() -> None:
    (first, *_) = grouped(dead_rows(DEAD), NONE, {})
    (noted, *_) = grouped(dead_rows(DEAD), NONE, {first.signature: "ask finance"})
    assert noted.note == "ask finance"


def test_details_have_the_tick_every_failure_and_the_end_of_stderr() -> None:
    (row, *_) = dead_rows(DEAD)
    text = plain(dead.details(row, LogEnd(tuple(TAIL)), NOW))
    assert all(word in text for word in (DEAD[0].tick.id, "attempt 2", "attempt 1", '"month": "2026-10"', *TAIL[-2:]))  # fmt: skip


def test_the_end_of_a_log_of_events_is_told_in_words() -> None:
    assert dead.said(["boom", "at last"]) == ["boom", "at last"]
    events = [
        '{"type":"system","subtype":"init","model":"m","tools":["Bash"]}',
        '{"type":"system","subtype":"api_retry","attempt":1,"max_retries":2,"error_status":529}',
    ]
    session, retry = dead.said(events)
    assert "{" not in session + retry
    assert "retry 1 of 2" in retry and "529" in retry


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("cadence:invoice", 3),
        ("error:529", 1),
        ("class:network", 1),
        ("age:<1h", 3),
        ("exit:=1", 5),
        ("state:dlq", 5),
    ],
)
def test_dead_letters_answer_to_fields(query: str, count: int) -> None:
    found = arrange_rows(dead_rows(DEAD), parse(query), Order(), dead.fields, NOW)
    assert (len(found.rows), found.total) == (count, 5)


def test_a_letter_that_came_back_from_the_trash_died_when_it_died() -> None:
    back = TickView(DEAD[1].tick, "dlq", NOW - 4)
    rows = dead_rows([back, DEAD[0]])
    assert [row.id for row in rows] == [DEAD[0].tick.id, back.tick.id]
    assert "dead 27m ago" in plain(dead.details(rows[1], LogEnd(), NOW))
    assert dead.fields(rows[1], NOW)["age"] == pytest.approx(1655)


# ---- journal ------------------------------------------------------------------------------


def test_an_operators_act_reads_as_a_sentence() -> None:
    act = next(one for one in JOURNAL if one["stage"] == "operator")
    assert operator_words(act) == "ops from 10.0.0.7: pause expense-report"


def test_an_act_on_many_names_three_and_counts_the_rest() -> None:
    entry = {"verb": "dlq_retry", "targets": list("abcde"), "actor": {"user": "ops"}}
    assert operator_words(entry) == "ops: dlq_retry a, b, c and 2 more"


def test_entries_of_any_shape_are_rows() -> None:
    odd = [
        {},
        {"ts": 7, "stage": None},
        {"ts": "never", "actor": "x", "stage": "operator", "targets": 3},
    ]
    assert [row.at for row in journal_rows(odd)] == [None, None, None]
    assert "somebody" in summary(odd[2])


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"stage": "subsession_spawn", "id": "t", "run_id": "r", "attempt": 1, "bin": "/bin/claude",
          "pid": 71, "stdout": "logs/a", "stderr": "logs/b"}, "attempt 1 · pid 71"),
        ({"stage": "subsession_completed", "id": "t", "attempt": 2, "exit_code": 0,
          "duration_ms": 5691, "stdout_path": None}, "attempt 2 · took 5.7s"),
        ({"stage": "subsession_failed", "exit_code": 1, "duration_ms": 65_000, "error": "exit 1: no"},
         "exit 1: no · took 1m 05s"),
        ({"stage": "subsession_failed", "error": "exit 1: Traceback (most recent call last): | "
          'File "x.py", line 7 | OSError: gone', "destination": "dlq"},
         "exit 1: OSError: gone · to the dead letters"),
        ({"stage": "circuit_open", "targets": ["a", "b"], "ok": True, "by": "ops"}, "a, b · by ops"),
        ({"stage": "skipped_circuit_open", "waiting": 2, "retry_at": "2026-11-24T02:15:00.000Z"},
         "2 ticks wait · until 02:15:00"),
        ({"stage": "circuit_opened", "failures": 1, "open_until": "2026-11-24T02:15:00.000Z"},
         "1 failure in a row · until 02:15:00"),
        ({"stage": "consumer_started", "mode": "daemon", "after": "clean stop", "recovered": 0,
          "circuits_restored": ["a", "b"], "crashed": False},
         "mode daemon · after clean stop · circuits restored a, b"),
        ({"stage": "unknown_cadence", "tick_id": "t-1"}, "t-1"),
        ({"stage": "odd", "waiting": "many", "pid": True, "until": 5, "deep": {"a": 1},
          "list": [1, {"b": 2}]}, 'waiting many · pid · until 5 · list [1, {"b": 2}]'),
    ],
)  # fmt: skip
def test_an_entry_is_told_in_words(entry: dict[str, Any], words: str) -> None:
    assert summary({"ts": "x", "level": "info", "cadence": "a"} | entry) == words


def test_stages_that_stand_out_and_those_of_the_pictures_are_written_by_the_core() -> None:
    core = Path(maestro_core.__file__).parent
    told = "\n".join(
        one.read_text("utf-8") for one in core.rglob("*.py") if "demo" not in one.parts
    )
    shown = {*STAGE_STYLES, *(entry["stage"] for entry in JOURNAL)}
    assert {stage for stage in shown if f'"{stage}"' not in told} == set()


_TRACE = "Traceback (most recent call last):"


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("exit 1: no invoices here | gave up", "exit 1: no invoices here | gave up"),
        (f"exit 1: {_TRACE} | ConnectionError: 502 | gave up", "exit 1: ConnectionError: 502 | gave up"),
        ('exit 1: File "/a/b c.py", line 7, in <module> | main() | OSError: gone', "exit 1: OSError: gone"),
        ('File "<path>", line N, in run | raise Broken | Broken', "Broken"),
        ('exit 1: main() | ^^^^^^ | KeyError: 7', "exit 1: main() | KeyError: 7"),
        ("exit 1: Error: no | at load (/a/b.js:3:7) | Node.js v20.1.0", "exit 1: Error: no"),
        ("exit 1: at noon | the lamp went out", "exit 1: at noon | the lamp went out"),
        (f"exit 1: {_TRACE}", f"exit 1: {_TRACE}"),
        ("exit -1: ended by signal 9", "exit -1: ended by signal 9"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_reason_in_a_cell_begins_with_what_went_wrong(reason: str, words: str) -> None:
    assert gist(reason) == words


def test_equal_entries_have_ids_of_their_own() -> None:
    assert len({row.id for row in journal_rows([JOURNAL[0]] * 3)}) == 3


def test_ids_stay_when_more_entries_come() -> None:
    before = [row.id for row in journal_rows(JOURNAL[:4])]
    assert [row.id for row in journal_rows(JOURNAL)][:4] == before


# ---- doctor -------------------------------------------------------------------------------


def test_the_summary_counts_the_worst_first() -> None:
    rows = [doctor.CheckRow(one.id, one.title, one) for one in FINDINGS]
    assert doctor.summary(rows).plain == "×1 △2 ·1 ✓4"


def test_a_check_that_could_not_find_out_is_not_called_skipped() -> None:
    finding = next(one for one in FINDINGS if one.unchecked)
    assert doctor.look_of(doctor.CheckRow(finding.id, finding.title, finding)).word == "unknown"


def test_details_of_a_check_have_the_remedy() -> None:
    finding = next(one for one in FINDINGS if one.status == "fail")
    assert "ANTHROPIC_API_KEY=" in plain(
        doctor.details(doctor.CheckRow(finding.id, finding.title, finding))
    )


# ---- costs --------------------------------------------------------------------------------


def test_sums_by_cadence_add_up_and_the_dearest_comes_first() -> None:
    found = costs.sums(COSTS, lambda row: row.key[1])
    assert found[0].name == "inbox-processor"
    assert sum(one.runs for one in found) == sum(row.runs for row in COSTS)
    assert sum(one.share for one in found) == pytest.approx(1.0)


def test_the_chart_has_a_column_a_day_and_a_dot_for_a_day_without_runs() -> None:
    days = costs.days_back(NOW, 7)
    lines = [text.plain for text in costs.chart(COSTS, days, 100)]
    assert "Tue 24" in lines[-1]
    assert "·" in lines[0]
    assert len(lines) == costs.CHART_LINES


def test_a_chart_of_nothing_is_still_a_chart() -> None:
    assert len(costs.chart([], costs.days_back(NOW, 7), 80)) == costs.CHART_LINES


@pytest.mark.parametrize(
    ("number", "shown"), [(812, "812"), (12_400, "12.4k"), (3_100_000, "3.1M")]
)
def test_big_numbers(number: float, shown: str) -> None:
    assert costs.count(number) == shown


# ---- columns and order --------------------------------------------------------------------


def test_columns_drop_in_their_order_and_the_first_ones_stay() -> None:
    widths = {
        width: [column.key for column, _ in arrange(dead.COLUMNS, width)]
        for width in (200, 70, 46, 20)
    }
    assert widths[200] == ["cause", "cadence", "tries", "age", "source", "id"]
    assert widths[70] == ["cause", "cadence", "tries", "age"]
    assert widths[20] == ["cause"]


def test_sorting_keeps_the_order_of_equal_rows() -> None:
    rows = [run("a", 1, 5), run("b", 2, 5), run("c", 3, 4)]
    order = Order(lambda row: row.duration)
    found = arrange_rows(rows, parse(""), order, lambda row, now: {}, NOW)
    assert [row.cadence for row in found.rows] == ["c", "a", "b"]


def test_causes_and_reasons_are_sorted_as_they_are_shown() -> None:
    (cause,) = (one for one in dead.COLUMNS if one.key == "cause")
    (reason,) = (one for one in runs_view.COLUMNS if one.key == "reason")
    trace = f"exit 1: {_TRACE} | OSError: gone"
    row = GroupRow("group x", trace, ("a", "b"), ("memo",), NOW, True, None)
    assert cause.sort is not None and reason.sort is not None
    assert cause.sort(row) == "exit 1: OSError: gone"
    failed = run_of(replace(run("memo", 1, 5), reason=trace, exit_code=1))
    assert reason.sort(failed) == "OSError: gone"


# ---- explain and recap --------------------------------------------------------------------


def test_explain_names_the_first_thing_in_the_way_and_its_key() -> None:
    text = plain(explain_lines(explain(SNAPSHOT, "invoice-chaser"), NOW))
    assert "It is not running: its circuit is open, and 1 thing behind that" in text
    assert "17m 25s, until 02:31:55" in text
    assert "C closes it" in text


def test_every_act_of_the_core_has_words() -> None:
    from typing import get_args

    from maestro_core.observe.explain import Act

    assert set(KEYS) == set(get_args(Act))


def test_explain_of_a_running_cadence_says_so() -> None:
    assert "It is running now" in plain(explain_lines(explain(SNAPSHOT, "inbox-processor"), NOW))


def test_the_recap_counts_only_what_came_after() -> None:
    runs = [run("a", 100, 5, "failed", reason="x"), run("a", 200, 5), run("b", 9000, 5)]
    found = recap_of(NOW - 1000, runs, JOURNAL)
    assert len(found.runs) == 2
    text = plain(recap_lines(found, SNAPSHOT, NOW))
    assert "2 runs" in text
    assert "1 circuit opened" in text
    assert "5 dead letters" in text


@pytest.mark.parametrize(("away", "worth"), [(60, False), (3600, True)])
def test_a_short_absence_is_not_told_unasked(away: float, worth: bool) -> None:
    found = recap_of(NOW - away, [run("a", 10, 5)], [])
    assert worth_telling(found, NOW) is worth


def test_an_absence_in_which_nothing_happened_is_not_told() -> None:
    assert not worth_telling(recap_of(NOW - 9000, [], []), NOW)


def test_broken_times_in_the_journal_do_not_break_the_recap() -> None:
    found = recap_of(NOW - 1000, [], [{"ts": None}, {"ts": 5}, {"ts": at(-10), "stage": 7}])
    assert len(found.entries) == 1


# ---- runs ---------------------------------------------------------------------------------


def test_a_run_without_an_end_goes_on_only_where_the_heartbeat_says_so() -> None:
    one = run_of(run_row(0))
    now = one.started + 60
    going = replace(SNAPSHOT, running=(replace(SNAPSHOT.running[0], run_id=one.id),))
    runs = [one]
    assert judged(runs, None, now) is runs
    assert judged(runs, going, now) is runs
    assert judged(runs, SNAPSHOT, one.started + 1) is runs, "the beat comes later than the ledger"
    (lost,) = judged(runs, SNAPSHOT, now)
    assert not lost.alive
    assert runs_view.fields(lost, now)["state"] == "running?"
    assert "no consumer says" in "\n".join(text.plain for text in runs_view.details(lost, now))
    silent = replace(going, consumer=replace(going.consumer, word="stale"))
    assert not judged(runs, silent, now)[0].alive
    assert judged([lost], going, now)[0].alive
