"""Proves that several agents can be looked at together: which roots are meant (options, the list
in a person's settings, patterns), what a line says of each, and that one that is missing, broken
or full of secrets is told of without hurting the others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from maestro_core.clock import FakeClock, iso
from maestro_core.layout import Layout
from maestro_core.observe.agent_line import distinct_names
from maestro_core.observe.agents import AgentReader
from maestro_core.roots import config_path, distinct, listed_roots, read_list
from tests.core.cli_kit import Done, Shell
from tests.support import write_json, write_tick

NOW = 1_795_000_000.0


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return folder


def agent(folder: Path, name: str = "") -> Layout:
    layout = Layout(folder)
    for one in layout.folders():
        one.mkdir(parents=True)
    if name:
        layout.env_file.write_text(f"AGENT_NAME={name}\n")
    return layout


def write_list(home: Path, text: str) -> None:
    path = home / ".config/maestro-tui/config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def beat(layout: Layout, at: float, **fields: object) -> None:
    document = {
        "pid": os.getpid(), "host": "mini", "version": "0.1.0", "mode": "daemon",
        "started_at": iso(at - 60), "beat_at": iso(at), "stats": {}, "running": [],
        "cadences": {}, "settings_error": None,
    }  # fmt: skip
    write_json(layout.consumer_json, document | fields)


@pytest.fixture
def shell(home: Path, agent_root: Layout, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(agent_root, capsys)


def status(shell: Shell, *words: str) -> Done:
    return shell(*words, root=False)


# ---- where the list stands -----------------------------------------------------------------


def test_the_list_stands_in_the_xdg_folder_or_in_macs_own_where_only_that_exists(
    tmp_path: Path,
) -> None:
    xdg, home = {"XDG_CONFIG_HOME": "/x", "HOME": "/h"}, {"HOME": str(tmp_path)}
    assert config_path(xdg, "linux") == Path("/x/maestro-tui/config.toml")
    assert config_path(home, "darwin") == tmp_path / ".config/maestro-tui/config.toml"
    native = tmp_path / "Library/Application Support/maestro-tui/config.toml"
    native.parent.mkdir(parents=True)
    native.write_text("")
    assert config_path(home, "darwin") == native
    assert config_path(home, "linux") == tmp_path / ".config/maestro-tui/config.toml"
    assert config_path({"HOME": ""}, "linux").is_absolute()


def test_a_pattern_finds_the_folders_with_a_bus_and_each_root_stands_once(tmp_path: Path) -> None:
    for name in ("b", "a"):
        agent(tmp_path / "agents" / name)
    (tmp_path / "agents/no-agent").mkdir()
    found = read_list(["~/agents/b", "~/agents/*", "/srv/x/../x"], str(tmp_path))
    assert found.problems == ()
    assert found.roots == (
        str(tmp_path / "agents/b"), str(tmp_path / "agents/a"), "/srv/x",
    )  # fmt: skip


@pytest.mark.parametrize("value", ["/srv/a", [1], {"a": 1}])
def test_a_list_that_is_none_is_a_problem_and_no_roots(value: object) -> None:
    assert read_list(value, "/h") == ((), ("agents is no list of folders",))


def test_a_relative_folder_is_named_and_the_others_are_taken() -> None:
    found = read_list(["here", "/srv/a"], "/h")
    assert found.roots == ("/srv/a",)
    assert "'here'" in found.problems[0]


def test_a_file_that_is_no_toml_is_a_problem_and_not_a_crash(home: Path) -> None:
    write_list(home, "agents = [")
    (problem,) = listed_roots(os.environ).problems
    assert "config.toml" in problem


# ---- what a line says ----------------------------------------------------------------------


def test_a_missing_root_a_folder_without_a_bus_and_a_file_say_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    problems = {name: AgentReader(str(tmp_path / name)).read() for name in ("no", "empty", "file")}
    assert problems["no"].problem == "there is no such folder"
    assert "has no state/cadence-bus" in (problems["empty"].problem or "")
    assert "Not a directory" in (problems["file"].problem or "")
    assert {line.word for line in problems.values()} == {"broken"}


def test_the_word_is_what_a_person_should_know_first(tmp_path: Path) -> None:
    layout, clock = agent(tmp_path / "a"), FakeClock(NOW)
    reader = AgentReader(str(layout.root), clock)
    words = [reader.read(whole=True).word]
    lock = layout.consumer_lock.open("w")
    import fcntl

    fcntl.flock(lock, fcntl.LOCK_EX)
    beat(layout, NOW)
    words.append(reader.read().word)
    write_tick(layout.inbox, "t1", "memo")
    words.append(reader.read().word)
    beat(layout, NOW, cadences={"memo": {"state": "open", "failures": 3,
         "open_until": iso(NOW + 900), "reason": "exit 1: no"}})  # fmt: skip
    words.append((held := reader.read()).word)
    beat(layout, NOW, hold={"kind": "quota", "until": iso(NOW + 60), "at": iso(NOW),
                            "reason": "usage limit"})  # fmt: skip
    words.append((hold := reader.read()).word)
    clock.advance(30)
    words.append(reader.read().word)
    layout.emergency_stop.write_text('{"reason": "it mails customers"}')
    words.append((stop := reader.read()).word)
    lock.close()
    assert words == ["absent", "idle", "waiting", "held", "hold", "stale", "estop"]
    assert (held.held[0].cadence, held.held[0].reason) == ("memo", "exit 1: no")
    assert held.open_circuits == 1
    assert (hold.why, hold.hold_until) == ("usage limit", NOW + 60)
    assert stop.why == "it mails customers"


def test_an_agent_that_nobody_can_start_says_why(tmp_path: Path) -> None:
    layout = agent(tmp_path / "a")
    layout.cadences_toml.parent.mkdir(exist_ok=True)
    layout.cadences_toml.write_text("[consumer]\npoll_secons = 5\n")
    line = AgentReader(str(layout.root), FakeClock(NOW)).read(whole=True)
    assert (line.word, line.problem) == ("broken", None)
    assert line.why is not None
    assert line.why.startswith("no consumer can start: ")
    assert "poll_secons" in line.why


def test_a_root_that_goes_and_comes_back_is_told_of_both_times(tmp_path: Path) -> None:
    layout = agent(tmp_path / "a")
    reader = AgentReader(str(layout.root))
    assert reader.read().problem is None
    layout.root.rename(tmp_path / "away")
    assert reader.read().problem == "there is no such folder"
    (tmp_path / "away").rename(layout.root)
    assert reader.read().problem is None


def test_the_folder_stands_beside_a_name_that_two_agents_have(tmp_path: Path) -> None:
    roots = [agent(tmp_path / one, "atlas" if one != "c" else "").root for one in "abc"]
    names = distinct_names(AgentReader(str(root)).read() for root in roots)
    assert [*names.values()] == ["atlas (a)", "atlas (b)", "c"]


def test_agents_in_folders_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    roots = [agent(tmp_path / user / "agent").root for user in ("ops", "bob/x", "bob/y")]
    names = distinct_names(AgentReader(str(root)).read() for root in roots)
    assert [*names.values()] == ["agent (ops/agent)", "agent (x/agent)", "agent (y/agent)"]


# ---- the command line ----------------------------------------------------------------------


def test_status_of_twenty_roots_with_a_missing_one_shows_all_and_fails(
    shell: Shell, tmp_path: Path
) -> None:
    roots = [agent(tmp_path / f"agent-{number:02d}").root for number in range(19)]
    options = [word for root in [*roots, tmp_path / "gone"] for word in ("--root", str(root))]
    done = status(shell, *options, "status")
    assert done.code == 1
    assert all(f"agent-{number:02d}" in done.out for number in range(19))
    assert "BROKEN" in done.out
    assert "gone: there is no such folder" in done.err
    assert "20 agents" in done.err


def test_the_document_has_the_status_of_each_agent(shell: Shell, tmp_path: Path) -> None:
    one, two = agent(tmp_path / "one"), agent(tmp_path / "two", "zwei")
    write_tick(one.inbox, "t1", "memo")
    done = status(shell, "status", "--root", str(one.root), "--root", str(two.root), "--json")
    assert done.code == 0
    first, second = done.document["agents"]
    assert (first["counts"]["inbox"], first["problem"], first["state"]) == (1, None, "absent")
    assert (second["agent"], second["root"]) == ("zwei", str(two.root))
    (alone,) = [status(shell, "--root", str(one.root), "status", "--json").document]
    assert set(alone) - {"schema_version"} <= set(first)


def test_each_agents_secrets_are_masked_in_its_part(shell: Shell, tmp_path: Path) -> None:
    one, two = agent(tmp_path / "one"), agent(tmp_path / "two")
    one.env_file.write_text("MAIL_PASSWORD=correct-horse-battery\n")
    write_json(one.paused / "memo.json", {"by": "ops", "reason": "pw correct-horse-battery"})
    for words in (["--json"], []):
        options = ["--root", str(one.root), "--root", str(two.root)]
        done = status(shell, *options, "status", *words)
        assert "memo" in done.out
        assert "correct-horse" not in done.out + done.err


def test_all_takes_the_list_and_says_where_it_should_stand(
    shell: Shell, home: Path, tmp_path: Path
) -> None:
    done = status(shell, "status", "--all")
    assert (done.code, "config.toml lists no agents" in done.err) == (2, True)
    for name in "ab":
        agent(tmp_path / "agents" / name)
    write_list(home, f'agents = ["{tmp_path}/agents/*"]\n')
    for words in (["status", "--all", "--json"], ["--all", "status", "--json"]):
        found = status(shell, *words).document["agents"]
        assert [one["agent"] for one in found] == ["a", "b"]


def test_a_command_for_one_agent_refuses_several(shell: Shell, tmp_path: Path) -> None:
    done = status(shell, "--root", str(tmp_path), "--root", "/", "enqueue", "memo")
    assert done.code == 2
    assert "one agent root" in done.err


def test_the_console_begins_with_the_first_root_that_can_be_read(
    home: Path, tmp_path: Path
) -> None:
    from maestro_core.cli.main import main

    layout, opened = agent(tmp_path / "b"), []

    def console(layout: Layout, **options: object) -> int:
        opened.append((str(layout.root), options.get("roots")))
        return 0

    roots = (str(tmp_path / "a"), str(layout.root))
    assert main(["--root", roots[0], "--root", roots[1]], console) == 0
    write_list(home, f"agents = {json.dumps(roots)}\n")
    assert main(["--all"], console) == 0
    assert opened == [(roots[1], roots)] * 2


def test_without_a_root_the_console_takes_the_list(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from maestro_core.cli.main import main

    layout, opened = agent(tmp_path / "b"), []
    write_list(home, f'agents = ["{layout.root}"]\n')
    monkeypatch.chdir(home)
    assert main([], lambda layout, **options: opened.append(options["roots"]) or 0) == 0
    assert opened == [(str(layout.root),)]


def test_no_usable_root_at_all_is_said_with_the_reason_of_each(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from maestro_core.cli.main import main

    roots = [str(tmp_path / "x"), str(tmp_path / "y")]
    assert main(["--root", roots[0], "--root", roots[1]], lambda *_, **__: 0) == 2
    said = capsys.readouterr().err
    assert all(f"{root}: there is no such folder" in said for root in roots)


def test_distinct_keeps_the_first_place(tmp_path: Path) -> None:
    assert distinct(["/a", "/b/", "/a/../b", "/a"]) == ("/a", "/b")


def test_status_of_several_never_imports_the_console(tmp_path: Path) -> None:
    one, two = agent(tmp_path / "one"), agent(tmp_path / "two")
    code = (
        "import sys; from maestro_core.cli.main import main;"
        f"main(['--root', {str(one.root)!r}, '--root', {str(two.root)!r}, 'status'], None);"
        "sys.exit('textual' in sys.modules or 'rich' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode == 0
