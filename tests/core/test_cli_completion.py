"""Proves by the shells themselves that what is offered is what there is: commands, verbs,
options, values and names of cadences. A shell that is not installed is skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from maestro_core.cli.completion import leaves
from maestro_core.cli.main import COMMANDS, parser_for
from maestro_core.cli.shells import render
from maestro_core.layout import Layout

SHELLS = ("bash", "zsh", "fish")
BINARIES = Path(sys.executable).parent

ZSH = """
compdef() {{ :; }}
_files() {{ print -l FOLDERS }}
_describe() {{ local -a all=("${{(@P)2}}"); print -rl -- "${{all[@]%%:*}}" }}
source {script}
words=({words}) CURRENT={current}
_maestro_tui
"""
BASH = """
source {script}
COMP_WORDS=({words}) COMP_CWORD={index}
_maestro_tui
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
FISH = "source {script}; complete -C {line}"


def quoted(words: list[str]) -> str:
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed on this machine")
    return name


@pytest.fixture
def script(shell: str, tmp_path: Path) -> Path:
    path = tmp_path / f"completion.{shell}"
    path.write_text(render(shell, leaves()))
    return path


def offered(shell: str, script: Path, line: str, cwd: Path) -> set[str]:
    """What the shell offers behind the line; the last word is the one being written."""
    words = line.split(" ")
    program = {
        "bash": BASH.format(script=script, words=quoted(words), index=len(words) - 1),
        "zsh": ZSH.format(script=script, words=quoted(words), current=len(words)),
        "fish": FISH.format(script=script, line=quoted([line])),
    }[shell]
    start = {"bash": ["bash", "--norc", "-c"], "zsh": ["zsh", "-fc"], "fish": ["fish", "-Nc"]}
    done = subprocess.run(
        [*start[shell], program], cwd=cwd, capture_output=True, text=True, timeout=60,
        env={"PATH": f"{BINARIES}:{os.environ['PATH']}", "HOME": str(cwd), "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert done.stderr == ""
    found = {one.partition("\t")[0] for one in done.stdout.splitlines() if one}
    return {one for one in found if one.startswith(words[-1])}


@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("maestro-tui ", {"run", "enqueue", "dlq", "schedule", "service", "adopt"}),
        ("maestro-tui sch", {"schedule"}),
        ("maestro-tui --read-only d", {"dlq", "demo", "doctor"}),
        ("maestro-tui dlq ", {"list", "retry", "discard", "restore", "unretry"}),
        ("maestro-tui dlq list --", {"--json", "--trash", "--root", "--cadence"}),
        ("maestro-tui --root /tmp schedule ", {"show", "install", "remove"}),
        ("maestro-tui schedule install --for ", {"launchd", "systemd"}),
        ("maestro-tui completion ", {"bash", "zsh", "fish"}),
        ("maestro-tui enqueue --source dlq --", {"--due", "--payload", "--dedupe-key"}),
        ("maestro-tui run --", {"--until-idle", "--service"}),
    ],
)
def test_shells_offer_what_there_is(
    shell: str, script: Path, tmp_path: Path, line: str, some: set[str]
) -> None:
    found = offered(shell, script, line, tmp_path)
    assert some <= found
    if not line.endswith((" ", "-")):
        assert found == some
    assert "gone" not in found


def test_names_of_cadences_are_offered(shell: str, script: Path, agent_root: Layout) -> None:
    agent_root.triggers.mkdir(parents=True)
    agent_root.prompt("inbox-processor").write_text("x")
    agent_root.cadences_toml.parent.mkdir()
    agent_root.cadences_toml.write_text('[cadence.memo]\n[cadence."quoted.one"]\n[consumer]\n')
    names = {"inbox-processor", "memo", "quoted.one"}
    for line in ("maestro-tui pause ", "maestro-tui enqueue ", "maestro-tui dlq list --cadence "):
        assert names <= offered(shell, script, line, agent_root.root), line
    assert offered(shell, script, "maestro-tui circuit open me", agent_root.root) == {"memo"}


def test_names_from_files_are_never_run(shell: str, script: Path, agent_root: Layout) -> None:
    agent_root.triggers.mkdir(parents=True)
    for name in ("$(touch owned)", "`touch owned`", "a b; touch owned", "-rf"):
        (agent_root.triggers / f"{name}.md").write_text("x")
    assert not {"$(touch", "-rf"} & offered(shell, script, "maestro-tui pause ", agent_root.root)
    assert not (agent_root.root / "owned").exists()


def test_scripts_are_valid(shell: str, script: Path) -> None:
    done = subprocess.run([shell, "-n", script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_command_and_option_is_in_the_tree() -> None:
    tree = {leaf.path: leaf for leaf in leaves()}
    assert set(tree[()].words) == set(COMMANDS)
    for name in COMMANDS:
        _, parser = parser_for(name)
        assert (name,) in tree
        if not tree[(name,)].words:
            flags = {flag for one in tree[(name,)].options for flag in one.flags}
            assert flags == {flag for action in parser._actions for flag in action.option_strings}


def test_the_command_prints_a_script_without_an_agent_root(tmp_path: Path) -> None:
    for name in SHELLS:
        done = subprocess.run(
            [sys.executable, "-m", "maestro_tui", "completion", name], cwd=tmp_path,
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (0, render(name, leaves()))
    names = subprocess.run(
        [sys.executable, "-m", "maestro_tui", "completion", "cadences"], cwd=tmp_path,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (names.returncode, names.stdout, names.stderr) == (0, "", "")
