"""What the terminal can: size, colours, UTF-8, and copying through tmux."""

from __future__ import annotations

import os
import shutil
import sys

from maestro_core.doctor.child import run_program
from maestro_core.doctor.context import Check, Context
from maestro_core.doctor.finding import Verdict, ok, skip, warn

SMALLEST = (60, 15)


def screen(context: Context) -> Verdict:
    if not is_terminal():
        return skip("not in a terminal")
    env = context.environ
    term = env.get("TERM", "")
    columns, lines = shutil.get_terminal_size()
    detail = f"{term or 'TERM is not set'}, {columns}x{lines}, {colours(env)}"
    if term in ("", "dumb"):
        return warn(detail, "set TERM, for example xterm-256color; ssh -t gives a terminal")
    if columns < SMALLEST[0] or lines < SMALLEST[1]:
        return warn(detail, f"make it at least {SMALLEST[0]}x{SMALLEST[1]}")
    if "UTF-8" not in _encoding(env).upper().replace("UTF8", "UTF-8"):
        return warn(f"{detail}; not UTF-8", "set LANG, for example en_US.UTF-8")
    return ok(detail)


def copying(context: Context) -> Verdict:
    env = context.environ
    if not is_terminal():
        return skip("not in a terminal")
    if not env.get("TMUX"):
        return ok("by OSC 52, where the terminal allows it")
    tmux = shutil.which("tmux", path=env.get("PATH"))
    if tmux is None:
        return skip("tmux is not on the PATH")
    asked = (
        run_program(
            [tmux, "show-options", "-gv", name], env=env, cwd=context.layout.root, timeout=2.0
        )
        for name in ("set-clipboard", "allow-passthrough")
    )
    return judge_clipboard(*(ran.out.strip() for ran in asked))


def judge_clipboard(clipboard: str, passthrough: str) -> Verdict:
    """By tmux's options: "on" takes OSC 52 from programs, or lets it through; all else drops it."""
    if clipboard == "on" or passthrough in ("on", "all"):
        return ok("tmux hands on what programs copy")
    return warn(
        f"tmux drops what programs copy (set-clipboard is {clipboard or 'unknown'})",
        "tmux set -g set-clipboard on",
    )


def colours(env: dict[str, str]) -> str:
    """How many colours the variables promise."""
    if env.get("NO_COLOR"):
        return "no colours (NO_COLOR)"
    if env.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return "true colour"
    return "256 colours" if "256" in env.get("TERM", "") else "16 colours"


def is_terminal() -> bool:
    """Whether this process writes to a terminal, also while a console has replaced stdout."""
    stream = sys.__stdout__
    try:
        return stream is not None and os.isatty(stream.fileno())
    except (OSError, ValueError):
        return False


def _encoding(env: dict[str, str]) -> str:
    return (
        env.get("LC_ALL") or env.get("LC_CTYPE") or env.get("LANG") or sys.getfilesystemencoding()
    )


CHECKS = (
    Check("terminal.screen", "Terminal", screen),
    Check("terminal.copying", "Clipboard", copying),
)
