"""The doctor's checks of the console itself: its settings file and the terminal's colours."""

from __future__ import annotations

from pathlib import Path

import pytest

from maestro_core.doctor import Context
from maestro_core.layout import Layout
from maestro_tui.checks import console_checks

CHECKS = {check.id: check for check in console_checks()}


def verdict(check: str, tmp_path: Path, **environ: str) -> tuple[str, str]:
    context = Context(Layout(tmp_path), environ={"HOME": str(tmp_path), **environ})
    found = CHECKS[check].run(context)
    return found.status, found.detail


@pytest.mark.parametrize(
    ("environ", "status", "says"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "ok", "full colour"),
        ({"TERM": "tmux-256color", "TMUX": "x"}, "ok", "in tmux: 256 colours"),
        ({"TERM": "xterm"}, "ok", "16 colours"),
        ({"TERM": "xterm", "NO_COLOR": "1"}, "ok", "no colour"),
        ({}, "warn", "TERM is not set"),
    ],
)
def test_colours(tmp_path: Path, environ: dict[str, str], status: str, says: str) -> None:
    found = verdict("console.terminal", tmp_path, **environ)
    assert found[0] == status
    assert says in found[1]


def test_no_settings_of_the_console_are_fine(tmp_path: Path) -> None:
    assert verdict("console.config", tmp_path)[0] == "ok"


def test_a_conflict_of_keys_is_named_with_the_file_to_correct(tmp_path: Path) -> None:
    path = tmp_path / ".config" / "maestro-tui" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text('[keys]\n"act.retry" = "D"\n')
    status, detail = verdict("console.config", tmp_path)
    assert status == "warn"
    assert "D is bound to both act.retry and act.discard" in detail
