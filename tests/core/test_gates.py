"""circuit-open.json and gates.json: always the truth, over restarts, crashes, jumps, damage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from maestro_core.clock import FakeClock, iso
from maestro_core.consumer.breaker import CLOSED, BreakerPolicy, after_failure, forced_open
from maestro_core.consumer.gates import GateBook
from maestro_core.files import OsFiles
from maestro_core.layout import Layout
from maestro_core.models import CadenceState, Hold
from tests.core.consumer_kit import FullDisk

POLICY = BreakerPolicy()


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path)
    for folder in layout.folders():
        OsFiles().make_folder(folder)
    return layout


def opened(clock: FakeClock, seconds: float = 1800) -> CadenceState:
    return CadenceState(failures=3, open_until=clock.steady() + seconds)


def circuits(layout: Layout) -> dict[str, object]:
    return json.loads(layout.circuit_open.read_text())["open"]


def test_an_open_circuit_is_in_the_file_and_a_closed_one_removes_the_file(layout: Layout) -> None:
    clock = FakeClock()
    book = GateBook(layout, clock)
    book.update("memo", lambda _: opened(clock))
    assert circuits(layout) == {
        "memo": {"failures": 3, "open_until": iso(clock.wall() + 1800)},
    }
    book.update("memo", lambda _: CLOSED)
    assert not layout.circuit_open.exists()
    assert not layout.gates.exists()


def test_failures_below_the_threshold_survive_a_crash(layout: Layout) -> None:
    clock = FakeClock()
    GateBook(layout, clock).update("memo", lambda _: after_failure(CLOSED, clock.steady(), POLICY))
    clock.advance(10)
    book = GateBook(layout, clock)
    book.load(POLICY, afresh=False)
    assert book.get("memo").failures == 1
    assert book.get("memo").next_allowed_at == pytest.approx(clock.steady() + 20, abs=0.01)


def test_after_a_crash_open_circuits_are_restored(layout: Layout) -> None:
    clock = FakeClock()
    GateBook(layout, clock).update("memo", lambda _: opened(clock))
    book = GateBook(layout, clock)
    assert book.load(POLICY, afresh=False) == ["memo"]
    assert book.get("memo").failures == 3


def test_after_a_clean_stop_only_what_an_operator_forced_stays_open(layout: Layout) -> None:
    clock = FakeClock()
    before = GateBook(layout, clock)
    before.update("memo", lambda _: opened(clock))
    before.update("mail", lambda _: forced_open(CLOSED, clock.steady(), 600))
    book = GateBook(layout, clock)
    assert book.load(POLICY, afresh=True) == ["mail"]
    assert list(circuits(layout)) == ["mail"]
    assert book.get("memo") == CLOSED


def test_a_circuit_file_written_by_another_program_is_taken_over(layout: Layout) -> None:
    clock = FakeClock()
    until = iso(clock.wall() + 60)
    layout.circuit_open.write_text(
        json.dumps({"generated": until, "open": {"memo": {"failures": 7, "open_until": until}}})
    )
    book = GateBook(layout, clock)
    assert book.load(POLICY, afresh=False) == ["memo"]
    assert book.get("memo").failures == 7


def test_a_circuit_that_ran_out_while_nobody_looked_is_half_open(layout: Layout) -> None:
    clock = FakeClock()
    GateBook(layout, clock).update("memo", lambda _: opened(clock))
    clock.advance(1801)
    book = GateBook(layout, clock)
    assert book.load(POLICY, afresh=False) == []
    assert book.get("memo") == CadenceState(failures=3)
    assert not layout.circuit_open.exists()


def test_a_clock_that_jumped_back_keeps_no_circuit_open_for_longer_than_its_full_time(
    layout: Layout,
) -> None:
    clock = FakeClock()
    GateBook(layout, clock).update("memo", lambda _: opened(clock))
    clock.jump(-86400)
    book = GateBook(layout, clock)
    book.load(POLICY, afresh=False)
    assert book.get("memo").open_until <= clock.steady() + 1800


def test_a_jump_of_the_clock_inside_a_process_restates_the_file_and_not_the_hold(
    layout: Layout,
) -> None:
    clock = FakeClock()
    book = GateBook(layout, clock)
    book.update("memo", lambda _: opened(clock))
    clock.jump(3600)
    book.flush()
    assert circuits(layout)["memo"] == {"failures": 3, "open_until": iso(clock.wall() + 1800)}
    assert book.get("memo").open_until == clock.steady() + 1800


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b"\x00" * 64, b"\xff\xfe", b'{"open": 7}',
        b'{"open": {"../x": {"failures": 1}, "memo": 5, "a": {"failures": true}}}',
        b"[" * 100_000,
    ],
)  # fmt: skip
def test_damaged_files_are_set_aside_and_never_fatal(layout: Layout, content: bytes) -> None:
    layout.circuit_open.write_bytes(content)
    layout.gates.write_bytes(content)
    book = GateBook(layout, FakeClock())
    assert book.load(POLICY, afresh=False) == []
    assert [name for name, _ in book.items()] == []
    unreadable = not content.startswith(b'{"')
    assert bool(book.problems) is unreadable
    assert len(list(layout.quarantine.iterdir())) == (2 if unreadable else 0)


def test_a_reason_that_no_file_takes_is_kept_readable(layout: Layout) -> None:
    clock = FakeClock()
    until = iso(clock.wall() + 60)
    hold = {"kind": "quota", "until": until, "since": "", "reason": "cut \ud83d"}
    layout.gates.write_text(json.dumps({"hold": hold}))
    book = GateBook(layout, clock)
    book.load(POLICY, afresh=False)
    assert book.hold is not None and book.hold.reason == "cut \ufffd"
    assert json.loads(layout.gates.read_text())["hold"]["reason"] == "cut \ufffd"


def test_a_hold_over_all_cadences_survives_a_crash_and_not_its_own_end(layout: Layout) -> None:
    clock = FakeClock()
    now = clock.steady()
    GateBook(layout, clock).set_hold(Hold("quota", now + 100, now, "resets 1:27am"))
    book = GateBook(layout, clock)
    book.load(POLICY, afresh=False)
    assert book.hold is not None and book.hold.until == pytest.approx(now + 100, abs=0.01)
    clock.advance(101)
    later = GateBook(layout, clock)
    later.load(POLICY, afresh=False)
    assert later.hold is None


def test_a_full_disk_is_said_and_the_write_is_made_up_for_later(layout: Layout) -> None:
    clock, disk = FakeClock(), FullDisk()
    book = GateBook(layout, clock, disk)
    disk.full = True
    book.update("memo", lambda _: opened(clock))
    assert book.dirty and "No space left" in book.problems[0]
    assert book.get("memo").failures == 3
    disk.full = False
    book.flush()
    assert list(circuits(layout)) == ["memo"]
    assert not book.dirty


class HalfWritten(OsFiles):
    """A disk that renames and then fails to flush the folder while `failing` is set."""

    failing = False

    def flush_folder(self, path: Any) -> None:
        if self.failing:
            raise OSError(5, "Input/output error")
        super().flush_folder(path)


def test_what_a_failed_write_has_left_is_no_truth_once_the_circuit_is_closed(
    layout: Layout,
) -> None:
    disk, clock = HalfWritten(), FakeClock()
    book = GateBook(layout, clock, disk)
    book.load(POLICY, afresh=True)
    disk.failing = True
    book.update("memo", lambda _: opened(clock))
    assert layout.circuit_open.exists()
    book.update("memo", lambda _: CLOSED)
    disk.failing = False
    book.flush()
    assert not layout.circuit_open.exists()
    assert not book.dirty
