"""A transcript turns stream-json into facts, an activity, numbers, and steps for a person."""

from __future__ import annotations

import random
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maestro_core.clock import parse_iso
from maestro_core.session.steps import one_line, target_of
from maestro_core.session.transcript import Retry, Transcript
from tests.core import stream_events as ev

T0 = "2026-11-24T00:20:26.000Z"
T1 = "2026-11-24T00:20:27.500Z"


def told(*events: dict[str, Any], keep: int = 2000) -> Transcript:
    transcript = Transcript(keep)
    transcript.feed(ev.stream(*events))
    return transcript


def activities(*events: dict[str, Any]) -> list[str | None]:
    transcript, said = Transcript(), []
    for event in events:
        transcript.feed(ev.line(event))
        said.append(transcript.activity())
    return said


TOOL_RUN = (
    ev.init(),
    ev.assistant(ev.text("I look."), at=T0),
    ev.assistant(ev.tool("Bash", command="echo hi\necho ho"), at=T0),
    ev.tool_result("hi\nho", at=T1),
    ev.assistant(ev.text("Done."), number=2, at=T1),
    ev.result("Done.", times=2),
)


def test_the_facts_of_a_run_with_a_tool() -> None:
    found = told(*TOOL_RUN)
    assert (found.session_id, found.model, found.version) == (ev.SESSION, ev.MODEL, "2.1.330")
    assert found.key_source == "ANTHROPIC_API_KEY"
    assert (found.tool_calls, found.tools_ok, found.answered, found.at_rest) == (1, 1, True, True)
    assert found.result is not None and found.result.text == "Done."
    usage = found.usage()
    assert (usage.tokens_in, usage.tokens_out) == (200, 14)
    assert (usage.tokens_cache_read, usage.tokens_cache_write) == (60, 40)
    assert (usage.cost_usd, usage.turns, usage.model) == (0.001, 2, ev.MODEL)


def test_the_pieces_in_which_it_comes_do_not_matter() -> None:
    data = ev.stream(*TOOL_RUN) + b"no event\n" + ev.line(ev.result())[:-1]
    whole = Transcript()
    whole.feed(data)
    whole.close()
    pieced, dice = Transcript(), random.Random(5)
    while data:
        size = dice.randint(1, 200)
        pieced.feed(data[:size])
        data = data[size:]
    pieced.close()
    assert pieced.steps.all() == whole.steps.all()
    assert pieced.usage() == whole.usage()
    assert (pieced.events, pieced.noise, pieced.turns) == (7, 1, 3)


def test_every_step_has_its_icon_target_time_and_outcome() -> None:
    steps = told(*TOOL_RUN).steps.all()
    assert [(one.kind, one.title, one.target, one.ok) for one in steps] == [
        ("start", "session", ev.MODEL, None),
        ("text", "I look.", "", None),
        ("tool", "Bash", "echo hi echo ho", True),
        ("text", "Done.", "", None),
        ("result", "completed", "Done.", True),
    ]
    tool = steps[2]
    assert (tool.at, tool.seconds, tool.detail) == (parse_iso(T0), 1.5, "hi\nho")
    raw = ev.stream(*TOOL_RUN)
    assert raw[tool.offset :].startswith(ev.line(TOOL_RUN[2]))


def test_a_tool_that_failed_or_was_denied() -> None:
    found = told(
        ev.init(),
        ev.assistant(ev.tool("Bash", command="touch x")),
        ev.system("permission_denied", tool_name="Bash", tool_use_id="toolu_1", message="needs it"),
        ev.tool_result("needs approval", error=True),
        ev.result(permission_denials=[{"tool_name": "Bash"}, {"tool_name": "Bash"}, {}, 5]),
    )
    assert found.result is not None and found.result.denials == ("Bash",)
    assert (found.tool_calls, found.tools_ok) == (1, 0)
    kinds = [(one.kind, one.title, one.ok) for one in found.steps.all()]
    assert kinds[1:3] == [("tool", "Bash", False), ("denied", "Bash", False)]


def test_what_it_is_doing_now() -> None:
    assert activities(
        ev.init(),
        ev.retry(1, 529, "overloaded"),
        ev.retry(2, None, "unknown"),
        ev.retry(3, None, "connection_failed"),
        ev.assistant(ev.text("x")),
        ev.assistant(ev.tool("Bash"), ev.tool("Read", "toolu_2")),
        ev.tool_result("", "toolu_2"),
        ev.tool_result(""),
        ev.system("status", status="requesting"),
        ev.result(),
    ) == [
        "waiting for the API",
        "retry 1 of 10, 529",
        "retry 2 of 10, no answer",
        "retry 3 of 10, connection_failed",
        "writing",
        "tool Bash, Read",
        "tool Bash",
        "waiting for the API",
        "waiting for the API",
        "ending",
    ]


def test_before_the_first_event_nobody_knows_what_it_does() -> None:
    transcript = Transcript()
    transcript.feed(b"some plain text\n")
    assert transcript.activity() is None
    assert transcript.noise == 1


def test_a_retry_is_over_when_the_api_answers() -> None:
    delta = {"type": "stream_event", "event": {"type": "content_block_delta"}}
    for answer in (delta, ev.assistant(ev.text("x")), ev.result()):
        transcript = told(ev.init(), ev.retry(2, 500))
        assert transcript.retry == Retry(2, 10, 500, "unknown", 0.6)
        transcript.feed(ev.line(answer))
        assert transcript.retry is None


def test_the_cli_own_error_message_is_no_answer_of_the_model() -> None:
    found = told(
        ev.init(), ev.retry(3, 401), ev.api_failure("Invalid key", "authentication_failed", 401)
    )
    assert not found.answered and not found.asked
    assert found.assistant_error == "authentication_failed"
    assert found.usage().tokens_in == 0


# ---- tokens and cost -----------------------------------------------------------------------


def test_two_results_add_up_to_the_run() -> None:
    found = told(
        ev.init(),
        ev.assistant(ev.text("1")),
        ev.result("first", times=2),
        ev.assistant(ev.text("2"), number=9),
        ev.result("second", times=1, total=3, result_index=1),
    )
    usage = found.usage()
    assert (usage.tokens_in, usage.turns) == (300, 3)
    assert usage.cost_usd == pytest.approx(0.0015)


def test_a_resumed_session_counts_only_this_run() -> None:
    usage = told(ev.init(), ev.result(times=1, total=5)).usage()
    assert (usage.tokens_in, usage.cost_usd) == (100, 0.0005)


def test_a_cli_that_only_gives_totals_is_believed() -> None:
    event = ev.result(times=2, total_cost_usd=0.25)
    del event["model_usage_since_last_result"]
    usage = told(ev.init(), event).usage()
    assert (usage.tokens_in, usage.cost_usd) == (200, 0.25)
    bare = {"type": "result", "subtype": "success", "total_cost_usd": 0.5, "result": "x"}
    assert told(bare).usage().cost_usd == 0.5


def test_a_cli_that_only_gives_its_last_usage_is_believed_too() -> None:
    usage = {"input_tokens": 11, "output_tokens": 3, "cache_read_input_tokens": 5}
    event = {"type": "result", "usage": usage, "total_cost_usd": 0.5, "num_turns": 2}
    found = told(event).usage()
    assert (found.tokens_in, found.tokens_out, found.tokens_cache_read) == (11, 3, 5)
    assert (found.cost_usd, found.turns, found.model) == (0.5, 2, None)


def test_the_dearest_model_gives_the_run_its_name() -> None:
    used = ev.spent(1, "claude-haiku-4-5") | ev.spent(3, "claude-opus-5-5")
    found = told(ev.init(model="claude-haiku-4-5"), ev.result(model_usage_since_last_result=used))
    assert found.usage().model == "claude-opus-5-5"
    assert [one.model for one in found.spending.by_model()] == [
        "claude-opus-5-5",
        "claude-haiku-4-5",
    ]


def test_a_run_without_result_is_known_by_its_messages() -> None:
    found = told(
        ev.init(), ev.assistant(ev.text("a")), ev.assistant(ev.tool("Bash")),
        ev.assistant(ev.text("b"), number=2),
    )  # fmt: skip
    usage = found.usage()
    assert (usage.tokens_in, usage.tokens_out, usage.cost_usd) == (200, 2, 0.0)
    assert usage.turns is None and usage.session_id == ev.SESSION


def test_the_messages_of_a_long_run_add_up() -> None:
    found = told(ev.init(), *[ev.assistant(ev.text("x"), number=one) for one in range(300)])
    assert found.usage().tokens_in == 30_000


# ---- limits, tasks -------------------------------------------------------------------------


def test_a_usage_limit_tells_its_end() -> None:
    info = {"status": "rejected", "resetsAt": 1795487359, "rateLimitType": "five_hour"}
    by_event = told(ev.init(), {"type": "rate_limit_event", "rate_limit_info": info})
    assert by_event.resets_at == 1795487359
    assert by_event.steps.all()[-1].title == "five hour limit reached"
    failure = ev.api_failure("limit", "rate_limit", 429)
    by_message = told(ev.init(), failure | {"api_error_params": {"rate_limit_info": info}})
    assert by_message.resets_at == 1795487359


def test_a_limit_that_is_near_is_no_limit() -> None:
    info = {"status": "allowed_warning", "resetsAt": 1795487359}
    assert told({"type": "rate_limit_event", "rate_limit_info": info}).resets_at == 0


def test_a_task_in_the_background_keeps_a_finished_run_busy() -> None:
    task = {"task_id": "b1", "task_type": "local_bash"}
    found = told(ev.init(), ev.system("background_tasks_changed", tasks=[task]), ev.result())
    assert found.finished and not found.at_rest
    assert found.activity() == "waiting for 1 background tasks"
    found.feed(ev.line(ev.system("background_tasks_changed", tasks=[])))
    assert found.at_rest


def test_older_clis_tell_of_tasks_in_other_words() -> None:
    found = told(ev.init(), ev.system("task_started", task_id="b1"), ev.result())
    assert found.finished and not found.at_rest
    found.feed(ev.line(ev.system("task_updated", task_id="b1", patch={"status": "killed"})))
    assert found.at_rest
    in_front = ev.system("task_started", task_id="b2", is_backgrounded=False)
    assert told(ev.init(), in_front, ev.result()).at_rest


# ---- what nobody expects -------------------------------------------------------------------


def test_unknown_events_and_noise_are_steps_too() -> None:
    transcript = told(ev.init(), {"type": "hologram", "subtype": "blue"}, ev.system("mystery"))
    transcript.feed(b"noise 1\nnoise 2\n\n \nnoise 3\n")
    assert [(one.kind, one.title) for one in transcript.steps.all()[1:]] == [
        ("note", "hologram blue"), ("note", "system mystery"), ("noise", "5 lines of other output"),
    ]  # fmt: skip


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    [
        "subtype", "message", "content", "tool_use_id", "result", "modelUsage", "usage", "tasks",
        "rate_limit_info", "permission_denials", "errors", "timestamp", "error", "attempt",
        "model_usage_since_last_result", "total_cost_usd", "event", "is_error", "session_id",
    ]
)  # fmt: skip
TYPES = st.sampled_from(
    ["system", "assistant", "user", "result", "rate_limit_event", "stream_event"]
)


@given(TYPES, st.dictionaries(FIELDS, JSON, max_size=6))
def test_no_shape_of_an_event_is_fatal(kind: str, fields: dict[str, Any]) -> None:
    transcript = told(ev.init(), {**fields, "type": kind})
    transcript.feed(ev.line({"type": kind, "message": {"content": [fields, {"type": "tool_use"}]}}))
    transcript.activity()
    transcript.usage()
    assert transcript.events == 3


def test_memory_is_bounded_however_long_it_runs() -> None:
    transcript = Transcript(keep=100)
    piece = ev.stream(
        ev.assistant(ev.text("x" * 5000), ev.tool("Bash", command="y" * 5000)),
        ev.tool_result("z" * 5000),
    )
    tracemalloc.start()
    transcript.feed(piece * 60)
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(20):
        transcript.feed(piece * 10)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 50_000
    assert len(transcript.steps) == 100
    assert transcript.steps.dropped == 2 * 260 - 100
    assert transcript.steps.all()[-1].ok is True


def test_a_result_of_a_step_that_is_gone_is_ignored() -> None:
    transcript = told(ev.init(), ev.assistant(ev.tool("Bash")), *[ev.system("x")] * 5, keep=3)
    transcript.feed(ev.line(ev.tool_result("late")))
    assert [one.kind for one in transcript.steps.all()] == ["note"] * 3
    assert transcript.tools_ok == 1


@pytest.mark.parametrize(
    ("given_input", "target"),
    [
        ({"file_path": "/a b", "content": "x"}, "/a b"),
        ({"description": "run", "command": "ls\n  -l"}, "ls -l"),
        ({"odd": 5, "other": "words"}, "words"),
        ({"n": 5}, ""),
        ("text", ""),
        (None, ""),
    ],
)
def test_what_a_tool_is_about(given_input: object, target: str) -> None:
    assert target_of(given_input) == target


def test_long_texts_are_cut_with_an_ellipsis() -> None:
    assert one_line("ab " * 200, 10) == "ab ab ab …"
    assert one_line("short") == "short"
