"""The stand-in of the Messages API answers as each mode says, and lets go of whoever hangs."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest

from tests.standin import replies
from tests.standin.api import MessagesApi

STATUS = {
    "400": 400, "401": 401, "401-no-retry": 401, "403": 403, "404": 404, "413": 413, "429": 429,
    "429-long": 429, "credit": 400, "too-long": 400, "500": 500, "502": 502, "529": 529,
    "only-haiku": 404,
}  # fmt: skip
STREAMS = ["ok", "slow", "empty", "big", "tool_use", "loop", "max-tokens", "refusal"]
BROKEN = ["hang", "reset", "stall", "truncated", "no-stop", "error-event", "flaky"]


def ask(api: MessagesApi, stream: bool = True, **body: Any) -> tuple[int, bytes]:
    host = api.url.removeprefix("http://")
    line = http.client.HTTPConnection(host, timeout=10)
    try:
        document = {"model": "claude-opus-5-5", "stream": stream, "messages": [], **body}
        line.request("POST", "/v1/messages?beta=true", json.dumps(document))
        answer = line.getresponse()
        return answer.status, answer.read()
    finally:
        line.close()


def events(raw: bytes) -> list[dict[str, Any]]:
    return [json.loads(one[6:]) for one in raw.splitlines() if one.startswith(b"data: ")]


@pytest.mark.parametrize("mode", STREAMS)
def test_a_message_is_streamed_from_its_start_to_its_stop(mode: str) -> None:
    with MessagesApi(replies.slow(3, 0) if mode == "slow" else mode) as api:
        status, raw = ask(api)
    kinds = [one["type"] for one in events(raw)]
    assert status == 200
    assert (kinds[0], kinds[-2:]) == ("message_start", ["message_delta", "message_stop"])
    assert kinds.count("content_block_start") == kinds.count("content_block_stop")


@pytest.mark.parametrize("mode", STREAMS)
def test_the_same_message_can_be_had_whole(mode: str) -> None:
    with MessagesApi(mode) as api:
        status, raw = ask(api, stream=False)
    assert status == 200 and json.loads(raw)["usage"]["output_tokens"] == 7


@pytest.mark.parametrize(("mode", "expected"), STATUS.items())
def test_an_error_has_its_status(mode: str, expected: int) -> None:
    with MessagesApi(mode) as api:
        status, raw = ask(api)
    assert status == expected
    assert mode == "502" or json.loads(raw)["error"]["message"]


def test_every_mode_is_tested() -> None:
    assert {*STATUS, *STREAMS, *BROKEN} == replies.MODES.keys()


def test_a_tool_is_asked_for_once() -> None:
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]}
    with MessagesApi("tool_use") as api:
        assert b"tool_use" in ask(api)[1]
        assert b"tool_use" not in ask(api, messages=[result, {"role": "user", "content": "x"}])[1]


def test_the_usage_limit_comes_in_headers() -> None:
    reply = replies.usage_limit(1_900_000_000)(replies.Asked(1, {}))
    assert reply.headers["anthropic-ratelimit-unified-reset"] == "1900000000"


@pytest.mark.parametrize("mode", ["reset", "truncated"])
def test_a_connection_can_break(mode: str) -> None:
    with MessagesApi(mode) as api, pytest.raises((ConnectionError, http.client.HTTPException)):
        ask(api)


def test_a_stream_can_end_early_or_with_an_error() -> None:
    with MessagesApi("no-stop") as api:
        assert events(ask(api)[1])[-1]["type"] == "content_block_delta"
    with MessagesApi("error-event") as api:
        assert events(ask(api)[1])[-1]["error"]["type"] == "overloaded_error"


def test_it_can_recover() -> None:
    with MessagesApi("flaky") as api:
        assert [ask(api)[0] for _ in range(3)] == [529, 200, 200]
        assert api.wait_for(3, 1) and not api.wait_for(4, 0)


@pytest.mark.parametrize("mode", ["hang", "stall"])
def test_who_hangs_is_let_go_when_it_closes(mode: str) -> None:
    api = MessagesApi(mode).__enter__()
    host = api.url.removeprefix("http://")
    line = http.client.HTTPConnection(host, timeout=10)
    line.request("POST", "/v1/messages", json.dumps({"stream": True}))
    assert api.wait_for(1, 5)
    api.close()
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        answer = line.getresponse()
        answer.read()
        raise http.client.IncompleteRead(b"")  # a stall has said something before
    line.close()


@pytest.mark.parametrize(
    ("mode", "status"), [("ok", 200), ("401", 401), ("403", 403), ("529", 200), ("hang", 200)]
)
def test_a_refused_key_is_refused_the_list_of_models_too(mode: str, status: int) -> None:
    with MessagesApi(mode) as api:
        line = http.client.HTTPConnection(api.url.removeprefix("http://"), timeout=10)
        line.request("GET", "/v1/models?limit=1")
        answer = line.getresponse()
        assert (answer.status, bool(answer.read())) == (status, True)
        line.close()
