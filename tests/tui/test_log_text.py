"""A log line as text: colours become styles, secrets masks; all else is shown, not obeyed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from maestro_core.observe.search import parse_query
from maestro_core.redact import MASK, Redactor
from maestro_tui.presentation.log_sgr import split_colours
from maestro_tui.presentation.log_status import LogFacts, status
from maestro_tui.presentation.log_text import (
    EDGE,
    LIMIT,
    Piece,
    show,
    size_words,
    speaks_of_trouble,
    wrap,
)


def text_of(data: bytes, **more: int) -> str:
    return "".join(text for text, _ in show(Piece(data, **more), str))


@pytest.mark.parametrize(
    ("line", "runs"),
    [
        ("plain", [("plain", "")]),
        ("\x1b[31mred\x1b[0m rest", [("red", "bad"), (" rest", "")]),
        ("\x1b[1;32mbold\x1b[22m thin", [("bold", "ok.strong"), (" thin", "ok")]),
        ("\x1b[38;5;196mcube\x1b[39m", [("cube", "bad")]),
        ("\x1b[38;2;10;200;30mtrue\x1b[m", [("true", "ok")]),
        ("\x1b[48;5;21;33mground is left out", [("ground is left out", "warn")]),
        ("\x1b[90mgrey", [("grey", "faint")]),
        ("\x1b[38;5mcut short", [("cut short", "text")]),
        ("\x1b[0m", [("", "")]),
    ],
)
def test_colours_become_styles_of_our_own(line: str, runs: list[tuple[str, str]]) -> None:
    assert split_colours(line) == runs


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"ends in CRLF\r", "ends in CRLF"),
        (b"10%\r20%\r30%", "↻2 30%"),
        (b"10%\r20%\r30%\r", "↻2 30%"),
        (b"a\tb\tc", "a       b       c"),
        (b"\x1b]52;c;aGk=\x07", "\\x1b]52;c;aGk=\\x07"),
        (b"\x1b[2J\x1b[H", "\\x1b[2J\\x1b[H"),
        (b"\xff\xfe bytes", "\\xff\\xfe bytes"),
        ("\u202eevil".encode(), "\\u202eevil"),
        ("zero\u200bwidth".encode(), "zero\\u200bwidth"),
        (b"[bold]markup[/bold]", "[bold]markup[/bold]"),
        ("日本語 ünï".encode(), "日本語 ünï"),
    ],
)
def test_a_line_is_shown_and_nothing_in_it_obeyed(data: bytes, text: str) -> None:
    assert text_of(data) == text


def test_a_secret_is_masked_though_colours_stand_in_the_middle_of_it() -> None:
    redact = Redactor({"DEMO_TOKEN": "correct-horse-battery"})
    runs = show(Piece(b"token correct-\x1b[31mhorse\x1b[0m-battery!"), redact)
    assert "".join(text for text, _ in runs) == f"token {MASK}!"


def test_half_a_secret_at_the_cut_of_a_long_line_is_not_shown() -> None:
    redact = Redactor({"DEMO_TOKEN": "correct-horse-battery"})
    head = b"x" * 3000 + b" correct-hor"
    runs = show(Piece(head, behind=900_000), redact)
    assert "correct" not in "".join(text for text, _ in runs)
    runs = show(Piece(b"horse-battery" + b"y" * 3000, before=900_000), redact)
    assert "battery" not in "".join(text for text, _ in runs)


def test_a_long_line_is_cut_and_says_how_much_is_missing() -> None:
    shown = text_of(b"x" * 10_000)
    assert shown == "x" * LIMIT + " … +5.9 KB"
    window = text_of(b"y" * (LIMIT + 2 * EDGE), before=700_000, behind=100_000)
    assert window == "… 700 KB … " + "y" * LIMIT + " … +102 KB"


def test_a_character_that_the_cut_tore_is_left_out() -> None:
    euro = "€".encode()
    shown = text_of(euro[1:] + b"a" * 2 * EDGE + b"b" * EDGE + euro[:2], before=10, behind=10)
    assert "\\x" not in shown


def test_matches_are_marked_in_what_is_shown() -> None:
    query = parse_query("error")
    runs = show(Piece(b"an \x1b[33mERR\x1b[0mor, an error"), str, "text", query)
    assert [text for text, style in runs if style == "match"] == ["ERR", "or", "error"]
    assert "".join(text for text, _ in runs) == "an ERRor, an error"


def test_trouble_is_told_from_the_beginning_of_a_line() -> None:
    assert speaks_of_trouble(b"ValueError: no")
    assert not speaks_of_trouble(b"0 errors")


@given(
    st.lists(
        st.tuples(st.text(st.sampled_from("ab日本e\u0301🙂 "), max_size=12), st.just("text")),
        max_size=6,
    ),
    st.integers(1, 9),
)
def test_wrapping_keeps_every_character_and_no_row_is_too_wide(
    runs: list[tuple[str, str]], width: int
) -> None:
    rows = wrap(runs, width)
    assert "".join(text for row in rows for text, _ in row) == "".join(text for text, _ in runs)
    for row in rows:
        text = "".join(part for part, _ in row)
        assert cell_len(text) <= max(width, 2 if len(text) == 1 else width)


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (999, "999 B"), (4096, "4.1 KB"), (123_456, "123 KB"), (1 << 30, "1.1 GB")],
)
def test_sizes_are_told_in_few_characters(count: int, words: str) -> None:
    assert size_words(count) == words


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_the_status_line_fits_and_keeps_what_matters_most(width: int) -> None:
    facts = LogFacts(
        "a-rather-long-name-of-a-log.stdout.log", False, "deleted", 1 << 30, new=218,
        line=1_234_567, lines=9_999_999, share=0.123, flags=("wrap", "times"), marks=3,
    )  # fmt: skip
    text = status(facts, width)
    assert text.cell_len == width
    assert "PAUSED +218 new" in text.plain
    if width >= 200:
        assert "line 1,234,567 of 9,999,999 · 12%" in text.plain
        assert "file deleted" in text.plain
