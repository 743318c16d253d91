"""Masks secrets in text before anybody sees it: screens, journal, copies, saved files, errors.

Two sources: the values of secret-looking names in the settings (`*_KEY`, `*_TOKEN`, …), and
the shapes of well-known keys. Every search is a plain substring test first, so a text
without secrets costs little, whatever its size. Safe from any thread.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

MASK = "[masked]"
SHORTEST = 8
"""A shorter value is too likely to be an ordinary word."""

_SECRET_NAME = re.compile(
    r"KEYS?(?:$|_)|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|WEBHOOK|COOKIE|PRIVATE"
    r"|_(?:PASS|PWD|PAT|DSN)(?:$|_)|^(?:PASS|PAT|DSN)(?:$|_)|DATABASE_URL|CONNECTION_STRING",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(r"\s*(?:your-api-key|placeholder|xxx|sk-ant-xxx)", re.IGNORECASE)

_SHAPES: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...] = tuple(
    (needles, re.compile(pattern))
    for needles, pattern in (
        (("sk-ant-",), r"(sk-ant-)(?!xxx)[\w-]{8,}"),
        (("sk-", "sk_", "rk_"), r"\b(sk-(?:proj-)?|[sr]k_(?:live|test)_)(?!ant-)[\w-]{20,}"),
        (("xox", "xapp-"), r"\b(xox[a-z]-|xapp-)[\w-]{8,}"),
        (("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"\b(gh[pousr]_)\w{16,}"),
        (("github_pat_",), r"\b(github_pat_)\w{16,}"),
        (("glpat-",), r"\b(glpat-)[\w-]{16,}"),
        (("AKIA", "ASIA"), r"\b(AKIA|ASIA)[0-9A-Z]{16}\b"),
        (("AIza",), r"\b(AIza)[\w-]{35}"),
        (("npm_", "hf_"), r"\b(npm_|hf_)\w{30,}"),
        (("eyJ",), r"(?<![\w-])(eyJ)[\w-]{8,}\.[\w-]{8,}\.[\w-]{4,}"),
        (("hooks.slack.com",), r"(hooks\.slack\.com/(?:services|workflows|triggers)/)[\w/-]{8,}"),
        (("earer ", "EARER "), r"((?i:bearer) +)[\w.~+/-]{8,}=*"),
        (("asic ", "ASIC "), r"((?i:authorization: *basic) +)[\w+/-]{8,}=*"),
        (("-api-", "-API-", "-Api-"), r"((?i:x-api-key)[\"']?\s*[:=]\s*[\"']?)[\w.~+/-]{8,}"),
        (("://",), r"(\w://[^\s/:@]*:)[^\s/@]+(?=@)"),
        (
            ("PRIVATE KEY-----",),
            r"(-----BEGIN [A-Z ]*PRIVATE KEY-----)[\s\S]*?(?:(?=-----END)|\Z)",
        ),
    )
)  # fmt: skip


def is_secret_name(name: str) -> bool:
    """Does a variable of this name hold something that nobody should read?"""
    return _SECRET_NAME.search(name) is not None


def is_placeholder(value: str) -> bool:
    """Blank, or one of the texts that stand in example files where a key should be."""
    return not value.strip() or _PLACEHOLDER.match(value) is not None


class Redactor:
    """Masks: `Redactor(settings.env)(text)`. Immutable; masking twice changes nothing."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._values = _ordered(
            form
            for name, value in env.items()
            if is_secret_name(name) and not is_placeholder(value)
            for form in _written_forms(value)
        )

    def also(self, env: Mapping[str, str]) -> Redactor:
        """One that masks the secrets of `env` too."""
        wider = Redactor(env)
        wider._values = _ordered((*self._values, *wider._values))
        return wider

    def __call__(self, text: str) -> str:
        for value in self._values:
            if value in text:
                text = text.replace(value, MASK)
        for needles, shape in _SHAPES:
            if any(needle in text for needle in needles):
                text = shape.sub(_keep_prefix, text)
        return text


def _ordered(forms: Iterable[str]) -> tuple[str, ...]:
    """Longest first: a value that contains another one is masked whole."""
    return tuple(sorted(set(forms), key=lambda form: (-len(form), form)))


def _keep_prefix(match: re.Match[str]) -> str:
    return match.group(1) + MASK


def _written_forms(value: str) -> Iterable[str]:
    """How a value may stand in text: bare, in JSON, in a URL, line by line."""
    bare = value.strip()
    lines = [line.strip() for line in bare.splitlines()] if "\n" in bare else []
    forms = (bare, json.dumps(bare)[1:-1], json.dumps(bare, ensure_ascii=False)[1:-1],
             quote(bare, safe=""), quote(bare), *lines)  # fmt: skip
    return (form for form in forms if len(form) >= SHORTEST)
