"""The `claude` program: found, answers, which version; deep: one whole round trip."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from maestro_core.doctor.child import run_program
from maestro_core.doctor.context import Check, Context
from maestro_core.doctor.finding import Verdict, fail, ok, skip, unchecked, warn
from maestro_core.errors import MaestroError
from maestro_core.session.command import CLAUDE, find_claude
from maestro_core.session.environment import KEY, key_refusal

OLDEST = (2, 1, 0)
"""Older ones know neither the output nor the options that sub-sessions are started with."""

_SECONDS = 10.0
_NUMBER = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_UPDATE = "claude update, or npm install -g @anthropic-ai/claude-code"


def found(context: Context) -> Verdict:
    try:
        program = find_claude(context.child_env(), context.layout.root)
    except MaestroError as error:
        return fail(error.message, error.hint)
    named = f" (by {CLAUDE})" if context.env.get(CLAUDE, "").strip() else ""
    return ok(f"{program}{named}")


def answers(context: Context) -> Verdict:
    env, root = context.child_env(), context.layout.root
    try:
        program = find_claude(env, root)
        ran = run_program([str(program), "--version"], env=env, cwd=root, timeout=_SECONDS)
    except MaestroError:
        return skip("there is no claude to start")
    except OSError as error:
        return fail(
            f"claude cannot be started: {error.strerror or error}", f"install it again: {_UPDATE}"
        )
    if ran.code is None:
        return fail(
            f"claude --version gave no answer within {_SECONDS:g} s",
            "start it in a terminal and see what it waits for",
        )
    if ran.code != 0:
        return fail(f"claude --version failed (exit {ran.code}): {ran.said()}", _UPDATE)
    return _judged(ran.out.strip())


def _judged(text: str) -> Verdict:
    version = numbered_version(text)
    if version == ():
        return warn(f"it names no version: {text[:80] or 'nothing'}", "see that it is Claude Code")
    if version < OLDEST:
        return fail(f"{text[:80]} is too old", _UPDATE)
    return ok(text[:80])


def version_of(program: Path, env: Mapping[str, str], root: Path) -> str | None:
    """What `--version` prints, when it is Claude Code itself; None for a stand-in or on trouble."""
    try:
        ran = run_program([str(program), "--version"], env=env, cwd=root, timeout=_SECONDS)
    except OSError:
        return None
    return ran.out if ran.code == 0 and "(Claude Code)" in ran.out else None


def numbered_version(text: str) -> tuple[int, ...]:
    """(2, 1, 330) of `2.1.330 (Claude Code)`; () when there is no number."""
    number = _NUMBER.search(text[:200])
    return tuple(int(part) for part in number.groups()) if number else ()


def round_trip(context: Context) -> Verdict:
    """A run like a sub-session's, with one turn and a short prompt. Costs tokens: deep only."""
    if not context.deep:
        return skip("only with --deep: it costs a few tokens")
    if context.offline:
        return skip("offline")
    env, root = context.child_env(), context.layout.root
    if key_refusal(env):
        env.pop(KEY, None)
    try:
        program = find_claude(env, root)
    except MaestroError:
        return skip("there is no claude to start")
    argv = [str(program), "--print", "--output-format", "json", "--max-turns", "1"]
    ran = run_program(
        argv, env={**env, "CLAUDE_CODE_MAX_RETRIES": "0"}, cwd=root, timeout=60.0,
        given="Answer with the one word: pong",
    )  # fmt: skip
    if ran.code is None:
        return unchecked("no answer within 60 s", "look at the network and the status of the API")
    result = _result(ran.out)
    if ran.code == 0 and not result.get("is_error"):
        return ok("claude --print answered")
    said = str(result.get("result") or ran.said() or "nothing")[:300]
    return fail(f"claude --print failed (exit {ran.code}): {said}", "see the login and key checks")


def _result(text: str) -> dict[str, object]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


CHECKS = (
    Check("claude.found", "claude program", found),
    Check("claude.version", "claude version", answers, 15.0),
    Check("claude.round_trip", "claude round trip", round_trip, 75.0),
)
