"""The table of outcomes in docs/sub-sessions.md: every row of it is what the code decides."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.core import stream_events as ev
from tests.core.test_session_outcome import HELLO, HELP, verdict

PAGE = Path(__file__).parents[2] / "docs" / "sub-sessions.md"
DONE = (*HELLO, ev.result())
Case = tuple[tuple[dict[str, Any], ...], dict[str, Any], str]

CASES: dict[tuple[str, str], list[Case]] = {
    ("result, `is_error` false", "0"): [(DONE, {"exit_code": 0}, "ok")],
    ("result, `is_error` false", "a signal, or ended by us after its grace"): [
        (DONE, {"signal": 9}, "ok"), (DONE, {"exit_code": 143, "cause": "result"}, "ok"),
    ],
    ("result, `is_error` false", "another code"): [(DONE, {"exit_code": 1}, "failed")],
    ("result with denied tools", "0"): [
        ((*HELLO, ev.result(permission_denials=[{"tool_name": "Bash"}])), {"exit_code": 0},
         "permission_denied"),
    ],
    ("result, empty, and no tool has worked", "0"): [
        ((*HELLO, ev.result("")), {"exit_code": 0}, "empty_answer"),
    ],
    ("result, but the CLI answered a slash command itself", "0"): [
        ((ev.init(), ev.result(HELP, times=0)), {"exit_code": 0}, "prompt"),
    ],
    ("result, `is_error` true", "any, 0 too"): [
        ((ev.init(), ev.failed_result("x", 529)), {"exit_code": code}, "overload")
        for code in (0, 1)
    ],
    ("events, no result", "0"): [(HELLO, {"exit_code": 0}, "no_result")],
    ("events, no result", "a signal (or 128 + its number)"): [
        (HELLO, {"signal": 9}, "killed"), (HELLO, {"exit_code": 143}, "killed"),
        (HELLO, {"signal": 9, "out_of_memory": True}, "out_of_memory"),
    ],
    ("events, no result", "another code"): [
        ((ev.init(), ev.retry(3, 529)), {"exit_code": 1}, "overload"),
    ],
    ("no events (a plain-text CLI)", "0"): [((), {"exit_code": 0}, "ok")],
    ("no events", "another code"): [((), {"exit_code": 1}, "failed")],
    ("any, while it was at work", "ended by us"): [
        (HELLO, {"exit_code": 143, "cause": cause, "interrupted": True}, cause)
        for cause in ("timeout", "cancelled", "shutdown", "emergency_stop", "lease", "auth")
    ],
}  # fmt: skip


def rows() -> list[tuple[str, str, str]]:
    text = PAGE.read_text(encoding="utf-8")
    table = text.split("| output | exit | outcome |\n|---|---|---|\n")[1].split("\n\n")[0]
    return [(a, b, c) for a, b, c in re.findall(r"^\| (.*?) \| (.*?) \| (.*?) \|$", table, re.M)]


def test_every_row_has_its_cases_and_no_case_is_without_a_row() -> None:
    assert [row[:2] for row in rows()] == list(CASES)


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row[0]}, {row[1]}")
def test_a_row_is_what_the_code_decides(row: tuple[str, str, str]) -> None:
    for events, ending, word in CASES[row[:2]]:
        found = verdict(*events, **ending)
        assert word in (found.outcome, found.failure_class)
        assert f"`{word}`" in row[2] or row[2].startswith("by ")
