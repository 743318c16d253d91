"""Events of stream-json as the real CLI writes them, as small as they can be; hand-made."""

from __future__ import annotations

import json
from typing import Any

SESSION = "5e5510f0-0000-4000-8000-000000000001"
MODEL = "claude-opus-5-5"


def line(event: dict[str, Any]) -> bytes:
    return json.dumps({"session_id": SESSION, **event}, ensure_ascii=False).encode() + b"\n"


def stream(*events: dict[str, Any]) -> bytes:
    return b"".join(line(one) for one in events)


def init(**more: Any) -> dict[str, Any]:
    return {
        "type": "system", "subtype": "init", "model": MODEL, "apiKeySource": "ANTHROPIC_API_KEY",
        "claude_code_version": "2.1.330", "permissionMode": "default", **more,
    }  # fmt: skip


def system(subtype: str, **more: Any) -> dict[str, Any]:
    return {"type": "system", "subtype": subtype, **more}


def retry(
    attempt: int, status: int | None, error: str = "unknown", limit: int = 10
) -> dict[str, Any]:
    return system(
        "api_retry", attempt=attempt, max_retries=limit, retry_delay_ms=600, error_status=status,
        error=error,
    )  # fmt: skip


def assistant(
    *content: dict[str, Any], number: int = 1, at: str | None = None, **more: Any
) -> dict[str, Any]:
    usage = {
        "input_tokens": 100, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 30,
        "output_tokens": 1,
    }  # fmt: skip
    message = {"id": f"msg_{number}", "role": "assistant", "model": MODEL, "content": list(content)}
    event = {"type": "assistant", "message": message | {"usage": usage}, "parent_tool_use_id": None}
    return event | more | ({"timestamp": at} if at else {})


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def tool(name: str, call: str = "toolu_1", **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call, "name": name, "input": arguments}


def tool_result(
    said: Any, call: str = "toolu_1", *, error: bool = False, at: str | None = None
) -> dict[str, Any]:
    block = {"tool_use_id": call, "type": "tool_result", "content": said, "is_error": error}
    event = {"type": "user", "message": {"role": "user", "content": [block]}}
    return event | ({"timestamp": at} if at else {})


def api_failure(
    said: str, error: str, status: int | None, kind: str | None = None
) -> dict[str, Any]:
    """The assistant event with which the CLI shows an API error."""
    event = assistant(text(said), error=error, is_api_error_message=True, api_error_status=status)
    event["message"]["model"] = "<synthetic>"
    return event | {"api_error_type": kind}


def spent(times: int = 1, model: str = MODEL) -> dict[str, Any]:
    return {
        model: {
            "inputTokens": 100 * times, "outputTokens": 7 * times,
            "cacheReadInputTokens": 30 * times, "cacheCreationInputTokens": 20 * times,
            "costUSD": 0.0005 * times,
        }
    }  # fmt: skip


def result(
    said: str | None = "Done.", *, times: int = 1, total: int | None = None, **more: Any
) -> dict[str, Any]:
    """A result after `times` requests, `total` of them since the session began."""
    total = times if total is None else total
    event: dict[str, Any] = {
        "total_cost_usd": 0.0005 * total, "modelUsage": spent(total) if total else {},
        "model_usage_since_last_result": spent(times) if times else {},
        "permission_denials": [], "terminal_reason": "completed", "stop_reason": "end_turn",
        "is_error": False, "num_turns": max(times, 1), "subtype": "success",
        "api_error_status": None, "type": "result", "duration_ms": 60, "result_index": 0,
    }  # fmt: skip
    if said is not None:
        event["result"] = said
    return event | more


def failed_result(said: str, status: int | None = None, **more: Any) -> dict[str, Any]:
    """An API failure: subtype success, is_error true, nothing used."""
    failed = {"is_error": True, "terminal_reason": "api_error", "api_error_status": status}
    return result(said, times=0, **(failed | more))
