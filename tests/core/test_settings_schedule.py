"""Proves that schedules mean local time, daylight saving included, and that bad ones are told."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import TZPATH, ZoneInfo

import pytest

from maestro_core import settings_schedule
from maestro_core.settings_schedule import (
    foreign_zone,
    local_zone,
    machine_zone,
    next_due,
    schedule_problem,
)

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


def linked(folder: Path, zone: str) -> Path:
    """An /etc/localtime as most systems have it."""
    link = folder / "localtime"
    link.symlink_to(f"/usr/share/zoneinfo/{zone}")
    return link


def test_the_machines_zone_is_not_that_of_a_shell(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(settings_schedule, "LOCALTIME", linked(tmp_path, "Asia/Tokyo"))
    for value, foreign in (("Europe/Berlin", "Europe/Berlin"), ("Asia/Tokyo", None), ("", None),
                           ("Nowhere/Else", None), (":UTC", "UTC")):  # fmt: skip
        monkeypatch.setenv("TZ", value)
        assert machine_zone() == ZoneInfo("Asia/Tokyo")
        assert foreign_zone() == foreign


def test_a_zone_that_was_copied_has_its_daylight_saving_rules(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("TZ", raising=False)
    copy = tmp_path / "localtime"
    monkeypatch.setattr(settings_schedule, "LOCALTIME", copy)
    assert local_zone() is UTC  # as the C library has it
    copy.write_bytes(b"no zone")
    assert local_zone() is UTC
    sources = [path for one in TZPATH if (path := Path(one, "Europe/Berlin")).exists()]
    if not sources:
        pytest.skip("no zone files on this machine")
    copy.write_bytes(sources[0].read_bytes())
    for month in (1, 7):
        moment = datetime(2026, month, 1)
        assert (
            moment.replace(tzinfo=local_zone()).utcoffset()
            == moment.replace(tzinfo=BERLIN).utcoffset()
        )
