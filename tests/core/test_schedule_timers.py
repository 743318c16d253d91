"""Proves that timers fire at least at every due time, and where they can not, that it is said.

systemd's own calculator is asked what an OnCalendar line means (skipped where it is not
installed); launchd's rule is played minute by minute, since it runs on macOS alone.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest

from maestro_core.schedule.calendar import Inexpressible, calendar, moved_dues
from maestro_core.schedule.launchd_times import launchd_times
from maestro_core.schedule.systemd_times import on_calendar
from maestro_core.service.plist import plist_problems
from maestro_core.settings_schedule import dues_after

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
CALCULATOR = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(
    CALCULATOR is None, reason="systemd-analyze is not installed on this machine"
)
PLAIN = [
    "*/5 * * * *", "* * * * *", "0 * * * *", "30 2 * * *", "0,30 2 * * *", "15 1-4 * * *",
    "0 7 * * mon", "*/20 9-17 * * 1-5", "0 7 1,15 * *", "0 7 1,15 * mon", "0 0 29 2 *",
    "17 3,5,9 * 1-3 *", "0 0 * * 7", "10 */6 * * *", "*/30 2 * * *",
    "0 9 1-7 * mon,wed",
]  # fmt: skip
SYSTEMD_ONLY = [
    "0 9 L * *", "0 9 LW * *", "0 9 * * 5L", "0 9 * * 1#2", "0 9 * * mon#5", "0 9 */2 * mon",
    "0 9 13 * fri#2", "0 9 L * sun",
]  # fmt: skip
STARTS = ["2026-02-26", "2026-03-28", "2026-10-24", "2026-12-30", "2028-02-27"]


def due_in(schedule: str, start: datetime, end: datetime, tz: ZoneInfo) -> set[float]:
    last = end.timestamp()
    return set(takewhile(lambda due: due <= last, dues_after(schedule, start.timestamp(), tz)))


# ---- systemd -------------------------------------------------------------------------------


def elapses(line: str, start: datetime, end: datetime) -> set[float]:
    """When systemd itself would fire, after `start` and up to `end`."""
    found: set[float] = set()
    base = start
    while base < end:
        done = subprocess.run(
            [CALCULATOR or "", "calendar", "--iterations=300",
             f"--base-time={base:%Y-%m-%d %H:%M:%S}", line],
            env={"TZ": "UTC", "PATH": os.environ["PATH"], "LC_ALL": "C"},
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        times = re.findall(r"(?:Next elapse|Iter\. #\d+): \w+ (\S+ \S+) UTC", done.stdout)
        moments = [datetime.fromisoformat(one).replace(tzinfo=UTC) for one in times]
        found |= {one.timestamp() for one in moments if one <= end}
        base = moments[-1] if moments else end
    return found


@needs_systemd
@pytest.mark.parametrize("schedule", PLAIN + SYSTEMD_ONLY)
@pytest.mark.parametrize("day", ["2026-03-28", "2026-10-24"])
def test_systemd_fires_at_every_due_time_and_hardly_ever_besides(schedule: str, day: str) -> None:
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    end = start + timedelta(days=3)
    wanted = due_in(schedule, start, end, BERLIN)
    lines = on_calendar(schedule, BERLIN, "Europe/Berlin", 2026)
    fires = {moment for line in lines for moment in elapses(line, start, end)}
    assert wanted <= fires
    # a line that makes up for a change of clocks stands for a weekday of its month
    besides = {datetime.fromtimestamp(one, UTC) for one in fires - wanted}
    assert all(one.weekday() == 6 and one.month in (3, 10) for one in besides)
    assert len(besides) <= 60


@needs_systemd
@pytest.mark.parametrize("schedule", PLAIN + SYSTEMD_ONLY)
def test_without_changes_of_clocks_systemd_fires_at_the_due_times_alone(schedule: str) -> None:
    tokyo = ZoneInfo("Asia/Tokyo")
    lines = on_calendar(schedule, tokyo, "Asia/Tokyo", 2026)
    for month in (1, 8):
        start = datetime(2026, month, 27, tzinfo=UTC)
        end = start + timedelta(days=9 if "*" in schedule.split()[2] else 60)
        if schedule.startswith("*"):
            end = start + timedelta(hours=30)
        fires = {moment for line in lines for moment in elapses(line, start, end)}
        assert fires == due_in(schedule, start, end, tokyo)


def test_what_is_written_for_systemd_can_be_read() -> None:
    assert on_calendar("*/5 9-17 * * 1-5", BERLIN, None, 2026) == [
        "Mon,Tue,Wed,Thu,Fri *-*-* 09..17:00/5:00"
    ]
    assert on_calendar("30 2 * * *", BERLIN, "Europe/Berlin", 2026) == [
        "*-*-* 02:30:00 Europe/Berlin",
        "Sun *-03-* 01:00:00 UTC",
    ]
    assert on_calendar("*/5 * * * *", ZoneInfo("Asia/Tokyo"), None, 2026) == ["*-*-* *:00/5:00"]


# ---- launchd -------------------------------------------------------------------------------


def launchd_fires(
    times: dict[str, object], start: datetime, end: datetime, tz: ZoneInfo
) -> set[float]:
    """Whenever the clock on the wall matches one of the dictionaries."""
    if "StartInterval" in times:
        step = int(str(times["StartInterval"]))
        first = int(start.timestamp()) + step
        return set(map(float, range(first, int(end.timestamp()) + 1, step)))
    intervals = times["StartCalendarInterval"]
    assert isinstance(intervals, list)
    found, moment = set(), start
    while (moment := moment + timedelta(minutes=1)) <= end:
        wall = moment.astimezone(tz)
        shows = {
            "Month": wall.month, "Day": wall.day, "Weekday": wall.isoweekday() % 7,
            "Hour": wall.hour, "Minute": wall.minute,
        }  # fmt: skip
        if any(all(shows[key] == value for key, value in one.items()) for one in intervals):
            found.add(moment.timestamp())
    return found


@pytest.mark.parametrize("schedule", PLAIN)
@pytest.mark.parametrize("day", STARTS)
def test_launchd_fires_at_every_due_time(schedule: str, day: str) -> None:
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    end = start + timedelta(days=3)
    times = launchd_times(schedule, BERLIN, BERLIN, 2026)
    fires = launchd_fires(dict(times), start, end, BERLIN)
    wanted = due_in(schedule, start, end, BERLIN)
    assert wanted <= fires
    if (start.month, start.day) not in ((3, 28), (10, 24)):
        assert wanted == fires


@pytest.mark.parametrize("schedule", PLAIN)
def test_what_is_written_for_launchd_is_a_calendar(schedule: str) -> None:
    times = launchd_times(schedule, BERLIN, BERLIN, 2026)
    assert plist_problems({"Label": "x", "ProgramArguments": ["x"], **times}) == []


@pytest.mark.parametrize("schedule", SYSTEMD_ONLY)
def test_what_launchd_cannot_say_is_refused_with_the_way_out(schedule: str) -> None:
    with pytest.raises(Inexpressible, match="launchd knows plain days") as caught:
        launchd_times(schedule, BERLIN, BERLIN, 2026)
    assert 'producer = "consumer"' in caught.value.hint


def test_launchd_goes_by_the_machines_time() -> None:
    with pytest.raises(Inexpressible, match="this machine's time, not by America/New_York"):
        launchd_times("0 7 * * *", NEW_YORK, BERLIN, 2026)
    # what comes every hour alike is the same in both
    assert launchd_times("*/30 * * * *", NEW_YORK, BERLIN, 2026) == {
        "StartCalendarInterval": [{"Minute": 0}, {"Minute": 30}]
    }
    with pytest.raises(Inexpressible):
        launchd_times("0 * * * *", ZoneInfo("Asia/Kolkata"), BERLIN, 2026)
    # another name of the same rules
    same = launchd_times("0 7 * * *", ZoneInfo("Europe/Oslo"), BERLIN, 2026)
    assert same == {"StartCalendarInterval": [{"Hour": 7, "Minute": 0}]}


def test_too_many_entries_for_launchd_are_refused() -> None:
    with pytest.raises(Inexpressible, match="entries"):
        launchd_times("1-59 9-17 * * 1-5", BERLIN, BERLIN, 2026)


def test_every_minute_is_an_interval() -> None:
    assert launchd_times("* * * * *", NEW_YORK, BERLIN, 2026) == {"StartInterval": 60}


# ---- parts ---------------------------------------------------------------------------------


def test_an_expression_that_counts_from_both_ends_is_refused() -> None:
    with pytest.raises(Inexpressible, match="both ends"):
        calendar("0 0 */2 * 5L")


def test_moved_due_times_are_those_that_no_wall_shows() -> None:
    moved = moved_dues("30 2 * * *", BERLIN, 2026)
    shown = {datetime.fromtimestamp(one, BERLIN).strftime("%a %m %H:%M") for one in moved}
    assert shown == {"Sun 03 03:00"}
    assert len(moved) == 10
    assert moved_dues("0 12 * * *", BERLIN, 2026) == []
    assert moved_dues("*/5 * * * *", ZoneInfo("UTC"), 2026) == []
