"""Proves that settings are read with the right precedence, and that every fault is named.

A fault has the file, the line or the variable, the key, and what is allowed; all faults of all
files come at once, and none shows a secret.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maestro_core.errors import SettingsError
from maestro_core.layout import Layout
from maestro_core.settings import (
    CadenceSettings,
    ConsumerSettings,
    Guard,
    Handler,
    Settings,
    examine_settings,
    load_settings,
)
from maestro_core.settings_convert import TYPES
from maestro_core.settings_rules import RULES
from maestro_core.settings_toml import key_lines, parse_toml

CANARY = "canary-5b1f0c77aa"


def put(layout: Layout, toml: str = "", env: str = "") -> Layout:
    layout.cadences_toml.parent.mkdir(parents=True, exist_ok=True)
    layout.cadences_toml.write_text(toml, encoding="utf-8")
    layout.env_file.write_text(env, encoding="utf-8")
    return layout


def problems(layout: Layout, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(layout, environ or {})
    return caught.value.problems


def test_without_files_everything_has_its_default(agent_root: Layout) -> None:
    assert load_settings(agent_root, {}) == Settings()


def test_the_example_of_the_contract_is_read(agent_root: Layout) -> None:
    put(
        agent_root,
        """
        [consumer]
        poll_seconds = 5
        backoff_seconds = [30, 120.5]
        probe = false
        [cadence.inbox-processor]
        mode = "guarded"
        guard = { files = "state/inbox/*.md" }
        schedule = "*/5 * * * *"
        priority = 3
        timeout_seconds = 900
        model = "claude-opus-5-5"
        max_turns = 10
        permission_mode = "acceptEdits"
        args = ["--add-dir", "/tmp"]
        [cadence.check]
        mode = "guarded"
        guard = { command = ["bin/check", "-x"] }
        handler = { command = ["bin/tidy"] }
        [cadence.heartbeat]
        mode = "inline"
        handler = "heartbeat"
        [cadence.plain]
        """,
    )
    loaded = load_settings(agent_root, {})
    assert loaded.consumer == ConsumerSettings(backoff_seconds=(30.0, 120.5), probe=False)
    assert isinstance(loaded.consumer.poll_seconds, float)
    assert loaded.cadences["inbox-processor"] == CadenceSettings(
        mode="guarded", guard=Guard(files="state/inbox/*.md"), schedule="*/5 * * * *", priority=3,
        timeout_seconds=900.0, model="claude-opus-5-5", max_turns=10,
        permission_mode="acceptEdits", args=("--add-dir", "/tmp"),
    )  # fmt: skip
    assert loaded.cadences["check"].guard == Guard(command=("bin/check", "-x"))
    assert loaded.cadences["check"].handler == Handler(command=("bin/tidy",))
    assert loaded.cadences["plain"] == CadenceSettings()
    assert loaded.warnings == ()


def test_the_environment_wins_over_env_over_toml(agent_root: Layout) -> None:
    put(
        agent_root,
        "[consumer]\nmax_attempts = 3\npoll_seconds = 3\ncircuit_threshold = 9\n",
        "MAESTRO_MAX_ATTEMPTS=4\nMAESTRO_POLL_SECONDS=4\nMAESTRO_PROBE=off\n",
    )
    loaded = load_settings(agent_root, {"MAESTRO_MAX_ATTEMPTS": "5", "MAESTRO_POLL_SECONDS": " "})
    consumer = loaded.consumer
    assert (consumer.max_attempts, consumer.poll_seconds, consumer.circuit_threshold) == (5, 4.0, 9)
    assert consumer.probe is False


def test_a_list_may_be_overridden_with_commas_or_brackets(agent_root: Layout) -> None:
    for text in ("1,2.5", "[1, 2.5]"):
        loaded = load_settings(agent_root, {"MAESTRO_BACKOFF_SECONDS": text})
        assert loaded.consumer.backoff_seconds == (1.0, 2.5)


# ruff: noqa: E501  (one fault a line)
TOML_FAULTS = [
    ("foo = 1", "line 1: [foo]: is unknown; allowed: bus, cadence, consumer"),
    ("[cadences.x]", "line 1: [cadences]: is unknown; did you mean cadence?"),
    ("[consumer]\npoll_secnds = 1", "line 2: [consumer] poll_secnds: is unknown; did you mean poll_seconds?"),
    ("[consumer]\nzzz = 1", "allowed: api_retry_cap, backoff_seconds,"),
    ("[consumer]\npoll_seconds = 0", "must be a number over 0 and at most 3600, is 0"),
    ("[consumer]\npoll_seconds = nan", "line 2: [consumer] poll_seconds: must be a number"),
    ("[consumer]\npoll_seconds = true", "is true"),
    ('[consumer]\npoll_seconds = "5"', 'is "5"'),
    ("[consumer]\nmax_attempts = 0", "must be a whole number from 1 to 100, is 0"),
    ("[consumer]\nmax_attempts = 2.5", "must be a whole number from 1 to 100, is 2.5"),
    (f"[consumer]\nmax_attempts = 1{'0' * 400}", "must be a whole number from 1 to 100, is 1000"),
    ("[consumer]\nbackoff_seconds = []", "a list with at least one item"),
    ("[consumer]\nbackoff_seconds = [1, -1]", "each a number from 0 to 604800, is [1, -1]"),
    ("[consumer]\nprobe = 1", "must be true or false, is 1"),
    ("[consumer]\nmode = 'inline'", "is a key of a cadence, not of [consumer]"),
    ("[consumer]\ndaily_warn_usd = 9\ndaily_hold_usd = 5", "line 2: [consumer] daily_warn_usd: must not be over daily_hold_usd (5)"),
    ("consumer = 3", "line 1: [consumer]: must be a table, is 3"),
    ("cadence = []", "line 1: [cadence]: must be a table"),
    ("[cadence]\nx = 1", "line 2: [cadence.x]: must be a table, is 1"),
    ('[cadence."a b"]', "line 1: [cadence.a b]: is no cadence name"),
    ('[cadence."\\u001b[2J"]', "[cadence.\\x1b[2J]: is no cadence name"),
    ("[cadence.x]\nmax_attempts = 3", "line 2: [cadence.x] max_attempts: is a key of [consumer]"),
    ("[cadence.x]\nmode = 'guardd'", 'must be "inline", "guarded" or "escalate", is "guardd"'),
    ("[cadence.x]\nmode = 'guarded'", '[cadence.x] mode: "guarded" needs a guard'),
    ("[cadence.x]\nmode = 'inline'", '[cadence.x] mode: "inline" needs a handler'),
    ("[cadence.x]\nguard = { files = 'a' }", 'guard: is only for mode "guarded", the mode is "escalate"'),
    ("[cadence.x]\nhandler = 'doctor'", 'handler: is never used in mode "escalate"'),
    ("[cadence.x]\nmode = 'inline'\nhandler = 'beat'", 'line 3: [cadence.x] handler: must be "heartbeat"'),
    ("[cadence.x]\nmode = 'guarded'\nguard = {}", "line 3: [cadence.x] guard: must be { files"),
    ("[cadence.x]\nmode = 'guarded'\nguard = { files = 'a', command = ['b'] }", "guard: must be { files"),
    ("[cadence.x]\nmode = 'guarded'\nguard = { fils = 'a' }", "guard.fils: is unknown; did you mean files?"),
    ("[cadence.x.guard]\nfiles = '/etc/*'", "line 2: [cadence.x] guard.files: must be a glob below the agent root"),
    ("[cadence.x.guard]\nfiles = 'a/../../b'", "must be a glob below the agent root"),
    ("[cadence.x.guard]\nfiles = 'a**b'", "must be a glob below the agent root"),
    ("[cadence.x.guard]\ncommand = []", "guard.command: must be a list of words"),
    ("[cadence.x]\nschedule = '* * * *'", "schedule: must be a cron expression of five fields"),
    ("[cadence.x]\nschedule = '61 * * * *'", "schedule: must be a cron expression of five fields"),
    ("[cadence.x]\nschedule = '0 0 31 2 *'", "schedule: must be a cron expression of five fields"),
    ("[cadence.x]\npriority = 5000", "priority: must be a whole number from -1000 to 1000, is 5000"),
    ("[cadence.x]\ntimeout_seconds = inf", "timeout_seconds: must be a number over 0"),
    ("[cadence.x]\nmodel = '-p'", "model: must be the name of a model"),
    ("[cadence.x]\nmax_turns = 0", "max_turns: must be a whole number from 1 to 10000, is 0"),
    ("[cadence.x]\nargs = ['--print']", "args: must be a list of words, without -p"),
    ("[cadence.x]\nargs = 'one two'", "args: must be a list of words"),
    ("[cadence.x]\nargs = [2024-01-01]", "args: must be a list of words"),
    ("[consumer]\npoll_seconds = ", "line 2: is no TOML: Invalid value, at the end of the file"),
    ("a = 'x", "line 1"),
    ("[consumer\n", "line 1, column 10: is no TOML"),
    ("x = " + "[" * 5000, "is nested too deeply"),
    ("\na" + ".a" * 60_000 + " = 1", "line 2: has more than 100 dots"),
]  # fmt: skip


@pytest.mark.parametrize(("toml", "said"), TOML_FAULTS)
def test_a_fault_names_file_line_key_and_what_is_allowed(
    agent_root: Layout, toml: str, said: str
) -> None:
    found = problems(put(agent_root, toml))
    assert any(said in one for one in found), found
    assert all(one.startswith("config/cadences.toml") for one in found)
    assert all(one.isprintable() for one in found)


ENVIRONMENT_FAULTS = [
    ("MAESTRO_MAX_ATTEMPTS", "zero", 'must be a whole number from 1 to 100, is "zero"'),
    ("MAESTRO_MAX_ATTEMPTS", "2.5", "must be a whole number"),
    ("MAESTRO_POLL_SECONDS", "inf", "must be a number over 0"),
    ("MAESTRO_PROBE", "maybe", 'must be true or false, is "maybe"'),
    ("MAESTRO_BACKOFF_SECONDS", "1,x", "must be a list"),
    ("MAESTRO_BACKOFF_SECONDS", ",", "must be a list"),
]


@pytest.mark.parametrize(("name", "value", "said"), ENVIRONMENT_FAULTS)
def test_a_wrong_variable_is_named_with_its_source(
    agent_root: Layout, name: str, value: str, said: str
) -> None:
    (from_env,) = problems(put(agent_root, env=f"\n\n{name}={value}\n"))
    assert from_env.startswith(f".env line 3: {name} ")
    assert said in from_env
    (from_environment,) = problems(put(agent_root), {name: value})
    assert from_environment.startswith(f"environment: {name} ")


ENV_FAULTS = [
    (f'A=1\n\nKEY="{CANARY}\nB=2\n', ".env line 3: has a quote that is not closed"),
    (f"KEY='{CANARY}' more\n", ".env line 1: has text after the closing quote"),
    (f"A=1\r\n{CANARY}\r\n", ".env line 2: has no = after the name"),
    (f"some words {CANARY}\n", ".env line 1: is not NAME=value"),
    (f"{CANARY}==\n", ".env line 1: has a name with other characters"),
    (f"A={CANARY}\0\n", ".env line 1: holds a NUL byte"),
]


@pytest.mark.parametrize(("env", "said"), ENV_FAULTS)
def test_a_fault_of_env_names_the_line_and_shows_nothing_of_it(
    agent_root: Layout, env: str, said: str
) -> None:
    found = problems(put(agent_root, env=env))
    assert found[0].startswith(said)
    assert CANARY not in "".join(found)


@pytest.mark.parametrize("name", [".env", "config/cadences.toml"])
def test_files_that_are_no_text_are_refused_at_once(agent_root: Layout, name: str) -> None:
    put(agent_root)
    path = agent_root.root / name
    path.write_bytes(b"A = 1\n\xff\xfe\n")
    assert problems(agent_root) == [f"{name} line 2: is not UTF-8"]
    path.write_bytes(b"#" * ((128 << 10) + 1))
    assert problems(agent_root) == [f"{name} is larger than 128 KiB"]
    path.unlink()
    os.mkfifo(path)
    assert problems(agent_root) == [f"{name} is not a regular file"]
    path.unlink()
    path.mkdir()
    assert problems(agent_root) == [f"{name} is not a regular file"]


def test_settings_files_may_be_links_and_have_a_byte_order_mark(
    agent_root: Layout, tmp_path: Path
) -> None:
    put(agent_root)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"\xef\xbb\xbfAGENT_NAME=ravi\n")
    agent_root.env_file.unlink()
    agent_root.env_file.symlink_to(elsewhere)
    assert load_settings(agent_root, {}).env == {"AGENT_NAME": "ravi"}


def test_names_are_filled_in_from_the_lines_above_and_the_environment(agent_root: Layout) -> None:
    put(agent_root, env="export A='one two'\nB=${A}/${HOME}/${NONE:-x}\nC= # nothing\n")
    assert load_settings(agent_root, {"HOME": "/h"}).env == {
        "A": "one two",
        "B": "one two//h/x",
        "C": "",
    }


def test_all_faults_come_at_once(agent_root: Layout) -> None:
    put(
        agent_root,
        "[consumer]\npoll_seconds = 0\nxyz = 1\n[cadence.a]\nmode = 'guarded'\nschedule = 'x'\n",
        "nonsense\nMAESTRO_MAX_ATTEMPTS=0\n",
    )
    assert len(problems(agent_root, {"MAESTRO_PROBE": "?"})) == 7


def test_a_flood_of_faults_is_cut_short(agent_root: Layout) -> None:
    put(agent_root, env="some words\n" * 5000)
    found = problems(agent_root)
    assert (len(found), found[-1]) == (51, "and 4950 more")


def test_names_that_fill_each_other_in_do_not_fill_the_memory(agent_root: Layout) -> None:
    doubling = "".join(f"A{n}=${{A{n - 1}}}${{A{n - 1}}}\n" for n in range(1, 60))
    put(agent_root, env="A0=0123456789\n" + doubling)
    found = problems(agent_root)
    assert found[0] == ".env line 15: A14 grows over 128 KiB"


def test_a_secret_in_the_wrong_place_is_masked(agent_root: Layout) -> None:
    put(agent_root, f'[cadence.x]\nmodel = "{CANARY} !"\n', f"SLACK_USER_TOKEN={CANARY}\n")
    assert CANARY not in "".join(problems(agent_root))
    put(agent_root, "[consumer]\npoll_seconds = 'sk-ant-api03-abcdefghij'\n")
    assert "abcdefghij" not in "".join(problems(agent_root))


def test_what_is_probably_not_meant_is_a_warning(agent_root: Layout) -> None:
    put(
        agent_root,
        "[cadence.x]\npermission_mode = 'yolo'\n",
        "A=1\nMAESTRO_POL_SECONDS=3\nA=2\nMAESTRO_PREFER_SUBSCRIPTION_AUTH=maybe\n",
    )
    examined = examine_settings(
        agent_root, {"MAESTRO_RUN_ID": "r1", "MAESTRO_WEB": "1", "MAESTRO_SOMETHING": "1"}
    )
    assert examined.problems == ()
    said = "\n".join(examined.settings.warnings)
    assert "line 2: [cadence.x] permission_mode: is none of the known ones" in said
    assert (
        ".env line 2: MAESTRO_POL_SECONDS is no setting and is ignored; did you mean MAESTRO_POLL_SECONDS?"
        in said
    )
    assert "environment: MAESTRO_SOMETHING is no setting and is ignored" in said
    assert "MAESTRO_PREFER_SUBSCRIPTION_AUTH is neither yes nor no" in said
    assert "MAESTRO_RUN_ID" not in said
    assert "MAESTRO_WEB" not in said
    assert examined.env.warnings == (".env line 3: A stands on line 1 too; the last one counts",)


def test_there_is_a_rule_for_every_key_and_every_default_keeps_it() -> None:
    assert {section: set(keys) for section, keys in RULES.items()} == {
        section: set(keys) for section, keys in TYPES.items()
    }
    for section, struct in (("consumer", ConsumerSettings()), ("cadence", CadenceSettings())):
        for key, rule in RULES[section].items():
            value = getattr(struct, key)
            assert value in (None, ()) or rule.holds(value), key


def test_lines_are_found_in_dotted_quoted_and_multi_line_toml() -> None:
    text = '''
[cadence."a.b"]  # comment
args = [
  "x",
]
model = """
schedule = "not a key"
"""
guard.files = "a"
[ cadence . 'c' ]
'mode' = "inline"
[[list]]
'''
    assert parse_toml(text).problem is None
    assert key_lines(text) == {
        ("cadence",): 2, ("cadence", "a.b"): 2, ("cadence", "a.b", "args"): 3,
        ("cadence", "a.b", "model"): 6, ("cadence", "a.b", "guard"): 9,
        ("cadence", "a.b", "guard", "files"): 9, ("cadence", "c"): 10,
        ("cadence", "c", "mode"): 11, ("list",): 12,
    }  # fmt: skip


soup = st.lists(
    st.sampled_from(
        ["[consumer]", "[cadence.a]", "[cadence.'\x1b']", "mode", "=", '"guarded"', "'''", '"""', "1", "[", "]", "{",
         "}", ",", "\n", "poll_seconds", "guard", "nan", "true", "#", "\\", "\x00", "\u202e", "é", "\r", "."]
    ),
    max_size=25,
).map(" ".join)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(toml=soup | st.text(max_size=60), env=soup | st.text(max_size=60))
def test_no_text_does_anything_but_load_or_say_why_not(
    toml: str, env: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = Layout(tmp_path_factory.getbasetemp() / "soup")
    root.cadences_toml.parent.mkdir(parents=True, exist_ok=True)
    root.cadences_toml.write_bytes(toml.encode("utf-8", "surrogatepass"))
    root.env_file.write_bytes(env.encode("utf-8", "surrogatepass"))
    try:
        load_settings(root, {})
    except SettingsError as error:
        assert error.problems
        assert all(one.isprintable() for one in error.problems)


# ---- schedules, notices, metrics -----------------------------------------------------------


def test_the_small_tables_are_read(agent_root: Layout) -> None:
    put(
        agent_root,
        """
        [schedules]
        time_zone = "Europe/Berlin"
        producer = "consumer"
        [notices]
        command = ["bin/tell", "-x"]
        webhook = "https://example.test/hook"
        quiet_hours = "22:00-07:00"
        min_interval = 5
        [metrics]
        port = 9464
        [cadence.memo]
        schedule = "0 7 * * *"
        [cadence.mail]
        schedule = "0 7 * * *"
        producer = "timer"
        [cadence.plain]
        """,
    )
    loaded = load_settings(agent_root, {})
    assert loaded.schedules.time_zone == "Europe/Berlin"
    assert loaded.notices.command == ("bin/tell", "-x")
    assert loaded.metrics.port == 9464
    producers = [loaded.producer(name) for name in ("memo", "mail", "plain", "unknown")]
    assert producers == ["consumer", "timer", None, None]


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ('[schedules]\ntime_zone = "Nowhere"', "[schedules] time_zone: must be the name of a time"),
        ('[schedules]\nproducer = "both"', '[schedules] producer: must be "timer" or "consumer"'),
        ("[schedules]\nzone = 1", "[schedules] zone: is unknown"),
        ("schedules = 1", "[schedules]: must be a table"),
        ('[cadence.x]\nproducer = "timer"', "[cadence.x] producer: needs a schedule"),
        ('[notices]\nwebhook = "ftp://x"', "[notices] webhook: must be an address"),
        ('[notices]\nwebhook = "https://u:p@x/y"', "[notices] webhook: must be an address"),
        ('[notices]\nquiet_hours = "25:00-07:00"', "[notices] quiet_hours: must be two times"),
        ("[notices]\ncommand = []", "[notices] command: must be a list of words"),
        ("[metrics]\nport = 0", "[metrics] port: must be a whole number from 1 to 65535"),
    ],
)
def test_faults_of_the_small_tables_are_told(agent_root: Layout, toml: str, told: str) -> None:
    assert any(told in line for line in problems(put(agent_root, toml)))


def test_the_webhook_of_the_environment_wins_and_is_never_shown(agent_root: Layout) -> None:
    put(agent_root, '[notices]\nwebhook = "https://a.test/toml"\nmin_interval = 3\n',
        "MAESTRO_NOTICE_WEBHOOK=https://a.test/env\n")  # fmt: skip
    assert load_settings(agent_root, {}).notices.webhook == "https://a.test/env"
    environ = {"MAESTRO_NOTICE_WEBHOOK": "https://a.test/environment"}
    loaded = load_settings(agent_root, environ).notices
    assert (loaded.webhook, loaded.min_interval) == ("https://a.test/environment", 3.0)
    (told,) = problems(agent_root, {"MAESTRO_NOTICE_WEBHOOK": f"no-url-{CANARY}"})
    assert "MAESTRO_NOTICE_WEBHOOK" in told
    assert CANARY not in told
