"""Proves the doctor's findings on agent roots that are broken in one way each.

Each has the right finding, a remedy that names the way out, and the right exit code; a
healthy root has none.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from maestro_core import __version__
from maestro_core.clock import FakeClock, iso
from maestro_core.doctor import exit_code
from maestro_core.doctor.checks import disk
from maestro_core.layout import Layout
from tests.core.doctor_kit import Patient, serving
from tests.support import write_json, write_tick


@pytest.fixture
def patient(agent_root: Layout, monkeypatch: pytest.MonkeyPatch) -> Iterator[Patient]:
    for name in (
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ):
        monkeypatch.delenv(name, raising=False)
    with serving() as api:
        yield Patient(agent_root, api.url)


def beat(layout: Layout, **changes: object) -> None:
    """A heartbeat of this process, one second old."""
    now = time.time()
    write_json(
        layout.consumer_json,
        {
            "pid": os.getpid(), "host": socket.gethostname(), "version": __version__,
            "started_at": iso(now - 100), "beat_at": iso(now - 1), "mode": "daemon",
            "stats": {}, "running": [], "cadences": {},
        }
        | changes,
    )  # fmt: skip


def test_a_healthy_root_has_nothing_to_complain_of(patient: Patient) -> None:
    found = patient.examine()
    assert [one for one in found if one.status in ("warn", "fail") or one.unchecked] == []
    assert exit_code(found, strict=True) == 0


def test_looking_changes_nothing(patient: Patient) -> None:
    def picture() -> dict[str, tuple[float, int]]:
        return {
            str(path): (path.lstat().st_mtime, path.lstat().st_mode)
            for path in patient.layout.root.rglob("*")
            if path not in (patient.layout.tmp,)
        }

    before = picture()
    patient.examine()
    assert picture() == before
    assert list(patient.layout.tmp.iterdir()) == []


def no_env(patient: Patient) -> None:
    patient.layout.env_file.unlink()


def dangling_env(patient: Patient) -> None:
    patient.layout.env_file.unlink()
    patient.layout.env_file.symlink_to("/nowhere/at/all")


def readable_env(patient: Patient) -> None:
    patient.layout.env_file.chmod(0o640)


def broken_env(patient: Patient) -> None:
    with patient.layout.env_file.open("a") as file:
        file.write('OPENAI_API_KEY="never closed\n')


def double_env(patient: Patient) -> None:
    with patient.layout.env_file.open("a") as file:
        file.write("X=1\nX=2\n")


def no_key(patient: Patient) -> None:
    patient.env(ANTHROPIC_API_KEY=None)


def placeholder_key(patient: Patient) -> None:
    patient.env(ANTHROPIC_API_KEY="sk-ant-xxxxxxxx")


def placeholder_slack(patient: Patient) -> None:
    patient.env(SLACK_USER_TOKEN="xoxp-...")


def odd_preference(patient: Patient) -> None:
    patient.env(MAESTRO_PREFER_SUBSCRIPTION_AUTH="perhaps")


def wrong_toml(patient: Patient) -> None:
    patient.toml("[consumer]\npoll_secnds = 3\n")


def wrong_schedule(patient: Patient) -> None:
    patient.toml('[cadence.x]\nschedule = "99 * * * *"\n')


def misspelt_variable(patient: Patient) -> None:
    patient.env(MAESTRO_POL_SECONDS="3")


def no_prompt(patient: Patient) -> None:
    patient.layout.prompt("inbox-processor").unlink()


def empty_prompt(patient: Patient) -> None:
    patient.layout.prompt("inbox-processor").write_text(" \n")


def slash_prompt(patient: Patient) -> None:
    patient.layout.prompt("inbox-processor").write_text("/help me\n")


def binary_prompt(patient: Patient) -> None:
    patient.layout.prompt("inbox-processor").write_bytes(b"\xff\xfe\x00")


def folder_prompt(patient: Patient) -> None:
    no_prompt(patient)
    patient.layout.prompt("inbox-processor").mkdir()


def missing_folder(patient: Patient) -> None:
    patient.layout.dlq.rmdir()


def file_for_folder(patient: Patient) -> None:
    patient.layout.dlq.rmdir()
    patient.layout.dlq.write_text("")


def linked_folder(patient: Patient) -> None:
    patient.layout.dlq.rmdir()
    patient.layout.dlq.symlink_to(patient.layout.trash)


def open_folder(patient: Patient) -> None:
    patient.layout.inbox.chmod(0o777)


def open_circuit(patient: Patient) -> None:
    until = iso(time.time() + 600)
    entry = {"memo": {"failures": 3, "open_until": until}}
    write_json(patient.layout.circuit_open, {"generated": iso(time.time()), "open": entry})


def held_circuit(patient: Patient) -> None:
    entry = {"memo": {"failures": 0, "open_until": iso(time.time() + 600)}}
    write_json(patient.layout.circuit_open, {"generated": iso(time.time()), "open": entry})


def damaged_circuits(patient: Patient) -> None:
    patient.layout.circuit_open.write_text('{"open": {')


def dead_letter(patient: Patient) -> None:
    write_tick(patient.layout.dlq, "t1")


def quarantined(patient: Patient) -> None:
    (patient.layout.quarantine / "\x1b[2Jbad").write_bytes(b"\x00")
    write_json(patient.layout.quarantine / "\x1b[2Jbad.reason.json", {"reason": "no JSON"})


def stale_claim(patient: Patient) -> None:
    write_tick(patient.layout.claimed, "t1")


def waiting_without_consumer(patient: Patient) -> None:
    write_tick(patient.layout.inbox, "t1")


def dead_consumer(patient: Patient) -> None:
    beat(patient.layout, pid=2**22 - 1, beat_at=iso(time.time() - 60))


def troubled_consumer(patient: Patient) -> None:
    beat(patient.layout, trouble="cannot settle t1: no space left")


def consumer_with_old_settings(patient: Patient) -> None:
    beat(patient.layout, settings_error="config/cadences.toml line 2: x")


def consumer_that_waits(patient: Patient) -> None:
    hold = {
        "kind": "quota",
        "until": iso(time.time() + 60),
        "since": iso(time.time()),
        "reason": "limit",
    }
    beat(patient.layout, hold=hold)


def consumer_of_another_version(patient: Patient) -> None:
    beat(patient.layout, version="0.0.1")


def crash_loop(patient: Patient) -> None:
    ends = [{"at": iso(time.time() - ago), "pid": 9, "version": "1", "ended": iso(time.time() - ago),
             "error": "ValueError: odd"} for ago in (90, 60, 30)]  # fmt: skip
    write_json(patient.layout.bus / "service.json", {"starts": ends})


def stopped_by_emergency(patient: Patient) -> None:
    write_json(patient.layout.emergency_stop, {"at": "now", "by": "ops", "reason": "looping"})


def stopped_by_an_empty_file(patient: Patient) -> None:
    patient.layout.emergency_stop.write_bytes(b"")


def paused_cadence(patient: Patient) -> None:
    write_json(patient.layout.paused / "memo.json", {})


def damaged_ledger(patient: Patient) -> None:
    patient.layout.ledger.write_bytes(b"this is no database at all" * 100)


def synced_folder(patient: Patient) -> None:
    (patient.layout.root / ".stfolder").mkdir()


def stray_file(patient: Patient) -> None:
    path = patient.layout.tmp / "1-1-abcd"
    path.write_text("half")
    os.utime(path, (1, 1))


def no_claude(patient: Patient) -> None:
    patient.claude.unlink()


# ruff: noqa: E501  (one illness a line)
ILLNESSES: list[tuple[Callable[[Patient], None], str, str, str, str]] = [
    (no_env, "env.present", "fail", "is not there", "copy .env.example to .env"),
    (dangling_env, "env.present", "fail", "a link to nothing", "correct the link"),
    (readable_env, "env.permissions", "fail", "mode 640", "chmod 600"),
    (broken_env, "env.syntax", "fail", ".env line 4: has a quote that is not closed", "correct"),
    (double_env, "env.syntax", "warn", ".env line 5: X stands on line 4 too", "one line for each"),
    (no_key, "env.keys", "fail", "not set: ANTHROPIC_API_KEY", "MAESTRO_PREFER_SUBSCRIPTION_AUTH=1"),
    (placeholder_key, "env.placeholders", "fail", "ANTHROPIC_API_KEY", "put the real key there"),
    (placeholder_slack, "env.placeholders", "warn", "SLACK_USER_TOKEN", "leave it blank"),
    (odd_preference, "auth.way", "warn", "neither yes nor no", "write 1"),
    (wrong_toml, "settings.valid", "fail", "did you mean poll_seconds?", "refuses to start"),
    (wrong_schedule, "settings.schedules", "fail", "line 2: [cadence.x] schedule:", "five fields"),
    (misspelt_variable, "settings.valid", "warn", "did you mean MAESTRO_POLL_SECONDS?", "correct"),
    (no_prompt, "prompts.present", "fail", "inbox-processor.md: is not there", "schedules/triggers"),
    (empty_prompt, "prompts.present", "fail", "is empty", "schedules/triggers"),
    (slash_prompt, "prompts.present", "fail", "begins with a slash", "schedules/triggers"),
    (binary_prompt, "prompts.present", "fail", "is not UTF-8", "schedules/triggers"),
    (folder_prompt, "prompts.present", "fail", "is no regular file", "schedules/triggers"),
    (missing_folder, "bus.folders", "warn", "missing: state/cadence-bus/dlq", "doctor --fix"),
    (file_for_folder, "bus.folders", "fail", "dlq is no folder", "mode 700"),
    (linked_folder, "bus.folders", "fail", "dlq is a link", "mode 700"),
    (open_folder, "bus.folders", "warn", "other users may write to", "chmod go-w"),
    (stray_file, "bus.strays", "warn", "1 that a killed writer left", "doctor --fix"),
    (open_circuit, "queue.circuits", "warn", "memo: 3 failures, until", "circuit close"),
    (held_circuit, "queue.circuits", "warn", "memo: held open, until", "circuit close"),
    (damaged_circuits, "queue.circuits", "warn", "cannot be read", "remove the file"),
    (dead_letter, "queue.dead_letters", "warn", "1 wait", "dlq retry"),
    (quarantined, "queue.quarantine", "warn", "\\x1b[2Jbad: no JSON", "correct the program"),
    (stale_claim, "queue.claims", "warn", "t1.json", "start the consumer"),
    (waiting_without_consumer, "consumer.state", "warn", "1 ticks wait", "maestro-tui run"),
    (dead_consumer, "consumer.state", "warn", "ended without a goodbye", "maestro-tui run"),
    (troubled_consumer, "consumer.state", "fail", "no space left", "goes on by itself"),
    (consumer_with_old_settings, "consumer.state", "fail", "last good settings", "correct them"),
    (consumer_that_waits, "consumer.state", "warn", "held (quota until", "wait"),
    (consumer_of_another_version, "consumer.state", "warn", "version 0.0.1", "restart"),
    (crash_loop, "consumer.service", "fail", "3 bad ends in a row, the last one: ValueError: odd", "service status"),
    (stopped_by_emergency, "consumer.emergency_stop", "warn", "by ops at now: looping", "estop --clear"),
    (stopped_by_an_empty_file, "consumer.emergency_stop", "warn", "engaged;", "estop --clear"),
    (paused_cadence, "consumer.paused", "warn", "memo", "maestro-tui resume"),
    (damaged_ledger, "consumer.ledger", "fail", "ledger.db", "sets it aside"),
    (synced_folder, "machine.synced", "warn", "lies in Syncthing", "move the agent root"),
    (no_claude, "claude.found", "fail", "MAESTRO_CLAUDE_BIN names", "MAESTRO_CLAUDE_BIN"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("make_ill", "check", "status", "detail", "remedy"),
    ILLNESSES,
    ids=[illness[0].__name__ for illness in ILLNESSES],
)
def test_each_illness_has_its_finding_remedy_and_exit_code(
    patient: Patient,
    make_ill: Callable[[Patient], None],
    check: str,
    status: str,
    detail: str,
    remedy: str,
) -> None:
    make_ill(patient)
    found = patient.finding(check)
    assert (found.status, found.unchecked) == (status, False)
    assert detail in found.detail
    assert remedy in found.remedy
    everything = patient.examine(offline=True)
    assert exit_code(everything, strict=True) == 1
    if not any(one.status == "fail" for one in everything):
        assert exit_code(everything) == 0
    if status == "fail":
        assert exit_code(everything) == 1


def test_the_subscription_needs_no_key(patient: Patient) -> None:
    patient.env(ANTHROPIC_API_KEY=None, MAESTRO_PREFER_SUBSCRIPTION_AUTH="1")
    assert patient.finding("env.keys").status == "ok"
    assert "subscription" in patient.finding("auth.way").detail
    patient.env(
        MAESTRO_PREFER_SUBSCRIPTION_AUTH=None, CLAUDE_CODE_OAUTH_TOKEN="a-token-of-the-user"
    )
    assert patient.finding("env.keys").status == "ok"
    assert "CLAUDE_CODE_OAUTH_TOKEN" in patient.finding("auth.way").detail


def test_optional_keys_are_listed_by_name(patient: Patient) -> None:
    patient.env(GMAIL_APP_PASSWORD="abcd efgh ijkl mnop")
    assert patient.finding("env.keys").detail == (
        "set: ANTHROPIC_API_KEY, GMAIL_APP_PASSWORD;"
        " not set: SLACK_USER_TOKEN (optional), OPENAI_API_KEY (optional)"
    )


def test_a_root_without_a_bus_is_examined_all_the_same(tmp_path: object) -> None:
    from maestro_core.doctor import run_checks

    found = {one.id: one for one in run_checks(Layout(str(tmp_path)), environ={}, offline=True)}
    assert not any(one.unchecked for one in found.values())
    assert found["bus.folders"].status == "warn"
    assert list(os.scandir(str(tmp_path))) == []


def test_a_live_consumer_is_named(patient: Patient) -> None:
    beat(patient.layout)
    found = patient.finding("consumer.state")
    assert found.status == "ok"
    assert found.detail == f"daemon, pid {os.getpid()}, version {__version__}, 0 running"


def test_a_silent_consumer_that_holds_the_lock_is_a_failure(patient: Patient) -> None:
    beat(patient.layout, beat_at=iso(time.time() - 60))
    with patient.layout.consumer_lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = patient.finding("consumer.state")
    assert found.status == "fail"
    assert "gives no sign of life" in found.detail


def test_a_claim_that_the_live_consumer_works_on_is_not_stale(patient: Patient) -> None:
    path = write_tick(patient.layout.claimed, "t1")
    os.utime(path, (1, 1))
    run = {"run_id": "r1", "tick_id": "t1", "cadence": "memo", "started_at": "x"}
    beat(patient.layout, running=[run])
    assert patient.finding("queue.claims").status == "ok"
    beat(patient.layout)
    assert patient.finding("queue.claims").status == "warn"


def test_a_clock_that_was_set_back_is_seen(patient: Patient) -> None:
    assert patient.finding("machine.clock", clock=FakeClock(0.0)).status == "fail"
    later = time.time() + 7200
    os.utime(patient.layout.inbox, (later, later))
    found = patient.finding("machine.clock")
    assert found.status == "warn"
    assert "set back" in found.remedy


@pytest.mark.parametrize(
    ("room", "status"),
    [((200 << 30, -1), "ok"), ((500 << 20, -1), "warn"), ((50 << 20, -1), "fail"),
     ((200 << 30, 5_000), "warn"), ((200 << 30, 10), "fail")],
)  # fmt: skip
def test_little_room_is_told_before_it_is_none(
    patient: Patient, monkeypatch: pytest.MonkeyPatch, room: tuple[int, int], status: str
) -> None:
    monkeypatch.setattr("maestro_core.files.OsFiles.room", lambda *_: room)
    assert patient.finding("disk.room").status == status


def test_logs_that_grew_large_are_told(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    (patient.layout.subsessions / "a.stdout.log").write_bytes(b"x" * 5000)
    assert "1 files" in patient.finding("disk.logs").detail
    monkeypatch.setattr(disk, "MUCH_LOG", 100)
    assert patient.finding("disk.logs").status == "warn"


def test_read_only_writes_no_trial_file(patient: Patient) -> None:
    os.utime(patient.layout.tmp, (1, 1))
    assert patient.finding("bus.works", read_only=True).status == "skip"
    assert patient.layout.tmp.stat().st_mtime == 1
    assert patient.finding("bus.works").status == "ok"


def test_locks_that_do_not_exclude_are_a_failure(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maestro_core.doctor.checks.bus.fcntl.flock", lambda *_: None)
    found = patient.finding("bus.works")
    assert found.status == "fail"
    assert "two consumers" in found.detail


def test_a_disk_that_refuses_is_told_with_its_reason(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("maestro_core.files.OsFiles.flush", full)
    found = patient.finding("bus.works")
    assert (found.status, found.remedy) == ("fail", "free disk space")
    assert list(patient.layout.tmp.iterdir()) == []


def test_a_bus_over_two_file_systems_is_a_failure(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "maestro_core.files.OsFiles.device", lambda _, path: 2 if str(path).endswith("dlq") else 1
    )
    found = patient.finding("bus.device")
    assert found.status == "fail"
    assert "state/cadence-bus/dlq" in found.detail


def test_a_hostile_root_steers_nothing_and_stops_nothing(patient: Patient) -> None:
    layout = patient.layout
    for path in (layout.circuit_open, layout.gates, layout.consumer_json, layout.emergency_stop):
        path.write_bytes(b'{"by": "\\u001b[2J", "at": [' + b"[" * 100_000)
    os.mkfifo(layout.quarantine / "pipe")
    (layout.paused / "\x9b.json").write_bytes(b"")
    (layout.inbox / "loop.json").symlink_to("loop.json")
    patient.toml("[cadence.'\x1b']\n".replace("\x1b", "\u202e"))
    found = patient.examine()
    assert not any(one.unchecked for one in found)
    assert all((one.detail + one.remedy).replace("\n", "").isprintable() for one in found)
    json.dumps([one.detail for one in found])


def test_the_next_due_time_is_in_the_zone_that_the_settings_name(patient: Patient) -> None:
    head = '[schedules]\ntime_zone = "Asia/Tokyo"\n'
    patient.toml(
        head + '[cadence.inbox-processor]\nschedule = "0 7 * * *"\nproducer = "consumer"\n'
    )
    assert "07:00 JST" in patient.finding("settings.schedules").detail


def test_a_move_that_is_unfinished_is_named_with_the_command_that_goes_on(
    patient: Patient,
) -> None:
    write_json(patient.layout.moving / "move.json", {"to": "server", "server": "postgresql://h/b"})
    found = patient.finding("bus.move")
    assert found.status == "fail"
    assert found.remedy == "maestro-tui bus migrate --to postgresql://h/b"


def test_ticks_that_were_left_in_the_folders_of_a_bus_on_a_server_are_told(
    patient: Patient,
) -> None:
    patient.layout.cadences_toml.write_text('[bus]\nurl = "postgresql://127.0.0.1:1/b"\n')
    write_tick(patient.layout.inbox, "dropped")
    found = patient.finding("bus.move")
    assert (found.status, found.detail.startswith("1 ticks")) == ("warn", True)
