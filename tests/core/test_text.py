"""Proves that no text of a log or a name can steer a terminal, and plain text is left alone."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maestro_core.text import one_line, visible

everything = st.text(st.characters(max_codepoint=sys.maxunicode, categories=None), max_size=80)
nasty = st.text(
    st.sampled_from(
        "a\x00\x07\x1b\x7f\x85\x9b\n\r\t\u200b\u200d\u202e\u2066\u2028\ufeff\ud800é日😀"
    ),
    max_size=40,
)


def _obeyed(character: str) -> bool:
    """What terminals and bidi renderers act on: controls, format characters, separators."""
    return unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Cs")


@given(everything | nasty)
def test_no_control_or_format_character_survives(text: str) -> None:
    assert not [c for c in visible(text) if _obeyed(c)]
    assert not [c for c in one_line(text) if _obeyed(c)]


@given(everything | nasty)
def test_only_newline_and_tab_can_be_kept(text: str) -> None:
    kept = visible(text, keep="\n\t\x1b\u202e")
    assert {c for c in kept if _obeyed(c)} <= {"\n", "\t"}
    assert kept.count("\n") == text.count("\n")


@given(everything | nasty)
def test_the_result_can_be_encoded_and_is_stable(text: str) -> None:
    shown = visible(text)
    shown.encode("utf-8")
    assert visible(shown) == shown


@given(everything | nasty, st.integers(0, 30))
def test_a_limit_is_never_passed(text: str, limit: int) -> None:
    assert len(visible(text, limit)) <= limit
    assert len(one_line(text, limit)) <= limit
    if len(visible(text)) <= limit:
        assert visible(text, limit) == visible(text)


def test_every_format_character_that_this_python_knows_is_shown() -> None:
    hidden = [
        chr(n) for n in range(sys.maxunicode + 1) if unicodedata.category(chr(n)) in ("Cf", "Cc")
    ]
    assert [c for c in hidden if visible(c) == c] == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ASCII ~!", "plain ASCII ~!"),
        ("naïve 日本語 😀 ⚠️ e\u0301", "naïve 日本語 😀 ⚠️ e\u0301"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x1b]52;c;aGk=\x07", "\\x1b]52;c;aGk=\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("user\u202egpj.exe", "user\\u202egpj.exe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\ud83d alone", "\\ud83d alone"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("filler\u3164", "filler\\u3164"),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_kept_line_breaks() -> None:
    assert visible("a\n\tb\x1b", keep="\n") == "a\n\\tb\\x1b"
    assert visible("a\n\tb\x1b", keep="\n\t") == "a\n\tb\\x1b"


def test_a_long_text_is_cut_with_an_ellipsis() -> None:
    assert visible("abcdef", 4) == "abc…"
    assert visible("\x1b\x1b", 5) == "\\x1b…"
    assert visible("abc", 3) == "abc"
    assert len(visible("x" * 10_000_000, 80)) == 80


def test_one_line_joins_lines_and_trims() -> None:
    assert one_line("  a\r\n\n  b\tc \x1b[0m\u2028d ") == "a b c \\x1b[0m d"
    assert one_line("word " * 1000, 9) == "word wor…"
