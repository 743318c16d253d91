"""Proves that wheel and sdist are whole: built from the sdist and installed into a clean
environment, the program starts there, with its data files and types, from the wheel alone.

Dependencies come from this Python's site-packages by a path entry, so nothing is fetched.
"""

from __future__ import annotations

import email
import os
import platform
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from maestro_core import __version__

PROJECT = Path(__file__).parents[2]
LINE = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("packaging")]


def run(*argv: str | Path, cwd: Path, **environ: str) -> str:
    """Its output; the test fails with it when the program does."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [str(word) for word in argv], cwd=cwd, env=kept | environ, timeout=180,
        capture_output=True, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", out, cwd=PROJECT)
    return next(out.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the unpacked sdist, as an installer does it."""
    out = tmp_path_factory.mktemp("wheel")
    with tarfile.open(sdist) as archive:
        safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # from 3.11.4 on
        archive.extractall(out, **safely)
    source = next(path for path in out.iterdir() if path.is_dir())
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", out, cwd=source)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def bin_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """bin/ of a new environment with the wheel, and our dependencies behind it."""
    place = tmp_path_factory.mktemp("clean")
    venv.create(place, with_pip=False, symlinks=True)
    site = next(place.glob("lib/python*/site-packages"))
    run(
        sys.executable, "-m", "pip", "--python", place / "bin/python", "install", "-q",
        "--no-index", "--no-deps", "--disable-pip-version-check", wheel, cwd=place,
    )  # fmt: skip
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return place / "bin"


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_every_file_of_the_packages_is_in_the_wheel(wheel: Path) -> None:
    tracked = run(
        "git", "-c", "safe.directory=*", "ls-files", "maestro_core", "maestro_tui", cwd=PROJECT
    ).splitlines() if (PROJECT / ".git").exists() else []  # fmt: skip
    present = {name for name in tracked if (PROJECT / name).exists()}
    assert present <= names_in(wheel)


def test_types_style_sheets_and_the_demos_files_are_in_the_wheel(wheel: Path) -> None:
    names = names_in(wheel)
    assert {
        "maestro_core/py.typed", "maestro_tui/py.typed", "maestro_core/demo/stand_in.py",
        "maestro_core/demo/agent/config/cadences.toml",
        "maestro_core/demo/agent/schedules/triggers/crm-sync.md",
    } <= names  # fmt: skip
    assert any(name.endswith(".tcss") for name in names)


def test_nothing_else_is_in_the_wheel(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in names_in(wheel)}
    beside = {f"maestro_tui-{__version__}.{kind}" for kind in ("dist-info", "data")}
    assert tops == {"maestro_core", "maestro_tui"} | beside
    (page,) = [name for name in names_in(wheel) if ".data/" in name]
    assert page.endswith(".data/data/share/man/man1/maestro-tui.1")
    assert not any("__pycache__" in name for name in names_in(wheel))


def test_the_metadata_name_license_python_and_readme(wheel: Path) -> None:
    info = f"maestro_tui-{__version__}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        metadata = email.message_from_bytes(archive.read(f"{info}/METADATA"))
        assert f"{info}/licenses/LICENSE" in archive.namelist()
    assert metadata["Name"] == "maestro-tui"
    assert metadata["Version"] == __version__
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.11"
    assert "# maestro-tui" in metadata.get_payload()


def test_the_sdist_can_be_tested_and_read(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "README.md", "CHANGELOG.md", "LICENSE", "Makefile", "constraints.txt", "tools/venv",
        "constraints-oldest.txt", "tools/schemas.py", "docs/schemas/tick.schema.json",
        ".env.example", "tests/conftest.py", "docs/architecture.md",
    } <= names  # fmt: skip


def test_the_installed_program_says_its_version(bin_folder: Path) -> None:
    shown = run(bin_folder / "maestro-tui", "--version", cwd=bin_folder)
    first, second = shown.splitlines()
    assert first == f"maestro-tui {__version__}"
    assert f"Python {platform.python_version()}" in second
    assert all(f"{name} " in second for name in ("Textual", "msgspec", "SQLite"))


def test_the_manual_page_lies_where_man_looks(bin_folder: Path) -> None:
    page = bin_folder.parent / "share/man/man1/maestro-tui.1"
    assert ".TH MAESTRO" in page.read_text()


def test_the_installed_program_is_the_wheels_and_not_this_folder(bin_folder: Path) -> None:
    code = "import maestro_core, maestro_tui; print(maestro_core.__file__, maestro_tui.__file__)"
    shown = run(bin_folder / "python", "-c", code, cwd=bin_folder)
    assert str(PROJECT) not in shown
    assert str(bin_folder.parent) in shown


def test_the_installed_program_works_on_an_agent_root(bin_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "state/cadence-bus").mkdir(parents=True)
    name = run(bin_folder / "maestro-tui", "enqueue", "inbox-processor", cwd=tmp_path).strip()
    assert (tmp_path / f"state/cadence-bus/inbox/{name}.json").exists()
    assert "inbox-processor" in run(bin_folder / "maestro-tui", "status", cwd=tmp_path)


def test_the_demo_is_made_from_the_wheels_files(bin_folder: Path, tmp_path: Path) -> None:
    code = "import sys; from maestro_core.demo import prepare_demo; prepare_demo(sys.argv[1])"
    run(bin_folder / "python", "-c", code, tmp_path / "demo", cwd=tmp_path)
    assert "stand-in" in run(tmp_path / "demo/bin/claude", "--version", cwd=tmp_path)


@pytest.mark.parametrize("file", ["constraints.txt", "constraints-oldest.txt"])
def test_every_dependency_is_pinned_and_inside_its_range(file: str) -> None:
    packaging = pytest.importorskip("packaging.requirements")
    pinned = dict(LINE.findall((PROJECT / file).read_text()))
    text = (PROJECT / "pyproject.toml").read_text()
    wanted = re.findall(r'^    "([a-z][a-z0-9-]*(?:[<>=!,.0-9]*))",', text, re.MULTILINE)
    assert len(wanted) > 12
    for line in wanted:
        requirement = packaging.Requirement(line)
        if requirement.name in pinned:
            assert requirement.specifier.contains(pinned[requirement.name]), line
    for name in ("textual", "msgspec", "watchfiles", "httpx", "psutil", "hatchling", "pytest"):
        assert name in pinned


def test_the_oldest_versions_are_the_lower_bounds() -> None:
    pinned = dict(LINE.findall((PROJECT / "constraints-oldest.txt").read_text()))
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    bounds = [one.split(",")[0].split(">=") for one in project["dependencies"]]
    assert len(bounds) > 6
    for name, bound in bounds:
        assert f"{pinned[name]}.0.0".startswith(f"{bound}."), (name, pinned[name], bound)


@pytest.mark.parametrize("file", ["constraints.txt", "constraints-oldest.txt"])
def test_constraints_hold_hashes_and_no_addresses(file: str) -> None:
    text = (PROJECT / file).read_text()
    assert "://" not in text
    assert not re.search(r"^\s*-[a-z-]", text.replace("--hash=", ""), re.MULTILINE)
    blocks = re.split(r"\n(?=[a-z])", text.strip())
    assert all("--hash=sha256:" in block for block in blocks)
