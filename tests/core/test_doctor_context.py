"""The doctor sees what stands around an agent root: timers, other consoles."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from maestro_core.doctor.checks.consoles import is_console
from maestro_core.layout import Layout
from tests.core.doctor_kit import Patient
from tests.support import wait_until

TIMED = '[cadence.memo]\nschedule = "0 7 * * *"\nproducer = "timer"\n'


@pytest.fixture
def patient(agent_root: Layout) -> Patient:
    return Patient(agent_root, "http://127.0.0.1:9")


def with_systemd(patient: Patient) -> None:
    """A systemctl that knows of no unit."""
    patient.write("tools/systemctl", "#!/bin/sh\necho LoadState=not-found\nexit 0\n", 0o700)
    patient.environ["PATH"] = f"{patient.layout.root / 'tools'}{os.pathsep}/usr/bin:/bin"


def test_without_timers_there_is_nothing_to_install(patient: Patient) -> None:
    assert patient.finding("settings.timers").status == "skip"


@pytest.mark.skipif(sys.platform == "darwin", reason="launchd is always there")
def test_a_timer_that_is_not_installed_is_told_with_its_remedy(patient: Patient) -> None:
    patient.toml(TIMED)
    with_systemd(patient)
    found = patient.finding("settings.timers")
    assert (found.status, found.remedy) == ("warn", "maestro-tui schedule install")
    assert "memo: missing" in found.detail


@pytest.mark.skipif(sys.platform == "darwin", reason="launchd is always there")
def test_a_machine_without_timers_is_told_that_nobody_enqueues(patient: Patient) -> None:
    patient.toml(TIMED)
    patient.environ["PATH"] = str(patient.layout.root / "nowhere")
    found = patient.finding("settings.timers")
    assert found.status == "warn"
    assert "memo: nobody enqueues when due" in found.detail
    assert "cron" in found.remedy


@pytest.mark.parametrize(
    ("line", "console"),
    [("/x/bin/maestro-tui", True), ("python3 /x/bin/maestro-tui --root /a", True),
     ("python3 -m maestro_tui --attach", True), ("maestro-tui --read-only", True),
     ("maestro-tui run", False), ("python3 /x/maestro-tui --root /a status", False),
     ("vim maestro-tui.log", False), ("", False)],
)  # fmt: skip
def test_a_console_is_known_by_its_command_line(line: str, console: bool) -> None:
    assert is_console(tuple(line.split())) == console


@pytest.fixture
def other(patient: Patient) -> Iterator[subprocess.Popen[bytes]]:
    """A program that looks like a console on the patient."""
    path = Path(patient.write("bin/maestro-tui", "import sys; print(flush=True); sys.stdin.read()"))
    words = [sys.executable, str(path), "--root", str(patient.layout.root)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_another_console_is_named(patient: Patient, other: subprocess.Popen[bytes]) -> None:
    wait_until(lambda: str(other.pid) in patient.finding("consumer.consoles").detail, 15)
    found = patient.finding("consumer.consoles")
    assert found.detail.startswith("1 other console on this agent root")


def test_no_other_console_is_told_too(patient: Patient) -> None:
    assert patient.finding("consumer.consoles").detail == "none besides this program"
