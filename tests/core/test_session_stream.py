"""Lines of stream-json come whole out of any pieces, and noise is never an error."""

from __future__ import annotations

import json
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maestro_core.session.stream import (
    MARK,
    Lines,
    decode,
    dict_of,
    list_of,
    number_of,
    text_of,
    whole_of,
)

EVENT = {"type": "result", "text": "ünï ✓"}
RAW = json.dumps(EVENT, ensure_ascii=False).encode()


def test_halves_of_surrogate_pairs_and_numbers_beyond_all_sense_are_made_harmless() -> None:
    event = decode(b'{"type": "x", "a\\ud800": ["\\ud83d", {"b": "\\ude00 \\ud83d\\ude00"}]}')
    assert event == {"type": "x", "a\ufffd": ["\ufffd", {"b": "\ufffd \U0001f600"}]}
    odd = decode(b'{"type": "x", "a": 1e300, "b": -1, "c": 99999999999999999999, "d": 1e999}')
    assert [number_of(odd, name) for name in "abcd"] == [0, 0, 0, 0]
    assert [whole_of(odd, name) for name in "abcd"] == [None, -1, None, None]


def cut(*pieces: bytes, lines: Lines | None = None) -> list[tuple[int, bytes, int]]:
    lines = lines or Lines()
    return [*(one for piece in pieces for one in lines.feed(piece)), *lines.close()]


DATA = st.lists(
    st.sampled_from([b"\n", b"\n", MARK, b'{"type": 1}', b"noise", b"\0", b'"ty', b'pe"']),
    max_size=30,
).map(b"".join)


@given(DATA, st.lists(st.integers(1, 9), max_size=60))
def test_the_pieces_do_not_matter(data: bytes, sizes: list[int]) -> None:
    pieces, at = [], 0
    for size in [*sizes, len(data) + 1]:
        pieces.append(data[at : at + size])
        at += size
    found = cut(*pieces)
    assert all(data[offset : offset + len(line)] == line for offset, line, _ in found)
    events = [(offset, line) for offset, line, _ in found if MARK in line]
    starts = [0, *(place + 1 for place, byte in enumerate(data) if byte == 10)]
    whole = [(start, data[start:].split(b"\n")[0]) for start in starts]
    assert events == [(start, line) for start, line in whole if MARK in line]
    noise = sum(count for _, line, count in found if MARK not in line)
    assert noise <= len([line for _, line in whole if MARK not in line])
    assert noise >= len([line for _, line in whole if line and MARK not in line])


def test_an_offset_is_where_the_line_begins() -> None:
    lines = Lines()
    assert list(lines.feed(b"one\ntwo\nthr")) == [(0, b"one", 1), (4, b"two", 1)]
    assert list(lines.feed(b"ee\n" + RAW + b"\n")) == [(8, b"three", 1), (14, RAW, 1)]
    assert list(lines.close()) == []


def test_noise_is_counted_and_not_cut_up() -> None:
    flood = b"y\n" * 1000 + RAW + b"\n" + b"z\n" * 5
    assert cut(flood) == [
        (0, b"y", 1), (2, b"y", 999), (2000, RAW, 1), (2001 + len(RAW), b"z", 5),
    ]  # fmt: skip
    begun = time.process_time()
    list(Lines().feed(b"y\n" * 5_000_000))
    assert time.process_time() - begun < 0.5


def test_a_line_over_the_limit_is_skipped_and_the_next_one_read() -> None:
    lines = Lines(limit=10)
    long = b'x"type"yyyyyyyyyyyyyyyy'
    found = cut(
        b"short\n" + b"x" * 25, b"x" * 25, b"xx\nnext\n" + long + b"\nlast", lines=lines
    )  # fmt: skip
    assert [line for _, line, _ in found] == [b"short", b"next", b"last"]
    assert lines.skipped == 2


def test_after_a_gap_reading_goes_on_at_the_next_line() -> None:
    lines = Lines()
    list(lines.feed(b"one\nhalf of a li"))
    lines.gap(1000)
    assert list(lines.feed(b"ne\nwhole\n")) == [(1003, b"whole", 1)]


def test_ten_megabytes_in_a_line_are_read_in_good_time_and_memory() -> None:
    raw = json.dumps({"type": "user", "content": "x" * 10_000_000}).encode() + b"\n"
    lines, found = Lines(), []
    begun = time.process_time()
    tracemalloc.start()
    for at in range(0, len(raw), 65_536):
        found += [decode(line) for _, line, _ in lines.feed(raw[at : at + 65_536])]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) == 1 and found[0] is not None and len(found[0]["content"]) == 10_000_000
    assert peak < 60_000_000
    assert time.process_time() - begun < 3.0


def test_endless_noise_takes_no_memory() -> None:
    lines = Lines(limit=1 << 20)
    tracemalloc.start()
    for _ in range(200):
        assert list(lines.feed(b"\0" * 100_000)) == []
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000


@pytest.mark.parametrize(
    "line",
    [
        RAW,
        b"  " + RAW + b"\r",
        b"\0\0" + RAW,
        b"Warning: x " + RAW,
        RAW + b" and more",
        b"{ " + RAW[1:],
    ],
)
def test_an_event_is_found_on_its_line(line: bytes) -> None:
    found = decode(line)
    assert found is not None and found["type"] == "result"


@pytest.mark.parametrize(
    "line",
    [
        b"", b" ", b"\0\0\0", b"plain words", b"[1, 2]", b'"type"', b"{", RAW[:-4], b"null",
        b'{"type": 5}', b'{"kind": "x"}', b'{"type"', b'{"a": {"type": "x"}}', b"\xff\xfe{}",
        b'{"type": "x", "n": NaNx}', b'{"type":' + b"[" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_event_is_none(line: bytes) -> None:
    assert decode(line) is None


def test_bytes_that_are_no_utf8_become_replacement_characters() -> None:
    found = decode(b'{"type": "x", "t": "a\xffb"}')
    assert found == {"type": "x", "t": "a\ufffdb"}


@given(st.binary(max_size=200))
def test_decoding_never_raises(data: bytes) -> None:
    decode(b'{"type":"x"' + data)
    decode(data)


@pytest.mark.parametrize("source", [None, 5, "x", [], {}, {"f": None}, {"f": object()}])
def test_a_field_that_is_missing_or_odd_is_empty(source: object) -> None:
    assert text_of(source, "f") is None
    assert number_of(source, "f") == 0
    assert whole_of(source, "f") is None
    assert dict_of(source, "f") == {}
    assert list_of(source, "f") == []


def test_a_truth_value_is_no_number() -> None:
    assert number_of({"f": True}, "f") == 0
    assert whole_of({"f": True}, "f") is None
