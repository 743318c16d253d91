"""The environment of a sub-session, as pure functions of what it is made from.

The process's own variables win over the entries of .env (the rule of dotenv everywhere);
then the key is taken out where it must not be used, the PATH is widened, and whatever lets
a CLI run unattended is filled in where nobody has set it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from maestro_core.session.processes import ROOT, RUN_ID, TICK_ID

KEY = "ANTHROPIC_API_KEY"
PREFER_SUBSCRIPTION = "MAESTRO_PREFER_SUBSCRIPTION_AUTH"

_TRUE = frozenset(("1", "true", "yes", "on"))
_PLACEHOLDER = re.compile(r"your-api-key|placeholder|xxx|sk-ant-xxx", re.IGNORECASE)

EXTRA_FOLDERS = ("~/.local/bin", "~/.claude/local", "/opt/homebrew/bin", "/usr/local/bin")
"""Where a CLI is often installed that launchd and cron do not search."""

UNATTENDED = {
    "DISABLE_AUTOUPDATER": "1",
}
"""Filled in where neither the environment nor .env says otherwise."""
MAX_RETRIES = "CLAUDE_CODE_MAX_RETRIES"

_OUTER_SESSION = (
    "CLAUDECODE", "CLAUDE_CODE_ENTRYPOINT", "CLAUDE_CODE_SESSION_ID", "CLAUDE_CODE_SSE_PORT",
    "CLAUDE_PID",
)  # fmt: skip
"""What an agent's own shell tells of itself; a sub-session is none of its children."""


def effective(environ: Mapping[str, str], dotenv: Mapping[str, str]) -> dict[str, str]:
    """The variables that count: those of the process, then those of .env."""
    return {**dotenv, **environ}


def truth(value: str | None) -> bool:
    """Whether a switch is on: 1, true, yes or on, in any case."""
    return (value or "").strip().lower() in _TRUE


def key_refusal(env: Mapping[str, str]) -> str | None:
    """Why ANTHROPIC_API_KEY is not handed to sub-sessions; None = it is handed on."""
    value = env.get(KEY)
    if value is None:
        return "not set"
    if truth(env.get(PREFER_SUBSCRIPTION)):
        return f"{PREFER_SUBSCRIPTION} is on"
    if not value.strip():
        return "blank"
    return "a placeholder" if _PLACEHOLDER.match(value.strip(" \t\r\n\"'")) else None


def home(env: Mapping[str, str]) -> str:
    """$HOME, else what the user database says."""
    return env.get("HOME") or str(Path("~").expanduser())


def widened_path(env: Mapping[str, str]) -> str:
    """$PATH with the usual folders of a CLI at its end."""
    folders = [one for one in env.get("PATH", os.defpath).split(os.pathsep) if one]
    own = home(env)
    extra = (one.replace("~", own, 1) if one.startswith("~") else one for one in EXTRA_FOLDERS)
    return os.pathsep.join(dict.fromkeys((*folders, *extra)))


def session_environment(
    environ: Mapping[str, str],
    dotenv: Mapping[str, str],
    *,
    root: Path,
    cadence: str,
    tick_id: str,
    run_id: str,
    api_retries: int,
) -> dict[str, str]:
    """Everything a sub-session (or an inline handler) is started with.

    Left to itself the CLI retries a refused key or an outage ten times in three silent
    minutes; the consumer has a retry policy of its own, so `api_retries` are enough.
    """
    env = effective(environ, dotenv)
    if key_refusal(env):
        env.pop(KEY, None)
    for name in _OUTER_SESSION:
        env.pop(name, None)
    env["PATH"] = widened_path(env)
    return {
        **UNATTENDED,
        MAX_RETRIES: str(api_retries),
        **env,
        "AGENT_DIR": str(root),
        ROOT: str(root),
        "MAESTRO_CADENCE": cadence,
        TICK_ID: tick_id,
        RUN_ID: run_id,
    }
