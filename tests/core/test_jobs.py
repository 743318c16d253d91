"""Guards and built-in handlers: their processes never outlive them, their trouble is an answer."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from maestro_core.bus.directory import DirectoryEngine
from maestro_core.clock import FakeClock
from maestro_core.consumer import jobs as jobs_module
from maestro_core.consumer.driver import Driver
from maestro_core.consumer.handlers import files_guard, housekeep
from maestro_core.consumer.jobs import Job, JobResult, ThreadJobs, answered, marks_of
from maestro_core.layout import Layout
from maestro_core.session import processes
from maestro_core.session.ledger import Ledger
from maestro_core.session.orphans import end_orphans
from maestro_core.settings import CadenceSettings, Guard
from tests.core.consumer_kit import OK, FakeLauncher, Kit, always
from tests.support import wait_until, write_tick

RUN = "2001-01-01-mail-2001-01-01T00-00-00-000Z"
"""How the files of a run begin."""


def script(root: Path, body: str) -> tuple[str, ...]:
    path = root / "guard"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return (str(path),)


def ask(layout: Layout, body: str) -> Job:
    marks = marks_of(layout, "mail", "tick-1")
    return ThreadJobs(layout).command(script(layout.root, body), lambda: None, marks)


def answer(job: Job) -> JobResult:
    found = wait_until(job.poll)
    assert isinstance(found, JobResult)
    return found


def alive(layout: Layout) -> list[processes.Process]:
    return processes.marked(lambda env: env.get(processes.ROOT) == str(layout.root))


# ---- a guard's command ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "clear"),
    [("exit 0", True), ("exit 1", True), ("exit 3", True), ("exit 126", False),
     ("exit 127", False), ("kill -9 $$", False), ("kill -TERM $$", False)],
)  # fmt: skip
def test_only_an_exit_code_of_its_own_is_an_answer(
    agent_root: Layout, body: str, clear: bool
) -> None:
    assert answered(answer(ask(agent_root, body))) == clear


@pytest.mark.parametrize("code", [-9, 126, 127])
def test_a_broken_guard_is_a_failed_attempt_and_not_nothing_to_do(
    tmp_path: Path, code: int
) -> None:
    guard = CadenceSettings(mode="guarded", guard=Guard(command=("check",)))
    kit = Kit(tmp_path, cadences={"mail": guard}).start()
    kit.jobs.code = code
    [tick_id] = kit.drop("mail")
    kit.run_for(60)
    assert kit.launcher.starts == [] and kit.stats.inline == 0
    failures = kit.tick("dlq", tick_id)["failures"]
    assert [one["exit_code"] for one in failures] == [max(code, -1)] * 2


def test_what_a_guard_leaves_behind_ends_with_it(agent_root: Layout) -> None:
    job = ask(agent_root, "sleep 600 & setsid sleep 600 & exit 1")
    assert answer(job).exit_code == 1
    assert alive(agent_root) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux lets us adopt")
def test_a_daemon_that_a_guard_has_made_without_a_trace_ends_with_it(agent_root: Layout) -> None:
    daemon = "import os; os.setsid(); os.fork() and os._exit(0); os.closerange(0, 99); "
    daemon += "open('pid', 'w').write(str(os.getpid())); os.execlp('sleep', 'sleep', '600')"
    run = f'env -i PATH="$PATH" {sys.executable} -S -c "{daemon}" &'
    job = ask(agent_root, f"{run} while [ ! -s pid ]; do sleep 0.02; done; exit 1")
    assert answer(job).exit_code == 1
    assert not psutil.pid_exists(int((agent_root.root / "pid").read_text()))


def test_a_guard_that_is_not_there_or_cannot_start_says_so(agent_root: Layout) -> None:
    jobs, marks = ThreadJobs(agent_root), marks_of(agent_root, "mail", "tick-1")
    missing = answer(jobs.command(("no-such-guard",), lambda: None, marks))
    assert "no-such-guard" in missing.detail and not answered(missing)
    path = agent_root.root / "guard"
    path.write_text("#!/no/such/shell\n")
    path.chmod(0o755)
    broken = answer(jobs.command(("./guard",), lambda: None, marks))
    assert broken.detail == "./guard: No such file or directory" and not answered(broken)


def test_a_guard_that_hangs_is_ended_with_all_that_it_started(
    agent_root: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "GUARD_TIMEOUT", 0.5)
    job = ask(agent_root, "trap '' TERM; setsid sleep 600 & sleep 600")
    assert "no answer" in answer(job).detail
    assert alive(agent_root) == []


def test_a_guard_is_ended_at_once_when_it_is_stopped(agent_root: Layout) -> None:
    job = ask(agent_root, "echo $$ > pid; trap '' TERM; sleep 600 & wait")
    wait_until((agent_root.root / "pid").exists)
    job.stop()
    assert not answer(job).ok
    assert alive(agent_root) == []


def test_what_a_dead_consumers_guard_left_is_found_by_its_tick(agent_root: Layout) -> None:
    agent_root.bus.mkdir(parents=True, exist_ok=True)
    job = ask(agent_root, "touch up; sleep 600")
    wait_until((agent_root.root / "up").exists)
    ledger = Ledger.open(agent_root.ledger)
    end_orphans(agent_root, ledger, frozenset(["tick-1"]), FakeClock())
    ledger.close()
    assert alive(agent_root) == []
    assert not answered(answer(job))


@pytest.mark.parametrize("how", ["stop", "emergency stop"])
def test_the_end_of_the_consumer_and_an_emergency_stop_end_a_guard(
    agent_root: Layout, how: str
) -> None:
    guard = script(agent_root.root, "touch up; trap '' TERM; sleep 600")
    agent_root.cadences_toml.parent.mkdir(parents=True, exist_ok=True)
    agent_root.cadences_toml.write_text(
        f'[cadence.mail]\nmode = "guarded"\nguard = {{ command = ["{guard[0]}"] }}\n'
    )
    agent_root.inbox.mkdir(parents=True, exist_ok=True)
    write_tick(agent_root.inbox, "one", "mail")
    driver = Driver(agent_root, mode="daemon")
    thread = threading.Thread(target=driver.run)
    thread.start()
    try:
        wait_until((agent_root.root / "up").exists)
        if how == "emergency stop":
            agent_root.emergency_stop.write_text('{"kill": true, "by": "test"}')
            wait_until(lambda: not alive(agent_root))
            wait_until((agent_root.inbox / "one.json").exists)
    finally:
        driver.stop()
        thread.join(30)
    assert not thread.is_alive()
    assert alive(agent_root) == []
    assert (agent_root.inbox / "one.json").exists()


def test_no_room_for_a_thread_is_an_error_of_the_system(
    agent_root: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(OSError, match="no room for another thread"):
        ThreadJobs(agent_root).call(lambda: JobResult(True), lambda: None)


def test_a_look_that_never_ends_is_given_up(
    agent_root: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "CALL_TIMEOUT", 0.05)
    hanging = threading.Event()
    job = ThreadJobs(agent_root).call(lambda: JobResult(hanging.wait(30)), lambda: None)
    found = answer(job)
    hanging.set()
    assert "no answer" in found.detail
    assert not answered(found)


# ---- the built-in ones ------------------------------------------------------------------


def test_a_guard_by_files_says_whether_one_matches(agent_root: Layout) -> None:
    look = files_guard(agent_root, "state/letters/*.md")
    assert look() == JobResult(False, "no file matches state/letters/*.md", 1)
    (agent_root.root / "state" / "letters").mkdir(parents=True)
    (agent_root.root / "state" / "letters" / "a.md").touch()
    assert look().exit_code == 0


def old(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    os.utime(path, (1.0, 1.0))
    return path


def tidy(layout: Layout) -> JobResult:
    clock = FakeClock()
    engine = DirectoryEngine(layout, clock=clock)
    return housekeep(layout, engine, FakeLauncher(clock, always(OK)), clock, 30)()


def test_housekeeping_leaves_folders_among_the_logs_alone_and_goes_on(agent_root: Layout) -> None:
    (agent_root.subsessions / "notes").mkdir(parents=True)
    os.utime(agent_root.subsessions / "notes", (1.0, 1.0))
    gone = [
        old(agent_root.subsessions / f"{RUN}.stdout.log"),
        old(agent_root.subsessions / f".{RUN}.stderr.log.tmp"),
        old(agent_root.prompts / f"{RUN}.prompt.md"), old(agent_root.prompts / f"{RUN}.tick.json"),
        old(agent_root.logs / "2001-01-01.jsonl"),
    ]  # fmt: skip
    (agent_root.subsessions / f"{RUN}.stderr.log").symlink_to("nowhere")
    kept = [old(agent_root.subsessions / "notes.md"), old(agent_root.prompts / "a.stdout.log")]
    assert tidy(agent_root) == JobResult(True, "dropped 6 logs")
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in kept), "no run has left these"
    assert (agent_root.subsessions / "notes").is_dir()


def test_a_log_that_cannot_be_dropped_fails_the_attempt_and_keeps_no_other(
    agent_root: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = (f"{RUN}.stdout.log", f"{RUN}.stderr.log")
    stuck, other = (old(agent_root.subsessions / name) for name in names)
    real: Callable[..., None] = Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        if path == stuck:
            raise PermissionError(1, "Operation not permitted", str(path))
        real(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    result = tidy(agent_root)
    assert (result.ok, result.detail) == (
        False, f"could not drop all: {RUN}.stdout.log: Operation not permitted",
    )  # fmt: skip
    assert not other.exists()


def test_a_folder_of_logs_that_cannot_be_read_is_no_consumers_trouble(tmp_path: Path) -> None:
    cadences = {"tidy": CadenceSettings(mode="inline", handler="housekeeping")}
    kit = Kit(tmp_path, cadences=cadences).start()
    kit.layout.subsessions.rmdir()
    kit.layout.subsessions.write_text("a file in its place")
    [tick_id] = kit.drop("tidy")
    kit.drop("memo")
    kit.run_for(60)
    assert kit.beat()["trouble"] is None
    assert "Not a directory" in kit.tick("dlq", tick_id)["last_error"]
    assert kit.stats.escalated == 1, "another cadence goes on meanwhile"
