"""Is ANTHROPIC_API_KEY accepted by the API? The only user of httpx.

By default one GET /v1/models, which needs a valid key and no tokens; deep: a message of five
tokens, which also proves credit and access to a model. The key is sent over https (or to
this machine) only, never after a redirect. No network is no failure of the key.
"""

from __future__ import annotations

import ipaddress
import json
import time
from typing import Any, NamedTuple

import httpx

from maestro_core.doctor.context import Check, Context
from maestro_core.doctor.finding import Verdict, fail, ok, skip, unchecked, warn
from maestro_core.session.environment import KEY, PREFER_SUBSCRIPTION, key_refusal

OFFICIAL = "https://api.anthropic.com"
DEEP_MODEL = "claude-haiku-4-5"
_VERSION = "2023-06-01"
_SECONDS = 8.0
_MOST = 256 << 10

REPLACE_OR_SUBSCRIBE = (
    "every sub-session would fail with it. Either 1. replace the key in .env with a valid one"
    " (Anthropic console, API keys), or 2. set MAESTRO_PREFER_SUBSCRIPTION_AUTH=1 in .env to"
    " use the Claude subscription"
)
_TRY_AGAIN = "try again later; --offline leaves this check out"


class Answer(NamedTuple):
    """`kind` and `message` are those of the API's error body; "" where it is none."""

    status: int
    body: Any
    kind: str
    message: str


def api_key(context: Context) -> Verdict:
    env = context.env
    reason = key_refusal(env)
    if reason is not None:
        return skip(f"{KEY} is not used: {reason}")
    if context.offline:
        return skip("offline")
    key = env[KEY].strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        return fail(f"{KEY} holds blanks or characters that no key has", "copy the key again")
    base = (env.get("ANTHROPIC_BASE_URL") or OFFICIAL).strip().rstrip("/")
    return _refused_address(base) or _asked(base, key, deep=context.deep)


def _refused_address(base: str) -> Verdict | None:
    """Why the key is not sent there at all."""
    try:
        url = httpx.URL(base)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host:
        return fail("ANTHROPIC_BASE_URL is no http or https address", "correct or remove it")
    if url.userinfo:
        return fail("ANTHROPIC_BASE_URL holds a name or password", "remove it from the address")
    if url.scheme == "http" and not _is_this_machine(url.host):
        return warn(
            f"not asked: {url.host} would get the key over http, readable on the way",
            "use https in ANTHROPIC_BASE_URL",
        )
    return None


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _asked(base: str, key: str, *, deep: bool) -> Verdict:
    host = httpx.URL(base).host
    try:
        answer = _ask(base, key, deep=deep)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        why = "no answer in time" if isinstance(error, httpx.TimeoutException) else str(error)
        return unchecked(
            f"{host} could not be asked: {why or type(error).__name__}; this says nothing about"
            " the key",
            "check the network, DNS, proxy and ANTHROPIC_BASE_URL; " + _TRY_AGAIN,
        )
    return judge(answer, host, deep=deep)


def _ask(base: str, key: str, *, deep: bool) -> Answer:
    headers = {"x-api-key": key, "anthropic-version": _VERSION}
    message = {
        "model": DEEP_MODEL, "max_tokens": 5, "messages": [{"role": "user", "content": "ping"}],
    }  # fmt: skip
    deadline = time.monotonic() + _SECONDS
    with httpx.Client(timeout=_SECONDS, headers=headers, follow_redirects=False) as client:
        request = (
            client.stream("POST", f"{base}/v1/messages", json=message)
            if deep
            else client.stream("GET", f"{base}/v1/models", params={"limit": 1})
        )
        with request as response:
            return _answer(response.status_code, _body(response, deadline))


def _body(response: httpx.Response, deadline: float) -> bytes:
    """The body, as far as it comes in time and is of a sensible size."""
    parts = b""
    for part in response.iter_bytes():
        parts += part
        if len(parts) > _MOST:
            break
        if time.monotonic() > deadline:
            raise httpx.ReadTimeout("the answer came too slowly")
    return parts


def _answer(status: int, data: bytes) -> Answer:
    try:
        body: Any = json.loads(data)
    except (ValueError, RecursionError):
        body = None
    error = body.get("error") if isinstance(body, dict) else None
    error = error if isinstance(error, dict) else {}
    return Answer(status, body, str(error.get("type") or ""), str(error.get("message") or ""))


def judge(answer: Answer, host: str, *, deep: bool) -> Verdict:
    """What an answer says about the key."""
    status, said = answer.status, f": {answer.message[:200]}" if answer.message else ""
    if status == 200:
        return _accepted(answer, host, deep=deep)
    if status == 401:
        return fail(f"{KEY} is INVALID (HTTP 401 from {host})", REPLACE_OR_SUBSCRIBE)
    if answer.kind == "billing_error" or "credit balance" in answer.message.lower():
        return fail(
            f"the account of {KEY} has no credit (HTTP {status}{said})",
            f"buy credit for the account, or set {PREFER_SUBSCRIPTION}=1 in .env",
        )
    if status == 403 and answer.kind:
        return fail(f"{KEY} may not be used (HTTP 403 from {host}{said})", REPLACE_OR_SUBSCRIBE)
    if status == 429:
        return warn(
            f"{host} limits this key just now (HTTP 429{said}); it is known there",
            "wait; if it lasts, spread the schedules or raise the limits of the account",
        )
    if status >= 500:
        return unchecked(f"{host} is in trouble (HTTP {status}{said})", _TRY_AGAIN)
    return unchecked(f"{host} answered HTTP {status}{said}, which says nothing about the key",
                     _odd_remedy(deep))  # fmt: skip


def _accepted(answer: Answer, host: str, *, deep: bool) -> Verdict:
    """A 200 counts only when it has the shape of the API's: hotel networks answer 200 too."""
    wanted = "content" if deep else "data"
    if not isinstance(answer.body, dict) or not isinstance(answer.body.get(wanted), list):
        return unchecked(f"{host} answered 200, but not as the API does", _odd_remedy(deep))
    how = f"answered a message with {DEEP_MODEL}" if deep else "accepted"
    return ok(f"{KEY} {how} by {host}" if not deep else f"{host} {how}")


def _odd_remedy(deep: bool) -> str:
    other = "" if deep else "; a gateway without /v1/models can be asked with --deep"
    return f"check ANTHROPIC_BASE_URL and for a login page of the network{other}"


CHECKS = (Check("auth.api_key", "API key", api_key, 12.0),)
