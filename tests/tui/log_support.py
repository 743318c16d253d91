"""Fixed data for the log viewer and the Runs screen: a root with a ledger, a quiet feed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from textual.app import App, ComposeResult

from maestro_core.bus.feed import Feed
from maestro_core.clock import FakeClock, iso
from maestro_core.layout import Layout
from maestro_core.models import RunResult, RunRow, Usage
from maestro_core.observe.logfile import LogFile
from maestro_core.session.ledger import Ledger
from maestro_tui.app import MaestroApp
from maestro_tui.backend import RootBackend
from maestro_tui.themes import THEMES
from maestro_tui.widgets.log_view import LogView
from tests.tui.support import QuietFeed

NOW = 1_795_486_984.0
"""2026-11-24 02:23:04 UTC."""


class FixedBackend(RootBackend):
    """A real root, a clock that stands still, and no watching of files."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout, read_only=True, clock=FakeClock(NOW))

    def make_feed(self) -> Feed:
        return QuietFeed()


def console(layout: Layout) -> MaestroApp:
    return MaestroApp(FixedBackend(layout))


class LogApp(App[None]):
    """One log view and nothing else."""

    CSS = "Screen { layers: base; }"

    def __init__(self, view: LogView, theme: str = "maestro-dark") -> None:
        super().__init__()
        self.view, self._wanted = view, theme
        self.copied: list[str] = []

    def on_mount(self) -> None:
        for theme in THEMES.values():
            self.register_theme(theme)
        self.theme = self._wanted

    def compose(self) -> ComposeResult:
        yield self.view

    def on_log_view_copied(self, message: LogView.Copied) -> None:
        self.copied.append(message.text)


def shown(view: LogView) -> list[str]:
    """The text of every row of the widget, as it would be painted."""
    return [strip.text.rstrip() for strip in view.render_lines(view.size.region)]


def look(view: LogView) -> None:
    """What the clock does ten times a second."""
    if view.look():
        view.draw()


def opened(path: Path) -> LogFile:
    log = LogFile(path)
    log.refresh()
    return log


# ---- a ledger -----------------------------------------------------------------------------

CADENCES = ("inbox-processor", "heartbeat", "weekly-strategic-memo", "nightly-review")
OUTCOMES = ("ok", "ok", "failed", "ok", "timeout", "ok", "quota", "cancelled")
REASONS = {
    "failed": "exit 1: API Error: 529 Overloaded | gave up after 3 tries",
    "timeout": "ran longer than 900 s",
    "quota": "usage limit reached, resets at 03:00",
    "cancelled": "cancelled by ops",
}


def run_row(number: int, logs: str | None = None) -> RunRow:
    started = NOW - 600 * number - 42
    return RunRow(
        run_id=f"run-{number:05}", tick_id=f"20261124t02{number:04}-{CADENCES[number % 4]}",
        cadence=CADENCES[number % 4], attempt=1 + (number % 5 == 4), started_at=iso(started),
        ended_at=None, outcome=None, failure_class=None, exit_code=None, signal=None,
        usage=Usage(), stdout_path=logs and f"{logs}.stdout.log",
        stderr_path=logs and f"{logs}.stderr.log", reason=None, pid=4000 + number, duration=None,
    )  # fmt: skip


def fill_ledger(layout: Layout, count: int, logs: str | None = None) -> None:
    """`count` runs, the newest still running; run 0 is the newest."""
    ledger = Ledger.open(layout.ledger)
    for number in reversed(range(count)):
        row = run_row(number, logs)
        ledger.begin(row)
        if number:
            ledger.finish(row.run_id, _ended(number, row), iso(NOW - 600 * number))
    ledger.close()


def _ended(number: int, row: RunRow) -> RunResult:
    outcome = OUTCOMES[number % len(OUTCOMES)]
    ok = outcome == "ok"
    return RunResult(
        outcome=outcome, exit_code=0 if ok else 1, duration=7.0 * (number % 23) + 3,
        failure_class=None if ok else outcome, reason=REASONS.get(outcome),
        stdout_path=row.stdout_path, stderr_path=row.stderr_path,
        usage=Usage(tokens_in=1200 * number, tokens_out=340, cost_usd=0.013 * (number % 31),
                    model="claude-opus-5-5", turns=4),
    )  # fmt: skip


# ---- a transcript -------------------------------------------------------------------------


def transcript() -> bytes:
    """A short run of the CLI as stream-json, with a tool that works and one that fails."""
    stamp = "2026-11-24T02:22:{:02}.000Z".format
    events = [
        {"type": "system", "subtype": "init", "model": "claude-opus-5-5", "session_id": "s1"},
        _said(stamp(24), {"type": "text", "text": "I will look at the inbox first."}),
        _said(stamp(25), _call("t1", "Bash", {"command": "ls state/inbox | head -20"})),
        _result(stamp(26), "t1", "3 messages", False),
        _said(stamp(27), _call("t2", "Read", {"file_path": "state/inbox/0147-invoice.md"})),
        _result(stamp(28), "t2", "File does not exist.", True),
        _said(stamp(40), {"type": "text", "text": "One message cannot be read; going on."}),
        {"type": "result", "subtype": "success", "is_error": False, "result": "2 of 3 answered",
         "duration_ms": 16_400, "num_turns": 4, "total_cost_usd": 0.042},
    ]  # fmt: skip
    return "".join(json.dumps(event) + "\n" for event in events).encode()


def _said(at: str, block: dict[str, Any]) -> dict[str, Any]:
    return {"type": "assistant", "timestamp": at, "message": {"content": [block]}}


def _call(call: str, name: str, given: dict[str, str]) -> dict[str, Any]:
    return {"type": "tool_use", "id": call, "name": name, "input": given}


def _result(at: str, call: str, text: str, failed: bool) -> dict[str, Any]:
    block = {"type": "tool_result", "tool_use_id": call, "content": text, "is_error": failed}
    return {"type": "user", "timestamp": at, "message": {"content": [block]}}
