"""Proves the service and the timers with a real systemd user instance: two agents are installed
side by side, a killed consumer is started again, a timer's job runs, and removing one agent's
leaves the other's alone. Skipped where no such instance can be started.

It lives in a mount namespace of its own, so that this machine is not taken for one that systemd
has booted, and with a home and a runtime folder of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from maestro_core.layout import Layout
from tests.support import read_json, wait_until

SYSTEMD = next(
    (p for p in ("/lib/systemd/systemd", "/usr/lib/systemd/systemd") if Path(p).exists()), ""
)
BEGIN = (
    "mount -t tmpfs none /run/systemd && mkdir /run/systemd/system"
    f" && exec {SYSTEMD} --user --log-target=null"
)
PROGRAM = Path(sys.executable).parent / "maestro-tui"

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("systemd")]


class Instance:
    """A running `systemd --user`."""

    def __init__(self, process: subprocess.Popen[bytes], env: dict[str, str]) -> None:
        self.process, self.env = process, env

    def run(self, *words: str | Path, cwd: Path | None = None, fine: bool = True) -> str:
        inside = ["nsenter", "-t", str(self.process.pid), "-m", f"--wd={cwd or '/'}", "--"]
        done = subprocess.run(
            [*inside, *map(str, words)], env=self.env, capture_output=True, text=True, timeout=90
        )
        assert done.returncode == 0 or not fine, done.stdout + done.stderr
        return done.stdout

    def show(self, unit: str, name: str) -> str:
        return self.run("systemctl", "--user", "show", "-p", name, "--value", unit).strip()

    def units(self, pattern: str) -> list[str]:
        words = ["systemctl", "--user", "list-units", "--all", "--plain", "--no-legend", pattern]
        return [line.split()[0] for line in self.run(*words).splitlines() if line.strip()]

    def state(self) -> str:
        return self.run("systemctl", "--user", "is-system-running", fine=False).strip()


@pytest.fixture
def instance() -> Iterator[Instance]:
    needed = [name for name in ("unshare", "nsenter", "systemctl") if shutil.which(name) is None]
    if os.geteuid() != 0 or not SYSTEMD or needed:
        pytest.skip("needs root, systemd, unshare and nsenter")
    with tempfile.TemporaryDirectory(prefix="sd-") as place:  # short: it holds sockets
        runtime, home = Path(place, "run"), Path(place, "home")
        runtime.mkdir(mode=0o700)
        home.mkdir()
        env = {
            "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}", "HOME": str(home), "TZ": "UTC",
            "XDG_RUNTIME_DIR": str(runtime), "LANG": "C.UTF-8",
        }  # fmt: skip
        process = subprocess.Popen(
            ["unshare", "-m", "--propagation", "private", "sh", "-c", BEGIN], env=env,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            yield _up(Instance(process, env))
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(30)


def _up(found: Instance) -> Instance:
    def ready() -> bool:
        return found.process.poll() is not None or found.state() in ("running", "degraded")

    try:
        wait_until(ready, 30, "the user instance")
    except AssertionError:
        pytest.skip("no systemd user instance comes up here")
    if found.process.poll() is not None:
        pytest.skip("no systemd user instance can be started here")
    return found


def agent(folder: Path) -> Layout:
    layout = Layout(folder)
    (layout.root / "config").mkdir(parents=True)
    layout.bus.mkdir(parents=True)
    layout.cadences_toml.write_text(
        '[cadence.pulse]\nmode = "inline"\nhandler = "heartbeat"\nschedule = "* * * * *"\n'
    )
    return layout


@pytest.mark.timeout(240)
def test_a_real_user_instance_keeps_two_agents_and_runs_their_timers(
    instance: Instance, tmp_path: Path
) -> None:
    one, two = agent(tmp_path / "100%h $HOME\\"), agent(tmp_path / 'two "ü" ')
    for layout in (one, two):
        assert "added" in instance.run(PROGRAM, "service", "install", cwd=layout.root)
    assert "unchanged" in instance.run(PROGRAM, "service", "install", cwd=one.root)
    wait_until(lambda: one.consumer_json.exists() and two.consumer_json.exists(), 30, "beats")
    pid = read_json(one.consumer_json)["pid"]
    units = instance.units("maestro-tui-*-consumer.service")
    assert len(units) == 2
    unit = next(name for name in units if instance.show(name, "MainPID") == str(pid))
    wait_until(lambda: instance.show(unit, "ActiveState") == "active", 30, "READY=1")
    assert instance.show(unit, "WatchdogUSec") == "2min"
    assert instance.show(unit, "WorkingDirectory") == str(one.root)

    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: instance.show(unit, "NRestarts") == "1", 60, "a new start")
    wait_until(lambda: read_json(one.consumer_json)["pid"] != pid, 60, "its beat")
    assert "killed or crashed" in instance.run(PROGRAM, "service", "status", cwd=one.root)

    assert "added" in instance.run(PROGRAM, "schedule", "install", cwd=one.root)
    assert "unchanged" in instance.run(PROGRAM, "schedule", "install", cwd=one.root)
    (timer,) = instance.units("maestro-tui-*-tick-pulse.timer")
    assert instance.show(timer, "ActiveState") == "active"
    job = timer.replace(".timer", ".service")
    instance.run("systemctl", "--user", "start", job)
    assert instance.show(job, "Result") == "success"

    for words in (("schedule", "remove"), ("service", "remove")):
        assert "removed" in instance.run(PROGRAM, *words, cwd=one.root)
        instance.run(PROGRAM, *words, cwd=one.root)
    assert instance.units("maestro-tui-*.timer") == []
    (left,) = instance.units("maestro-tui-*-consumer.service")
    assert left != unit
    assert instance.show(left, "MainPID") == str(read_json(two.consumer_json)["pid"])
    assert read_json(one.consumer_json)["stopped_at"]
    instance.run("systemctl", "--user", "stop", left)
    two.root.rename(tmp_path / "moved")
    assert "removed" in instance.run(PROGRAM, "--root", two.root, "service", "remove")
    assert not two.root.exists()
    home = Path(instance.env["HOME"])
    assert list(home.rglob("maestro*")) == []
