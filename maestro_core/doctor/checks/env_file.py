"""Checks of the .env file: there, private, well-formed, and which keys it sets (names only)."""

from __future__ import annotations

import os
import re
import stat

from maestro_core.doctor.context import Check, Context
from maestro_core.doctor.finding import Verdict, fail, ok, skip, warn
from maestro_core.envfile import OPTIONAL_KEYS, REQUIRED_KEYS
from maestro_core.redact import is_placeholder, is_secret_name
from maestro_core.session.environment import PREFER_SUBSCRIPTION, truth

OAUTH_TOKEN = "CLAUDE_CODE_OAUTH_TOKEN"  # noqa: S105  a name, no token
NO_FILE = "there is no .env"

_EXAMPLE_TEXT = re.compile(
    r"\s*(?:your[-_ ]|change-?me|replace[-_ ]|insert[-_ ]|(?:xox.-)?\.\.\.|x{3,}|<.*>\s*$)",
    re.IGNORECASE,
)


def present(context: Context) -> Verdict:
    path = context.layout.env_file
    if not os.path.lexists(path):
        return fail(
            f"{path} is not there", "copy .env.example to .env, fill it in, and chmod 600 .env"
        )
    if not path.exists():
        return fail(f"{path} is a link to nothing", "correct the link, or put a file there")
    return ok(str(path))


def permissions(context: Context) -> Verdict:
    try:
        info = os.stat(context.layout.env_file)
    except OSError:
        return skip(NO_FILE)
    mode = stat.S_IMODE(info.st_mode)
    if mode & 0o077:
        return fail(
            f"other users of this machine may read or change it (mode {mode:03o})",
            f"chmod 600 {context.layout.env_file}",
        )
    if info.st_uid != os.geteuid():
        return warn(
            f"it belongs to another user (uid {info.st_uid})", "chown it to the agent's user"
        )
    return ok(f"mode {mode:03o}")


def syntax(context: Context) -> Verdict:
    env = context.examined.env
    if not env.exists:
        return skip(NO_FILE)
    if env.problems:
        return fail("\n".join(env.problems), "correct these lines; the consumer refuses to start")
    if env.warnings:
        return warn("\n".join(env.warnings), "keep one line for each name")
    return ok(f"{len(env.values)} entries")


def keys(context: Context) -> Verdict:
    env = context.env
    has = {name: bool(env.get(name, "").strip()) for name in (*REQUIRED_KEYS, *OPTIONAL_KEYS)}
    there = [name for name, is_set in has.items() if is_set]
    absent = [
        name if name in REQUIRED_KEYS else f"{name} (optional)"
        for name, is_set in has.items()
        if not is_set
    ]
    detail = f"set: {', '.join(there) or 'none'}; not set: {', '.join(absent) or 'none'}"
    if all(has[name] for name in REQUIRED_KEYS):
        return ok(detail)
    if truth(env.get(PREFER_SUBSCRIPTION)):
        return ok(f"{detail}; the subscription is preferred, so no API key is needed")
    if env.get(OAUTH_TOKEN, "").strip():
        return ok(f"{detail}; {OAUTH_TOKEN} is set, so no API key is needed")
    return fail(
        detail,
        "put a key into .env as ANTHROPIC_API_KEY, or set MAESTRO_PREFER_SUBSCRIPTION_AUTH=1"
        " to use the Claude subscription",
    )


def placeholders(context: Context) -> Verdict:
    env = context.env
    names = [*REQUIRED_KEYS, *OPTIONAL_KEYS, OAUTH_TOKEN]
    names += [n for n in context.examined.env.values if is_secret_name(n) and n not in names]
    found = [name for name in names if looks_like_example(env.get(name, ""))]
    if not found:
        return ok("no key holds an example text")
    detail = f"an example text stands in {', '.join(found)}"
    if set(found) & set(REQUIRED_KEYS) and not truth(env.get(PREFER_SUBSCRIPTION)):
        return fail(detail, "put the real key there; as it stands it is kept from sub-sessions")
    return warn(detail, "put the real value there, or leave it blank")


def looks_like_example(value: str) -> bool:
    """A value that stands in example files and never in use; blank is none."""
    return bool(value.strip()) and (is_placeholder(value) or _EXAMPLE_TEXT.match(value) is not None)


CHECKS = (
    Check("env.present", ".env file", present),
    Check("env.permissions", ".env permissions", permissions),
    Check("env.syntax", ".env syntax", syntax),
    Check("env.keys", "Keys", keys),
    Check("env.placeholders", "Placeholder keys", placeholders),
)
