"""What a sub-session is started with: the key, the PATH, the markers, the CLI and its options."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from maestro_core.session.command import (
    CliMissing,
    Options,
    claude_arguments,
    find_claude,
    find_program,
)
from maestro_core.session.environment import (
    KEY,
    effective,
    key_refusal,
    session_environment,
    truth,
    widened_path,
)

REAL = "sk-ant-api03-abcdef"


def made(environ: dict[str, str], dotenv: dict[str, str] | None = None) -> dict[str, str]:
    return session_environment(
        environ, dotenv or {}, root=Path("/agent"), cadence="memo", tick_id="t1", run_id="r1",
        api_retries=2,
    )  # fmt: skip


@pytest.mark.parametrize("value", ["1", "true", "TRUE", "yes", "on", " On "])
def test_these_words_mean_yes(value: str) -> None:
    assert truth(value)
    assert KEY not in made({KEY: REAL, "MAESTRO_PREFER_SUBSCRIPTION_AUTH": value})


@pytest.mark.parametrize("value", ["", "0", "false", "no", "off", "2", "yess", None])
def test_all_others_mean_no(value: str | None) -> None:
    assert not truth(value)
    said = {} if value is None else {"MAESTRO_PREFER_SUBSCRIPTION_AUTH": value}
    assert made({KEY: REAL, **said})[KEY] == REAL


@pytest.mark.parametrize(
    "key",
    [
        "", "  ", "\n", "your-api-key", "your-api-key-here", "YOUR-API-KEY", "placeholder",
        "Placeholder-123", "xxx", "XXXXXX", "sk-ant-xxx", "SK-ANT-XXXXXXXX", '"your-api-key"',
    ],
)  # fmt: skip
def test_a_blank_key_or_a_placeholder_is_not_handed_on(key: str) -> None:
    assert KEY not in made({KEY: key})
    assert KEY not in made({}, {KEY: key})


@pytest.mark.parametrize(
    "key", [REAL, "sk-ant-api03-xxx", "my-your-api-key", "xx-real", f" {REAL}"]
)
def test_any_other_key_is_handed_on_as_it_is(key: str) -> None:
    assert made({KEY: key})[KEY] == key
    assert key_refusal({KEY: key}) is None


def test_why_a_key_is_held_back_can_be_told() -> None:
    assert key_refusal({}) == "not set"
    assert key_refusal({KEY: " "}) == "blank"
    assert key_refusal({KEY: "xxxx"}) == "a placeholder"
    assert "SUBSCRIPTION" in str(key_refusal({KEY: REAL, "MAESTRO_PREFER_SUBSCRIPTION_AUTH": "on"}))


def test_the_process_wins_over_dotenv_and_dotenv_fills_in() -> None:
    assert effective({"A": "process"}, {"A": "file", "B": "file"}) == {"A": "process", "B": "file"}
    env = made({"A": "process"}, {"A": "file", "SLACK_USER_TOKEN": "xoxp"})
    assert (env["A"], env["SLACK_USER_TOKEN"]) == ("process", "xoxp")


def test_every_run_carries_its_markers() -> None:
    env = made({"AGENT_ROOT": "/elsewhere", "MAESTRO_RUN_ID": "outer", "HOME": "/h"})
    expected = {
        "AGENT_DIR": "/agent", "AGENT_ROOT": "/agent", "MAESTRO_CADENCE": "memo",
        "MAESTRO_TICK_ID": "t1", "MAESTRO_RUN_ID": "r1", "HOME": "/h",
    }  # fmt: skip
    assert expected.items() <= env.items()


def test_unattended_defaults_yield_to_what_a_person_set() -> None:
    env = made({})
    assert (env["DISABLE_AUTOUPDATER"], env["CLAUDE_CODE_MAX_RETRIES"]) == ("1", "2")
    env = made({"DISABLE_AUTOUPDATER": "0"}, {"CLAUDE_CODE_MAX_RETRIES": "7"})
    assert (env["DISABLE_AUTOUPDATER"], env["CLAUDE_CODE_MAX_RETRIES"]) == ("0", "7")


def test_an_outer_session_is_not_passed_on() -> None:
    env = made({"CLAUDECODE": "1", "CLAUDE_CODE_SESSION_ID": "x", "CLAUDE_PID": "1"})
    assert not {"CLAUDECODE", "CLAUDE_CODE_SESSION_ID", "CLAUDE_PID"} & env.keys()


def test_the_path_is_widened_at_its_end_once() -> None:
    path = widened_path({"PATH": "/usr/local/bin:/bin", "HOME": "/h"}).split(":")
    assert path == [
        "/usr/local/bin", "/bin", "/h/.local/bin", "/h/.claude/local", "/opt/homebrew/bin",
    ]  # fmt: skip
    assert made({"HOME": "/h"})["PATH"].endswith("/usr/local/bin")


# ---- the CLI -------------------------------------------------------------------------------


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_claude_is_looked_for_on_the_widened_path(tmp_path: Path) -> None:
    env = {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)}
    local = program(tmp_path / ".local" / "bin" / "claude")
    assert find_claude(env, tmp_path) == local
    first = program(tmp_path / "bin" / "claude")
    assert find_claude(env, tmp_path) == first


def test_a_named_claude_is_the_only_one(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "claude")
    named = program(tmp_path / "own" / "my claude")
    env = {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)}
    for value in (str(named), "own/my claude", "~/own/my claude"):
        assert find_claude({**env, "MAESTRO_CLAUDE_BIN": value}, tmp_path) == named
    program(tmp_path / "bin" / "claude-next")
    found = find_claude({**env, "MAESTRO_CLAUDE_BIN": "claude-next"}, tmp_path)
    assert found == tmp_path / "bin" / "claude-next"
    with pytest.raises(CliMissing, match="MAESTRO_CLAUDE_BIN names '/not/there'"):
        find_claude({**env, "MAESTRO_CLAUDE_BIN": "/not/there"}, tmp_path)


def test_what_cannot_be_executed_is_no_claude(tmp_path: Path) -> None:
    plain = tmp_path / "claude"
    plain.write_text("no program")
    plain.chmod(0o644)
    folder = tmp_path / "folder"
    folder.mkdir()
    for value in (plain, folder):
        with pytest.raises(CliMissing):
            find_claude({"PATH": "", "MAESTRO_CLAUDE_BIN": str(value)}, tmp_path)


def test_no_claude_says_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maestro_core.session.environment.EXTRA_FOLDERS", ("~/.local/bin",))
    with pytest.raises(CliMissing, match=r"/empty:.*\.local/bin") as caught:
        find_claude({"PATH": "/empty", "HOME": str(tmp_path)}, tmp_path)
    assert "install" in caught.value.hint


def test_a_handler_is_found_by_the_same_rules(tmp_path: Path) -> None:
    own = program(tmp_path / "scripts" / "beat.sh")
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    assert find_program("scripts/beat.sh", env, tmp_path) == own
    assert find_program("sh", env, tmp_path).name == "sh"
    with pytest.raises(CliMissing, match="'no-such-thing'"):
        find_program("no-such-thing", env, tmp_path)


def test_the_arguments_of_a_plain_run() -> None:
    assert claude_arguments(Options()) == ["--print", "--output-format", "stream-json", "--verbose"]


def test_the_arguments_of_a_run_with_everything() -> None:
    options = Options(
        model="m", max_turns=3, max_budget_usd=0.5, permission_mode="plan",
        allowed_tools=("Read", "Bash(git log:*)"), add_dirs=("../a", "/b"), args=("--x", "y"),
    )  # fmt: skip
    assert claude_arguments(options)[4:] == [
        "--model", "m", "--max-turns", "3", "--max-budget-usd", "0.5",
        "--permission-mode", "plan", "--allowedTools", "Read,Bash(git log:*)",
        "--add-dir", "../a", "--add-dir", "/b", "--x", "y",
    ]  # fmt: skip


def test_arguments_of_ones_own_replace_ours() -> None:
    own = Options(model="m", args=("--output-format", "json", "--model=other"))
    assert claude_arguments(own) == ["--print", "--output-format", "json", "--model=other"]
    assert claude_arguments(Options(args=("--verbose",))).count("--verbose") == 1
