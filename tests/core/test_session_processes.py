"""Processes are named by pid and start token: descendants are found, strangers never signalled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from maestro_core.session import processes
from maestro_core.session.processes import (
    Family,
    alive,
    marked,
    of_run,
    of_ticks,
    send,
    start_token,
)
from tests.support import wait_until

LINUX = sys.platform.startswith("linux")


@pytest.fixture(params=["native", "psutil"])
def both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What macOS does has to work here too."""
    if request.param == "psutil":
        monkeypatch.setattr(processes, "_LINUX", False)


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Children that are ended after the test, whatever it did."""
    children: list[subprocess.Popen[bytes]] = []
    yield children
    for child in children:
        Family((child.pid, start_token(child.pid))).kill()
        child.wait()


def sleeper(started: list[subprocess.Popen[bytes]], **more: object) -> subprocess.Popen[bytes]:
    child = subprocess.Popen(["sleep", "600"], **more)  # type: ignore[call-overload]
    started.append(child)
    return child


def shell(
    started: list[subprocess.Popen[bytes]], body: str, cwd: Path, **more: object
) -> subprocess.Popen[bytes]:
    child = subprocess.Popen(
        ["/bin/sh", "-c", body],
        cwd=cwd,
        start_new_session=True,
        **more,  # type: ignore[call-overload]
    )
    started.append(child)
    return child


def written_pid(path: Path) -> int:
    return int(wait_until(lambda: path.exists() and path.read_text().strip(), what=str(path)))


@pytest.mark.usefixtures("both_ways")
def test_a_token_tells_a_process_from_its_successors(
    started: list[subprocess.Popen[bytes]],
) -> None:
    first, second = sleeper(started), sleeper(started)
    token = start_token(first.pid)
    assert token is not None
    assert start_token(first.pid) == token
    assert alive(first.pid, token)
    assert not alive(second.pid, None)
    assert not alive(first.pid, "another-token")


@pytest.mark.usefixtures("both_ways")
def test_a_zombie_counts_as_gone(started: list[subprocess.Popen[bytes]]) -> None:
    child = subprocess.Popen(["true"])
    started.append(child)
    wait_until(lambda: start_token(child.pid) is None, what="the child's end")
    assert child.returncode is None
    assert not send(child.pid, "any", signal.SIGTERM)


@pytest.mark.usefixtures("both_ways")
def test_a_pid_that_is_used_again_is_never_signalled(
    started: list[subprocess.Popen[bytes]],
) -> None:
    child = sleeper(started)
    assert not send(child.pid, "the token of a dead process", signal.SIGKILL)
    assert not send(child.pid, None, signal.SIGKILL)
    assert child.poll() is None
    assert send(child.pid, start_token(child.pid), signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL


@pytest.mark.usefixtures("both_ways")
def test_the_cpu_time_of_a_process_grows_while_it_computes(
    started: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    busy = shell(started, "while :; do :; done", tmp_path)
    idle = sleeper(started)
    wait_until(lambda: processes.table()[busy.pid].cpu > 0.05)
    assert processes.table()[idle.pid].cpu < 0.05


def test_oneself_and_init_are_never_signalled() -> None:
    assert not send(os.getpid(), start_token(os.getpid()), signal.SIGTERM)
    assert not send(1, start_token(1), 0)
    assert {os.getpid(), os.getppid(), 1} <= processes.ancestors()


@pytest.mark.skipif(not LINUX, reason="reads /proc")
def test_a_name_with_spaces_and_parentheses_is_no_trap(
    started: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    program = tmp_path / ") R 1 (x"
    os.symlink("/bin/sleep", program)
    child = subprocess.Popen([program, "600"])
    started.append(child)
    wait_until(lambda: b") R 1 (x" in Path(f"/proc/{child.pid}/stat").read_bytes())
    found = processes.table()[child.pid]
    assert found.parent == os.getpid()
    assert found.session == os.getsid(0)


@pytest.mark.usefixtures("both_ways")
def test_the_marker_finds_a_run_of_this_root_only(
    started: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    base = {"PATH": os.environ["PATH"], "AGENT_ROOT": str(tmp_path)}
    ours = sleeper(started, env={**base, "MAESTRO_RUN_ID": "r1", "MAESTRO_TICK_ID": "t1"})
    longer = sleeper(started, env={**base, "MAESTRO_RUN_ID": "r10", "MAESTRO_TICK_ID": "t10"})
    other_root = sleeper(started, env={**base, "AGENT_ROOT": "/", "MAESTRO_RUN_ID": "r1"})
    by_run = {one.pid for one in marked(of_run("r1", tmp_path))}
    assert by_run == {ours.pid}
    assert {one.pid for one in marked(of_ticks(["t10", "t9"], tmp_path))} == {longer.pid}
    assert other_root.pid not in by_run


def test_a_process_that_carries_the_marker_itself_is_spared(tmp_path: Path) -> None:
    """A consumer started by an agent inherits the marker of the run that started it."""
    code = (
        "from maestro_core.session.processes import *; from pathlib import Path; import sys;"
        "print(len(marked(of_run('r1', Path(sys.argv[1])))))"
    )
    env = dict(os.environ, AGENT_ROOT=str(tmp_path), MAESTRO_RUN_ID="r1")
    said = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], env=env, capture_output=True, check=True
    )
    assert said.stdout.strip() == b"0"


ESCAPES = {
    "child": "sleep 600 & echo $! > pid; wait",
    "setsid": "setsid sh -c 'echo $$ > pid; exec sleep 600' & wait",
    "grandchild": "sh -c 'sh -c \"echo \\$\\$ > pid; exec sleep 600\"; true' & wait",
    "bare environment": "env -i sh -c 'echo $$ > pid; exec sleep 600' & wait",
}


@pytest.mark.usefixtures("both_ways")
@pytest.mark.parametrize("how", ESCAPES)
def test_a_family_knows_its_members(
    started: list[subprocess.Popen[bytes]], tmp_path: Path, how: str
) -> None:
    root = shell(started, ESCAPES[how], tmp_path)
    pid = written_pid(tmp_path / "pid")
    family = Family((root.pid, start_token(root.pid)))
    members = {one.pid for one in family.look()}
    assert {root.pid, pid} <= members
    assert os.getpid() not in members
    family.kill()
    wait_until(lambda: not family.look(), what="the end of the family")
    assert start_token(pid) is None


@pytest.mark.usefixtures("both_ways")
def test_a_member_stays_known_when_its_parents_have_died(
    started: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    inner = "env -i setsid sh -c 'echo \\$\\$ > pid; exec sleep 600' & wait"
    root = shell(started, f'setsid sh -c "{inner}" & wait', tmp_path)
    pid = written_pid(tmp_path / "pid")
    family = Family((root.pid, start_token(root.pid)))
    for one in family.look():
        if one.pid != pid:
            send(one.pid, one.token, signal.SIGKILL)
    root.wait()
    wait_until(lambda: [one.pid for one in family.look()] == [pid], what="the orphan alone")
    family.kill()
    wait_until(lambda: start_token(pid) is None)


@pytest.mark.usefixtures("both_ways")
def test_a_newcomer_of_a_known_session_is_taken_in(
    started: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    """Its parent is gone before anybody looked; the session it was born in gives it away."""
    root = shell(
        started, "(env -i sh -c 'echo $$ > pid; exec sleep 600' &); exec sleep 600", tmp_path
    )
    pid = written_pid(tmp_path / "pid")
    wait_until(lambda: processes.table()[pid].parent != root.pid)
    family = Family((root.pid, start_token(root.pid)))
    assert {one.pid for one in family.look()} == {root.pid, pid}
    family.kill()
    wait_until(lambda: start_token(pid) is None)


@pytest.mark.usefixtures("both_ways")
def test_a_session_is_known_for_one_look_after_its_last_known_member(
    started: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    """A tool that was seen dies, and what it leaves behind shares nothing but its session."""
    body = "echo $$ > tool; while [ ! -e go ]; do :; done; env -i sleep 600 & echo $! > pid"
    root = shell(started, f"setsid sh -c '{body}' & sleep 600", tmp_path)
    tool = written_pid(tmp_path / "tool")
    family = Family((root.pid, start_token(root.pid)))
    assert tool in {one.pid for one in family.look()}
    (tmp_path / "go").touch()
    pid = written_pid(tmp_path / "pid")
    wait_until(lambda: start_token(tool) is None)
    assert pid in {one.pid for one in family.look()}
    assert pid in {one.pid for one in family.kill()}


@pytest.mark.usefixtures("both_ways")
def test_a_session_whose_number_was_used_again_is_a_stranger_s(
    started: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    stranger = shell(started, "sleep 600 & wait", tmp_path)
    family = Family()
    family._sessions = frozenset([stranger.pid])
    assert family.look() == []


def test_a_family_without_tokens_has_no_members(
    started: list[subprocess.Popen[bytes]],
) -> None:
    child = sleeper(started)
    assert Family((child.pid, None), (child.pid, "wrong")).look() == []
    assert Family((child.pid, "wrong")).kill() == []
    assert child.poll() is None
