"""Hostile log lines through the view: what is painted holds no control or invisible character.

Escape sequences of every class, bidi, zero width, invalid UTF-8, markup, binary, lines of a
megabyte; also through copies, the transcript, and in a terminal emulator.
"""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from textual.strip import Strip

from maestro_core.redact import Redactor
from maestro_core.text import visible
from maestro_tui.presentation.log_text import Piece, show
from maestro_tui.widgets.log_view import LogView
from tests.tui.log_support import LogApp
from tests.tui.support import settled

ESCAPES = {
    "clear screen": b"\x1b[2J\x1b[H",
    "title": b"\x1b]0;owned\x07",
    "title by ST": b"\x1b]2;owned\x1b\\",
    "clipboard": b"\x1b]52;c;cm0gLXJmIC8=\x07",
    "clipboard query": b"\x1b]52;c;?\x07",
    "hyperlink": b"\x1b]8;;file:///etc/passwd\x1b\\here\x1b]8;;\x1b\\",
    "notification": b"\x1b]9;hi\x07\x1b]777;notify;a;b\x07",
    "palette": b"\x1b]4;1;rgb:00/00/00\x07\x1b]104\x07",
    "image": b"\x1b]1337;File=inline=1:aGk=\x07",
    "dcs": b"\x1bP1$r0m\x1b\\",
    "tmux": b"\x1bPtmux;\x1b\x1b]52;c;aGk=\x07\x1b\\",
    "sixel": b"\x1bPq#0;2;0;0;0~-\x1b\\",
    "apc": b"\x1b_Gf=24;AAAA\x1b\\",
    "pm and sos": b"\x1b^secret\x1b\\\x1bXsos\x1b\\",
    "kitty keys": b"\x1b[>31u\x1b[=31;1u",
    "mouse": b"\x1b[?1000h\x1b[?1006h\x1b[?1003h",
    "alternate screen": b"\x1b[?1049h\x1b[?1049l",
    "paste": b"\x1b[?2004h\x1b[200~rm -rf /\x1b[201~",
    "cursor report": b"\x1b[6n\x1b[5n\x1b[c\x1b[>c",
    "window": b"\x1b[8;1;1t\x1b[21t",
    "scroll region": b"\x1b[1;2r\x1bM\x1bD\x1bE",
    "charset": b"\x1b(0\x1b)B\x0e\x0f",
    "reset": b"\x1bc\x1b[!p",
    "save and restore": b"\x1b7\x1b8\x1b[s\x1b[u",
    "C1": "\x9b2J\x9d0;owned\x9c\x90q\x9c".encode(),
    "raw C1": b"\x9b2J\x9d0;owned\x9c",
    "SGR": b"\x1b[31;1mred\x1b[0m \x1b[8mhidden\x1b[28m \x1b[7mreverse",
    "SGR with colons": b"\x1b[38:2::255:0:0mred\x1b[4:3munderlined",
    "endless SGR": b"\x1b[" + b"1;" * 5000 + b"m text",
    "torn SGR": b"\x1b[38;5",
    "lone escape": b"\x1b",
    "bell and backspace": b"\x07\x08\x08\x7f",
    "bidi": "‮txt.exe‬ ⁦a⁧b⁨c⁩ ‏‎؜".encode(),
    "zero width": "a​b‌c‍d⁠e﻿f­g".encode(),
    "tags": "\U000e0041\U000e0042".encode(),
    "line separators": "a\u2028b\u2029c\x85d\x0be\x0cf".encode(),
    "combining": ("e" + "\u0301" * 3000).encode(),
    "surrogates": b"\xed\xa0\x80\xed\xbf\xbf",
    "overlong": b"\xc0\xaf\xe0\x80\xaf\xf8\x88\x80\x80\x80",
    "invalid": bytes(range(0x80, 0x100)),
    "binary": bytes(range(256)).replace(b"\n", b""),
    "markup": b"[bold red]x[/] [link=file:///etc/passwd]y[/link] [@click=app.quit]z[/]",
    "markup that breaks": b"[/] [[ ] [bold [/bold] \\[x]",
    "carriage returns": b"\r\r\rgone\rshown\r\r",
    "tabs": b"\t\ta\tb\t\x1b[31m\tc",
    "wide at the edge": "日" .encode() * 300,
    "a megabyte": b"\x1b[2J" * 250_000,
    "a megabyte of nothing": bytes(1_000_000),
    "variation selectors": "☁️☁︎ 👩‍👩‍👧".encode(),
    "hangul filler": "\u115f\u1160\u3164\uffa0".encode(),
}  # fmt: skip

ONLY_THEIRS = (
    "title", "title by ST", "clipboard", "clipboard query", "hyperlink", "notification", "palette",
    "image", "dcs", "tmux", "sixel", "apc", "pm and sos", "window", "scroll region", "charset",
    "C1", "raw C1", "SGR with colons", "endless SGR", "bidi", "zero width", "tags",
    "line separators",
    "surrogates", "invalid", "binary", "bell and backspace",
)  # fmt: skip
"""What no application of ours ever sends by itself."""

ALLOWED_FORMAT = {"\ufe0e", "\ufe0f"}
"""Text and emoji presentation: they choose a picture and move nothing."""


def assert_plain(text: str, where: str) -> None:
    """No control, format, surrogate or unassigned character, nothing that `visible` would touch."""
    bad = [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs") or c in "\u2028\u2029"]
    bad = [c for c in bad if c not in ALLOWED_FORMAT]
    assert not bad, f"{where}: {bad[:5]!r} in {text[:80]!r}"
    assert visible(text) == text, where


@pytest.mark.anyio
@pytest.mark.parametrize("size", [(80, 24), (17, 5)])
async def test_nothing_hostile_is_painted_copied_or_kept(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    path = tmp_path / "hostile.log"
    path.write_bytes(b"\n".join(ESCAPES.values()) + b"\n")
    view = LogView(path, redact=Redactor({"DEMO_TOKEN": "correct-horse-battery"}))
    app = LogApp(view)
    async with app.run_test(size=size) as pilot:
        for keys in ([], ["w"], ["t", "m"], ["w", "right", "right"]):
            await pilot.press(*keys)
            view.action_edge(-1)
            while not view.follow:
                assert_strips(view.render_lines(view.size.region), size[0])
                view.action_page(1)
            await pilot.press("y")
        for copied in app.copied:
            for line in copied.split("\n"):
                assert_plain(line, "a copy")


def assert_strips(strips: list[Strip], width: int) -> None:
    for strip in strips:
        assert strip.cell_length == width
        for segment in strip:
            assert not segment.control
            assert_plain(segment.text, "a painted row")
            style = segment.style
            assert style is not None
            assert style.link is None
            assert not style.meta
            assert not style.conceal


@pytest.mark.parametrize("name", ESCAPES)
def test_each_line_by_itself_is_plain_and_bounded(name: str) -> None:
    runs = show(Piece(ESCAPES[name][:16384]), str)
    text = "".join(text for text, _ in runs)
    assert_plain(text, name)
    assert len(text) < 4300


ANY_TEXT = st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass"))
ANY_PART = st.one_of(
    st.sampled_from([data for data in ESCAPES.values() if len(data) < 9000]),
    st.binary(max_size=30),
    ANY_TEXT,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(ANY_PART, max_size=6))
def test_any_mixture_is_plain(parts: list[bytes]) -> None:
    data = b"".join(parts).replace(b"\n", b" ")[:16384]
    for piece in (Piece(data), Piece(data, before=9), Piece(data, behind=9)):
        assert_plain("".join(text for text, _ in show(piece, str)), repr(data[:40]))


@pytest.mark.anyio
async def test_a_hostile_transcript_is_shown_as_text(tmp_path: Path) -> None:
    from maestro_tui.widgets.log_view_steps import StepsView

    path = tmp_path / "run.stdout.log"
    events = []
    for number, data in enumerate(ESCAPES.values()):
        text = data[:2000].decode("utf-8", "backslashreplace")
        content = [
            {"type": "tool_use", "id": f"t{number}", "name": text[:40], "input": {"command": text}},
            {"type": "text", "text": text},
        ]
        events.append({"type": "assistant", "message": {"content": content}})
    path.write_text("".join(json.dumps(event) + "\n" for event in events))

    class Steps(LogApp):
        def compose(self):  # type: ignore[no-untyped-def]
            yield StepsView(path)

    app = Steps(LogView())
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        view = app.query_one(StepsView)
        assert len(view.rows) >= len(ESCAPES)
        view.action_edge(-1)
        for _ in range(0, len(view.rows), view.page):
            for strip in view.render_lines(view.size.region):
                assert_plain(strip.text, "a step")
            view.action_page(1)


def test_the_bytes_that_reach_a_terminal_hold_only_text_and_our_own_sequences(
    tmp_path: Path,
) -> None:
    """In a real pseudo-terminal: no sequence of the corpus comes out on the other side."""
    from tests.tui.log_pty import run_in_pty

    path = tmp_path / "hostile.log"
    path.write_bytes(b"\n".join(data[:4000] for data in ESCAPES.values()) + b"\nTHE-END\n")
    received = run_in_pty(path, until=b"THE-END", keys=["g"] + ["\x04"] * 12)
    assert b"owned" in received
    for name in ONLY_THEIRS:
        assert ESCAPES[name] not in received, name
    for start in ("]52", "]0;", "]2;", "]8;", "]9;", "P", "_", "^"):
        assert b"\x1b" + start.encode() not in received, start
