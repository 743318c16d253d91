"""The real CLI for these tests: found or installed once, with a home of its own, on loopback.

MAESTRO_TEST_CLAUDE_DIR names a folder that keeps it between runs (about 370 MB; npm installs
it there if it is missing). Without that variable `.claude-cli/` of the project is used if it
is there, and otherwise these tests are skipped.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from maestro_core.layout import Layout
from tests.core.session_kit import Bench
from tests.real_cli.scene import Scene

PROJECT = Path(__file__).parents[2]
VERSION = "2.1.330"
VARIABLE = "MAESTRO_TEST_CLAUDE_DIR"


@pytest.fixture(scope="session")
def claude() -> Path:
    """The program `claude`."""
    named = os.environ.get(VARIABLE)
    folder = Path(named) if named else PROJECT / ".claude-cli"
    program = folder.resolve() / "node_modules" / ".bin" / "claude"
    if not program.exists():
        if not named:
            pytest.skip(f"the real CLI is not here; {VARIABLE}=DIR installs it into DIR (npm)")
        _install(folder)
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    if said.returncode != 0 or not program.exists():
        pytest.skip(f"{program} does not run here: {said.stderr.strip()[-200:]}")
    return program


def _install(folder: Path) -> None:
    """By npm, once, however many test processes there are."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed, so the real CLI cannot be either")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / "node_modules" / ".bin" / "claude").exists():
            return
        command = ["npm", "install", "--prefix", str(folder), "--no-fund", "--no-audit"]
        done = subprocess.run(
            [*command, f"@anthropic-ai/claude-code@{VERSION}"],
            capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
    if done.returncode != 0:
        pytest.skip(f"npm could not install the CLI: {done.stderr.strip()[-300:]}")


@pytest.fixture
def scene(agent_root: Layout, claude: Path, tmp_path: Path) -> Iterator[Scene]:
    """An agent root whose `claude` is the real one, which sees nothing of this machine."""
    home, temp = tmp_path / "home", tmp_path / "tmp"
    home.mkdir()
    temp.mkdir()
    environ = {
        "HOME": str(home), "TMPDIR": str(temp), "DISABLE_TELEMETRY": "1",
        "DISABLE_ERROR_REPORTING": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "ANTHROPIC_API_KEY": "sk-ant-dummy-for-tests", "MAESTRO_CLAUDE_BIN": str(claude),
    }  # fmt: skip
    scene = Scene(Bench(agent_root, environ=environ), threading.Event())
    yield scene
    scene.close()
    scene.bench.close()
