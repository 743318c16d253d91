"""No process outlives its run: whatever it does to get away, and however the run ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from maestro_core.clock import SystemClock
from maestro_core.session import keeper, processes
from maestro_core.session.api import Work
from maestro_core.session.ledger import Ledger
from maestro_core.session.orphans import end_orphans
from tests.core.session_kit import CADENCE, Bench, new_bench
from tests.support import wait_until

__all__ = ["new_bench"]

LINUX = sys.platform.startswith("linux")

SLEEPER = "echo $$ >> pids; exec sleep 600"
DEAF = "trap '' TERM INT HUP; echo $$ >> pids; while :; do sleep 0.1; done"
FAMILY = "./sleeper & ./sleeper & wait"
HYDRA = 'trap "" TERM; [ $1 -gt 7 ] && exec sleep 600; "$0" $(($1+1)) & "$0" $(($1+1)) & wait'

BARE = "env -i PATH=/usr/bin:/bin"
ESCAPES = {
    "child": "./sleeper &",
    "own session": "setsid ./sleeper &",
    "orphan": "(./sleeper &)",
    "double fork in a session of its own": "(setsid ./sleeper &)",
    "nohup": "nohup ./sleeper >/dev/null 2>&1 &",
    "no environment": f"{BARE} ./sleeper &",
    "daemon without environment": f"(setsid {BARE} ./sleeper </dev/null >/dev/null 2>&1 &)",
    "deaf to TERM": "setsid ./deaf &",
    "deaf daemon without environment": f"(setsid {BARE} ./deaf &)",
    "holds the pipe of its parent": "(setsid ./sleeper | cat &)",
    "a family of its own": "setsid ./family &",
}
"""How a tool's child gets away from its parent; each writes its pid to `pids`."""


@pytest.fixture
def bench(new_bench: Callable[..., Bench]) -> Iterator[Bench]:
    bench = new_bench()
    for name, body in (
        ("sleeper", SLEEPER), ("deaf", DEAF), ("family", FAMILY), ("hydra", HYDRA),
    ):  # fmt: skip
        bench.script(body, name=name)
    yield bench
    for pid in _pids(bench):  # only those that the test could not see ended
        token = processes.start_token(pid)
        processes.send(pid, token, signal.SIGKILL)


def _pids(bench: Bench) -> list[int]:
    path = bench.layout.root / "pids"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def start(bench: Bench, escape: str, then: str) -> Work:
    """A run whose tool gets away; returns once it has."""
    count = 2 if "family" in escape else 1
    body = ESCAPES[escape]
    bench.script(
        f"{body}\nwhile [ $(wc -l < pids 2>/dev/null || echo 0) -lt {count} ]; do :; done\n{then}"
    )
    work = bench.start(grace=0.3)
    wait_until(lambda: len(_pids(bench)) == count, what="the pids of the escaped")
    return work


def assert_gone(bench: Bench) -> None:
    left = [pid for pid in _pids(bench) if processes.start_token(pid) is not None]
    assert left == []
    assert bench.alive() == []


ENDS: dict[str, tuple[str, Callable[[Work], None], str]] = {
    "normal exit": ("exit 0", lambda _: None, "ok"),
    "failure": ("exit 3", lambda _: None, "failed"),
    "killed": ("kill -KILL $$", lambda _: None, "failed"),
    "cancel": ("sleep 600", lambda work: work.stop("cancelled"), "cancelled"),
    "clean stop": ("sleep 600", lambda work: work.stop("shutdown"), "shutdown"),
    "at once": (
        "sleep 600", lambda work: work.stop("emergency_stop", at_once=True), "emergency_stop",
    ),
    "deaf, cancelled": ("trap '' TERM; while :; do sleep 0.1; done",
                        lambda work: work.stop("cancelled"), "cancelled"),
}  # fmt: skip


WORST = ("daemon without environment", "deaf to TERM")


@pytest.mark.skipif(not LINUX, reason="needs a child subreaper for the worst of them")
@pytest.mark.parametrize(
    ("escape", "end"),
    [
        (escape, end)
        for escape in ESCAPES
        for end in ENDS
        if end in ("normal exit", "cancel") or escape in WORST
    ],
)
def test_nobody_outlives_a_run(bench: Bench, escape: str, end: str) -> None:
    then, act, outcome = ENDS[end]
    work = start(bench, escape, then)
    act(work)
    result = bench.finish(work)
    assert result.outcome == outcome
    assert_gone(bench)


@pytest.mark.parametrize("escape", WORST)
def test_nobody_outlives_a_run_that_takes_too_long(bench: Bench, escape: str) -> None:
    bench.script(f"{ESCAPES[escape]}\nexec sleep 600")
    work = bench.start(timeout=0.6, grace=0.3)
    wait_until(lambda: _pids(bench))
    assert bench.finish(work).outcome == "timeout"
    assert_gone(bench)


def test_a_pipe_that_a_child_keeps_open_holds_nothing_up(bench: Bench) -> None:
    result = bench.run("sleep 600 & echo $! > pids; echo done")
    assert result.ok and result.duration < 5
    assert Path(result.stdout_path or "").read_text() == "done\n"
    assert_gone(bench)


def test_a_crowd_is_ended_too(bench: Bench) -> None:
    body = "i=0; while [ $i -lt 60 ]; do i=$((i+1)); (setsid sleep 600 &); done; exit 0"
    result = bench.run(body)
    assert result.ok
    assert bench.alive() == []


def test_a_family_that_grows_while_it_is_killed_ends(bench: Bench) -> None:
    bench.script("./hydra 0 & sleep 0.1; exit 0")
    result = bench.finish(bench.start())
    assert result.ok
    assert bench.alive() == []


@pytest.mark.parametrize("escape", ["own session", "deaf to TERM", "no environment"])
def test_a_keeper_that_was_killed_leaves_the_consumer_to_end_the_family(
    bench: Bench, escape: str
) -> None:
    work = start(bench, escape, "exec sleep 600")
    bench.until(work, bench.alive)
    work._look(0, force=True)  # type: ignore[attr-defined]
    os.kill(bench.ledger.open_rows()[0].processes[0][0], signal.SIGKILL)
    result = bench.finish(work)
    assert (result.exit_code, result.failure_class) == (-1, "killed")
    assert_gone(bench)


# ---- without a subreaper (as on macOS) -------------------------------------------------------


@pytest.fixture
def no_subreaper(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A keeper that adopts nobody, and a consumer that asks psutil."""
    source = Path(keeper.__file__).read_text()
    plain = source.replace('LINUX = sys.platform.startswith("linux")', "LINUX = False")
    assert plain != source
    variant = tmp_path / "keeper.py"
    variant.write_text(plain)
    monkeypatch.setattr(keeper, "__file__", str(variant))
    monkeypatch.setattr(processes, "_LINUX", False)


VISIBLE = [one for one in ESCAPES if "daemon" not in one]


@pytest.mark.usefixtures("no_subreaper")
@pytest.mark.parametrize("escape", VISIBLE)
@pytest.mark.parametrize("end", ["cancel", "at once"])
def test_the_consumer_alone_ends_what_it_could_see(bench: Bench, escape: str, end: str) -> None:
    then, act, outcome = ENDS[end]
    work = start(bench, escape, then)
    assert work.poll() is None
    act(work)
    assert bench.finish(work).outcome == outcome
    assert_gone(bench)


@pytest.mark.usefixtures("no_subreaper")
@pytest.mark.parametrize("escape", [one for one in VISIBLE if "no environment" not in one])
def test_after_a_normal_exit_the_marker_finds_the_rest(bench: Bench, escape: str) -> None:
    work = start(bench, escape, "exit 0")
    assert bench.finish(work).ok
    assert_gone(bench)


@pytest.mark.usefixtures("no_subreaper")
def test_the_keeper_alone_ends_the_cli_of_a_consumer_that_is_gone(bench: Bench) -> None:
    bench.script("trap '' TERM; ./sleeper & echo $$ >> pids; while :; do sleep 0.1; done")
    work = bench.start(grace=0.2)
    wait_until(lambda: len(_pids(bench)) == 2)
    work._child.close()  # type: ignore[attr-defined]
    wait_until(lambda: not bench.alive(), what="the end of the CLI and its group")


# ---- the consumer dies ---------------------------------------------------------------------

_CONSUMER = """
import sys, threading
from maestro_core.layout import Layout
from tests.core.session_kit import Bench
bench = Bench(Layout(sys.argv[1]))
works = [bench.start(grace=float(sys.argv[2]))]
print("started", flush=True)
while True:
    works[0].poll()
    threading.Event().wait(0.05)
"""


def consumer(bench: Bench, body: str, grace: float) -> subprocess.Popen[bytes]:
    """A process that starts a run and goes on polling it."""
    bench.script(body)
    env = {key: value for key, value in os.environ.items() if not key.startswith("MAESTRO_")}
    child = subprocess.Popen(
        [sys.executable, "-c", _CONSUMER, str(bench.layout.root), str(grace)],
        cwd=Path(__file__).parents[2], env=env, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None and child.stdout.readline() == b"started\n"
    return child


def kill(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()
    if child.stdout:
        child.stdout.close()


@pytest.mark.parametrize("escape", ["own session", "deaf to TERM"])
def test_a_run_does_not_outlive_a_consumer_that_is_killed(bench: Bench, escape: str) -> None:
    child = consumer(bench, f"{ESCAPES[escape]}\nexec sleep 600", grace=0.2)
    wait_until(lambda: _pids(bench))
    kill(child)
    wait_until(lambda: not bench.alive(), what="the end of the run")
    assert_gone(bench)
    assert len(bench.ledger.open_rows()) == 1


def test_the_keeper_in_waiting_goes_with_its_consumer(bench: Bench) -> None:
    child = consumer(bench, "exec sleep 600", grace=0.2)
    keepers = wait_until(
        lambda: _two_children(child.pid), what="a keeper at work and one in waiting"
    )
    kill(child)
    for pid, token in keepers:
        wait_until(lambda pid=pid, token=token: not processes.alive(pid, token))
    assert_gone(bench)


def _two_children(parent: int) -> list[tuple[int, str]]:
    found = [(one.pid, one.token) for one in processes.table().values() if one.parent == parent]
    return found if len(found) == 2 else []


def test_the_next_consumer_ends_what_an_earlier_one_left(bench: Bench) -> None:
    """Consumer and keeper are killed at once, as by a system that runs out of memory."""
    body = f"setsid ./deaf &\n{BARE} ./sleeper &\nexec sleep 600"
    child = consumer(bench, body, grace=600)
    wait_until(lambda: len(_pids(bench)) == 2)
    bench.ledger = Ledger.open(bench.layout.ledger)
    row = bench.ledger.open_rows()[0]
    (keeper, token), (cli, _) = row.processes
    child.send_signal(signal.SIGSTOP)
    assert processes.send(keeper, token, signal.SIGKILL)
    kill(child)
    assert processes.start_token(cli) is not None

    lines = end_orphans(bench.layout, bench.ledger, frozenset(["tick-1"]), SystemClock())

    assert any("run-1" in line and str(cli) in line for line in lines)
    assert_gone(bench)
    ended = bench.ledger.get("run-1")
    assert ended is not None
    assert (ended.outcome, ended.exit_code, ended.failure_class) == ("orphaned", -5, "orphaned")
    assert bench.ledger.open_rows() == []


def test_an_orphan_is_found_by_its_environment_alone(bench: Bench) -> None:
    """The ledger was lost with the row; the claimed tick is known."""
    env = {
        "PATH": os.environ["PATH"], "AGENT_ROOT": str(bench.layout.root),
        "MAESTRO_TICK_ID": "t9", "MAESTRO_RUN_ID": "r9",
    }  # fmt: skip
    lost = subprocess.Popen(["sleep", "600"], env=env, start_new_session=True)
    other = subprocess.Popen(["sleep", "600"], env=env | {"MAESTRO_TICK_ID": "t8"})
    try:
        lines = end_orphans(bench.layout, bench.ledger, frozenset(["t9"]), SystemClock())
        assert lines == [f"ended 1 other processes of these runs: {lost.pid}"]
        assert lost.wait() == -signal.SIGTERM
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
        lost.kill()
        lost.wait()


def test_a_pid_that_is_used_again_is_nobody_s_orphan(bench: Bench) -> None:
    bench.run("exit 0")
    row = bench.ledger.get("run-1")
    assert row is not None
    bench.ledger.begin(replace(row, run_id="run-again", ended_at=None, outcome=None))
    stranger = subprocess.Popen(["sleep", "600"])
    pid = stranger.pid
    bench.ledger.spawned("run-again", pid, "the token of a dead process", (pid, "another"))
    try:
        lines = end_orphans(bench.layout, bench.ledger, frozenset(), SystemClock())
        assert lines == [f"run run-again of {CADENCE} (tick-1): its processes were gone"]
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_nothing_to_end_is_said_by_silence(bench: Bench) -> None:
    assert end_orphans(bench.layout, bench.ledger, frozenset(["t1"]), SystemClock()) == []


def test_processes_that_are_gone_are_no_news(bench: Bench) -> None:
    assert bench.run("setsid sleep 600 & exit 0").ok
    assert bench.journal.of("processes_left") == []
