"""The wire in a real terminal and over a real sshd: nothing but text and known sequences comes
out, a terminal that never reports is served, and a line that is cut ends the console.
"""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.agent import Agent
from tests.e2e.ssh_line import Line, Sshd, sshd_path
from tests.e2e.terminal import PROGRAM, Terminal
from tests.support import wait_until, write_json, write_tick
from tests.tui.test_log_hostile import ESCAPES

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

KNOWN = re.compile(
    rb"\x1b\[[0-9;]*m"  # how cells look
    rb"|\x1b\[(?:[0-9]+(?:;[0-9]+)?)?[HGC]"  # where the cursor is
    rb"|\x1b\[6n"
    rb"|\x1b\[2J"  # the first frame, on a screen of its own
    rb"|\x1b\[\?(?:1049|1000|1002|1003|1004|1006|1015|1016|2004|2026|2048|25|7|6)[hl]"
    rb"|\x1b\[\?(?:2026|2048)\$p"
    rb"|\x1b\[[<>][0-9]*u"  # the keyboard protocol, on and off
    rb"|\x1b\(B|\x0f|\x1b\[r"  # redraw: character set and margins
    rb"|\x1b\]22;[a-z-]*\x07"  # the shape of the mouse pointer
    rb"|\x1b\]52;c;[A-Za-z0-9+/=]*\x07"
    rb"|\x07(?=\x1b\]9;)|\x1b\](?:9|777;notify);maestro: [^\x00-\x1f\x7f]*\x07"  # a call
)
FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffe]"
)


class Recorder(Terminal):
    """Keeps every byte, and answers reports as a real terminal does."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.raw = b""
        self.asked = 0
        self.answers = True
        super().__init__(*args, **kwargs)

    def _feed(self, data: bytes) -> None:
        seen = (self.raw[-3:] + data).count(b"\x1b[6n")
        self.raw += data
        self.asked += seen
        super()._feed(data)
        if self.answers and seen:
            os.write(self._master, b"\x1b[2;1R" * seen)


def assert_only_known(raw: bytes) -> None:
    """Text and the sequences that we send, and not one byte more."""
    text = KNOWN.sub(b"", raw).decode("utf-8")  # raises where the bytes are no text
    bad = FORBIDDEN.search(text)
    assert bad is None, f"{bad!r} in {text[max(0, bad.start() - 60) : bad.end() + 30]!r}"


def console(agent: Agent, *words: str, **env: str) -> Recorder:
    argv = [PROGRAM, "--root", agent.root, *words]
    return Recorder(argv, env={**agent.env, **env}, columns=110, rows=30)


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    found = Agent(tmp_path / "agent")
    found.cadence("free", seconds=0)
    return found


def hostile(agent: Agent) -> None:
    """Every sequence of the corpus in every place that takes text from somebody else."""
    texts = [data[:600].decode("utf-8", "backslashreplace") for data in ESCAPES.values()]
    journal = []
    for number, text in enumerate(texts):
        write_tick(
            agent.layout.dlq, f"evil-{number:02}", "free", last_error=text, source=text,
            payload={"note": text}, dedupe_key=text,
            failures=[{"at": "2026-11-24T02:03:04.567Z", "attempt": 1, "exit_code": 1,
                       "reason": text, "stdout_path": None, "stderr_path": None}],
        )  # fmt: skip
        ts = f"2026-11-24T02:03:{number % 60:02}.000Z"
        line = {"ts": ts, "level": "warn", "stage": text[:40], "cadence": text[:40], "reason": text}
        journal.append(json.dumps(line))
    agent.layout.logs.mkdir(parents=True, exist_ok=True)
    (agent.layout.logs / "2026-11-24.jsonl").write_text("\n".join(journal) + "\n")
    everything = " ".join(texts)[:3000]
    write_json(
        agent.layout.paused / "free.json",
        {"at": "2026-11-24T02:03:04.567Z", "by": everything, "reason": everything},
    )
    write_json(agent.layout.emergency_stop, {"by": everything, "reason": everything})
    for number, data in enumerate(list(ESCAPES.values())[:40]):
        name = re.sub(rb"[/\x00]", b"_", data)[:80]
        folder = os.fsencode(agent.layout.quarantine)
        os.makedirs(folder, exist_ok=True)
        Path(os.fsdecode(folder + b"/%d" % number + name)).write_bytes(data[:500])


def test_nothing_hostile_reaches_the_terminal_on_any_screen(agent: Agent) -> None:
    hostile(agent)
    with console(agent, "--attach") as terminal:
        terminal.wait_for("free")
        for screen in "123456":
            terminal.press(screen)
            for key in ("j", "j", "y", "ctrl+l"):
                before = terminal.received
                terminal.press(key)
                if key == "ctrl+l":
                    wait_until(lambda seen=before: terminal.received > seen + 500, 20, "redraw")  # type: ignore[misc]
        terminal.send(signal.SIGTERM)
        terminal.wait_exit()
    assert terminal.asked > 0
    assert_only_known(terminal.raw.replace(b"\r", b"").replace(b"\n", b""))


def test_a_terminal_that_never_reports_is_served_all_the_same(agent: Agent) -> None:
    with console(agent, "--attach") as terminal:
        terminal.answers = False
        terminal.wait_for("free")
        terminal.press("?")
        terminal.wait_for("Put a tick into the inbox")


@pytest.mark.skipif(sshd_path() is None, reason="there is no sshd on this machine")
def test_over_a_slow_real_ssh_it_starts_answers_and_ends_with_the_line(
    agent: Agent, tmp_path: Path
) -> None:
    try:
        sshd = Sshd(tmp_path / "sshd").__enter__()
    except OSError as error:
        pytest.skip(f"sshd does not run here: {error}")
    try:
        with Line(sshd.port, 320e3, 0.02) as line:
            words = [f"env HOME={agent.env['HOME']} TERM=xterm-256color {PROGRAM}"
                     f" --root {agent.root} --attach"]  # fmt: skip
            argv = sshd.command(words, line.port)
            with Recorder(["/usr/bin/env", *argv], env=os.environ) as terminal:
                terminal.wait_for("free")
                terminal.press("2")
                terminal.wait_for("[Nn]o dead letters")
                assert terminal.asked > 0
                line.cut()
                terminal.wait_exit()
    finally:
        sshd.__exit__(None, None, None)
    from tests.e2e.conftest import processes_of

    wait_until(lambda: not processes_of(agent.root), 20, "the console to end with its line")
