"""Proves which due times there are, on clock changes too, and which of them is enqueued when.

The oracle walks through real time minute by minute and asks only what the wall shows; it
shares nothing with the library under test but the zone's rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maestro_core.schedule.decide import FRESH, Record, decide, latest_due
from maestro_core.schedule.tick import due_key, due_tick
from maestro_core.settings_schedule import dues_after, next_due, zone, zone_problem

MINUTE = timedelta(minutes=1)
BERLIN = ZoneInfo("Europe/Berlin")
HOUR, DAY = 3600.0, 86400.0

# (zone, first day looked at): both Sundays, the other hemisphere, half an hour, midnight
CHANGES = [
    ("Europe/Berlin", "2026-03-28"),
    ("Europe/Berlin", "2026-10-24"),
    ("America/New_York", "2026-03-07"),
    ("America/New_York", "2026-10-31"),
    ("Australia/Lord_Howe", "2026-04-04"),
    ("Australia/Lord_Howe", "2026-10-03"),
    ("America/Santiago", "2026-04-04"),
    ("America/Santiago", "2026-09-05"),
    ("Asia/Kolkata", "2026-06-01"),
    ("UTC", "2026-03-28"),
]
SCHEDULES = [
    "*/5 * * * *", "* * * * *", "0 * * * *", "30 * * * *", "*/30 2 * * *", "30 2 * * *",
    "0,30 2 * * *", "15,45 2 * * *", "30 1-4 * * *", "0 0 * * *", "30 0 * * *", "59 23 * * *",
    "0 7 * * *", "10 */2 * * *", "0 3 * * sun", "45 1 * * *",
]  # fmt: skip


def matches(field: str, value: int, last: int) -> bool:
    """Fields of the table above only: *, */n, a-b, a,b."""
    if field == "*":
        return True
    if field.startswith("*/"):
        return value % int(field[2:]) == 0
    for part in field.split(","):
        low, _, high = part.partition("-")
        if int(low) <= value <= int(high or low):
            return True
    return False


def shown(schedule: str, wall: datetime) -> bool:
    """Whether the expression matches what a clock on the wall shows."""
    minute, hour, _, _, weekday = schedule.split()
    weekday = weekday.replace("sun", "0")
    return (
        matches(minute, wall.minute, 59)
        and matches(hour, wall.hour, 23)
        and matches(weekday, wall.isoweekday() % 7, 6)
    )


def oracle(schedule: str, start: datetime, hours: int, tz: ZoneInfo) -> list[float]:
    """Minute by minute: what runs by the hour follows real time; a fixed time runs once in a
    repeated hour, and after a skipped one when its minute was skipped."""
    by_real_time = schedule.split()[0].startswith("*") or schedule.split()[1].startswith("*")
    found: list[float] = []
    done: set[datetime] = set()
    before = start.astimezone(tz).replace(tzinfo=None)
    moment = start
    for _ in range(hours * 60):
        moment += MINUTE
        wall = moment.astimezone(tz).replace(tzinfo=None)
        fires = shown(schedule, wall)
        if not by_real_time:
            skipped = before + MINUTE
            while skipped < wall:
                fires |= shown(schedule, skipped)
                skipped += MINUTE
            fires &= wall not in done
            done.add(wall)
        if fires:
            found.append(moment.timestamp())
        before = wall
    return found


def due_in(schedule: str, start: datetime, hours: int, tz: ZoneInfo) -> list[float]:
    until = start.timestamp() + hours * HOUR
    return list(takewhile(lambda due: due <= until, dues_after(schedule, start.timestamp(), tz)))


def iso_in(tz: ZoneInfo, moments: list[float]) -> list[str]:
    return [datetime.fromtimestamp(one, tz).isoformat(timespec="minutes") for one in moments]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(("name", "day"), CHANGES)
def test_due_times_around_a_change_of_clocks_are_those_of_the_oracle(
    name: str, day: str, schedule: str
) -> None:
    tz = ZoneInfo(name)
    start = datetime.fromisoformat(day).replace(tzinfo=tz).astimezone(UTC) + timedelta(hours=3)
    assert iso_in(tz, due_in(schedule, start, 54, tz)) == iso_in(
        tz, oracle(schedule, start, 54, tz)
    )


@pytest.mark.parametrize(
    ("schedule", "start", "expected"),
    [
        # 2026-03-29 02:00 becomes 03:00
        ("30 2 * * *", "2026-03-28T12:00:00+01:00", ["2026-03-29T03:00+02:00"]),
        ("0,30 2 * * *", "2026-03-29T01:00:00+01:00", ["2026-03-29T03:00+02:00"]),
        ("*/30 * * * *", "2026-03-29T01:30:00+01:00", ["2026-03-29T03:00+02:00"]),
        # 2026-10-25 03:00 becomes 02:00
        (
            "30 2 * * *",
            "2026-10-25T01:00:00+02:00",
            ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"],
        ),
        ("30 2 * * *", "2026-10-25T02:10:00+01:00", ["2026-10-26T02:30+01:00"]),
        (
            "30 * * * *",
            "2026-10-25T02:00:00+02:00",
            ["2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00"],
        ),
    ],
)
def test_both_sundays_in_berlin(schedule: str, start: str, expected: list[str]) -> None:
    dues = dues_after(schedule, datetime.fromisoformat(start).timestamp(), BERLIN)
    assert iso_in(BERLIN, [next(dues) for _ in expected]) == expected


def test_the_next_due_time_never_lies_in_the_past() -> None:
    """In the repeated hour the library alone would name the first 02:30 again."""
    now = datetime.fromisoformat("2026-10-25T02:10:00+01:00").timestamp()
    assert (next_due("30 2 * * *", now, BERLIN) or 0) > now


@given(
    st.sampled_from(SCHEDULES),
    st.sampled_from([name for name, _ in CHANGES]),
    st.floats(1.77e9, 1.81e9),
    st.floats(0, 40 * DAY),
)
@settings(max_examples=200, deadline=None)
def test_the_latest_due_time_is_the_last_one_up_to_then(
    schedule: str, name: str, after: float, length: float
) -> None:
    tz = ZoneInfo(name)
    found = latest_due(schedule, after, after + length, tz)
    if found is None:
        assert (next_due(schedule, after, tz) or 0) > after + length
    else:
        assert after < found <= after + length
        assert (next_due(schedule, found, tz) or 0) > after + length


def test_zones_are_checked() -> None:
    assert zone_problem("Europe/Berlin") is None
    for name in ("Europe/Nowhere", "", "../etc/passwd", "Europe", "a" * 300):
        assert zone_problem(name)
    assert zone("Asia/Tokyo") == ZoneInfo("Asia/Tokyo")
    assert zone(None) == ZoneInfo("UTC")


# ---- decisions -----------------------------------------------------------------------------

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()
SEVEN = NOON - 5 * HOUR
DAILY = "0 7 * * *"


def record(until: float, schedule: str = DAILY, due: float | None = None) -> Record:
    return Record(schedule=schedule, until=until, due=due)


def decided(before: Record | None, now: float, schedule: str = DAILY, *, called: bool) -> object:
    return decide(before, schedule, None, now, UTC, called=called).due


@pytest.mark.parametrize("called", [True, False])
def test_a_due_time_comes_once_and_what_was_missed_comes_once_too(called: bool) -> None:
    yesterday = record(SEVEN - DAY)
    assert decided(yesterday, SEVEN - 2, called=called) is None
    assert decided(yesterday, SEVEN, called=called) == SEVEN
    assert decided(yesterday, NOON, called=called) == SEVEN
    assert decided(record(SEVEN - 30 * DAY), NOON, called=called) == SEVEN
    after = decide(yesterday, DAILY, None, NOON, UTC, called=called).record
    assert after is not None
    assert decided(after, NOON + 1, called=called) is None
    assert decided(after, SEVEN + DAY, called=called) == SEVEN + DAY


def test_a_new_schedule_begins_now_for_the_consumer_and_counts_at_once_for_a_timer() -> None:
    assert decided(None, NOON, called=False) is None
    assert decided(None, SEVEN + 60, called=True) == SEVEN
    assert decided(None, SEVEN + FRESH + 60, called=True) is None


def test_a_changed_schedule_does_not_bring_back_what_it_would_have_done_before() -> None:
    changed = record(SEVEN - DAY, schedule="0 6 * * *")
    assert decided(changed, NOON, called=False) is None
    assert decided(changed, NOON, called=True) is None
    moved = decide(changed, DAILY, None, NOON, UTC, called=False).record
    assert moved is not None
    assert (moved.schedule, moved.until) == (DAILY, NOON)
    # another way to write the same times: 12:00 was enqueued a minute ago
    same = record(NOON, schedule="*/5 * * * *", due=NOON)
    assert decided(same, NOON + 60, "0-59/5 * * * *", called=True) is None


def test_a_timer_that_fires_a_moment_early_means_the_due_time_ahead() -> None:
    yesterday = record(SEVEN - DAY)
    assert decided(yesterday, SEVEN - 0.5, called=True) == SEVEN
    early = decide(yesterday, DAILY, None, SEVEN - 0.5, UTC, called=True).record
    assert early is not None
    assert decided(early, SEVEN + 0.1, called=True) is None
    assert decided(yesterday, SEVEN - 0.5, called=False) is None


def test_a_clock_that_was_wrong_does_not_silence_a_schedule_for_years() -> None:
    from_2030 = record(NOON + 4 * 365 * DAY)
    assert decided(from_2030, SEVEN + 1, called=True) == SEVEN
    begun = decide(from_2030, DAILY, None, NOON, UTC, called=False).record
    assert begun is not None
    assert begun.until == NOON
    # a small step back repeats nothing
    assert decided(record(SEVEN), SEVEN - 600, called=False) is None
    assert decided(record(SEVEN), SEVEN + 1, called=False) is None


def timeline(seed: int) -> Iterator[tuple[float, bool]]:
    """(now, called) of somebody who looks at odd times, sometimes not for days."""
    import random

    rng = random.Random(seed)
    now = NOON
    for _ in range(400):
        now += rng.choice((0.3, 20, 61, 400, 5 * HOUR, 3 * DAY)) * rng.random()
        yield now, rng.random() < 0.5


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("schedule", ["*/5 * * * *", "0 7 * * *", "30 2 * * *"])
def test_whoever_looks_and_when_no_due_time_comes_twice_or_out_of_order(
    seed: int, schedule: str
) -> None:
    before, made = record(NOON, schedule), []
    for now, called in timeline(seed):
        found = decide(before, schedule, None, now, BERLIN, called=called)
        if found.due is not None:
            made.append(found.due)
            assert found.due <= now + 1
            assert latest_due(schedule, NOON, now + 1, BERLIN) in (
                found.due, next_due(schedule, found.due, BERLIN)
            )  # fmt: skip
        before = found.record or before
    assert made == sorted(set(made))
    assert len(made) > 20


# ---- the tick ------------------------------------------------------------------------------


def test_the_tick_of_a_due_time_is_always_the_same_one() -> None:
    one = due_tick("memo", SEVEN, source="launchd", priority=3, now=SEVEN + 2)
    two = due_tick("memo", SEVEN, source="schedule", priority=0, now=NOON)
    assert one.id == two.id == "20261124t070000000z-memo-" + one.id[-8:]
    assert one.dedupe_key == due_key("memo", SEVEN) == "memo@2026-11-24T07:00:00.000Z"
    assert (one.priority, one.enqueued_at) == (3, "2026-11-24T07:00:02.000Z")
    others = {due_tick(n, SEVEN, source="", priority=0, now=0).id for n in ("memo", "Memo", "m")}
    assert len(others) == 3
    assert len(due_tick("x" * 128, SEVEN, source="", priority=0, now=0).id) <= 128
