"""A prompt is read at spawn time; its front matter tunes the CLI; a tick fills it, as data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maestro_core.models import Tick
from maestro_core.session.command import Options
from maestro_core.session.prompt import LIMIT, Prompt, PromptError, fill, read_prompt

TICK = Tick(
    id="t1", cadence="memo", source="cron", attempts=2, enqueued_at="2026-11-24T02:03:04.567Z",
    payload={"subject": "Ünïcode ✓", "n": 3, "deep": {"list": ["a", {"b": True}]}, "none": None},
)  # fmt: skip


def read(tmp_path: Path, text: str, tick: Tick = TICK) -> Prompt:
    path = tmp_path / "memo.md"
    path.write_text(text, encoding="utf-8")
    return read_prompt(path, tick)


# ---- the text ------------------------------------------------------------------------------


def test_a_prompt_goes_through_as_it_stands(tmp_path: Path) -> None:
    text = "- item, no option\n--foo\n{not.a.placeholder} {tick} {}\n\ttab\r\nend"
    assert read(tmp_path, text) == Prompt(text, Options())


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("{tick.id} {tick.cadence} {tick.source} {tick.attempts}", "t1 memo cron 2"),
        ("{tick.enqueued_at}", "2026-11-24T02:03:04.567Z"),
        ("<{tick.payload.subject}>", "<Ünïcode ✓>"),
        ("{tick.payload.n}+{tick.payload.none}", "3+null"),
        ("{tick.payload.deep.list.0}", "a"),
        ("{tick.payload.deep.list.1.b}", "true"),
        ("{tick.payload.deep}", '{"list":["a",{"b":true}]}'),
        ("{{tick.id}}", "{t1}"),
    ],
)
def test_placeholders_are_filled_from_the_tick(template: str, filled: str) -> None:
    assert fill(template, TICK) == (filled, [])


@pytest.mark.parametrize(
    "name",
    ["payload.nix", "payload.deep.list.9", "payload.n.x", "priority_", "payload.deep.list.-1"],
)
def test_a_placeholder_that_names_nothing_stays_and_is_reported(tmp_path: Path, name: str) -> None:
    prompt = read(tmp_path, f"a {{tick.{name}}} b {{tick.{name}}}")
    assert prompt.text == f"a {{tick.{name}}} b {{tick.{name}}}"
    assert len(prompt.notes) == 1 and name in prompt.notes[0]


@pytest.mark.parametrize(
    "template",
    [
        "{tick.payload.__class__}",
        "{tick.payload[subject]}",
        "{tick.id!r}",
        "{tick.id:>50}",
        "%(id)s",
    ],
)
def test_nothing_is_evaluated(template: str) -> None:
    assert fill(template, TICK)[0] == template


def test_a_tick_without_payload_has_no_payload() -> None:
    assert fill("{tick.payload}", Tick(id="t", cadence="c"))[1] == ["payload"]


def test_what_a_payload_brings_is_not_looked_into_again() -> None:
    tick = TICK.evolve(payload={"a": "{tick.payload.b}", "b": "secret"})
    assert fill("{tick.payload.a}", tick) == ("{tick.payload.b}", [])


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("@/etc/passwd", r"\@/etc/passwd"),
        ("look @/etc/passwd", r"look \@/etc/passwd"),
        ('a\n@"with space"', 'a\n\\@"with space"'),
        ("a\u00a0@/etc/passwd", "a\u00a0\\@/etc/passwd"),
        ("bob@example.com, (@bob) a @ b", "bob@example.com, (@bob) a @ b"),
        (["@x", "y @z"], r'["@x","y \@z"]'),
    ],
)
def test_a_payload_cannot_attach_files(value: Any, shown: str) -> None:
    assert fill("x {tick.payload.v}", TICK.evolve(payload={"v": value}))[0] == f"x {shown}"


def test_two_values_cannot_make_a_mention_between_them() -> None:
    tick = TICK.evolve(payload={"a": "see @", "b": "/etc/passwd", "c": "\ufeff@/etc/passwd"})
    assert fill("{tick.payload.a}{tick.payload.b}", tick)[0] == r"see \@/etc/passwd"
    assert fill("x{tick.payload.c}", tick)[0] == "x\ufeff\\@/etc/passwd"


def test_a_payload_cannot_be_a_command_of_the_cli() -> None:
    tick = TICK.evolve(payload={"v": "/clear"})
    assert fill("{tick.payload.v} it", tick)[0] == " /clear it"
    assert fill("say {tick.payload.v}", tick)[0] == "say /clear"
    assert fill("/review {tick.id}", tick)[0] == "/review t1"


@given(st.text(max_size=60))
def test_no_text_of_a_payload_leaves_a_mention_or_a_leading_slash(value: str) -> None:
    text = fill("{tick.payload.v}", TICK.evolve(payload={"v": value}))[0]
    assert not text.startswith("/")
    words = text.split()
    assert not any(word.startswith("@") and len(word) > 1 for word in words)
    assert text.replace("\\@", "@").lstrip(" ") == value.replace("\\@", "@").lstrip(" ")


# ---- files that are none -------------------------------------------------------------------


def test_a_missing_prompt_says_which(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match=r"there is no prompt .*memo\.md"):
        read_prompt(tmp_path / "memo.md", TICK)


@pytest.mark.parametrize("text", ["", "  \n\t\n", "---\nmodel: m\n---\n \n"])
def test_a_prompt_that_says_nothing_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(PromptError, match="says nothing"):
        read(tmp_path, text)


def test_a_pipe_or_a_folder_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    (tmp_path / "folder.md").mkdir()
    for name in ("pipe.md", "folder.md"):
        with pytest.raises(PromptError, match="is no regular file"):
            read_prompt(tmp_path / name, TICK)


def test_a_prompt_the_cli_would_refuse_is_refused_before(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="over 10000000 bytes"):
        read(tmp_path, "x" * (LIMIT + 1))
    front = "---\nmodel: opus\n---\n"  # it is no part of the prompt, and hides no lost end
    with pytest.raises(PromptError, match="over"):
        read(tmp_path, front + "x" * (LIMIT - len(front) + 1))


def test_a_linked_prompt_is_followed_and_odd_bytes_are_survived(tmp_path: Path) -> None:
    (tmp_path / "real.md").write_bytes(b"\xef\xbb\xbfbom \xff\xfe end")
    (tmp_path / "memo.md").symlink_to("real.md")
    assert read_prompt(tmp_path / "memo.md", TICK).text == "bom \ufffd\ufffd end"


# ---- front matter --------------------------------------------------------------------------


def options(tmp_path: Path, *lines: str) -> Options:
    return read(tmp_path, "\n".join(["---", *lines, "---", "Work.", ""])).options


def test_front_matter_sets_the_options(tmp_path: Path) -> None:
    found = options(
        tmp_path, "# what it may cost", "model: claude-haiku-4-5  # the small one",
        "max_turns: 30", "budget: 0.50",
        "permission-mode: 'acceptEdits'", "allowed-tools: Read, Bash(git log:*, -n), Edit",
        "add_dirs: # two", "  - ../shared # a", '  - "/data/x"',
    )  # fmt: skip
    assert found == Options(
        model="claude-haiku-4-5", max_turns=30, max_budget_usd=0.5, permission_mode="acceptEdits",
        allowed_tools=("Read", "Bash(git log:*, -n)", "Edit"), add_dirs=("../shared", "/data/x"),
    )  # fmt: skip


def test_front_matter_is_not_part_of_the_prompt(tmp_path: Path) -> None:
    prompt = read(tmp_path, "---\nmodel: m\n---\nWork on {tick.id}.\n---\nmore\n")
    assert prompt.text == "Work on t1.\n---\nmore\n"


@pytest.mark.parametrize("value", ["[a, b]", "a, b", "[ 'a' , \"b\" ]"])
def test_lists_may_be_written_in_the_usual_ways(tmp_path: Path, value: str) -> None:
    assert options(tmp_path, f"allowed_tools: {value}").allowed_tools == ("a", "b")


def test_an_unknown_key_is_reported_and_ignored(tmp_path: Path) -> None:
    text = "---\ntitle: Memo\ntags:\n  deep: [x]\nmodel: m\n---\nWork.\n"
    prompt = read(tmp_path, text)
    assert prompt.options == Options(model="m")
    assert prompt.text == "Work.\n"
    assert [note.split("'")[1] for note in prompt.notes] == ["title", "tags"]


@pytest.mark.parametrize(
    "line",
    [
        "max_turns: 0", "max_turns: many", "max_turns: -3", "max_turns:", "budget: free",
        "budget: -1", "budget: nan", "model: --dangerous", "model: two words",
        "permission_mode: [a, b]", "allowed_tools: [--x]", "add_dirs: -rf",
    ],
)  # fmt: skip
def test_a_wrong_value_names_file_and_key(tmp_path: Path, line: str) -> None:
    with pytest.raises(PromptError, match=rf"memo\.md: front matter '{line.split(':')[0]}'"):
        options(tmp_path, line)


@pytest.mark.parametrize(
    "text",
    [
        "---\nJust a line and words.\n---\nrest\n",
        "---\nmodel: m\nno end of it\n",
        "---\n- a list\n---\n",
        "text\n---\nmodel: m\n---\n",
        "----\nmodel: m\n----\n",
    ],
)
def test_what_only_looks_like_front_matter_is_the_prompt(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == Prompt(text, Options())
