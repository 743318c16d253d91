"""The parts of `maestro-tui web` that need no server: links, names, and what a browser may say."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from maestro_core.web.bridge import LARGEST_SIZE, bounded, environment, packet_for, serve_console
from maestro_core.web.guard import LINK_SECONDS, Guard, is_loopback, is_own_origin


def test_a_link_is_good_once_and_not_for_long() -> None:
    guard = Guard()
    first, second = guard.new_token(0), guard.new_token(1)
    assert guard.redeem(first, 2) is None  # a new link ends the older one
    assert guard.redeem(second, 2 + LINK_SECONDS) is None
    third = guard.new_token(1000)
    cookie = guard.redeem(third, 1000 + LINK_SECONDS)
    assert cookie is not None and cookie != third
    assert guard.redeem(third, 1001) is None
    assert guard.knows(cookie)
    for wrong in ("", cookie[:-1], cookie + "x", "\udcff", third):
        assert not guard.knows(wrong)
    assert Guard().cookie_name != guard.cookie_name


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9465", "127.0.0.1:1", "[::1]:65535"])
def test_names_that_only_this_machine_has(host: str) -> None:
    assert is_loopback([host])
    assert is_own_origin([f"http://{host}"], host)
    assert not is_own_origin([], host)
    assert not is_own_origin([f"http://{host}", f"http://{host}"], host)


@pytest.mark.parametrize(
    "hosts",
    [[], ["evil.example"], ["127.0.0.1", "127.0.0.1"], ["127.0.0.1:"], ["127.0.0.1:123456"],
     ["localhost\n"], ["localhost.evil.example"], ["127.0.0.2"], ["a@localhost"], ["[::1"]],
)  # fmt: skip
def test_names_that_others_have_too(hosts: list[str]) -> None:
    assert not is_loopback(hosts)


def test_what_a_browser_says_is_data() -> None:
    assert packet_for('["stdin", "ä"]') == b"D\x00\x00\x00\x02\xc3\xa4"
    assert packet_for('["stdin", "\\ud800"]') == b"D\x00\x00\x00\x01?"
    packet = packet_for('["resize", {"width": 1e99, "height": -3, "type": "quit"}]')
    assert packet is not None
    assert json.loads(packet[5:]) == {"type": "resize", "width": LARGEST_SIZE, "height": 1}
    assert packet_for('["focus"]') == b'M\x00\x00\x00\x11{"type": "focus"}'
    for nothing in (
        "", "{", "[]", "null", '["stdin"]', '["stdin", 3]', '["quit"]', '["resize", [1, 2]]',
        '["resize", {"width": 3}]', '["deliver_chunk_request", {"key": "x"}]', "[" * 100_000,
    ):  # fmt: skip
        assert packet_for(nothing) is None


def test_sizes_are_those_of_a_screen() -> None:
    assert [bounded(one) for one in ("120", 7.9, None, "wide", "inf", 0, 10**9, float("nan"))] == [
        120, 7, 80, 80, 80, 1, LARGEST_SIZE, 80,
    ]  # fmt: skip


def test_the_console_is_in_no_terminal() -> None:
    made = environment({"PATH": "/bin", "TMUX": "x", "STY": "y", "COLUMNS": "3"}, (100, 30))
    assert made["PATH"] == "/bin"
    assert (made["COLUMNS"], made["ROWS"], made["MAESTRO_WEB"]) == ("100", "30", "1")
    assert not {"TMUX", "STY"} & made.keys()


SAYS = """
import os, sys, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def say(kind, text): os.write(1, kind + len(text).to_bytes(4, "big") + text)
os.write(1, b"__GANGLION__\\n")
say(b"D", b"hello"); say(b"P", b"packed"); say(b"M", b'{"type": "open_url"}'); say(b"D", b"end")
say(b"M", b'{"type": "exit"}')
sys.stdin.read()
"""


async def _silence() -> AsyncIterator[str]:
    await asyncio.sleep(3600)
    yield ""


HUGE = "import os; os.write(1, b'__GANGLION__\\nD\\xff\\xff\\xff\\xff')"
FAILED = ["The console could not be started"]


@pytest.mark.parametrize(
    ("program", "drawn"),
    [(SAYS, ["hello", "end"]), ("print('no')", FAILED), ("", FAILED), (HUGE, [])],
)
def test_the_bridge_carries_what_is_drawn_and_leaves_nothing_behind(
    program: str, drawn: list[str], tmp_path: Path
) -> None:
    sent: list[str] = []

    async def send(data: bytes) -> None:
        sent.append(data.decode())

    async def answer(_text: str) -> None:
        raise AssertionError

    argv = [sys.executable, "-c", program]
    asyncio.run(serve_console(argv, {"PATH": "/bin"}, (80, 24), _silence(), send, answer))
    assert [text[: len(expected)] for text, expected in zip(sent, drawn, strict=True)] == drawn
