"""Proves what the doctor says of an API key for every answer that an API, a proxy or nobody gives.

Against a stand-in on loopback; the key itself is shown nowhere and sent nowhere else.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from maestro_core.doctor import exit_code
from maestro_core.doctor.checks import api_key
from maestro_core.layout import Layout
from tests.core.doctor_kit import KEY, MODELS, Api, Patient, error_body, serving


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with serving() as one:
        yield one


@pytest.fixture
def patient(agent_root: Layout, api: Api) -> Patient:
    return Patient(agent_root, api.url)


def test_a_good_key_costs_one_question_and_no_tokens(patient: Patient, api: Api) -> None:
    found = patient.finding("auth.api_key")
    assert (found.status, found.remedy) == ("ok", "")
    ((method, path, headers, body),) = api.seen
    assert (method, path, body) == ("GET", "/v1/models?limit=1", b"")
    assert headers["x-api-key"] == KEY
    assert headers["anthropic-version"] == "2023-06-01"


def test_deep_sends_a_message_of_five_tokens(patient: Patient, api: Api) -> None:
    api.body = b'{"type": "message", "content": [{"type": "text", "text": "p"}]}'
    assert patient.finding("auth.api_key", deep=True).status == "ok"
    ((method, path, _, body),) = api.seen
    assert (method, path) == ("POST", "/v1/messages")
    assert json.loads(body)["max_tokens"] == 5


# ruff: noqa: E501  (one answer a line)
JSON_ANSWERS = [
    (401, error_body("authentication_error", "invalid x-api-key"), "fail", False, "is INVALID (HTTP 401", 1),
    (403, error_body("permission_error", "not allowed"), "fail", False, "HTTP 403 from 127.0.0.1: not allowed", 1),
    (403, b"<html>blocked</html>", "skip", True, "HTTP 403, which says nothing about the key", 3),
    (429, error_body("rate_limit_error", "slow down"), "warn", False, "limits this key just now", 0),
    (400, error_body("invalid_request_error", "Your credit balance is too low"), "fail", False, "has no credit", 1),
    (402, error_body("billing_error", "pay"), "fail", False, "has no credit", 1),
    (404, b"not found", "skip", True, "HTTP 404", 3),
    (500, b"", "skip", True, "in trouble (HTTP 500", 3),
    (529, error_body("overloaded_error", "Overloaded"), "skip", True, "in trouble (HTTP 529: Overloaded)", 3),
    (200, b"<html>Welcome to the hotel</html>", "skip", True, "not as the API does", 3),
    (200, b"[" * 100_000, "skip", True, "not as the API does", 3),
    (200, MODELS[:-1] + b" " * 1_000_000 + b"}", "skip", True, "not as the API does", 3),
    (302, b"", "skip", True, "HTTP 302", 3),
]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "body", "word", "unchecked", "said", "code"),
    JSON_ANSWERS,
    ids=[f"{answer[0]} {answer[2]} {number}" for number, answer in enumerate(JSON_ANSWERS)],
)
def test_every_answer_has_its_finding_and_exit_code(
    patient: Patient,
    api: Api,
    status: int,
    body: bytes,
    word: str,
    unchecked: bool,
    said: str,
    code: int,
) -> None:
    api.status, api.body = status, body
    found = patient.finding("auth.api_key")
    assert (found.status, found.unchecked) == (word, unchecked)
    assert said in found.detail
    assert found.remedy
    assert exit_code([found]) == code
    assert KEY not in found.detail + found.remedy


def test_a_refused_key_has_both_remedies(patient: Patient, api: Api) -> None:
    api.status, api.body = 401, error_body("authentication_error", "invalid x-api-key")
    remedy = patient.finding("auth.api_key").remedy
    assert "1. replace the key in .env with a valid one" in remedy
    assert "2. set MAESTRO_PREFER_SUBSCRIPTION_AUTH=1 in .env" in remedy


def test_an_answer_cannot_steer_the_terminal_or_echo_the_key(patient: Patient, api: Api) -> None:
    api.status = 403
    api.body = json.dumps({"error": {"type": "x", "message": f"\x1b]0;owned\x07 {KEY}"}}).encode()
    found = patient.finding("auth.api_key")
    assert found.detail.isprintable()
    assert KEY not in found.detail


def test_the_key_does_not_follow_a_redirect(patient: Patient, api: Api) -> None:
    with serving() as elsewhere:
        api.status, api.headers = 307, {"location": f"{elsewhere.url}/v1/models"}
        assert patient.finding("auth.api_key").unchecked
        assert elsewhere.seen == []


@pytest.mark.parametrize("mode", ["hang", "drip", "garbage", "reset"])
def test_network_trouble_is_no_failure_of_the_key(
    patient: Patient, api: Api, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_key, "_SECONDS", 0.3)

    def raw(request: BaseHTTPRequestHandler) -> None:
        if mode == "garbage":
            request.wfile.write(b"\x00\xff\x1b[2Jnot http at all\r\n\r\n")
        elif mode == "drip":
            request.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
            while not api.gate.wait(0.05):
                request.wfile.write(b"x")
        elif mode == "hang":
            api.gate.wait(30)
        request.close_connection = True

    api.raw = raw
    found = patient.finding("auth.api_key")
    assert (found.status, found.unchecked) == ("skip", True)
    assert "this says nothing about the key" in found.detail
    assert "check the network" in found.remedy
    assert exit_code([found]) == 3
    assert found.seconds < 5


def test_nobody_listens(patient: Patient) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound and not listening: refused
        patient.env(ANTHROPIC_BASE_URL=f"http://127.0.0.1:{held.getsockname()[1]}")
        found = patient.finding("auth.api_key")
    assert found.unchecked
    assert exit_code([found]) == 3


@pytest.mark.parametrize(
    ("changes", "word", "said"),
    [
        ({"MAESTRO_PREFER_SUBSCRIPTION_AUTH": "yes"}, "skip", "MAESTRO_PREFER_SUBSCRIPTION_AUTH is on"),
        ({"ANTHROPIC_API_KEY": None}, "skip", "not set"),
        ({"ANTHROPIC_API_KEY": "  "}, "skip", "blank"),
        ({"ANTHROPIC_API_KEY": "your-api-key-here"}, "skip", "a placeholder"),
        ({"ANTHROPIC_API_KEY": "sk-ant-\u200bapi03-0123456789"}, "fail", "characters that no key has"),
        ({"ANTHROPIC_API_KEY": "sk-ant-api03 0123456789"}, "fail", "holds blanks"),
        ({"ANTHROPIC_BASE_URL": "ftp://example.org"}, "fail", "no http or https address"),
        ({"ANTHROPIC_BASE_URL": "https:///v1"}, "fail", "no http or https address"),
        ({"ANTHROPIC_BASE_URL": "https://u:hunter22@example.org"}, "fail", "holds a name or password"),
        ({"ANTHROPIC_BASE_URL": "http://192.0.2.1"}, "warn", "over http, readable on the way"),
    ],
)  # fmt: skip
def test_nothing_is_asked_where_nothing_should_be(
    patient: Patient, api: Api, changes: dict[str, str | None], word: str, said: str
) -> None:
    patient.env(**changes)
    found = patient.finding("auth.api_key")
    assert (found.status, found.unchecked) == (word, False)
    assert said in found.detail
    assert "hunter22" not in found.detail
    assert api.seen == []


def test_offline_asks_nobody(patient: Patient, api: Api) -> None:
    found = patient.finding("auth.api_key", offline=True)
    assert (found.status, found.unchecked, found.detail) == ("skip", False, "offline")
    assert api.seen == []


def test_the_environment_wins_over_the_file(patient: Patient, api: Api) -> None:
    patient.environ["ANTHROPIC_API_KEY"] = "sk-ant-api03-from-the-environment"
    assert patient.finding("auth.api_key").status == "ok"
    assert api.seen[0][2]["x-api-key"] == "sk-ant-api03-from-the-environment"
    assert "hides the one in .env" in patient.finding("auth.way").detail
