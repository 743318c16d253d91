"""Proves that the wheel and the source archive install with the tools people use, into places of
their own, with what they need from the package index: pipx and `uv tool`. Skipped where the
tool or the index is not there; test_package.py proves the rest without either."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from maestro_core import __version__

PROJECT = Path(__file__).parents[2]
OUT_OF_REACH = re.compile(
    "No matching distribution|Could not find a version|Failed to fetch|dns error|Name or service"
    "|Connection|Network|timed out|Temporary failure|not found in the package registry",
    re.IGNORECASE,
)  # fmt: skip

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("packaging"),
    pytest.mark.timeout(600),
    pytest.mark.skipif("CI" in os.environ, reason="asks the package index"),
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """kind -> the file to install."""
    out = tmp_path_factory.mktemp("built")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", out], cwd=PROJECT, check=True,
        capture_output=True, timeout=180,
    )  # fmt: skip
    return {"wheel": next(out.glob("*.whl")), "sdist": next(out.glob("*.tar.gz"))}


def install(tool: str, place: Path, what: str) -> Path:
    """bin/ with the program. Skips where the tool or the index cannot be had."""
    program = shutil.which(tool)
    if program is None:
        pytest.skip(f"no {tool} on this machine")
    env = os.environ | {
        "PIPX_HOME": str(place / "pipx"), "PIPX_BIN_DIR": str(place / "bin"),
        "PIPX_MAN_DIR": str(place / "man"), "UV_TOOL_DIR": str(place / "tools"),
        "UV_TOOL_BIN_DIR": str(place / "bin"),
    }  # fmt: skip
    words = {"pipx": ["install", "--python", sys.executable, what],
             "uv": ["tool", "install", "--python", sys.executable, what]}[tool]  # fmt: skip
    done = subprocess.run(
        [program, *words], env=env, capture_output=True, text=True, timeout=500,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    said = done.stdout + done.stderr
    if done.returncode != 0 and OUT_OF_REACH.search(said):
        pytest.skip(f"{tool} cannot reach the package index")
    assert done.returncode == 0, said
    return place / "bin"


def run(program: Path, *words: str) -> str:
    env = {"PATH": "/usr/bin:/bin", "HOME": str(program.parent), "COLUMNS": "80"}
    done = subprocess.run([program, *words], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
@pytest.mark.parametrize("tool", ["pipx", "uv"])
def test_it_installs_and_works_on_an_agent_root(
    tool: str, kind: str, built: dict[str, Path], tmp_path: Path
) -> None:
    program = install(tool, tmp_path / "place", str(built[kind])) / "maestro-tui"
    shown = run(program, "--version")
    assert shown.startswith(f"maestro-tui {__version__}\n")
    assert "is missing" not in shown
    root = tmp_path / "agent"
    (root / "state/cadence-bus").mkdir(parents=True)
    name = run(program, "--root", str(root), "enqueue", "memo").strip()
    assert (root / f"state/cadence-bus/inbox/{name}.json").exists()
    assert "memo" in run(program, "--root", str(root), "status")


def test_pipx_puts_the_manual_page_in_its_place(built: dict[str, Path], tmp_path: Path) -> None:
    place = tmp_path / "place"
    install("pipx", place, str(built["wheel"]))
    assert (place / "man/man1/maestro-tui.1").exists()


def test_the_extra_brings_the_metrics(built: dict[str, Path], tmp_path: Path) -> None:
    program = install("uv", tmp_path / "place", f"{built['wheel']}[metrics]") / "maestro-tui"
    (tmp_path / "state/cadence-bus").mkdir(parents=True)
    assert "maestro_" in run(program, "--root", str(tmp_path), "metrics")
