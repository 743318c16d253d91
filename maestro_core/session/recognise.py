"""Finds a failure's class: from structured events first, from sentences of the CLI second.

Pure. The sentences of classes that hold every cadence are matched narrowly: an agent's own
words about a rate limit must not stop the queue.
"""

from __future__ import annotations

import errno
import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from maestro_core.session.transcript import Result, Transcript

_BY_REASON = {
    "max_turns": "max_turns", "error_max_turns": "max_turns",
    "budget_exhausted": "budget", "error_max_budget_usd": "budget",
    "prompt_too_long": "prompt", "image_error": "prompt",
    "aborted_streaming": "killed", "aborted_tools": "killed",
}  # fmt: skip
_BY_STATUS = {
    400: "request", 401: "auth", 402: "billing", 403: "auth", 404: "config", 408: "network",
    413: "prompt", 429: "rate_limit",
}  # fmt: skip
_BY_WORD = {
    "authentication_failed": "auth", "authentication_error": "auth", "permission_error": "auth",
    "billing_error": "billing", "usage_limit_reached": "quota", "rate_limit": "rate_limit",
    "rate_limit_error": "rate_limit", "overloaded": "overload", "overloaded_error": "overload",
    "server_error": "overload", "api_error": "overload", "connection_failed": "network",
    "timeout_error": "network", "model_not_found": "config", "not_found_error": "config",
    "invalid_request": "request", "invalid_request_error": "request",
    "request_too_large": "prompt",
}  # fmt: skip

# What is too precise for a status or a word to say better, and so is asked first.
_PRECISE = (
    ("billing", r"Credit balance is too low|billing_error"),
    ("quota", r"You've hit your [\w -]*limit|usage limit reached"),
    ("prompt", r"Prompt is too long|Request too large|Input must be provided"
     r"|Input contained only whitespace|stdin input exceeds|isn't available in this environment"
     r"|Unknown (slash )?command"),
    ("refusal", r"safeguards flagged|violate our Usage Policy"),
    ("output_limit", r"exceeded the \d*\s?output token maximum"),
    ("network", r"Connection lost mid-response|empty or malformed response|^Request timed out\."
     r"|API Error: .{0,200}(ECONN|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH"
     r"|ConnectionRefused|Connection (error|refused|dropped|closed))"),
    ("max_turns", r"Reached max(imum number of)? turns"),
    ("budget", r"Exceeded USD budget"),
)  # fmt: skip
_GENERAL = (
    ("auth", r"Invalid API key|Not logged in|Please run /login|Failed to authenticate"
     r"|OAuth token has expired|authentication_error|invalid x-api-key"),
    ("rate_limit", r"Request rejected \(429\)|API Error: 429|rate_limit_error"),
    ("overload", r"API Error: (Repeated )?5\d\d\b|overloaded_error"),
    ("request", r"API Error: 4\d\d\b"),
    ("out_of_memory", r"heap out of memory|Cannot allocate memory|\bENOMEM\b"),
    ("cli_too_old", r"[Nn]eeds an update|(newer|later) version of Claude Code|minimum version"
     r"|error: unknown option '--(print|output-format|verbose|permission-mode|model)'"),
    ("config", r"error: unknown option|issue with the selected model|requires --verbose"
     r"|cannot be used with root|Session ID .{0,60} is already in use|No conversation found"
     r"|Settings file not found|Invalid (MCP|settings)"),
)  # fmt: skip

_CLI_ERRORS = re.compile(
    r"(Execution error|Not logged in|Invalid API key|API Error: |Credit balance is too low"
    r"|Prompt is too long|Failed to authenticate|You've hit your |Error: (Reached max|Exceeded USD)"
    r"|/[\w:-]+ isn't available in this environment)"
)
"""How the CLI begins an output that is an error and nothing else, in text mode."""

_NO_ROOM = frozenset(
    (
        errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE,
        errno.EAGAIN, errno.ENOMEM, errno.ETXTBSY,
    )
)  # fmt: skip

_RESETS = re.compile(
    r"resets?\s+(?:at\s+)?(?:(?P<month>[A-Z][a-z]{2})[a-z]*\.?\s+(?P<day>\d{1,2}),?\s+(?:at\s+)?)?"
    r"(?P<hour>\d{1,2})(?::(?P<minute>\d{2}))?\s*(?P<half>am|pm)?(?:\s*\((?P<zone>[\w/+-]+)\))?",
    re.IGNORECASE,
)
_EPOCH = re.compile(r"limit reached\|(\d{9,11})")


def class_of_result(result: Result, transcript: Transcript) -> str:
    """The class of a result event that says it is an error."""
    for word in (result.subtype, result.terminal_reason):
        if word in _BY_REASON:
            return _BY_REASON[word]
    by_status = class_of_status(result.status)
    if by_status == "rate_limit" and transcript.resets_at:
        return "quota"
    words = (_BY_WORD.get(one) for one in (result.error, transcript.assistant_error))
    return (
        _first(_PRECISE, result.text)
        or by_status
        or next(filter(None, words), None)
        or _first(_GENERAL, result.text)
        or "unknown"
    )


def class_of_status(status: int | None) -> str | None:
    """The class of an HTTP status; None when there was none."""
    if status is None:
        return None
    return _BY_STATUS.get(status, "overload" if status >= 500 else "request")


def class_of_errno(number: int | None) -> str:
    """Why the system refused to start something: it has no room, or the thing is wrong.

    A program that is just being replaced (ETXTBSY) is there again in a moment.
    """
    return "no_room" if number in _NO_ROOM else "not_started"


def class_of_retry(transcript: Transcript) -> str:
    """The class of what the CLI kept retrying."""
    retry = transcript.retry
    if retry is None:
        return "network"
    if retry.status == 429 and transcript.resets_at:
        return "quota"
    return class_of_status(retry.status) or _BY_WORD.get(retry.error) or "network"


def class_of_text(*texts: str) -> str | None:
    """The class that a sentence in one of the texts gives away; None when none does."""
    for text in texts:
        found = _first(_PRECISE, text) or _first(_GENERAL, text)
        if found:
            return found
    return None


def says_error(output: str) -> bool:
    """Whether a whole plain-text output is one of the CLI's error messages."""
    text = output.strip()
    return len(text) < 2000 and _CLI_ERRORS.match(text) is not None


def reset_time(text: str, now: float) -> float:
    """When a usage limit ends, by the message's own words (epoch seconds); 0 = it does not say.

    A clock time without a day is its next occurrence after `now`; without a zone it is UTC.
    """
    if epoch := _EPOCH.search(text):
        return float(epoch.group(1))
    found = _RESETS.search(text)
    if found is None:
        return 0.0
    try:
        return _moment(found, now)
    except ValueError:
        return 0.0


def _moment(found: re.Match[str], now: float) -> float:
    try:
        zone = ZoneInfo(found["zone"] or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder of zones
        zone = ZoneInfo("UTC")
    today = datetime.fromtimestamp(now, zone)
    hour = int(found["hour"])
    if found["half"]:
        hour = hour % 12 + (12 if found["half"].lower() == "pm" else 0)
    moment = today.replace(hour=hour, minute=int(found["minute"] or 0), second=0, microsecond=0)
    if found["month"]:
        month = datetime.strptime(found["month"].title(), "%b").month
        moment = moment.replace(month=month, day=int(found["day"]))
        return (moment if moment > today else moment.replace(year=today.year + 1)).timestamp()
    return (moment if moment > today else moment + timedelta(days=1)).timestamp()


def _first(table: tuple[tuple[str, str], ...], text: str) -> str | None:
    return next((name for name, pattern in table if re.search(pattern, text, re.MULTILINE)), None)
