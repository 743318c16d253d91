"""LogFile tells the same lines as a naive reader of the whole file, whatever the content.

Also: truncation, rotation, deletion and copy-and-truncate under the reader, numbers from
the sparse index, and that a large file costs no memory.
"""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maestro_core.observe.logfile import HEAD, LogFile
from maestro_core.observe.logfile_index import USUAL, Shape

SMALL = Shape(block=8, stretch=32)

CONTENT = st.lists(
    st.one_of(
        st.sampled_from([b"\n", b"\r\n", b"x\n", b"\n\n", b"a" * 31, b"b" * 32, b"c" * 40]),
        st.binary(max_size=12),
    ),
    max_size=40,
).map(b"".join)

relaxed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def naive_starts(data: bytes, stretch: int) -> list[int]:
    """Line starts by reading everything: after newlines, and after stretches without one."""
    starts = {0} | {at + 1 for at, byte in enumerate(data) if byte == 10}
    for end in range(stretch, len(data) + 1, stretch):
        if b"\n" not in data[end - stretch : end]:
            starts.add(end)
    return sorted(start for start in starts if start < len(data))


def naive_lines(data: bytes, stretch: int) -> list[bytes]:
    starts = naive_starts(data, stretch)
    ends = [*starts[1:], len(data)][: len(starts)]
    pieces = [data[start:end] for start, end in zip(starts, ends, strict=True)]
    return [piece[:-1] if piece.endswith(b"\n") else piece for piece in pieces]


def opened(path: Path, shape: Shape = SMALL) -> LogFile:
    log = LogFile(path, shape)
    log.refresh()
    return log


def texts(log: LogFile) -> list[bytes]:
    return [log.read(line.start, line.end - line.start) for line in log.forward(0, 10_000)]


@relaxed
@given(CONTENT)
def test_lines_forward_and_backward_equal_those_of_a_naive_reader(
    tmp_path: Path, data: bytes
) -> None:
    path = tmp_path / "log"
    path.write_bytes(data)
    for indexed in (False, True):
        log = opened(path)
        if indexed:
            log.index_all()
        assert texts(log) == naive_lines(data, SMALL.stretch)
        assert log.backward(log.size, 10_000) == log.forward(0, 10_000)
        assert log.backward(log.size, 3) == log.forward(0, 10_000)[-3:]


@relaxed
@given(CONTENT)
def test_numbers_and_starts_agree_with_the_naive_reader(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "log"
    path.write_bytes(data)
    log = opened(path)
    starts = naive_starts(data, SMALL.stretch)
    log.index_all()
    assert log.count() == len(starts)
    assert [log.line_number(start) for start in starts] == list(range(len(starts)))
    assert [log.offset_of(number) for number in range(len(starts))] == starts
    for offset in range(len(data)):
        assert log.line_start(offset) == max(start for start in starts if start <= offset)


@relaxed
@given(st.lists(CONTENT, min_size=1, max_size=6), st.data())
def test_growth_truncation_and_replacement_are_followed(
    tmp_path: Path, pieces: list[bytes], draw: st.DataObject
) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"")
    log, model = opened(path), b""
    for piece in pieces:
        act = draw.draw(st.sampled_from(["append", "append", "truncate", "replace"]))
        if act == "append":
            model += piece
            with path.open("ab") as file:
                file.write(piece)
        elif act == "truncate":
            model = model[: len(model) // 2]
            os.truncate(path, len(model))
        else:
            model = piece
            (tmp_path / "new").write_bytes(piece)
            os.replace(tmp_path / "new", path)
        log.refresh()
        log.index_work().step(16)
        assert texts(log) == naive_lines(model, SMALL.stretch)
        assert log.backward(log.size, 10_000) == log.forward(0, 10_000)


def test_a_missing_file_is_waited_for_and_then_shown(tmp_path: Path) -> None:
    log = opened(tmp_path / "later")
    assert (log.state, log.size, log.forward(0, 5)) == ("waiting", 0, [])
    (tmp_path / "later").write_bytes(b"one\ntwo")
    assert log.refresh() == "grown"
    assert log.state == "live"
    assert texts(log) == [b"one", b"two"]


def test_a_deleted_file_stays_readable_and_its_successor_is_taken_up(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"old\n")
    log = opened(path)
    path.unlink()
    assert log.refresh() == "same"
    assert (log.state, texts(log)) == ("deleted", [b"old"])
    path.write_bytes(b"new\n")
    assert log.refresh() == "restarted"
    assert (log.state, texts(log)) == ("live", [b"new"])


def test_copy_and_truncate_is_noticed_though_the_file_grew_beyond_its_old_size(
    tmp_path: Path,
) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"first life\n" * 10)
    log = opened(path)
    with path.open("r+b") as file:
        file.truncate(0)
        file.write(b"second life\n" * 40)
    assert log.refresh() == "restarted"
    assert texts(log) == [b"second life"] * 40


def test_a_search_thread_keeps_reading_the_old_file_after_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"old\n")
    log = opened(path)
    read = log.reader()
    (tmp_path / "new").write_bytes(b"new\n")
    os.replace(tmp_path / "new", path)
    log.refresh()
    assert (read(0, 10), log.read(0, 10)) == (b"old\n", b"new\n")


@pytest.mark.parametrize("kind", ["folder", "fifo"])
def test_what_is_no_regular_file_is_named_and_never_waited_on(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "log"
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    log = opened(path)
    assert log.state == "unreadable"
    assert log.trouble == "not a regular file"


def test_a_line_of_a_megabyte_is_one_line_with_a_short_head(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"before\n" + b"x" * 1_000_000 + b"\nafter\n")
    log = opened(path, USUAL)
    lines = log.forward(0, 10)
    assert [line.end - line.start for line in lines] == [6, 1_000_000, 5]
    assert len(lines[1].head) == HEAD
    assert log.backward(log.size, 2) == lines[1:]


def test_a_file_without_any_newline_is_cut_into_lines_of_bounded_length(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(bytes(5 << 20))
    log = opened(path, USUAL)
    assert [line.next - line.start for line in log.forward(0, 100)] == [1 << 20] * 5
    assert all(line.partial for line in log.forward(0, 100))
    log.index_all()
    assert log.count() == 5


def test_the_tail_of_a_large_file_is_shown_without_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file:
        file.truncate(8 << 30)  # sparse: takes no room on the disk
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + b"the end\n" * 100)
    tracemalloc.start()
    log = opened(path, USUAL)
    assert [line.head for line in log.backward(log.size, 3)] == [b"the end"] * 3
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 << 20


def test_the_index_is_made_in_bounded_slices(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"line\n" * 400_000)
    log = opened(path, USUAL)
    work = log.index_work()
    shares = []
    while not work.step(1 << 18):
        shares.append(log.indexed_share)
        assert log.count() is None
    assert len(shares) == 7
    assert shares == sorted(shares)
    assert log.count() == 400_000
    with path.open("ab") as file:
        file.write(b"more\n" * 20_000)
    log.refresh()
    log.index_all()
    assert log.count() == 420_000
    assert log.offset_of(419_999) == log.size - 5
