"""Proves that a due time is enqueued once, whoever produces it and whenever the machine dies.

The consumer's scheduler is played on a fake clock; timers are real `enqueue --due` calls.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from maestro_core.clock import FakeClock, iso
from maestro_core.errors import BusError, Refused
from maestro_core.files import OsFiles
from maestro_core.layout import Layout
from maestro_core.schedule.book import ScheduleBook
from maestro_core.schedule.decide import Record
from maestro_core.schedule.fire import fire
from maestro_core.schedule.produce import FileOutlet
from maestro_core.schedule.scheduler import Scheduler
from maestro_core.settings import CadenceSettings, ScheduleSettings, Settings
from tests.core.consumer_kit import FAIL, FullDisk, Kit, QuickDisk, always
from tests.support import read_json

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()
HOUR, DAY = 3600.0, 86400.0
BERLIN_CHANGE = datetime(2026, 3, 28, 23, tzinfo=UTC).timestamp()


def own(schedule: str, **fields: Any) -> CadenceSettings:
    return CadenceSettings(schedule=schedule, producer="consumer", **fields)


def kit(root: Path, schedule: str = "*/5 * * * *", start: float = NOON, **fields: Any) -> Kit:
    """A consumer that enqueues `memo` itself."""
    cadences = {"memo": own(schedule, **fields)}
    made = Kit(root, clock=FakeClock(start), cadences=cadences, poll_seconds=3600)
    made.prompt("memo")
    return made.start()


def dues(made: Kit) -> list[str]:
    """The due times of all runs, by the key of their tick."""
    return [(spec.tick.dedupe_key or "").partition("@")[2] for spec in made.launcher.starts]


def times(*hours: float, start: float = NOON) -> list[str]:
    return [iso(start + hour * HOUR) for hour in hours]


# ---- the consumer --------------------------------------------------------------------------


def test_the_consumer_enqueues_what_is_due_when_it_is_due(tmp_path: Path) -> None:
    made = kit(tmp_path, "0 * * * *", priority=4)
    made.run_for(3.5 * HOUR)
    assert dues(made) == times(1, 2, 3)
    tick = made.launcher.starts[0].tick
    assert (tick.source, tick.priority, tick.enqueued_at) == ("schedule", 4, iso(NOON + HOUR))
    assert made.stages().count("scheduled") == 3


def test_a_pass_is_not_late_for_a_due_time(tmp_path: Path) -> None:
    made = kit(tmp_path, "0 * * * *")
    made.clock.advance(HOUR - 0.4)
    assert made.consumer.step() == pytest.approx(0.4, abs=0.05)


def test_after_sleep_what_was_missed_comes_once(tmp_path: Path) -> None:
    made = kit(tmp_path)
    made.run_for(60)
    made.clock.sleep_machine(9 * HOUR)
    made.run_for(60)
    assert dues(made) == times(9)
    made.run_for(300)
    assert dues(made) == times(9, 9 + 1 / 12)


@pytest.mark.parametrize("crash", [True, False])
def test_after_downtime_what_was_missed_comes_once(tmp_path: Path, crash: bool) -> None:
    made = kit(tmp_path, "0 7 * * *")
    made.run_for(60)
    made.stop()
    made.clock.advance(5 * DAY)
    made.restart(crash=True)  # the consumer has ended: there is nothing left to stop
    made.run_for(60)
    assert dues(made) == [iso(NOON + 5 * DAY - 5 * HOUR)]
    made.restart(crash=crash)
    made.run_for(60)
    assert len(dues(made)) == 1


def test_on_both_sundays_a_day_has_one_run_of_a_daily_cadence(tmp_path: Path) -> None:
    made = kit(tmp_path, "30 2 * * *", start=BERLIN_CHANGE)
    berlin = ScheduleSettings(time_zone="Europe/Berlin")
    made.settings.settings = replace(made.settings.settings, schedules=berlin)
    made.run_for(3 * DAY)
    assert dues(made) == [
        "2026-03-29T01:00:00.000Z", "2026-03-30T00:30:00.000Z", "2026-03-31T00:30:00.000Z",
    ]  # fmt: skip


def test_a_held_cadence_piles_up_no_work(tmp_path: Path) -> None:
    made = kit(tmp_path)
    (made.layout.paused / "memo.json").write_text("{}")
    made.run_for(10 * HOUR)
    (waiting,) = made.names("inbox")
    assert made.tick("inbox", waiting)["dedupe_key"] == f"memo@{iso(NOON + 300)}"
    assert read_json(made.layout.schedule / "memo.json")["covered"] == 119
    (made.layout.paused / "memo.json").unlink()
    made.run_for(300)
    assert len(dues(made)) == 2


def test_a_failing_cadence_gets_its_retries_and_no_pile(tmp_path: Path) -> None:
    made = kit(tmp_path)
    made.launcher.script = always(FAIL)
    made.run_for(DAY)
    assert len(made.names("inbox")) <= 1
    # a circuit of 30 minutes after three failures bounds the starts
    assert len(made.launcher.starts) < 100


def test_only_the_consumers_own_cadences_are_its_business(tmp_path: Path) -> None:
    made = Kit(tmp_path, clock=FakeClock(NOON), cadences={
        "timer": CadenceSettings(schedule="* * * * *"),
        "mine": own("0 * * * *"),
        "never": CadenceSettings(),
    }).start()  # fmt: skip
    made.prompt("mine")
    made.run_for(HOUR + 60)
    assert made.launcher.cadences() == ["mine"]
    made.settings.settings = Settings(
        cadences={"mine": CadenceSettings(schedule="0 * * * *")},
        schedules=ScheduleSettings(producer="consumer"),
    )
    made.run_for(HOUR)
    assert made.launcher.cadences() == ["mine", "mine"]
    made.settings.settings = Settings()
    made.run_for(2 * HOUR)
    assert made.launcher.cadences() == ["mine", "mine"]


def test_a_changed_schedule_begins_when_it_is_seen(tmp_path: Path) -> None:
    made = kit(tmp_path, "0 7 * * *")
    made.run_for(60)
    made.settings.settings = replace(made.settings.settings, cadences={"memo": own("0 11 * * *")})
    made.run_for(60)
    assert dues(made) == []
    made.run_for(DAY)
    assert dues(made) == times(23)


def test_a_clock_that_is_set_back_by_little_repeats_nothing_and_by_much_goes_on(
    tmp_path: Path,
) -> None:
    made = kit(tmp_path, "*/10 * * * *")
    made.run_for(HOUR + 60)
    count = len(dues(made))
    made.clock.jump(-1800)
    made.run_for(1500)
    assert len(dues(made)) == count
    made.run_for(900)
    assert len(dues(made)) == count + 1
    made.clock.jump(-3 * DAY)
    made.run_for(HOUR)
    assert len(dues(made)) == count + 1 + 6


def test_a_full_disk_only_delays_a_due_time(tmp_path: Path) -> None:
    disk = FullDisk()
    made = Kit(tmp_path, clock=FakeClock(NOON), cadences={"memo": own("0 * * * *")}, fs=disk)
    made.prompt("memo")
    made.start().run_for(60)
    disk.full = True
    made.run_for(1.5 * HOUR)
    assert "trouble" in made.stages()
    assert dues(made) == []
    disk.full = False
    made.run_for(60)
    assert dues(made) == times(1)


class _Stops(BaseException):
    """The power goes."""


class StoppingDisk(QuickDisk):
    """Stops before the n-th change of a file."""

    def __init__(self, after: int) -> None:
        self.left = after

    def _step(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise _Stops

    def create(self, path: Any, data: bytes) -> None:
        self._step()
        super().create(path, data)

    def rename(self, source: Any, target: Any) -> None:
        self._step()
        super().rename(source, target)

    def link(self, source: Any, target: Any) -> None:
        self._step()
        super().link(source, target)

    def unlink(self, path: Any) -> None:
        self._step()
        super().unlink(path)


@pytest.mark.parametrize("step", range(1, 25))
def test_a_crash_at_any_step_neither_loses_nor_repeats_a_due_time(
    tmp_path: Path, step: int
) -> None:
    made = kit(tmp_path, "0 * * * *")
    made.run_for(60)
    made.clock.advance(HOUR)
    made.fs = StoppingDisk(step)
    made.engine.close()
    made.engine = made.new_engine("mortal")
    made.consumer = made._consumer()
    stopped = False
    try:
        made.start().run_for(30)
    except _Stops:
        stopped = True
    made.fs = QuickDisk()
    made.restart(crash=True)
    made.run_for(120)
    assert dues(made) in (times(1), times(1) * 2)
    ids = {spec.tick.id for spec in made.launcher.starts}
    assert len(ids) == 1
    # a second run is the same tick, recovered after its consumer died; never a second tick
    assert len(dues(made)) == 1 or (stopped and "recovered" in made.stages())
    assert made.names("inbox") == made.names("claimed") == made.names("dlq") == []


def test_a_memory_that_cannot_be_written_is_not_forgotten(tmp_path: Path) -> None:
    """The tick is out and done; only the note of it fails. It must not come again."""
    layout = Layout(tmp_path)
    for folder in layout.folders():
        OsFiles().make_folder(folder)
    clock, enqueued = FakeClock(NOON), []

    class NoBook(QuickDisk):
        broken = False

        def rename(self, source: Any, target: Any) -> None:
            if self.broken:
                raise OSError(5, "Input/output error")
            super().rename(source, target)

    disk = NoBook()
    settings = Settings(cadences={"memo": own("0 * * * *")})

    def enqueue(tick: Any) -> Any:
        enqueued.append(tick.id)
        from maestro_core.models import Receipt

        return Receipt(tick.id, True)

    outlet = FileOutlet(layout, disk, clock, enqueue)
    scheduler = Scheduler(layout, disk, outlet)
    assert list(scheduler.run(settings)) == []
    clock.advance(HOUR)
    disk.broken = True
    for _ in range(3):
        with pytest.raises(OSError, match="Input/output"):
            list(scheduler.run(settings))
        clock.advance(1)
    disk.broken = False
    assert list(scheduler.run(settings)) == []
    assert len(enqueued) == 1
    assert list(Scheduler(layout, disk, outlet).run(settings)) == []


# ---- timers --------------------------------------------------------------------------------


def configure(layout: Layout, text: str) -> Layout:
    layout.cadences_toml.parent.mkdir(exist_ok=True)
    layout.cadences_toml.write_text(text)
    return layout


@pytest.fixture
def hourly(agent_root: Layout) -> Layout:
    return configure(
        agent_root, '[cadence.memo]\nschedule = "0 * * * *"\npriority = 2\n[cadence.bare]\n'
    )


def test_a_timer_that_fires_often_enqueues_once(hourly: Layout) -> None:
    first = fire(hourly, "memo", source="systemd", now=NOON + 0.2)
    assert first.fresh
    tick = read_json(hourly.inbox / f"{first.tick_id}.json")
    assert (tick["source"], tick["priority"]) == ("systemd", 2)
    assert tick["dedupe_key"] == f"memo@{iso(NOON)}"
    for later in (0.3, 60, HOUR - 2):
        assert fire(hourly, "memo", source="launchd", now=NOON + later).tick_id is None
    assert len(os.listdir(hourly.inbox)) == 1


def test_a_due_time_is_not_enqueued_again_when_its_tick_is_done(hourly: Layout) -> None:
    first = fire(hourly, "memo", source="launchd", now=NOON + 1)
    (hourly.inbox / f"{first.tick_id}.json").unlink()
    again = fire(hourly, "memo", source="launchd", now=NOON + 5)
    assert (again.tick_id, again.fresh) == (None, False)
    assert "no due time" in (again.note or "")
    assert fire(hourly, "memo", source="launchd", now=NOON + HOUR).fresh


def test_while_a_tick_waits_it_stands_for_later_due_times(hourly: Layout) -> None:
    first = fire(hourly, "memo", source="launchd", now=NOON + 1)
    second = fire(hourly, "memo", source="launchd", now=NOON + HOUR + 1)
    assert (second.tick_id, second.fresh) == (first.tick_id, False)
    assert "still waits" in (second.note or "")
    # a tick that is being worked on has begun too early for the new due time
    name = f"{first.tick_id}.json"
    (hourly.inbox / name).rename(hourly.claimed / name)
    assert fire(hourly, "memo", source="launchd", now=NOON + 2 * HOUR + 1).fresh


def test_a_crash_between_tick_and_memory_does_not_double_the_tick(hourly: Layout) -> None:
    first = fire(hourly, "memo", source="launchd", now=NOON + 1)
    (hourly.schedule / "memo.json").unlink()
    again = fire(hourly, "memo", source="launchd", now=NOON + 2)
    assert (again.tick_id, again.fresh) == (first.tick_id, False)
    assert len(os.listdir(hourly.inbox)) == 1


def test_the_other_producer_leaves_it_alone(hourly: Layout) -> None:
    configure(hourly, '[cadence.memo]\nschedule = "0 * * * *"\nproducer = "consumer"\n')
    fired = fire(hourly, "memo", source="launchd", now=NOON + 1)
    assert fired.tick_id is None
    assert "the consumer itself" in (fired.note or "")
    assert os.listdir(hourly.inbox) == []


@pytest.mark.parametrize("cadence", ["bare", "unknown"])
def test_a_timer_of_a_cadence_without_a_schedule_says_so(hourly: Layout, cadence: str) -> None:
    with pytest.raises(Refused, match="has no schedule"):
        fire(hourly, cadence, source="launchd", now=NOON)


def test_a_fault_elsewhere_in_the_settings_stops_no_other_cadence(hourly: Layout) -> None:
    configure(hourly, '[cadence.memo]\nschedule = "0 * * * *"\n[cadence.x]\nmode = "odd"\n')
    assert fire(hourly, "memo", source="launchd", now=NOON).fresh


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"until": 5}', b"\xff", b"[" * 9000])
def test_a_damaged_memory_counts_as_none(hourly: Layout, damage: bytes) -> None:
    (hourly.schedule / "memo.json").write_bytes(damage)
    assert fire(hourly, "memo", source="launchd", now=NOON + 1).fresh
    assert ScheduleBook(hourly, OsFiles()).read("memo") is not None


@pytest.mark.parametrize("put", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_in_a_memory_s_place_is_set_aside(
    hourly: Layout, put: Callable[[Path], None]
) -> None:
    put(hourly.schedule / "memo.json")
    assert fire(hourly, "memo", source="launchd", now=NOON + 1).fresh
    assert ScheduleBook(hourly, OsFiles()).read("memo") is not None
    assert [one.name.rpartition(".")[0] for one in hourly.quarantine.iterdir()] == [
        "schedule-memo.json"
    ]


def test_what_is_remembered_survives_its_file(agent_root: Layout) -> None:
    book = ScheduleBook(agent_root, OsFiles())
    record = Record(
        schedule="0 7 * * *", zone="Asia/Tokyo", until=NOON, due=NOON - 1, tick_id="t1",
        source="launchd", covered=3,
    )  # fmt: skip
    book.write("memo", record)
    assert book.read("memo") == record
    book.forget("memo")
    assert book.read("memo") is None


def test_a_disk_without_room_is_said_and_nothing_is_remembered(
    hourly: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OsFiles, "room", lambda self, path: (0, 0))
    with pytest.raises(BusError, match="nearly full"):
        fire(hourly, "memo", source="launchd", now=NOON)
    monkeypatch.undo()
    assert fire(hourly, "memo", source="launchd", now=NOON).fresh


# ---- the command ---------------------------------------------------------------------------


def enqueue_due(layout: Layout, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "maestro_tui", "--root", layout.root, "enqueue", "memo", *words],
        capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_many_timers_at_once_enqueue_one_tick(agent_root: Layout) -> None:
    configure(agent_root, '[cadence.memo]\nschedule = "* * * * *"\n')
    book = ScheduleBook(agent_root, OsFiles())
    book.write("memo", Record(schedule="* * * * *", until=0.0))
    with ThreadPoolExecutor(4) as pool:
        done = list(
            pool.map(lambda _: enqueue_due(agent_root, "--due", "--source", "systemd"), range(4))
        )
    assert [one.returncode for one in done] == [0] * 4, done
    keys = {read_json(path)["dedupe_key"] for path in agent_root.inbox.iterdir()}
    ids = {one.stdout for one in done if one.stdout}
    # one, or two when a minute began while they were running
    assert len(list(agent_root.inbox.iterdir())) == len(keys) == len(ids) <= 2


def test_the_command_prints_the_id_once_and_says_why_not_then(agent_root: Layout) -> None:
    configure(agent_root, '[cadence.memo]\nschedule = "0 0 1 1 *"\n')
    past = Record(schedule="0 0 1 1 *", until=0.0)
    ScheduleBook(agent_root, OsFiles()).write("memo", past)
    first = enqueue_due(agent_root, "--due", "--json")
    assert json.loads(first.stdout)["fresh"] is True
    again = enqueue_due(agent_root, "--due")
    assert (again.returncode, again.stdout) == (0, "")
    assert "no due time" in again.stderr
    assert not agent_root.operators_log.exists()
    wrong = enqueue_due(agent_root, "--due", "--priority", "3")
    assert (wrong.returncode, "--priority" in wrong.stderr) == (2, True)
