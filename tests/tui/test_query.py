"""The filter language: words, phrases, fields, comparisons, negation, inversion."""

# ruff: noqa: E501  (tables read best with one row a line)

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maestro_tui.query import matches, parse

ROW = {
    "cadence": "inbox-processor",
    "state": "OPEN",
    "error": "exit 1: Rate limit, retry later",
    "age": 5400.0,
    "cost": 0.31,
    "none": None,
}


@pytest.mark.parametrize(
    "text",
    [
        "", "inbox", "INBOX", "rate limit", '"rate limit"', "limit rate", "cadence:inbox",
        "state:open", 'error:"rate limit"', "age:>1h", "age:>=90m", "age:<2h", "age:=5400",
        "cost:<0.5", "cost:>$0.3", "!weekly", "!cadence:weekly", "! weekly", "cadence:inbox age:>1h",
        "Cadence:INBOX", "exit 1:",
    ],
)  # fmt: skip
def test_passes(text: str) -> None:
    assert matches(parse(text), ROW)


@pytest.mark.parametrize(
    "text",
    [
        "weekly", '"limit rate"', "cadence:weekly", "age:<1h", "age:>2d", "cost:>1", "!inbox",
        "! inbox", "!state:open", "none:x", "nofield:x", "cadence:>3", "inbox weekly",
    ],
)  # fmt: skip
def test_does_not_pass(text: str) -> None:
    assert not matches(parse(text), ROW)


def test_a_lone_exclamation_mark_filters_nothing_yet() -> None:
    assert matches(parse("!"), ROW)


def test_an_unclosed_quote_is_taken_to_the_end() -> None:
    assert matches(parse('"rate lim'), ROW)


@given(st.text(max_size=60))
def test_whatever_is_typed_means_something(text: str) -> None:
    assert matches(parse(text), ROW) in (True, False)


@given(
    st.text(
        alphabet=st.characters(exclude_characters='!":', exclude_categories=("Z", "C")), min_size=1
    )
)
def test_a_word_and_its_negation_never_agree(word: str) -> None:
    assert matches(parse(word), ROW) != matches(parse(f"!{word}"), ROW)
