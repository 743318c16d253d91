"""The pace of the wire, by a clock of its own: a simulated line of any speed and delay.

A key never waits behind more than a moment of the line, a terminal that does not report is
sent so many bytes a second, and reports that get lost stop nothing.
"""

from __future__ import annotations

from collections import deque

import pytest

from maestro_tui.wire.flow import DEAF_AFTER, ECO, NORMAL, QUEUE, SLOW, SMALLEST, Flow

FRAME = 6000


class Line:
    """A terminal behind a line: what is sent arrives in order, and reports come back."""

    def __init__(self, speed: float, delay: float, flow: Flow) -> None:
        self.speed, self.delay, self.flow = speed, delay, flow
        self.now = 100.0
        self.free_at = 0.0
        self.reports: deque[float] = deque()
        self.sent = 0

    def send(self, size: int, *, urgent: bool = False) -> float:
        """When it has arrived."""
        self.free_at = max(self.now, self.free_at) + size / self.speed
        arrived = self.free_at + self.delay / 2
        if self.flow.sent(size, self.now, urgent):
            self.reports.append(arrived + self.delay / 2)
        self.sent += size
        return arrived

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        while self.reports and self.reports[0] <= self.now:
            self.flow.reported(self.reports.popleft())


def flooded(line: Line, seconds: float) -> None:
    """Frames that nobody asked for, whenever they may go."""
    left, end = FRAME, line.now + seconds
    while line.now < end:
        room = line.flow.room(line.now, urgent=False, begun=left < FRAME)
        if room:
            size = min(room, left)
            line.send(size)
            left = left - size or FRAME
        line.pass_time(0.005)


@pytest.mark.parametrize("speed", [2_000.0, 40_000.0, 125_000.0, 10e6])
@pytest.mark.parametrize("delay", [0.005, 0.04, 0.3])
def test_a_key_in_a_flood_waits_for_a_moment_of_the_line_alone(speed: float, delay: float) -> None:
    line = Line(speed, delay, Flow())
    line.send(4)
    line.pass_time(1.0)
    flooded(line, 30)
    worst = 0.0
    for _ in range(30):
        flooded(line, 0.73)
        assert line.flow.room(line.now, urgent=True) > 0
        worst = max(worst, line.send(20, urgent=True) - line.now - delay / 2)
    assert worst < max(3 * (QUEUE + 0.1 * delay), 3 * SMALLEST / speed)


def test_a_flood_costs_no_more_than_its_rate() -> None:
    line = Line(10e6, 0.01, Flow())
    line.send(4)
    line.pass_time(1.0)
    before = line.sent
    flooded(line, 20)
    assert 0.8 < (line.sent - before) / 20 / NORMAL.unasked < 1.1


@pytest.mark.parametrize(("speed", "slow"), [(30_000.0, True), (500_000.0, False)])
def test_the_line_is_measured(speed: float, slow: bool) -> None:
    line = Line(speed, 0.05, Flow())
    line.send(4)
    line.pass_time(1.0)
    flooded(line, 10)
    assert line.flow.speed == pytest.approx(speed, rel=0.4)
    assert line.flow.slow is slow
    assert (speed < SLOW) is slow


def test_a_terminal_that_never_reports_gets_a_budget() -> None:
    flow = Flow()
    assert flow.sent(4, 0.0, urgent=True)
    sent, now = 0, 0.0
    while now < 20:
        if flow.room(now, urgent=False):
            asked = flow.sent(FRAME, now, urgent=False)
            assert not (asked and now > DEAF_AFTER)
            sent += FRAME
        now += 0.01
    assert flow.deaf
    assert sent / 20 < 1.1 * NORMAL.deaf
    assert flow.room(now + 5, urgent=True) > 0
    flow.reported(now)
    assert not flow.deaf


def test_a_lost_report_is_not_waited_for_for_ever() -> None:
    flow = Flow()
    flow.sent(4, 0.0, urgent=True)
    flow.reported(0.05)
    flow.sent(5000, 1.0, urgent=False)
    assert flow.room(2.0, urgent=False) == 0
    assert flow.room(30.0, urgent=False) > 0


def test_small_frames_ask_for_no_report() -> None:
    flow = Flow()
    flow.sent(4, 0.0, urgent=True)
    flow.reported(0.05)
    flow._shortest = (0.0, 0.05, 0.05)
    assert [flow.sent(90, 1.0 + n, urgent=False) for n in range(4)] == [False] * 4
    assert flow.sent(90, 9.0, urgent=False)


def test_eco_spares_any_line() -> None:
    line = Line(10e6, 0.01, Flow(ECO))
    line.send(4)
    line.pass_time(1.0)
    flooded(line, 20)
    assert line.flow.slow
    assert line.sent / 20 < 1.2 * ECO.unasked
