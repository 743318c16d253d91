"""Proves how the service's process behaves: it tells systemd that it lives, waits for its turn,
slows down after crashes and remembers its starts. Real child processes, a real datagram socket.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from maestro_core.clock import FakeClock, iso
from maestro_core.consumer.ownership import Ownership, is_locked
from maestro_core.errors import Busy
from maestro_core.files import OsFiles
from maestro_core.journal import read_journal
from maestro_core.layout import Layout
from maestro_core.observe.reader import SnapshotReader
from maestro_core.service import supervise
from maestro_core.service.notify import Notifier
from maestro_core.service.starts import LONG_LIFE, Loop, Start, StartBook, bad_ends, delay
from maestro_core.service.supervise import Supervision
from tests.support import read_json, wait_until

NOW = 1_800_000_000.0


class Listener:
    """systemd's end of the socket."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(path)
        self._socket.setblocking(False)
        self.heard: list[str] = []

    def listen(self) -> list[str]:
        while True:
            try:
                self.heard.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return self.heard

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    made = Listener(str(tmp_path / "n.sock"))
    yield made
    made.close()


def environ(tmp_path: Path, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": str(tmp_path / "n.sock"), "OTHER": "stays"} | more


# ---- sd_notify -----------------------------------------------------------------------------


def test_systemd_hears_ready_once_and_then_signs_of_life(
    tmp_path: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("maestro_core.service.notify.time.monotonic", lambda: now[0])
    variables = environ(tmp_path, WATCHDOG_USEC="40000000", WATCHDOG_PID=str(os.getpid()))
    notifier = Notifier(variables)
    assert variables == {"OTHER": "stays"}
    for _ in range(21):
        notifier.alive()
        now[0] += 1
    assert listener.listen() == ["READY=1", "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"]
    notifier.status("two\nlines")
    notifier.stopping()
    assert listener.listen()[-2:] == ["STATUS=two lines", "STOPPING=1"]


def test_a_watchdog_that_is_meant_for_another_process_is_not_fed(
    tmp_path: Path, listener: Listener
) -> None:
    notifier = Notifier(environ(tmp_path, WATCHDOG_USEC="1", WATCHDOG_PID="1"))
    notifier.alive()
    notifier.alive()
    assert listener.listen() == ["READY=1"]


@pytest.mark.skipif(sys.platform != "linux", reason="abstract sockets are Linux's")
def test_an_abstract_socket_is_reached() -> None:
    listener = Listener(f"\0maestro-test-{os.getpid()}")
    Notifier({"NOTIFY_SOCKET": f"@maestro-test-{os.getpid()}"}).ready("fine")
    assert listener.listen() == ["READY=1\nSTATUS=fine"]
    listener.close()


@pytest.mark.parametrize("address", ["", "/no/such/socket", "@nobody-there", "x" * 200])
def test_without_a_listener_nothing_happens(address: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": address})
    notifier.alive()
    notifier.stopping()


# ---- starts --------------------------------------------------------------------------------


def start(at: float, ended: float | None = None, error: str | None = None) -> Start:
    stop = iso(NOW + ended) if ended is not None else None
    return Start(at=iso(NOW + at), pid=1, version="1", ended=stop, error=error)


@pytest.mark.parametrize(
    ("starts", "bad"),
    [
        ([], 0),
        ([start(-10, -5)], 0),
        ([start(-10)], 1),
        ([start(-10, -5, "boom")], 1),
        ([start(-30, -25, "a"), start(-20, -15, "b"), start(-10)], 3),
        ([start(-30, -25, "a"), start(-20, -15), start(-10, -5, "b")], 1),
        ([start(-LONG_LIFE - 50, -20, "late"), start(-10, -5, "b")], 1),
        # killed, or the power went for a day: that is no loop
        ([start(-90000), start(-10, -5, "b")], 1),
    ],
)
def test_bad_ends_in_a_row_are_counted(starts: list[Start], bad: int) -> None:
    assert bad_ends(starts, NOW) == bad


def test_each_bad_end_in_a_row_waits_longer_up_to_a_bound() -> None:
    waits = [delay(bad) for bad in range(12)]
    assert waits[:7] == [0, 0, 10, 20, 40, 80, 160]
    assert set(waits[7:]) == {300}
    assert delay(10**6) == 300


def test_starts_are_remembered_and_bounded(agent_root: Layout) -> None:
    clock = FakeClock(NOW)
    book = StartBook(agent_root, OsFiles(), clock)
    for _ in range(60):
        book.begin()
        clock.advance(1)
    assert book.begin() == 50  # as many as are kept
    book.end("boom")
    starts = book.read()
    assert len(starts) == 50
    assert (starts[-1].error, starts[-1].pid) == ("boom", os.getpid())


@pytest.mark.parametrize("damage", [b"", b"[]", b"{", b'{"starts": 5}', b'{"starts": [{}]}'])
def test_a_damaged_memory_of_starts_counts_as_none(agent_root: Layout, damage: bytes) -> None:
    (agent_root.bus / "service.json").write_bytes(damage)
    book = StartBook(agent_root, OsFiles(), FakeClock())
    assert book.read() == []
    assert book.begin() == 0
    assert len(book.read()) == 1


# ---- supervision ---------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of milliseconds."""
    monkeypatch.setattr(supervise, "LOOK_AGAIN", 0.01)
    monkeypatch.setattr(supervise, "_STEP", 0.01)
    monkeypatch.setattr("maestro_core.service.starts.FIRST_DELAY", 0.01)
    monkeypatch.setattr("maestro_core.service.starts.LONGEST_DELAY", 0.05)


def supervised(layout: Layout) -> Supervision:
    return Supervision(layout, Notifier({}), clock=FakeClock(NOW))


@pytest.mark.usefixtures("quick")
def test_it_waits_for_its_turn(agent_root: Layout) -> None:
    tries = iter([Busy("a console, pid 7"), Busy("a console, pid 7"), 0])

    def work() -> int:
        answer = next(tries)
        if isinstance(answer, Busy):
            raise answer
        return answer

    assert supervised(agent_root).run(work) == 0
    stages = [entry["stage"] for entry in read_journal(agent_root, limit=10)]
    assert stages == ["waiting_for_lock"]


@pytest.mark.usefixtures("quick")
def test_a_stop_ends_the_waiting(agent_root: Layout) -> None:
    supervision = supervised(agent_root)
    waiting = threading.Event()

    def work() -> int:
        waiting.set()
        raise Busy("somebody")

    thread = threading.Thread(target=supervision.run, args=(work,))
    thread.start()
    assert waiting.wait(10)
    supervision.stop()
    thread.join(10)
    assert not thread.is_alive()
    (start,) = StartBook(agent_root, OsFiles(), FakeClock()).read()
    assert start.error is None
    assert start.ended is not None


@pytest.mark.usefixtures("quick")
def test_bad_ends_are_noted_and_a_loop_is_journalled(agent_root: Layout) -> None:
    def crash() -> int:
        raise RuntimeError("boom " * 200)

    for _ in range(4):
        with pytest.raises(RuntimeError):
            supervised(agent_root).run(crash)
    assert supervised(agent_root).run(lambda: 3) == 3
    starts = StartBook(agent_root, OsFiles(), FakeClock()).read()
    assert [start.error and start.error[:17] for start in starts] == [
        *["RuntimeError: boom"[:17]] * 4, "exit 3",
    ]  # fmt: skip
    assert max(len(start.error or "") for start in starts) <= 300
    loops = [e for e in read_journal(agent_root, limit=20) if e["stage"] == "crash_loop"]
    assert [entry["starts"] for entry in loops] == [3, 4]


@pytest.mark.usefixtures("quick")
def test_a_disk_that_takes_no_notes_does_not_keep_the_consumer_from_running(
    agent_root: Layout,
) -> None:
    class NoNotes(OsFiles):
        def create(self, path: object, data: bytes) -> None:
            raise OSError(28, "No space left on device")

    supervision = Supervision(agent_root, Notifier({}), clock=FakeClock(NOW), fs=NoNotes())
    assert supervision.run(lambda: 0) == 0


# ---- the command ---------------------------------------------------------------------------


@contextmanager
def service(layout: Layout, **variables: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "maestro_tui", "--root", layout.root, "run", "--service"],
        env=os.environ | variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=30)


def test_a_real_service_is_ready_lives_and_ends_in_order(
    agent_root: Layout, tmp_path: Path, listener: Listener
) -> None:
    variables = environ(tmp_path, WATCHDOG_USEC="400000")
    with service(agent_root, **variables) as process:
        wait_until(lambda: listener.listen().count("WATCHDOG=1") >= 3, 30, "signs of life")
        assert listener.heard[0] == "READY=1"
        book = StartBook(agent_root, OsFiles(), FakeClock())
        assert [one.ended for one in book.read()] == [None]
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert listener.listen().count("STOPPING=1") == 1
        assert [(one.pid, one.error) for one in book.read()] == [(process.pid, None)]
        assert book.read()[0].ended is not None


def test_a_hanging_consumer_gives_no_sign_of_life(
    agent_root: Layout, tmp_path: Path, listener: Listener
) -> None:
    """Stopped as a whole it is silent: that is what the watchdog is for."""
    with service(agent_root, **environ(tmp_path, WATCHDOG_USEC="200000")) as process:
        wait_until(lambda: "WATCHDOG=1" in listener.listen(), 30, "a sign of life")
        process.send_signal(signal.SIGSTOP)
        wait_until(lambda: Path(f"/proc/{process.pid}/stat").read_text().split()[2] == "T"
                   if sys.platform == "linux" else True, 10)  # fmt: skip
        before = len(listener.listen())
        assert not threading.Event().wait(1.0)  # five watchdog periods
        assert len(listener.listen()) == before
        process.send_signal(signal.SIGCONT)
        wait_until(lambda: len(listener.listen()) > before, 30, "signs of life again")


def test_a_real_service_waits_while_somebody_else_is_the_consumer(agent_root: Layout) -> None:
    owner = Ownership.acquire(agent_root, what="console")
    with service(agent_root) as process:
        entries = wait_until(
            lambda: [
                e for e in read_journal(agent_root, limit=9) if e["stage"] == "waiting_for_lock"
            ], 30, "the note that it waits",
        )  # fmt: skip
        assert "console" in entries[0]["reason"]
        assert process.poll() is None
        owner.release()
        wait_until(lambda: is_locked(agent_root), 30, "its turn")
        wait_until(agent_root.consumer_json.exists, 30, "a heartbeat")
        assert read_json(agent_root.consumer_json)["pid"] == process.pid
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_wrong_settings_end_it_and_are_remembered(agent_root: Layout) -> None:
    agent_root.cadences_toml.parent.mkdir()
    agent_root.cadences_toml.write_text("[consumer]\nnonsense = 1\n")
    with service(agent_root) as process:
        assert process.wait(30) == 1
    (start,) = StartBook(agent_root, OsFiles(), FakeClock()).read()
    assert "nonsense" in (start.error or "")


def command(layout: Layout, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "maestro_tui", "--root", layout.root, *words],
        env=os.environ | {"HOME": str(layout.root.parent / "home")}, capture_output=True,
        text=True, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["launchd", "systemd"])
@pytest.mark.parametrize("noun", ["schedule", "service"])
def test_dry_runs_work_on_any_machine_and_write_nothing(
    agent_root: Layout, noun: str, kind: str
) -> None:
    agent_root.cadences_toml.parent.mkdir()
    agent_root.cadences_toml.write_text('[cadence.memo]\nschedule = "0 7 * * mon"\n')
    before = sorted(agent_root.root.parent.rglob("*"))
    done = command(agent_root, noun, "install", "--dry-run", "--for", kind, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["dry_run"], document["manager"]) == (True, kind)
    assert [job["act"] for job in document["jobs"]] == ["add"]
    assert document["files"]
    assert document["commands"]
    plain = command(agent_root, noun, "install", "--dry-run", "--for", kind)
    assert "# would write" in plain.stdout
    assert sorted(agent_root.root.parent.rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("schedule", "install", "--for", "launchd"), 2),
        (("--read-only", "schedule", "install"), 1),
        (("--read-only", "service", "remove"), 1),
        (("--read-only", "service", "restart"), 1),
        (("schedule",), 2),
        (("service", "sideways"), 2),
    ],
)
def test_wrong_or_forbidden_uses_are_refused(
    agent_root: Layout, words: tuple[str, ...], code: int
) -> None:
    done = command(agent_root, *words)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr


def test_schedule_show_tells_due_times_and_producers(agent_root: Layout) -> None:
    agent_root.cadences_toml.parent.mkdir()
    agent_root.cadences_toml.write_text(
        '[schedules]\ntime_zone = "Europe/Berlin"\n[cadence.memo]\nschedule = "0 7 * * mon"\n'
        '[cadence.own]\nschedule = "0 0 L * *"\nproducer = "consumer"\n[cadence.none]\n'
    )
    done = command(agent_root, "schedule", "show", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    shown = {one["cadence"]: one for one in document["schedules"]}
    assert {name: one["producer"] for name, one in shown.items()} == {
        "memo": "timer", "own": "consumer",
    }  # fmt: skip
    assert shown["own"]["timer"] == "not needed"
    assert document["time_zone"] == "Europe/Berlin"
    assert all(len(one["next_due"]) == 3 for one in shown.values())
    plain = command(agent_root, "schedule", "show")
    assert "0 7 * * mon" in plain.stdout


def test_service_status_names_another_version_and_a_loop(agent_root: Layout) -> None:
    starts = [start(-30, -25, "a"), start(-20, -15, "b"), start(-10, -5, "c")]
    clock = FakeClock(NOW)
    StartBook(agent_root, OsFiles(), clock)._write(starts)
    owner = Ownership.acquire(agent_root, what="daemon")
    beat = {
        "pid": os.getpid(), "host": "h", "version": "0.0.1", "mode": "daemon", "stats": {},
        "started_at": "2026-11-24T00:00:00.000Z", "beat_at": "2099-01-01T00:00:00.000Z",
    }  # fmt: skip
    import time

    beat["beat_at"] = iso(time.time())
    agent_root.consumer_json.write_text(json.dumps(beat))
    done = command(agent_root, "service", "status")
    document = json.loads(command(agent_root, "service", "status", "--json").stdout)
    owner.release()
    if done.returncode == 1:
        pytest.skip("this machine has neither launchd nor systemd")
    assert "0.0.1 running" in done.stdout
    assert "maestro-tui service restart" in done.stderr
    assert "CRASH LOOP 3" in done.stdout
    assert (document["other_version"], document["crash_loop"]) == (True, True)


def test_a_crash_loop_is_on_the_snapshot_while_it_goes_on(agent_root: Layout) -> None:
    clock = FakeClock()
    book = StartBook(agent_root, OsFiles(), clock)
    reader = SnapshotReader(agent_root, clock)
    for number in range(4):
        assert reader.read().consumer.loop == (Loop(3, "ValueError: odd") if number == 3 else None)
        book.begin()
        book.end("ValueError: odd")
        clock.advance(20)
    assert reader.read().consumer.loop == Loop(4, "ValueError: odd")
    book.begin()  # this one lives
    clock.advance(LONG_LIFE - 1)
    assert reader.read().consumer.loop == Loop(4, "ValueError: odd")
    clock.advance(2)
    assert reader.read().consumer.loop is None


def test_a_root_that_was_moved_away_does_not_come_back_empty(
    agent_root: Layout, tmp_path: Path
) -> None:
    """The service would otherwise be started again on an agent without ticks and settings."""
    with service(agent_root, **environ(tmp_path)) as process:
        wait_until(agent_root.consumer_json.exists, 30, "its heartbeat")
        agent_root.root.rename(tmp_path / "moved")
        assert process.wait(60) == 1
        assert not agent_root.root.exists()
