"""The merged log: nothing is lost or torn, and the order is what was seen and no more.

Also: arrival times are told only for what came while somebody looked.
"""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maestro_core.clock import FakeClock
from maestro_core.observe.logfile import LogFile
from maestro_core.observe.logfile_merge import REST, MergedBytes
from maestro_core.observe.logfile_times import Arrivals


class Pair:
    """Two log files of one run and a merged view of them."""

    def __init__(self, folder: Path) -> None:
        self.out, self.err = folder / "run.stdout.log", folder / "run.stderr.log"
        self.clock = FakeClock()
        self.source = MergedBytes(self.out, self.err, self.clock.awake)
        self.log = LogFile(self.source)

    def write(self, stream: str, text: str) -> None:
        with (self.out if stream == "out" else self.err).open("a") as file:
            file.write(text)

    def lines(self) -> list[tuple[str, str]]:
        self.log.refresh()
        found = self.log.forward(0, 10_000)
        return [(self.source.origin(one.start), one.head.decode()) for one in found]


def test_watched_from_the_beginning_lines_stand_in_order_of_arrival(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    assert pair.lines() == []
    pair.write("out", "one\n")
    pair.lines()
    pair.write("err", "two\n")
    pair.lines()
    pair.write("out", "three\n")
    assert pair.lines() == [("stdout", "one"), ("stderr", "two"), ("stdout", "three")]


def test_what_was_there_before_is_under_headings_that_say_so(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    pair.write("out", "a\nb\n")
    pair.write("err", "c\n")
    lines = pair.lines()
    assert [origin for origin, _ in lines] == [
        "heading", "stdout", "stdout", "heading", "stderr", "heading",
    ]  # fmt: skip
    assert "as it was when" in lines[0][1]
    assert "in the order in which they arrived" in lines[-1][1]
    pair.write("err", "d\n")
    assert pair.lines()[-1] == ("stderr", "d")


def test_a_half_line_waits_for_its_end_and_is_not_torn_by_the_other_stream(
    tmp_path: Path,
) -> None:
    pair = Pair(tmp_path)
    pair.lines()
    pair.write("out", "hal")
    assert pair.lines() == []
    pair.write("err", "whole\n")
    assert pair.lines() == [("stderr", "whole")]
    pair.write("out", "f\n")
    assert pair.lines() == [("stderr", "whole"), ("stdout", "half")]


def test_a_last_line_without_newline_is_shown_once_it_has_rested(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    pair.lines()
    pair.write("err", "no newline at the end")
    assert pair.lines() == []
    pair.clock.advance(REST)
    assert pair.lines() == [("stderr", "no newline at the end")]
    pair.write("out", "next\n")
    assert pair.lines()[-1] == ("stdout", "next")


def test_a_truncated_stream_begins_the_view_anew(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    pair.write("out", "old\nold\n")
    pair.lines()
    pair.out.write_text("new\n")
    assert pair.log.refresh() == "restarted"
    assert [text for _, text in pair.lines() if not text.startswith("──")] == ["new"]


WRITES = st.lists(
    st.tuples(
        st.sampled_from(["out", "err"]), st.sampled_from(["x\n", "yy\n", "z", "\n", "w" * 9])
    ),
    max_size=30,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(WRITES, st.integers(0, 30))
def test_every_byte_of_both_streams_is_there_once_and_in_its_order(
    tmp_path: Path, writes: list[tuple[str, str]], looked_after: int
) -> None:
    pair = Pair(tmp_path)
    for path in (pair.out, pair.err):
        path.write_text("")
    wrote = {"out": "", "err": ""}
    for number, (stream, text) in enumerate(writes):
        pair.write(stream, text)
        wrote[stream] += text
        if number >= looked_after:
            pair.lines()
    pair.lines()
    pair.clock.advance(REST)
    shown = pair.lines()
    for stream, origin in (("out", "stdout"), ("err", "stderr")):
        lines = [text for source, text in shown if source == origin]
        assert lines == wrote[stream].splitlines()


def test_times_are_known_only_for_what_came_while_watching() -> None:
    times = Arrivals()
    assert times.at(0) is None
    times.grew(100, 50.0)
    times.grew(140, 50.4)
    times.grew(200, 51.5)
    assert [times.at(offset) for offset in (99, 100, 150, 200, 999)] == [
        None, 50.0, 50.0, 51.5, 51.5,
    ]  # fmt: skip
    times.clear()
    assert times.at(500) is None
