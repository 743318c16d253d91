"""Proves that schedules mean local time, daylight saving included, and that bad ones are told."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from maestro_core.settings_schedule import local_zone, next_due, schedule_problem

BERLIN = ZoneInfo("Europe/Berlin")


def due(schedule: str, start: str, tz: ZoneInfo = BERLIN) -> str:
    found = next_due(schedule, datetime.fromisoformat(start).replace(tzinfo=tz).timestamp(), tz)
    assert found is not None
    return datetime.fromtimestamp(found, tz).isoformat()


@pytest.mark.parametrize(
    ("schedule", "start", "expected"),
    [
        ("*/5 * * * *", "2026-11-24T02:03:00", "2026-11-24T02:05:00+01:00"),
        ("*/5 * * * *", "2026-11-24T02:05:00", "2026-11-24T02:10:00+01:00"),
        ("0 7 * * mon", "2026-11-24T02:03:00", "2026-11-30T07:00:00+01:00"),
        ("30 2 * * *", "2026-03-28T12:00:00", "2026-03-29T03:00:00+02:00"),  # 02:30 does not exist
        ("0 7 * * *", "2026-10-24T12:00:00", "2026-10-25T07:00:00+01:00"),
        ("0 0 29 2 *", "2026-11-24T00:00:00", "2028-02-29T00:00:00+01:00"),
    ],
)
def test_when_it_is_due_next(schedule: str, start: str, expected: str) -> None:
    assert due(schedule, start) == expected


@pytest.mark.parametrize(
    "schedule",
    [
        "",
        "* * * *",
        "* * * * * *",
        "@daily",
        "61 * * * *",
        "*/0 * * * *",
        "a b c d e",
        "0 0 31 2 *",
    ],
)
def test_what_is_no_schedule(schedule: str) -> None:
    assert schedule_problem(schedule)
    assert next_due(schedule, 0.0, UTC) is None


def test_the_zone_comes_from_tz_or_from_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    assert local_zone() == BERLIN
    monkeypatch.setenv("TZ", ":Asia/Tokyo")
    assert local_zone() == ZoneInfo("Asia/Tokyo")
    monkeypatch.setattr(Path, "readlink", lambda _: Path("/usr/share/zoneinfo/America/New_York"))
    monkeypatch.delenv("TZ")
    assert local_zone() == ZoneInfo("America/New_York")
    monkeypatch.setenv("TZ", "Nowhere/Else")
    assert local_zone().utcoffset(datetime.now()) is not None
