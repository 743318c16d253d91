"""Proves the findings about the claude program and its login, with real programs that misbehave."""

from __future__ import annotations

from pathlib import Path

import pytest

from maestro_core.doctor.child import run_program
from maestro_core.layout import Layout
from maestro_core.session.processes import alive, start_token
from tests.core.doctor_kit import Patient
from tests.support import wait_until


@pytest.fixture
def patient(agent_root: Layout) -> Patient:
    return Patient(agent_root, "http://127.0.0.1:9")


def claude(patient: Patient, script: str) -> None:
    patient.write("bin/claude", f"#!/bin/sh\n{script}\n", mode=0o700)


# ruff: noqa: E501  (one program a line)
VERSIONS = [
    ('echo "2.1.330 (Claude Code)"', "ok", "2.1.330 (Claude Code)", ""),
    ('echo "1.0.80 (Claude Code)"', "fail", "is too old", "claude update"),
    ('echo "hello"', "warn", "it names no version: hello", "Claude Code"),
    ('echo "no node" >&2; exit 127', "fail", "claude --version failed (exit 127): no node", "install"),
    ("kill -9 $$", "fail", "exit -9", "install"),
]  # fmt: skip


@pytest.mark.parametrize(("script", "status", "detail", "remedy"), VERSIONS)
def test_what_the_program_says_of_itself(
    patient: Patient, script: str, status: str, detail: str, remedy: str
) -> None:
    claude(patient, script)
    found = patient.finding("claude.version")
    assert found.status == status
    assert detail in found.detail
    assert remedy in found.remedy


def test_a_program_that_cannot_be_executed(patient: Patient) -> None:
    patient.write("bin/claude", "#!/no/such/interpreter\n", mode=0o700)
    found = patient.finding("claude.version")
    assert found.status == "fail"
    assert "cannot be started" in found.detail
    patient.claude.chmod(0o600)
    assert patient.finding("claude.found").status == "fail"
    assert patient.finding("claude.version").status == "skip"


def test_a_program_that_hangs_is_ended_with_its_children(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maestro_core.doctor.checks.claude._SECONDS", 0.5)
    note = patient.layout.root / "pids"
    claude(patient, f'sleep 600 & echo "$! $$" > {note}; wait')
    found = patient.finding("claude.version")
    assert found.status == "fail"
    assert "gave no answer within 0.5 s" in found.detail
    for pid in map(int, note.read_text().split()):
        wait_until(lambda pid=pid: start_token(pid) is None, what=f"the end of {pid}")


def test_a_child_that_is_left_behind_after_a_normal_end_is_ended_too(tmp_path: Path) -> None:
    ran = run_program(["/bin/sh", "-c", "sleep 600 & echo $!"], env={}, cwd=tmp_path, timeout=20)
    pid = int(ran.out)
    assert ran.code == 0
    wait_until(lambda: not alive(pid, start_token(pid)), what="the end of the child")


def test_a_program_gets_its_input_and_cannot_flood(tmp_path: Path) -> None:
    ran = run_program(["/bin/cat"], env={}, cwd=tmp_path, timeout=20, given="hé")
    assert (ran.code, ran.out) == (0, "hé")
    ran = run_program(
        ["/bin/sh", "-c", "head -c 3000000 /dev/zero"], env={}, cwd=tmp_path, timeout=20
    )
    assert len(ran.out) <= 65536


LOGINS = [
    ("""echo '{"loggedIn": true, "authMethod": "claude.ai", "subscriptionType": "max"}'""", {}, "ok", "logged in by claude.ai, plan max; whether it has run out"),
    ("""echo '{"loggedIn": true, "authMethod": "claude.ai"}'""", {"SSH_CONNECTION": "a b c d"}, "ok", "seen from an SSH session"),
    ("""echo '{"loggedIn": false, "authMethod": "none"}'; exit 1""", {}, "fail", "neither a key nor a login"),
    ("""echo '{"loggedIn": false}'; exit 1""", {"SSH_CONNECTION": "a b c d"}, "fail", "as seen from this SSH session"),
    ("echo huh", {}, "skip", "gave no answer: huh"),
]  # fmt: skip


@pytest.mark.parametrize(("says", "environ", "status", "detail"), LOGINS)
def test_is_there_a_login(
    patient: Patient, says: str, environ: dict[str, str], status: str, detail: str
) -> None:
    claude(patient, f'case "$1" in auth) {says} ;; *) echo "2.1.330 (Claude Code)" ;; esac')
    patient.environ |= environ
    found = patient.finding("auth.login")
    assert found.status == status
    assert detail in found.detail
    if status == "fail":
        assert "claude setup-token" in found.remedy


def test_a_login_is_asked_for_without_a_key_that_is_not_handed_on(patient: Patient) -> None:
    claude(
        patient,
        'case "$1" in auth) echo "{\\"loggedIn\\": true, \\"authMethod\\": \\"key=${ANTHROPIC_API_KEY-none}'
        ' tick=${MAESTRO_TICK_ID-none}\\"}" ;; *) echo "2.1.330 (Claude Code)" ;; esac',
    )
    patient.environ["MAESTRO_TICK_ID"] = "of an outer run"
    patient.env(MAESTRO_PREFER_SUBSCRIPTION_AUTH="1")
    assert "key=none tick=none" in patient.finding("auth.login").detail


@pytest.mark.parametrize("version", ["2.1.0 (Claude Code)", "9.9.9 (stand-in)", ""])
def test_a_program_that_might_take_the_words_for_a_prompt_is_not_asked(
    patient: Patient, version: str
) -> None:
    asked = patient.layout.root / "asked"
    claude(patient, f'case "$1" in auth) touch {asked} ;; *) echo "{version}" ;; esac')
    assert patient.finding("auth.login").status == "skip"
    assert not asked.exists()


def test_the_round_trip_is_for_deep_only(patient: Patient) -> None:
    assert patient.finding("claude.round_trip").status == "skip"
    assert not Path(f"{patient.claude}.prompt").exists()
    assert patient.finding("claude.round_trip", deep=True, offline=True).detail == "offline"
    found = patient.finding("claude.round_trip", deep=True)
    assert found.status == "ok"
    assert "pong" in Path(f"{patient.claude}.prompt").read_text()


def test_a_round_trip_that_fails_says_why(patient: Patient) -> None:
    claude(patient, """echo '{"is_error": true, "result": "Not logged in"}'; exit 1""")
    found = patient.finding("claude.round_trip", deep=True)
    assert found.status == "fail"
    assert "Not logged in" in found.detail
