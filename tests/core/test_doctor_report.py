"""Proves the doctor's JSON, text, exit codes and repairs, and that its page lists every check."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

import maestro_core
from maestro_core.clock import SystemClock
from maestro_core.doctor import (
    CHECKS,
    Finding,
    apply_repairs,
    doctor_document,
    exit_code,
    plan_repairs,
    render_plain,
)
from maestro_core.doctor.finding import Status
from maestro_core.files import OsFiles
from maestro_core.layout import Layout
from maestro_tui.checks import file_checks
from tests.core.doctor_kit import Patient

PAGE = Path(maestro_core.__file__).parent.parent / "docs" / "doctor.md"


def finding(status: Status, *, unchecked: bool = False, **more: object) -> Finding:
    return Finding(id="a.b", title="Title", status=status, detail="d", unchecked=unchecked, **more)  # type: ignore[arg-type]


OK, WARN, FAIL, SKIP = (finding(word) for word in ("ok", "warn", "fail", "skip"))  # type: ignore[arg-type]
UNCHECKED = finding("skip", unchecked=True)


@pytest.mark.parametrize(
    ("findings", "code", "strict"),
    [([], 0, 0), ([OK, SKIP], 0, 0), ([OK, WARN], 0, 1), ([FAIL, OK], 1, 1), ([UNCHECKED], 3, 3),
     ([UNCHECKED, WARN], 3, 1), ([UNCHECKED, FAIL], 1, 1)],
)  # fmt: skip
def test_exit_codes(findings: list[Finding], code: int, strict: int) -> None:
    assert exit_code(findings) == code
    assert exit_code(findings, strict=True) == strict


def test_the_document_has_stable_keys() -> None:
    document = doctor_document([OK, WARN, UNCHECKED], root="/r", at=0.0, strict=True)
    assert json.loads(json.dumps(document)) == document
    assert list(document) == [
        "schema_version", "version", "generated", "root", "offline", "deep", "strict", "ok",
        "exit_code", "counts", "findings",
    ]  # fmt: skip
    assert document["schema_version"] == 1
    assert document["counts"] == {"ok": 1, "warn": 1, "fail": 0, "skip": 1, "unchecked": 1}
    assert (document["ok"], document["exit_code"]) == (False, 1)
    assert list(document["findings"][0]) == [
        "id", "title", "status", "detail", "remedy", "seconds", "slow", "unchecked",
    ]  # fmt: skip


def test_plain_text_has_a_line_a_check_and_the_remedy_below() -> None:
    slow = finding("fail", remedy="do\nthis", seconds=3.14, slow=True)
    assert render_plain([OK, slow, UNCHECKED]) == (
        "OK    Title: d\n"
        "FAIL  Title: d (3.1 s)\n"
        "      -> do\n         this\n"
        "????  Title: d\n"
        "1 ok, 1 failure, 1 not checked\n"
    )


def test_every_check_is_on_the_page_and_the_page_has_no_other() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| ([^|]+?) \|", PAGE.read_text("utf-8"), re.M)
    assert rows == [(one.id, one.title) for one in (*CHECKS, *file_checks())]


def test_repairs_are_previewed_and_safe(agent_root: Layout) -> None:
    patient = Patient(agent_root, "http://127.0.0.1:9")
    agent_root.env_file.chmod(0o644)
    agent_root.acks.rmdir()
    agent_root.control.rmdir()
    old, young = agent_root.tmp / "1-1-aaaa", agent_root.tmp / "1-2-bbbb"
    for path in (old, young):
        path.write_text("half")
    os.utime(old, (1, 1))
    repairs = plan_repairs(agent_root, OsFiles(), SystemClock())
    assert [one.what for one in repairs] == [
        "make the folder state/cadence-bus/control",
        "make the folder state/cadence-bus/control/acks",
        "take .env away from other users (chmod 600, it is 644)",
        "remove the stray temp file state/cadence-bus/tmp/1-1-aaaa",
    ]
    assert not agent_root.control.exists(), "a plan changes nothing"
    assert [one.error for one in apply_repairs(repairs)] == [None] * 4
    assert agent_root.acks.stat().st_mode & 0o777 == 0o700
    assert agent_root.env_file.stat().st_mode & 0o777 == 0o600
    assert (old.exists(), young.exists()) == (False, True)
    assert plan_repairs(agent_root, OsFiles(), SystemClock()) == []
    assert patient.finding("bus.folders").status == "ok"


def test_a_repair_that_fails_keeps_no_other_from_being_done(agent_root: Layout) -> None:
    agent_root.dlq.rmdir()
    agent_root.trash.rmdir()
    repairs = plan_repairs(agent_root, OsFiles(), SystemClock())
    agent_root.dlq.write_text("in the way")
    results = apply_repairs(repairs)
    assert [bool(one.error) for one in results] == [True, False]
    assert agent_root.trash.is_dir()


@pytest.mark.parametrize("broken", [False, True])
def test_no_secret_is_in_any_finding_document_or_text(agent_root: Layout, broken: bool) -> None:
    canaries = {
        "ANTHROPIC_API_KEY": "sk-ant-api03-canary-aaaaaaaa",
        "SLACK_USER_TOKEN": "canary-bbbbbbbb",
        "GMAIL_APP_PASSWORD": "canary-cccc cccc",
        "MY_OWN_SECRET": "canary-dddddddd",
    }
    patient = Patient(agent_root, "http://127.0.0.1:9")
    patient.env(**canaries)
    with agent_root.env_file.open("a") as file:
        file.write('canary-eeeeeeee\nX="canary-ffffffff\n' if broken else "")
    patient.toml("[cadence.x]\nmodel = 'canary-bbbbbbbb !'\nargs = ['--print=canary-dddddddd']\n")
    patient.write(
        "bin/claude",
        '#!/bin/sh\necho "$ANTHROPIC_API_KEY $MY_OWN_SECRET" >&2; exit 1\n',
        mode=0o700,
    )
    findings = patient.examine(deep=True)
    text = json.dumps(doctor_document(findings, root="/r", at=0.0)) + render_plain(findings)
    assert "canary" not in text
    assert "ANTHROPIC_API_KEY" in text
