"""What the stand-in of the Messages API can answer, as data: one `Reply` for each mode.

Pure. A reply is a status with a JSON body, or a stream of server-sent events that may wait,
break off, or never end.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

TEXT = "Hello from the stand-in. ünï ✓"
USAGE = {
    "input_tokens": 100, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 30,
    "output_tokens": 7,
}  # fmt: skip

End = Literal["close", "reset", "hang"]
"""After the last byte: close properly, break the connection, or keep it open in silence."""


@dataclass(frozen=True)
class Reply:
    """One answer. `pieces` are sent one by one, `pause` seconds apart."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pieces: tuple[bytes, ...] = ()
    pause: float = 0.0
    end: End = "close"


@dataclass(frozen=True)
class Asked:
    """The request that is answered. `number` counts from 1."""

    number: int
    body: dict[str, Any]

    @property
    def streams(self) -> bool:
        return self.body.get("stream") is True

    @property
    def model(self) -> str:
        return str(self.body.get("model", "claude-test"))

    @property
    def after_tool(self) -> bool:
        """Whether a tool's result is among the messages."""
        contents = [one.get("content") for one in self.body.get("messages") or []]
        blocks = [block for one in contents if isinstance(one, list) for block in one]
        return any(isinstance(one, dict) and one.get("type") == "tool_result" for one in blocks)


Mode = Callable[[Asked], Reply]


# ---- messages ------------------------------------------------------------------------------


def message(asked: Asked, *blocks: dict[str, Any], stop: str = "end_turn") -> Reply:
    """A finished assistant message, streamed or whole as the request wants it."""
    if asked.streams:
        return Reply(headers=_SSE, pieces=tuple(events(asked, *blocks, stop=stop)))
    whole = _message(asked) | {"content": list(blocks), "stop_reason": stop, "usage": USAGE}
    return _json(200, whole)


def text(said: str = TEXT) -> dict[str, Any]:
    return {"type": "text", "text": said}


def tool(name: str, arguments: dict[str, Any], number: int = 1) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_standin_{number}", "name": name, "input": arguments}


def events(asked: Asked, *blocks: dict[str, Any], stop: str = "end_turn") -> list[bytes]:
    """The server-sent events of a message."""
    begun = _message(asked) | {"usage": USAGE | {"output_tokens": 1}}
    sent = [_event("message_start", message=begun)]
    for index, block in enumerate(blocks):
        sent += _block_events(index, block)
    delta = {"stop_reason": stop, "stop_sequence": None}
    sent.append(_event("message_delta", delta=delta, usage={"output_tokens": 7}))
    return [*sent, _event("message_stop")]


def _delta(said: str) -> dict[str, str]:
    return {"type": "text_delta", "text": said}


def _block_events(index: int, block: dict[str, Any]) -> list[bytes]:
    if block["type"] == "text":
        empty, delta = text(""), _delta(block["text"])
    else:
        empty = block | {"input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
    return [
        _event("content_block_start", index=index, content_block=empty),
        _event("content_block_delta", index=index, delta=delta),
        _event("content_block_stop", index=index),
    ]


def _message(asked: Asked) -> dict[str, Any]:
    return {
        "id": f"msg_standin_{asked.number}", "type": "message", "role": "assistant",
        "model": asked.model, "content": [], "stop_reason": None, "stop_sequence": None,
    }  # fmt: skip


_SSE = {"content-type": "text/event-stream; charset=utf-8"}


def _event(kind: str, **fields: Any) -> bytes:
    data = json.dumps({"type": kind, **fields}, ensure_ascii=False)
    return f"event: {kind}\ndata: {data}\n\n".encode()


def _json(status: int, document: dict[str, Any], headers: dict[str, str] | None = None) -> Reply:
    return Reply(
        status, {"content-type": "application/json", **(headers or {})},
        (json.dumps(document, ensure_ascii=False).encode(),),
    )  # fmt: skip


def error(status: int, kind: str, said: str, **headers: str) -> Mode:
    """An API error. Header names are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    document = {"type": "error", "error": {"type": kind, "message": said}}
    return lambda asked: _json(
        status, document | {"request_id": f"req_standin_{asked.number}"}, named
    )


# ---- modes that answer ---------------------------------------------------------------------


def ok(asked: Asked) -> Reply:
    return message(asked, text())


def says(said: str) -> Mode:
    return lambda asked: message(asked, text(said))


def empty(asked: Asked) -> Reply:
    return message(asked)


def refusal(asked: Asked) -> Reply:
    return message(asked, text(""), stop="refusal")


def too_long_answer(asked: Asked) -> Reply:
    return message(asked, text(), stop="max_tokens")


def uses_tool(name: str, arguments: dict[str, Any]) -> Mode:
    """One tool call, and an answer once its result is there."""
    return lambda asked: (
        ok(asked)
        if asked.after_tool
        else message(asked, text(), tool(name, arguments, asked.number), stop="tool_use")
    )


def loops(name: str, arguments: dict[str, Any]) -> Mode:
    """The same tool call for ever."""
    return lambda asked: message(asked, tool(name, arguments, asked.number), stop="tool_use")


def bash(command: str, **more: Any) -> Mode:
    return uses_tool("Bash", {"command": command, "description": "run", **more})


def slow(pieces: int = 20, pause: float = 0.1) -> Mode:
    """A text that comes word by word."""

    def reply(asked: Asked) -> Reply:
        if not asked.streams:
            return ok(asked)
        word = _event("content_block_delta", index=0, delta=_delta("tok "))
        begin, start, _, *end = events(asked, text(""))
        return Reply(headers=_SSE, pieces=(begin, start, *[word] * pieces, *end), pause=pause)

    return reply


# ---- modes that do not ---------------------------------------------------------------------


def hang(asked: Asked) -> Reply:
    """Not a byte."""
    return Reply(status=0, end="hang")


def reset(asked: Asked) -> Reply:
    """The connection is broken before an answer."""
    return Reply(status=0, end="reset")


def stall(asked: Asked) -> Reply:
    """Begins to answer and falls silent."""
    return Reply(headers=_SSE, pieces=tuple(events(asked, text())[:3]), end="hang")


def truncated(asked: Asked) -> Reply:
    """Begins to answer, then the connection breaks."""
    if not asked.streams:
        return ok(asked)
    return Reply(headers=_SSE, pieces=tuple(events(asked, text())[:3]), end="reset")


def no_stop(asked: Asked) -> Reply:
    """Ends cleanly, but without its last event."""
    return Reply(headers=_SSE, pieces=tuple(events(asked, text())[:3]))


def error_event(asked: Asked) -> Reply:
    """A 200, and then an error among the events."""
    if not asked.streams:
        return ok(asked)
    failed = _event("error", error={"type": "overloaded_error", "message": "Overloaded"})
    return Reply(headers=_SSE, pieces=(*events(asked, text())[:2], failed))


def html(status: int) -> Mode:
    page = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
    return lambda asked: Reply(status, {"content-type": "text/html"}, (page,))


def usage_limit(resets_at: int) -> Mode:
    """The subscription's limit, with the headers that name its end."""
    prefix = "anthropic-ratelimit-unified"
    headers = {
        f"{prefix}-status": "rejected", f"{prefix}-reset": str(resets_at),
        f"{prefix}-representative-claim": "five_hour", f"{prefix}-5h-status": "rejected",
        f"{prefix}-5h-reset": str(resets_at), f"{prefix}-5h-utilization": "1.0",
    }  # fmt: skip
    return error(
        429, "rate_limit_error", "This request would exceed your account's rate limit.", **headers
    )


def first(count: int, mode: Mode, then: Mode = ok) -> Mode:
    """Some requests answered in one way, all later ones in another."""
    return lambda asked: mode(asked) if asked.number <= count else then(asked)


def only_model(name: str) -> Mode:
    missing = error(404, "not_found_error", "model: not here")
    return lambda asked: ok(asked) if name in asked.model else missing(asked)


MODES: dict[str, Mode] = {
    "ok": ok,
    "slow": slow(),
    "empty": empty,
    "big": says("x" * 200_000),
    "tool_use": bash("echo tool-ran; echo err >&2"),
    "loop": loops("Bash", {"command": "echo hi", "description": "run"}),
    "400": error(400, "invalid_request_error", "messages: at least one message is required"),
    "401": error(401, "authentication_error", "invalid x-api-key"),
    "401-no-retry": error(401, "authentication_error", "invalid x-api-key", x_should_retry="false"),
    "403": error(403, "permission_error", "Your key may not use this resource."),
    "404": error(404, "not_found_error", "model: not here"),
    "413": error(413, "request_too_large", "Request exceeds the maximum size"),
    "429": error(429, "rate_limit_error", "This request would exceed the limit", retry_after="1"),
    "429-long": error(429, "rate_limit_error", "Try again later", retry_after="3600"),
    "credit": error(400, "invalid_request_error", "Your credit balance is too low to access it"),
    "too-long": error(400, "invalid_request_error", "prompt is too long: 300000 > 200000 maximum"),
    "500": error(500, "api_error", "Internal server error"),
    "502": html(502),
    "529": error(529, "overloaded_error", "Overloaded"),
    "hang": hang,
    "reset": reset,
    "stall": stall,
    "truncated": truncated,
    "no-stop": no_stop,
    "error-event": error_event,
    "flaky": first(1, error(529, "overloaded_error", "Overloaded")),
    "only-haiku": only_model("haiku"),
    "max-tokens": too_long_answer,
    "refusal": refusal,
}
