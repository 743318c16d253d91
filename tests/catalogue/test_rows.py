"""Every fault of the catalogue has a test that exists, and the page tells the same table."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.catalogue.rows import ROWS, Row, table

PROJECT = Path(__file__).parents[2]
PAGE = PROJECT / "docs" / "reliability.md"


@cache
def functions_of(path: Path) -> frozenset[str]:
    """Names of the test functions that pytest would collect there."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [one for one in tree.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    return frozenset(one.name for one in found if one.name.startswith("test_"))


def test_the_rows_are_1_to_52() -> None:
    assert [row.number for row in ROWS] == list(range(1, 53))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"row {row.number}")
def test_every_row_has_tests_and_they_exist(row: Row) -> None:
    assert row.tests
    for name in row.tests:
        file, _, function = name.partition("::")
        path = PROJECT / file
        assert path.name.startswith("test_")
        assert function in functions_of(path), name


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"row {row.number}")
def test_every_row_says_in_words_what_happens(row: Row) -> None:
    for text in (row.fault, row.promise, row.how):
        assert 3 < len(text) < 100, text
        assert "|" not in text
    assert len(set(row.tests)) == len(row.tests)


def test_the_page_has_the_same_table() -> None:
    assert table() in PAGE.read_text(encoding="utf-8")
