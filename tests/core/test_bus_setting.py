"""Which bus an agent root has: said once, never guessed, and no password in a file or a fault."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from maestro_core.bus_setting import bus_of, may_have_server
from maestro_core.errors import BusError, SettingsError
from maestro_core.fleet.open import open_link
from maestro_core.layout import Layout
from maestro_core.settings import BusSettings, load_settings

URL = "postgresql://ops@db.example:5432/maestro?sslmode=verify-full"
PROGRAM = Path(sys.executable).parent / "maestro-tui"


def toml(root: Layout, text: str) -> None:
    root.cadences_toml.parent.mkdir(exist_ok=True)
    root.cadences_toml.write_text(text)


def test_nothing_said_is_the_folders(agent_root: Layout) -> None:
    assert not may_have_server(agent_root, {})
    assert bus_of(agent_root, {}) == BusSettings()
    agent_root.env_file.write_text("MAESTRO_BUS=\n#MAESTRO_BUS=\n")
    toml(agent_root, "[cadence.bus]\n")
    assert not may_have_server(agent_root, {"MAESTRO_BUS": " "})


def test_the_environment_counts_before_env_before_the_file(agent_root: Layout) -> None:
    toml(agent_root, f'[bus]\nurl = "{URL}"\nhost = "mini-3"\nper_cadence = 2\n')
    here = bus_of(agent_root, {})
    assert here == BusSettings(url=URL, host="mini-3", per_cadence=2)
    agent_root.env_file.write_text("MAESTRO_BUS=postgresql://a:geheim-wort@b/c\n")
    assert bus_of(agent_root, {}).server == "postgresql://a:geheim-wort@b/c"
    environ = {"MAESTRO_BUS": "folders"}
    assert bus_of(agent_root, environ).server is None
    for one in ({}, environ):
        assert load_settings(agent_root, one).bus == bus_of(agent_root, one)


def test_a_password_in_the_file_is_refused_and_never_shown(agent_root: Layout) -> None:
    toml(agent_root, '[bus]\nurl = "postgresql://ops:geheim-wort@db/maestro"\n')
    for read in (bus_of, load_settings):
        with pytest.raises(SettingsError, match=r"line 2: .* without a password") as refused:
            read(agent_root, {})
        assert "geheim" not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["mysql://a:geheim-wort@b/c", "postgresql://b/c?password=geheim-wort", "postgresql:"]
)
def test_a_wrong_address_is_refused_and_not_taken_for_folders(
    agent_root: Layout, text: str
) -> None:
    with pytest.raises(SettingsError, match="environment: MAESTRO_BUS must be") as refused:
        bus_of(agent_root, {"MAESTRO_BUS": text})
    assert "geheim" not in str(refused.value)


def test_faults_elsewhere_keep_nobody_from_acting(agent_root: Layout) -> None:
    toml(agent_root, f'[consumer]\npoll = 1\n[bus]\nurl = "{URL}"\n')
    assert bus_of(agent_root, {}).server == URL
    toml(agent_root, "[consumer\n")
    assert bus_of(agent_root, {}).server is None
    toml(agent_root, f'[consumer\n[bus]\nurl = "{URL}"\n')
    with pytest.raises(SettingsError, match="no TOML"):
        bus_of(agent_root, {})


def test_a_root_of_folders_has_no_link(agent_root: Layout) -> None:
    with pytest.raises(BusError, match="its own folders"):
        open_link(agent_root, BusSettings())


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["cadences"],
        ["runs"],
        ["journal"],
        ["pause", "memo"],
        ["enqueue", "memo"],
        ["run", "--until-idle"],
        ["bus", "status"],
        ["bus", "install"],
        ["bus", "migrate", "--to", "server"],
    ],
    ids=" ".join,
)
def test_a_server_without_its_libraries_says_what_to_install(
    agent_root: Layout, words: list[str]
) -> None:
    script = (
        "import sys; sys.modules['psycopg'] = sys.modules['pgqueuer'] = None\n"
        "from maestro_core.cli.main import main\n"
        "sys.exit(main(sys.argv[1:], None))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "--root", str(agent_root.root), *words],
        env=os.environ | {"MAESTRO_BUS": URL}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].strip() == 'install "maestro-tui[fleet]"'
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["pause", "memo"],
        ["enqueue", "memo"],
        ["dlq", "list"],
        ["bus", "status"],
        ["cancel", "nobody"],
        ["doctor", "--offline"],
        ["run", "--until-idle"],
    ],
    ids=" ".join,
)
def test_nothing_of_a_fleet_is_imported_without_a_server(
    agent_root: Layout, words: list[str]
) -> None:
    script = (
        "import json, sys\n"
        "from maestro_core.cli.main import main\n"
        "code = main(sys.argv[1:], None)\n"
        "words = ('fleet', 'psycopg', 'pgqueuer')\n"
        "print(json.dumps([n for n in sys.modules if any(one in n for one in words)]))\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "--root", str(agent_root.root), *words],
        env={k: v for k, v in os.environ.items() if not k.startswith("MAESTRO_")},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert json.loads(done.stdout.splitlines()[-1]) == [], done.stderr
