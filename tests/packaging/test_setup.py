"""Proves that the set-up speaks clearly where it cannot work: no usable Python, a machine
without make and without the right to install it. What works is proven by every test run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
NEEDED = ("sh", "bash", "cat", "cksum", "dirname", "sed", "rm")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """bin/ of a machine with a shell and nothing else, beside a copy of the set-up files."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in NEEDED:
        (folder / name).symlink_to(shutil.which(name) or "")
    for name in ("tools/venv", ".ci/run", "constraints.txt", "pyproject.toml", "Makefile"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(PROJECT / name, tmp_path / name)
    return folder


def attempt(bare: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words, cwd=bare.parent, env={"PATH": str(bare), **environ},
        capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def fake(bare: Path, name: str, script: str) -> None:
    (bare / name).write_text(f"#!/bin/sh\n{script}\n")
    (bare / name).chmod(0o755)


def test_without_any_python_it_says_what_to_install(bare: Path) -> None:
    done = attempt(bare, "sh", "tools/venv")
    assert done.returncode == 1
    assert "needs Python 3.11 or newer" in done.stderr
    assert "apt-get install python3 python3-venv" in done.stderr
    assert not (bare.parent / ".venv").exists()


def test_a_python_that_is_too_old_is_named_with_its_version(bare: Path) -> None:
    fake(bare, "python3", 'case "$2" in *venv*) exit 1;; *) echo 3.9.2;; esac')
    done = attempt(bare, "sh", "tools/venv")
    assert done.returncode == 1
    assert "python3: 3.9.2" in done.stderr


def test_an_interpreter_that_was_asked_for_and_is_not_there_is_not_replaced(bare: Path) -> None:
    done = attempt(bare, "sh", "tools/venv", PYTHON="python9")
    assert done.returncode == 1
    assert "python9: none" in done.stderr
    assert "python3:" not in done.stderr


def test_ci_names_what_is_missing_where_it_may_not_install(bare: Path) -> None:
    fake(bare, "id", "echo 1000")
    done = attempt(bare, "bash", ".ci/run")
    assert done.returncode == 1
    assert "missing: make procps python3 python3-venv" in done.stdout
    assert "install them" in done.stderr


def test_ci_runs_the_test_command_of_the_readme_and_ends_as_it_does(bare: Path) -> None:
    command = "make test"
    assert f"\n{command} " in PROJECT.joinpath("README.md").read_text()
    fake(bare, "python3", "exit 0")
    fake(bare, "ps", "exit 0")
    fake(bare, "make", 'echo "made $*"; exit 7')
    done = attempt(bare, "bash", ".ci/run")
    assert (done.returncode, done.stdout) == (7, "made test\n")


def test_a_venv_that_is_up_to_date_is_left_alone(bare: Path) -> None:
    venv = bare.parent / ".venv"
    (venv / "bin").mkdir(parents=True)
    fake(bare.parent / ".venv/bin", "python", "exit 0")
    stamp = subprocess.run(
        ["sh", "-c", 'pwd; cat constraints.txt pyproject.toml tools/venv | cksum'],
        cwd=bare.parent, capture_output=True, text=True, check=True,
    )  # fmt: skip
    (venv / ".ready").write_text(stamp.stdout)
    done = attempt(bare, "sh", "tools/venv")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert os.listdir(venv / "bin") == ["python"]
