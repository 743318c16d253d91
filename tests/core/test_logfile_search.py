"""Search finds what a naive search of the whole file finds, in slices, both ways, round the end."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maestro_core.observe import search as search_module
from maestro_core.observe.logfile import LogFile
from maestro_core.observe.logfile_index import USUAL, Shape
from maestro_core.observe.search import READ, TROUBLE, Search, parse_query

relaxed = settings(
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
    ],
    deadline=None,
)

WORDS = st.lists(
    st.sampled_from([b"\n", b"a", b"ab", b"AB", b"aab", b"\r\n", b"z" * 9, b"\xff"]), max_size=60
).map(b"".join)


def opened(path: Path, data: bytes, shape: Shape = USUAL) -> LogFile:
    path.write_bytes(data)
    log = LogFile(path, shape)
    log.refresh()
    return log


def found(log: LogFile, text: str, start: int, *, backward: bool = False) -> int | None:
    query = parse_query(text)
    assert query is not None
    search = Search(log, query, start, backward=backward)
    while not search.step(1):
        pass
    return search.hit


@pytest.fixture(autouse=True)
def small_reads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "naive" in request.node.name:
        monkeypatch.setattr(search_module, "READ", 7)


@relaxed
@given(WORDS, st.integers(0, 30))
def test_matches_equal_a_naive_search_both_ways(tmp_path: Path, data: bytes, at: int) -> None:
    log = opened(tmp_path / "log", data)
    first = log.line_start(min(at, len(data)))
    low = data.lower()
    ahead = low.find(b"ab", first)
    assert found(log, "ab", first) == (ahead if ahead >= 0 else none(low.find(b"ab")))
    behind = low.rfind(b"ab", 0, first + 1)
    assert found(log, "ab", first, backward=True) == (
        behind if behind >= 0 else none(low.rfind(b"ab"))
    )
    assert found(log, "AB", 0) == none(data.find(b"AB"))


@relaxed
@given(WORDS, st.integers(0, 30))
def test_inverted_search_equals_a_naive_one_both_ways(tmp_path: Path, data: bytes, at: int) -> None:
    log = opened(tmp_path / "log", data, Shape(block=8, stretch=32))
    first = log.line_start(min(at, len(data)))
    lines = log.forward(0, 1000)
    without = [one.start for one in lines if b"a" not in data[one.start : one.end].lower()]
    ahead = [start for start in without if start >= first] + without
    assert found(log, "!a", first) == (ahead[0] if ahead else None)
    behind = without + [start for start in without if start < first]
    assert found(log, "!a", first, backward=True) == (behind[-1] if behind else None)


def none(place: int) -> int | None:
    return place if place >= 0 else None


def test_a_match_across_two_reads_is_found(tmp_path: Path) -> None:
    data = bytearray(b"x" * (3 * READ))
    data[READ - 3 : READ + 3] = b"needle"
    log = opened(tmp_path / "log", bytes(data))
    assert found(log, "needle", 0) == READ - 3
    assert found(log, "needle", len(data), backward=True) == READ - 3


def test_a_match_deep_in_a_line_of_a_megabyte_is_found(tmp_path: Path) -> None:
    data = b"x" * 900_000 + b"deep" + b"x" * 100_000 + b"\n"
    assert found(opened(tmp_path / "log", data), "deep", 0) == 900_000


def test_progress_is_told_and_a_search_can_be_dropped(tmp_path: Path) -> None:
    log = opened(tmp_path / "log", b"line\n" * 500_000)
    query = parse_query("absent")
    assert query is not None
    search = Search(log, query, 1_000_000)
    shares = []
    while not search.step(READ):
        shares.append(search.share)
    assert search.hit is None
    assert len(shares) >= 8
    assert shares == sorted(shares)
    assert search.share == 1.0
    assert search.wrapped


def test_going_round_the_end_is_told(tmp_path: Path) -> None:
    log = opened(tmp_path / "log", b"hit\n" + b"miss\n" * 10)
    query = parse_query("hit")
    assert query is not None
    search = Search(log, query, 4)
    while not search.step():
        pass
    assert (search.hit, search.wrapped) == (0, True)


@pytest.mark.parametrize("text", ["", "!"])
def test_nothing_typed_is_no_query(text: str) -> None:
    assert parse_query(text) is None


@pytest.mark.parametrize(
    ("line", "trouble"),
    [
        (b"ValueError: no such key", True),
        (b"Traceback (most recent call last):", True),
        (b'{"is_error":true}', True),
        (b'{"is_error": true}', True),
        (b"make: *** [all] Error 2", True),
        (b"3 tests failed", True),
        (b"FATAL: out of memory", True),
        (b'{"is_error":false}', False),
        (b'{"error": null}', False),
        (b"0 errors, 0 failed", False),
        (b"finished without error", False),
        (b"errors: 0", False),
        (b"errors=12", True),
        (b"all is well", False),
    ],
)
def test_trouble_is_told_from_words_of_success(line: bytes, trouble: bool) -> None:
    assert (TROUBLE.first(TROUBLE.prepare(line)) >= 0) is trouble
