"""How sub-sessions log in, and whether that can work from where this is run."""

from __future__ import annotations

import json
import sys
from typing import Any

from maestro_core.doctor.checks.claude import numbered_version, version_of
from maestro_core.doctor.checks.env_file import OAUTH_TOKEN
from maestro_core.doctor.child import run_program
from maestro_core.doctor.context import Check, Context
from maestro_core.doctor.finding import Verdict, fail, ok, skip, unchecked, warn
from maestro_core.envfile import flag
from maestro_core.errors import MaestroError
from maestro_core.session.command import find_claude
from maestro_core.session.environment import KEY, PREFER_SUBSCRIPTION, key_refusal

OLDEST_WITH_STATUS = (2, 1, 197)
"""The oldest CLI on which `claude auth status` was seen to work; an older one might take the
words for a prompt."""

_WITHOUT_KEYCHAIN = (
    "run `claude setup-token` where there is a browser and put the token into .env as"
    " CLAUDE_CODE_OAUTH_TOKEN; it needs no keychain"
)
_LOCKED = 36
"""What `security` ends with when the keychain is locked and nobody can be asked."""


def way(context: Context) -> Verdict:
    env = context.env
    preferred, refusal = env.get(PREFER_SUBSCRIPTION), key_refusal(env)
    if flag(preferred) is None:
        return warn(
            f"{PREFER_SUBSCRIPTION} is neither yes nor no; it counts as no",
            "write 1, or leave it blank",
        )
    dotenv = context.examined.env.values.get(KEY, "").strip()
    if dotenv and context.environ.get(KEY, dotenv).strip() != dotenv:
        return warn(
            f"the environment's {KEY} hides the one in .env; a service started elsewhere may"
            " use the other",
            f"unset {KEY} in the shell, or take it out of .env",
        )
    if refusal is None:
        beside = f"; it goes before {OAUTH_TOKEN}" if env.get(OAUTH_TOKEN, "").strip() else ""
        return ok(f"sub-sessions use {KEY}{beside}")
    login = OAUTH_TOKEN if env.get(OAUTH_TOKEN, "").strip() else "the login of this user"
    why = f" ({KEY} is not handed on: {refusal})" if env.get(KEY, "").strip() else ""
    return ok(f"sub-sessions use the Claude subscription by {login}{why}")


def usable(context: Context) -> Verdict:
    """By `claude auth status`: it looks at this machine only and asks nobody."""
    env = context.child_env()
    if key_refusal(env):
        env.pop(KEY, None)
    try:
        program = find_claude(env, context.layout.root)
    except MaestroError:
        return skip("there is no claude to ask")
    version = version_of(program, env, context.layout.root)
    if version is None or numbered_version(version) < OLDEST_WITH_STATUS:
        return skip("this claude cannot tell")
    ran = run_program(
        [str(program), "auth", "status"], env=env, cwd=context.layout.root, timeout=10.0
    )
    status = _json(ran.out)
    if ran.code is None or status is None:
        return unchecked(f"`claude auth status` gave no answer: {ran.said() or 'nothing'}")
    if status.get("loggedIn") is True and ran.code == 0:
        return ok(_logged_in(status) + _place(context, status))
    return _not_logged_in(context)


def _logged_in(status: dict[str, Any]) -> str:
    plan = status.get("subscriptionType")
    return f"logged in by {status.get('authMethod') or 'an unknown way'}" + (
        f", plan {plan}" if isinstance(plan, str) else ""
    )


def _place(context: Context, status: dict[str, Any]) -> str:
    if status.get("authMethod") == "api_key":
        return "; whether it is valid is the API key check's business"
    if context.environ.get("SSH_CONNECTION"):
        return "; seen from an SSH session: a service may see another keychain"
    return "; whether it has run out shows only at the next run"


def _not_logged_in(context: Context) -> Verdict:
    if sys.platform == "darwin" and _keychain_locked(context):
        return fail(
            "there is a login, but the keychain is locked here (SSH, launchd)",
            f"security unlock-keychain, or better: {_WITHOUT_KEYCHAIN}",
        )
    remedy = f"claude auth login in a terminal; without a browser or keychain: {_WITHOUT_KEYCHAIN}"
    if context.environ.get("SSH_CONNECTION"):
        return fail("not logged in, as seen from this SSH session", remedy)
    return fail("neither a key nor a login", f"{remedy}; or put {KEY} into .env")


def _keychain_locked(context: Context) -> bool:
    """Whether an entry is there that cannot be read; its content is not asked for."""
    ran = run_program(
        ["/usr/bin/security", "find-generic-password", "-s", "Claude Code-credentials"],
        env=context.child_env(), cwd=context.layout.root, timeout=5.0,
    )  # fmt: skip
    return ran.code == _LOCKED


def _json(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


CHECKS = (
    Check("auth.way", "Authentication", way),
    Check("auth.login", "Login", usable, 25.0),
)
