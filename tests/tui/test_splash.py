"""Proves what the first frame says and what it never says: facts of now, the last board with its
time, nothing that a terminal would obey but our own SGR; and that it is kept, found and put away.
"""

from __future__ import annotations

import json
import os
import pty
import re
import select
import termios
import time
from pathlib import Path

import pytest

from maestro_core.clock import iso
from maestro_core.layout import Layout
from maestro_tui.splash.cache import OldBoard, cache_path, forget, load, store
from maestro_tui.splash.facts import Fact, facts
from maestro_tui.splash.frame import frame
from maestro_tui.splash.screen import Splash, wanted

NOW = 1_800_000_000.0
SGR = re.compile(r"\x1b\[[0-9;]*m")


def words(layout: Layout) -> str:
    return " | ".join(fact.text for line in facts(layout, NOW) for fact in line)


def test_an_empty_root_says_so(agent_root: Layout) -> None:
    assert words(agent_root) == "0 waiting | no consumer"


def test_a_root_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    assert words(Layout(tmp_path / "nowhere")) == "0 waiting | no consumer"


def test_the_worst_comes_first(agent_root: Layout) -> None:
    agent_root.emergency_stop.write_text("")
    circuits = {"memo": {"open_until": iso(NOW + 60)}, "past": {"open_until": iso(NOW - 1)}}
    agent_root.circuit_open.write_text(json.dumps({"open": circuits}))
    (agent_root.dlq / "t1.json").write_text("{}")
    for number in range(1200):
        (agent_root.inbox / f"t{number}.json").write_text("")
    assert words(agent_root).startswith(
        "EMERGENCY STOP | 1 circuit open | 1 dead letter | 1,200 waiting | no consumer | memo until"
    )


@pytest.mark.parametrize(
    ("beat", "said"),
    [
        ({"pid": 7, "beat_at": iso(NOW - 1)}, "consumer 7"),
        ({"pid": 7, "beat_at": iso(NOW - 60)}, "consumer 7 silent since"),
        ({"pid": 7, "beat_at": iso(NOW - 1), "stopped_at": iso(NOW)}, "no consumer"),
        ({"pid": "7", "beat_at": iso(NOW)}, "no consumer"),
        ({"pid": 7}, "consumer 7 silent since"),
    ],
)
def test_a_consumer_is_live_only_by_its_beat(
    agent_root: Layout, beat: dict[str, object], said: str
) -> None:
    agent_root.consumer_json.write_text(json.dumps(beat))
    found = facts(agent_root, NOW)[0][-1].text
    assert found.startswith(said)
    assert ("silent" in found) == ("silent" in said)


@pytest.mark.parametrize(
    "content", ["", "[]", "nul", '{"open": []}', '{"open": {"a": 1}}', "[" * 9999]
)
def test_broken_files_are_read_as_nothing(agent_root: Layout, content: str) -> None:
    agent_root.circuit_open.write_text(content)
    agent_root.consumer_json.write_text(content)
    assert words(agent_root) == "0 waiting | no consumer"


def test_nothing_is_waited_for_where_a_pipe_has_the_name_of_a_file(
    agent_root: Layout, tmp_path: Path
) -> None:
    for path in (agent_root.circuit_open, agent_root.consumer_json, tmp_path / "old.board"):
        os.mkfifo(path)
    assert facts(agent_root, 0.0) == [[Fact("0 waiting"), Fact("no consumer", "muted")]]
    assert load(tmp_path / "old.board") is None


def test_a_name_that_is_no_name_is_not_shown(agent_root: Layout) -> None:
    entry = {"open_until": iso(NOW + 60)}
    names = {"\x1b]52;c;aGk=\x07": entry, "a b": entry, "fine": entry}
    agent_root.circuit_open.write_text(json.dumps({"open": names}))
    assert "1 circuit open" in words(agent_root)
    assert "52" not in words(agent_root)


def test_the_last_board_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    path = tmp_path / "state" / "x.board"
    board = OldBoard(NOW, 80, ("one", "", "zwei ■"))
    store(path, board)
    assert load(path) == board
    assert path.stat().st_mode & 0o777 == 0o600
    forget(path)
    assert load(path) is None
    forget(path)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"at": 1, "width": 2, "lines": "x"}',
                '{"at": 1, "width": "2", "lines": []}', '{"at": 1, "width": 2, "lines": [3]}']
)  # fmt: skip
def test_a_cache_that_is_none_is_left(tmp_path: Path, content: str) -> None:
    path = tmp_path / "x.board"
    path.write_text(content)
    assert load(path) is None


def test_what_stands_in_the_cache_cannot_speak_to_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "x.board"
    lines = ["\x1b]0;title\x07", "\x1b[2J", "a\rb", "\u202eback", "\x9b31m"]
    path.write_text(json.dumps({"at": NOW, "width": 40, "lines": lines}))
    board = load(path)
    assert board is not None
    shown = "".join(frame("a", [[Fact("x")]], board, width=80, height=24, colour=True))
    assert SGR.sub("", shown).isprintable()


def test_the_cache_of_another_root_is_another_one(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path)}
    assert cache_path(Path("/a"), env) != cache_path(Path("/b"), env)
    assert cache_path(Path("/a"), env).is_relative_to(tmp_path)


@pytest.mark.parametrize("size", [(20, 2), (60, 15), (80, 24), (240, 70)])
def test_no_line_is_wider_than_the_terminal(size: tuple[int, int]) -> None:
    width, height = size
    board = OldBoard(NOW, 20, ("b" * 20,) * 80)
    lines = [
        [Fact("EMERGENCY STOP", "bad")],
        [Fact(f"cadence-{n} until 12:00:00") for n in range(40)],
    ]
    shown = frame("agent" * 20, lines, board, width=width, height=height, colour=True)
    assert 0 < len(shown) <= height
    assert max(len(SGR.sub("", line)) for line in shown) <= width


def test_a_board_of_a_wider_terminal_is_left_out() -> None:
    shown = frame("a", [], OldBoard(NOW, 120, ("row",)), width=80, height=24, colour=True)
    assert "row" not in "".join(shown)


def test_without_colour_there_is_none() -> None:
    lines = [[Fact("EMERGENCY STOP", "bad"), Fact("1 dead letter", "warn")]]
    shown = "".join(frame("a", lines, None, width=80, height=24, colour=False))
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", shown)
    assert "starting" in shown


@pytest.mark.parametrize("environ", [{"NO_TTY": "1", "TERM": "xterm"}, {"TERM": "dumb"}, {}])
def test_some_terminals_get_none(environ: dict[str, str]) -> None:
    main, other = pty.openpty()
    try:
        assert not wanted(other, environ)
    finally:
        os.close(main)
        os.close(other)


@pytest.mark.parametrize("taken", [True, False])
def test_the_terminal_is_handed_over_or_put_back(taken: bool) -> None:
    main, other = pty.openpty()
    try:
        before = termios.tcgetattr(other)
        splash = Splash(other)
        splash.show(["hello"])
        assert not termios.tcgetattr(other)[3] & termios.ECHO
        assert splash.hand_over() if taken else True
        splash.close()
        splash.close()
        assert termios.tcgetattr(other) == before
        said = b""
        while select.select([main], [], [], 0.2)[0]:
            said += os.read(main, 4096)
        assert b"hello" in said
        assert (b"\x1b[?1049l" in said) is not taken
    finally:
        os.close(main)
        os.close(other)


def test_the_time_of_another_day_names_the_day() -> None:
    from maestro_tui.splash.facts import clock

    assert re.fullmatch(r"\d\d:\d\d:\d\d", clock(time.time()))
    assert "Jan" in clock(NOW)
