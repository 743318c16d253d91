"""Proves that secrets of the settings and well-known shapes are masked, ordinary text not."""

from __future__ import annotations

import json
import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maestro_core.redact import MASK, Redactor, is_placeholder, is_secret_name

SECRET = "canary-7f3a9c21e0"


@pytest.mark.parametrize(
    "name",
    ["ANTHROPIC_API_KEY", "SLACK_USER_TOKEN", "GMAIL_APP_PASSWORD", "client_secret", "DB_PASS",
     "GITHUB_PAT", "SENTRY_DSN", "SLACK_WEBHOOK_URL", "SSH_PASSPHRASE", "APIKEY", "DATABASE_URL"],
)  # fmt: skip
def test_names_that_hold_secrets(name: str) -> None:
    assert is_secret_name(name)
    assert Redactor({name: SECRET})(f"x {SECRET} y") == f"x {MASK} y"


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "PWD",
        "OLDPWD",
        "HOME",
        "AGENT_NAME",
        "KEYBOARD",
        "COMPASS",
        "PATTERN",
        "MAESTRO_POLL_SECONDS",
    ],
)
def test_names_that_hold_none(name: str) -> None:
    assert Redactor({name: SECRET})(SECRET) == SECRET


def test_short_and_placeholder_values_are_left() -> None:
    redact = Redactor(
        {"A_KEY": "short", "B_KEY": "your-api-key-here", "C_KEY": "", "D_TOKEN": "   "}
    )
    assert redact("short your-api-key-here") == "short your-api-key-here"


def test_a_value_inside_a_longer_one_leaves_no_rest() -> None:
    redact = Redactor({"A_KEY": SECRET, "B_KEY": SECRET + "-and-more"})
    assert redact(f"{SECRET}-and-more {SECRET}") == f"{MASK} {MASK}"


def test_values_in_json_in_urls_and_line_by_line() -> None:
    value = 'pa"ss/wörd \\ 12345\nsecond-line-98765'
    redact = Redactor({"THE_PASSWORD": value})
    for text in (
        json.dumps({"a": value}),
        json.dumps(value, ensure_ascii=False),
        quote(value, safe=""),
        quote(value),
    ):
        masked = redact(text)
        assert "12345" not in masked
        assert "98765" not in masked
    assert redact("log: second-line-98765") == f"log: {MASK}"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("key sk-ant-api03-AbCdEf_12-34567890 end", "AbCdEf_12-34567890"),
        ("sk-proj-abcdefghijklmnopqrstuvwxyz0123", "abcdefghijklmnop"),
        ("sk_live_abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnop"),
        ("xoxp-123456789-abcdef", "123456789"),
        ("xapp-1-A0123456-789", "A0123456"),
        ("ghp_0123456789abcdefghijABCDEFGHIJ012345", "0123456789"),
        ("github_pat_11ABCDEFG0abcdefghij_xyz", "11ABCDEFG0"),
        ("glpat-abcdefghij0123456789", "abcdefghij"),
        ("AKIAIOSFODNN7EXAMPLE", "IOSFODNN7"),
        ("AIza" + "B" * 35, "BBBB"),
        ("Authorization: Bearer abc.def-ghi_123==", "abc.def"),
        ("authorization: BEARER abcdefgh12", "abcdefgh12"),
        ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpw"),
        ('{"x-api-key": "0123456789abcdef"}', "0123456789"),
        ("X-Api-Key: 0123456789abcdef", "0123456789"),
        ("eyJhbGciOiJIUzI1.eyJzdWIiOiIx.c2lnbmF0dXJl", "eyJzdWIi"),
        ("https://hooks.slack.com/services/T000/B000/abcdef", "abcdef"),
        ("postgres://agent:hunter2@db/x", "hunter2"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----", "MIIabc"),
        ("-----BEGIN PRIVATE KEY-----\nMIIabc cut off", "MIIabc"),
    ],
)
def test_well_known_shapes(text: str, secret: str) -> None:
    masked = Redactor({})(text)
    assert secret not in masked
    assert MASK in masked


@pytest.mark.parametrize(
    "text",
    ["the risk-taking task-list-of-things-to-do-today", "a bearer of bad news", "basic training",
     "https://example.org/a:b@c", "sk-ant-xxxxxxxxxxxx", "monkey ASIAN food", "mask_me desk_lamp",
     "http://[::1]:8080/x"],
)  # fmt: skip
def test_ordinary_text_is_left(text: str) -> None:
    assert Redactor({})(text) == text


@given(st.text(max_size=60), st.text(max_size=60))
def test_the_value_never_survives_and_masking_twice_changes_nothing(
    before: str, after: str
) -> None:
    redact = Redactor({"SOME_API_KEY": SECRET})
    masked = redact(before + SECRET + after)
    assert SECRET not in masked
    assert redact(masked) == masked


def test_placeholders() -> None:
    for value in ("", "  ", "your-api-key-here", "PLACEHOLDER", "xxxx", " sk-ant-XXX-1"):
        assert is_placeholder(value)
    assert not is_placeholder("sk-ant-api03-real")


@pytest.mark.parametrize(
    "unit",
    ["eyJ-", "sk-", "x-api-key ", "Bearer ", "a://b:", "-----BEGIN PRIVATE KEY-----", "xox", "y"],
)
def test_a_megabyte_of_bait_takes_no_time(unit: str) -> None:
    redact = Redactor({f"A{n}_KEY": f"{SECRET}{n}" for n in range(20)})
    text = unit * (1_000_000 // len(unit))
    started = time.perf_counter()
    redact(text)
    assert time.perf_counter() - started < 1.0
