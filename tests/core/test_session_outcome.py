"""One verdict out of result event, exit code, output and cause: every row of the table."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maestro_core.models import RunResult
from maestro_core.session.failures import FAILURES, policy_for
from maestro_core.session.outcome import Ending, Tails, Verdict, conclude
from maestro_core.session.recognise import class_of_errno, reset_time, says_error
from maestro_core.session.transcript import Transcript
from tests.core import stream_events as ev

NOW = 1_795_480_000.0  # 2026-11-24T00:26:40Z

Events = tuple[dict[str, Any], ...]


def verdict(*events: dict[str, Any], out: str = "", err: str = "", **ending: Any) -> Verdict:
    transcript = Transcript()
    data = ev.stream(*events)
    transcript.feed(data)
    transcript.close()
    tails = Tails(out or data.decode()[-4096:], err)
    return conclude(Ending(**ending), transcript, tails, NOW)


HELLO: Events = (ev.init(), ev.assistant(ev.text("Hello.")))
DONE: Events = (*HELLO, ev.result("Hello."))


# ---- the table: result x exit code x cause -------------------------------------------------

HELP = "/help isn't available in this environment."
DENIED = ev.result(permission_denials=[{"tool_name": "Bash"}])
BACKGROUND = ev.system("background_tasks_changed", tasks=[{"task_id": "b"}])

TABLE: list[tuple[str, Events, dict[str, Any], str, str | None]] = [
    # what it is, events, how it ended, outcome, failure class
    ("result, exit 0", DONE, {"exit_code": 0}, "ok", None),
    ("result, we ended it later", DONE, {"exit_code": 143, "cause": "result"}, "ok", None),
    ("result, killed later", DONE, {"signal": 9}, "ok", None),
    ("result, exit 1", DONE, {"exit_code": 1}, "failed", "unknown"),
    ("result, time up, at rest", DONE, {"exit_code": 143, "cause": "timeout"}, "ok", None),
    ("result, shut down, at rest", DONE, {"exit_code": 143, "cause": "shutdown"}, "ok", None),
    ("result, cancelled", DONE, {"exit_code": 143, "cause": "cancelled"}, "cancelled", None),
    ("at work again, time up", (*DONE, BACKGROUND),
     {"exit_code": 143, "cause": "timeout", "interrupted": True}, "timeout", "timeout"),
    ("at work again, shut down", (*DONE, BACKGROUND),
     {"exit_code": 143, "cause": "shutdown", "interrupted": True}, "shutdown", None),
    ("error result, exit 0", (*HELLO, ev.failed_result("API Error: 500 x", 500)),
     {"exit_code": 0}, "overload", "overload"),
    ("error result, exit 1", (ev.init(), ev.failed_result("API Error: 400 x", 400)),
     {"exit_code": 1}, "failed", "request"),
    ("denied, exit 0", (*HELLO, DENIED), {"exit_code": 0}, "failed", "permission_denied"),
    ("empty answer, exit 0", (ev.init(), ev.result("", times=2)), {"exit_code": 0}, "failed",
     "empty_answer"),
    ("empty answer after work", (ev.init(), ev.assistant(ev.tool("Bash")), ev.tool_result("x"),
     ev.result("")), {"exit_code": 0}, "ok", None),
    ("the CLI answered itself", (ev.init(), ev.result(HELP, times=0)),
     {"exit_code": 0}, "failed", "prompt"),
    ("nothing but a result", ({"type": "result", "is_error": False, "result": "Done."},),
     {"exit_code": 0}, "ok", None),
    ("a result that says nothing", ({"type": "result", "subtype": "success"},),
     {"exit_code": 0}, "ok", None),
    ("a command without an answer", (ev.init(), ev.result("", times=0)), {"exit_code": 0},
     "failed", "empty_answer"),
    ("no result, exit 0", HELLO, {"exit_code": 0}, "failed", "no_result"),
    ("no result, exit 1", HELLO, {"exit_code": 1}, "failed", "unknown"),
    ("no result, TERM from outside", HELLO, {"exit_code": 143}, "failed", "killed"),
    ("no result, killed", HELLO, {"signal": 9}, "failed", "killed"),
    ("no result, out of memory", HELLO, {"signal": 9, "out_of_memory": True}, "failed",
     "out_of_memory"),
    ("SIGINT, exit 0", (*HELLO, ev.result(None, subtype="error_during_execution", is_error=True,
     terminal_reason="aborted_streaming", errors=["[diagnostic]"])), {"exit_code": 0}, "failed",
     "killed"),
    ("no result, time up", HELLO, {"exit_code": 143, "cause": "timeout", "interrupted": True},
     "timeout", "timeout"),
    ("no result, time up, killed", HELLO, {"signal": 9, "cause": "timeout", "interrupted": True},
     "timeout", "timeout"),
    ("cancelled", HELLO, {"exit_code": 143, "cause": "cancelled"}, "cancelled", None),
    ("shut down", HELLO, {"exit_code": 143, "cause": "shutdown", "interrupted": True},
     "shutdown", None),
    ("emergency stop", HELLO, {"signal": 9, "cause": "emergency_stop", "interrupted": True},
     "emergency_stop", None),
    ("refused key, ended early", (ev.init(), ev.retry(1, 401, "authentication_failed")),
     {"exit_code": 143, "cause": "auth", "interrupted": True}, "auth", "auth"),
    ("too many retries: 529", (ev.init(), ev.retry(3, 529, "overloaded")),
     {"exit_code": 143, "cause": "retries", "interrupted": True}, "overload", "overload"),
    ("too many retries: 429", (ev.init(), ev.retry(3, 429, "rate_limit")),
     {"exit_code": 143, "cause": "retries", "interrupted": True}, "overload", "rate_limit"),
    ("too many retries: nothing", (ev.init(), ev.retry(3, None)),
     {"exit_code": 143, "cause": "retries", "interrupted": True}, "network", "network"),
    ("gave up while retrying", (ev.init(), ev.retry(3, None)), {"exit_code": 1}, "network",
     "network"),
    ("plain text, exit 0", (), {"exit_code": 0}, "ok", None),
    ("plain text, exit 1", (), {"exit_code": 1}, "failed", "unknown"),
    ("plain text, signal", (), {"signal": 15}, "failed", "killed"),
    ("its keeper was killed", (), {"signal": 9, "trouble": "gone"}, "failed", "killed"),
    ("nobody knows", (), {"trouble": "its keeper was ended"}, "failed", "unknown"),
    ("not started", (), {"not_started": "could not start: x"}, "failed", "not_started"),
    ("no claude", (), {"not_started": "x", "failure_class": "cli_missing"}, "failed",
     "cli_missing"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("events", "ending", "outcome", "failure"),
    [row[1:] for row in TABLE],
    ids=[r[0] for r in TABLE],
)
def test_the_table(
    events: Events, ending: dict[str, Any], outcome: str, failure: str | None
) -> None:
    found = verdict(*events, **ending)
    assert (found.outcome, found.failure_class) == (outcome, failure)
    assert (found.reason is None) == (outcome == "ok")


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ({"exit_code": 0}, 0),
        ({"exit_code": 3}, 3),
        ({"signal": 9}, -1),
        ({"not_started": "x"}, -4),
        ({}, -5),
        ({"trouble": "x"}, -6),
    ],
)
def test_the_exit_codes_of_the_reference(ending: dict[str, Any], code: int) -> None:
    assert Ending(**ending).code == code


# ---- API failures as the CLI shows them ----------------------------------------------------

API: list[tuple[str, int | None, str, dict[str, Any], str]] = [
    # result text, status, assistant error, more of the result, class
    ("Invalid API key · Fix external API key", 401, "authentication_failed", {}, "auth"),
    ("Not logged in · Please run /login", None, "authentication_failed", {}, "auth"),
    ("Failed to authenticate. API Error: 403 no", 403, "authentication_failed", {}, "auth"),
    ("There's an issue with the selected model (x).", 404, "model_not_found", {}, "config"),
    ("API Error: 400 messages: at least one", 400, "unknown", {}, "request"),
    ("Credit balance is too low", 400, "billing_error", {}, "billing"),
    ("Prompt is too long · x", 400, "invalid_request", {"terminal_reason": "prompt_too_long"},
     "prompt"),
    ("Request too large (max 32MB).", 413, "invalid_request", {"terminal_reason": "image_error"},
     "prompt"),
    ("API Error: Request rejected (429) · later", 429, "rate_limit",
     {"api_error_type": "rate_limit_error"}, "rate_limit"),
    ("You've hit your 5-hour limit · resets 2:29am (UTC)", 429, "rate_limit",
     {"api_error": "usage_limit_reached"}, "quota"),
    ("Claude AI usage limit reached|1795487359", None, "", {}, "quota"),
    ("API Error: 500 Internal server error.", 500, "server_error", {}, "overload"),
    ("API Error: 502 Bad Gateway.", 502, "server_error", {}, "overload"),
    ("API Error: Repeated 529 Overloaded errors.", 529, "server_error", {}, "overload"),
    ("API Error: Connection refused (ECONNREFUSED)", None, "", {"api_error": "connection_failed"},
     "network"),
    ("API Error: Connection dropped (ECONNRESET).", None, "", {}, "network"),
    ("API Error: Unable to connect to API (ECONNRESET)", None, "server_error", {}, "network"),
    ("API Error: Unable to connect to API (ConnectionRefused)", None, "server_error", {},
     "network"),
    ("Request timed out. Check your connection", None, "", {}, "network"),
    ("Hel\nAPI Error: Connection lost mid-response.", None, "server_error", {}, "network"),
    ("API Error: API returned an empty or malformed response (HTTP 200)", None, "", {}, "network"),
    ("API Error: Claude's response exceeded the 128000 output token maximum.", None, "", {},
     "output_limit"),
    ("API Error: Opus' safeguards flagged this message", None, "", {}, "refusal"),
    ("something new", 418, "", {}, "request"),
    ("something new", 599, "", {}, "overload"),
    ("something new", None, "", {}, "unknown"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "status", "error", "more", "failure"), API)
def test_an_api_failure_gets_its_class(
    text: str, status: int | None, error: str, more: dict[str, Any], failure: str
) -> None:
    message = ev.api_failure(text, error, status)
    found = verdict(ev.init(), message, ev.failed_result(text, status, **more), exit_code=1)
    assert found.failure_class == failure
    assert found.outcome == policy_for(failure).outcome
    assert found.reason == "exit 1: " + " | ".join(text.splitlines())


def test_limits_of_a_run_have_classes_of_their_own() -> None:
    for subtype, reason, failure in (
        ("error_max_turns", "max_turns", "max_turns"),
        ("error_max_budget_usd", "budget_exhausted", "budget"),
    ):
        event = ev.result(
            None, subtype=subtype, is_error=True, terminal_reason=reason, errors=["x"]
        )
        assert verdict(*HELLO, event, exit_code=1).failure_class == failure


def test_a_limit_named_by_an_event_is_a_quota_with_its_end() -> None:
    info = {"status": "rejected", "resetsAt": 1795487359, "rateLimitType": "five_hour"}
    limit = {"type": "rate_limit_event", "rate_limit_info": info}
    found = verdict(ev.init(), limit, ev.failed_result("API Error: 429", 429), exit_code=1)
    assert (found.failure_class, found.hold_until) == ("quota", 1795487359)
    cut = verdict(
        ev.init(), limit, ev.retry(3, 429), exit_code=143, cause="retries", interrupted=True
    )
    assert (cut.failure_class, cut.hold_until) == ("quota", 1795487359)


def test_a_machine_without_room_is_not_the_tick_s_fault() -> None:
    for number in (errno.ENOSPC, errno.EMFILE, errno.EAGAIN, errno.ENOMEM, errno.EROFS):
        assert class_of_errno(number) == "no_room"
    for other in (errno.ENOENT, errno.EACCES, errno.ENOEXEC, errno.E2BIG, None):
        assert class_of_errno(other) == "not_started"


# ---- sentences -----------------------------------------------------------------------------

SENTENCES = [
    ("Error: Input must be provided either through stdin or as a prompt argument", "prompt"),
    ("Error: piped stdin input exceeds 10MB.", "prompt"),
    ("error: unknown option '--no-such'", "config"),
    ("error: unknown option '--output-format'", "cli_too_old"),
    ("Error: When using --print, --output-format=stream-json requires --verbose", "config"),
    ("--dangerously-skip-permissions cannot be used with root/sudo privileges", "config"),
    ("Error: Session ID 5e55 is already in use.", "config"),
    ("Error: Reached max turns (2)", "max_turns"),
    ("Error: Exceeded USD budget (0.001)", "budget"),
    ("FATAL ERROR: JavaScript heap out of memory", "out_of_memory"),
    ("Claude Code needs an update to continue", "cli_too_old"),
    ("Invalid API key · Please run /login", "auth"),
    ('API Error: 529 {"type":"overloaded_error"}', "overload"),
]


@pytest.mark.parametrize(("said", "failure"), SENTENCES)
def test_a_sentence_of_the_cli_is_recognised_on_either_stream(said: str, failure: str) -> None:
    assert verdict(err=f"Warning: x\n{said}\n", exit_code=1).failure_class == failure
    assert verdict(out=f"{said}\n", exit_code=1).failure_class == failure


@pytest.mark.parametrize(
    "said",
    [
        "the upstream rate limit was near", "connection refused by the mail server",
        "our quota for tests is full", "server overloaded, says the monitor", "429 mails read",
        "authentication of the user failed", "network is down", "boom",
    ],
)  # fmt: skip
def test_an_agent_s_own_words_do_not_stop_the_queue(said: str) -> None:
    found = verdict(err=said, exit_code=1)
    assert found == Verdict("failed", "unknown", f"exit 1: {said}")


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("Execution error", True),
        ("Not logged in · Please run /login\n", True),
        ("/login isn't available in this environment.", True),
        ("API Error: 500 Internal server error", True),
        ("Hello, the log said: Execution error", False),
        ("Not logged in users: 5\n" + "x" * 3000, False),
        ("", False),
    ],
)
def test_plain_output_with_exit_0_is_a_success_unless_it_is_an_error_message(
    said: str, error: bool
) -> None:
    assert says_error(said) is error
    assert (verdict(out=said, exit_code=0).outcome != "ok") is error


# ---- the reason ----------------------------------------------------------------------------


def test_the_reason_is_the_last_three_lines_of_stderr() -> None:
    found = verdict(out="out", err="a\nb\n\nc\n  d  \n\n", exit_code=7)
    assert found.reason == "exit 7: b | c |   d"


@pytest.mark.parametrize(
    ("err", "reason"),
    [
        ("boom\n" * 5, "exit 1: boom | boom | boom"),
        (
            'Traceback (most recent call last):\n  File "x.py", line 1\nValueError: no\n',
            'exit 1: Traceback (most recent call last): |   File "x.py", line 1 | ValueError: no',
        ),
        ("10%\r50%\rgave up\r\n", "exit 1: 10% | 50% | gave up"),
        ("z" * 4096, f"exit 1: {'z' * 4096}"),
    ],
)
def test_lines_of_stderr_are_told_as_they_are(err: str, reason: str) -> None:
    assert verdict(err=err, exit_code=1).reason == reason


def test_what_the_result_and_stderr_both_say_is_told_once() -> None:
    failed = ev.failed_result("API Error: 400 no", 400)
    assert verdict(ev.init(), failed, err="API Error: 400 no\n", exit_code=1).reason == (
        "exit 1: API Error: 400 no"
    )


def test_the_reason_is_that_of_stdout_where_stderr_is_blank() -> None:
    assert verdict(out="1\n2\n3\n4\n", err=" \n\t\n", exit_code=7).reason == "exit 7: 2 | 3 | 4"
    assert verdict(exit_code=7).reason == "exit 7"


def test_events_are_no_reason_but_the_words_between_them_are() -> None:
    data = ev.stream(*HELLO).decode() + "Segmentation fault\n" + ev.line(ev.init()).decode()[:-9]
    assert verdict(*HELLO, out=data, exit_code=139).reason == "exit 139: Segmentation fault"


def test_an_error_of_the_result_comes_before_the_lines_of_stderr() -> None:
    failed = ev.failed_result("API Error: 400 no", 400)
    assert verdict(ev.init(), failed, err="a warning\n", exit_code=1).reason == (
        "exit 1: API Error: 400 no | a warning"
    )


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        (
            {"exit_code": 143, "cause": "timeout", "timeout": 90.0},
            "exit 143: timed out after 90 s | x",
        ),
        ({"signal": 9}, "exit -1: ended by SIGKILL | x"),
        ({"signal": 63}, "exit -1: ended by signal 63 | x"),
        ({"not_started": "could not start: no"}, "exit -4: could not start: no | x"),
        ({"exit_code": 143, "cause": "cancelled"}, "exit 143: cancelled | x"),
        ({"trouble": "its keeper was ended"}, "exit -6: its keeper was ended | x"),
    ],
)
def test_what_the_log_does_not_say_comes_first(ending: dict[str, Any], reason: str) -> None:
    assert verdict(err="x\n", **ending).reason == reason


def test_a_denied_tool_is_named() -> None:
    assert verdict(*HELLO, DENIED, exit_code=0).reason == "exit 0: denied: Bash"


def test_a_reason_is_bounded() -> None:
    failed = ev.failed_result("\n".join(["x" * 5000] * 5), 400)
    reason = verdict(ev.init(), failed, err="y" * 4096, exit_code=1).reason
    assert reason is not None and len(reason) < 8300
    assert reason.count("x" * 499 + "…") == 3


# ---- reset times ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ("resets 2:29am (UTC)", 1795487340.0),
        ("resets 12am (UTC)", 1795564800.0),
        ("resets 12:30pm", 1795523400.0),
        ("resets at 14:05 (UTC)", 1795529100.0),
        ("resets 7pm (America/New_York)", 1795564800.0),
        ("resets Nov 27, 5pm (Europe/London)", 1795798800.0),
        ("resets Jan 3 at 9am (UTC)", 1798966800.0),
        ("Claude AI usage limit reached|1795487359", 1795487359.0),
        ("resets 2:29am (Mars/Olympus)", 1795487340.0),
        ("resets Foo 99, 5pm", 0.0),
        ("resets 45:99", 0.0),
        ("resets 1:27am (America)", 1_795_483_620.0),  # a folder of zones, not a zone
        ("resets 1:27am (../UTC)", 1_795_483_620.0),
        ("resets Feb 31, 5am", 0.0),
        ("resets 77:99pm", 0.0),
        ("no word of it", 0.0),
    ],
)
def test_the_reset_time_is_read_from_the_message(said: str, at: float) -> None:
    assert reset_time(f"You've hit your limit · {said}", NOW) == at


# ---- the table of failures -----------------------------------------------------------------


def test_every_class_says_what_happened_and_what_to_do() -> None:
    for name, policy in FAILURES.items():
        assert name == policy.name
        assert policy.title and policy.remedy, name
        assert (policy.hold_seconds > 0) == (policy.hold != "none"), name


def test_who_does_not_pay_does_not_count_either() -> None:
    for policy in FAILURES.values():
        assert policy.spends_attempt == policy.counts_for_breaker
        assert policy.hold != "all" or not policy.spends_attempt


def test_what_hits_every_cadence_alike_holds_them_all() -> None:
    held = {name for name, policy in FAILURES.items() if policy.hold == "all"}
    assert held == {"auth", "quota", "billing", "rate_limit", "overload", "network", "no_room"}


def test_an_unknown_name_is_an_ordinary_failure() -> None:
    assert policy_for(None) == policy_for("from the future") == FAILURES["unknown"]


def test_every_class_that_is_found_stands_in_the_table() -> None:
    found = (
        {row[4] for row in TABLE if row[4]} | {row[4] for row in API} | {s[1] for s in SENTENCES}
    )
    assert found <= FAILURES.keys()
    assert FAILURES.keys() - found == {"orphaned", "no_room"}


def test_success_is_one_word() -> None:
    assert RunResult(outcome="ok", exit_code=143).ok
    assert not any(RunResult(outcome=one.outcome, exit_code=0).ok for one in FAILURES.values())


# ---- whatever a run prints -----------------------------------------------------------------

ODD: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
        st.sampled_from(["\ud83d", "resets 1am (America)", "rejected", "completed", "", 10**40]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)  # fmt: skip
SEEN = (
    ev.init(), ev.retry(1, 529), ev.assistant(ev.tool("Bash")), ev.tool_result("x"),
    ev.system("task_started", task_id="t", patch={"status": "completed"}),
    {"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "resetsAt": 1}},
    ev.result(permission_denials=[{"tool_name": "Bash"}], errors=["x"], api_error_status=429),
)  # fmt: skip


def paths(value: Any) -> Iterator[tuple[Any, Any]]:
    """(container, key) of everything in there."""
    inside: Any = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in list(inside):
        yield value, key
        if isinstance(one, dict | list):
            yield from paths(one)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_a_run_prints_its_verdict_is_one_that_every_file_takes(
    data: st.DataObject,
) -> None:
    events = json.loads(json.dumps(SEEN))
    for _ in range(data.draw(st.integers(1, 4))):
        container, key = data.draw(st.sampled_from(list(paths(events))))
        container[key] = data.draw(ODD)
    transcript = Transcript()
    transcript.feed("".join(f"{json.dumps(one)}\n" for one in events).encode())
    transcript.close()
    found = conclude(Ending(exit_code=1), transcript, Tails("", ""), NOW)
    usage = transcript.usage()
    assert msgspec.json.encode((found, usage, transcript.activity(), transcript.steps.all()))
    assert 0 <= usage.tokens_in < 1 << 63 and usage.cost_usd >= 0
