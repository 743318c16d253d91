"""What a check says: a verdict, and the finding that a person or a program reads.

Ids of checks are stable: scripts go by them. Texts of findings are masked and safe to print.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from msgspec import Struct

Status = Literal["ok", "warn", "fail", "skip"]
MARKS: dict[Status, str] = {"ok": "OK", "warn": "WARN", "fail": "FAIL", "skip": "SKIP"}


class Verdict(NamedTuple):
    """What one check found; `unchecked` = it could not find out (only with skip)."""

    status: Status
    detail: str
    remedy: str = ""
    unchecked: bool = False


class Finding(Struct, frozen=True, kw_only=True):
    """One check's outcome. `remedy` says what to do, often as a command; "" = nothing."""

    id: str
    title: str
    status: Status
    detail: str
    remedy: str = ""
    seconds: float = 0.0
    slow: bool = False
    """It took longer than a second."""
    unchecked: bool = False
    """It could not be found out: no network, no time, an error of the check itself."""


def ok(detail: str) -> Verdict:
    return Verdict("ok", detail)


def warn(detail: str, remedy: str) -> Verdict:
    return Verdict("warn", detail, remedy)


def fail(detail: str, remedy: str) -> Verdict:
    return Verdict("fail", detail, remedy)


def skip(detail: str) -> Verdict:
    """The check does not apply here."""
    return Verdict("skip", detail)


def unchecked(detail: str, remedy: str = "") -> Verdict:
    """The check applies and could not find out."""
    return Verdict("skip", detail, remedy, unchecked=True)
