"""The round as a person, a program and a shell read it: plain text, JSON, exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from maestro_core import __version__
from maestro_core.clock import iso
from maestro_core.doctor.finding import MARKS, Finding

SCHEMA_VERSION = 1

FINE, FAILED, USAGE, NOT_CHECKED = 0, 1, 2, 3
"""Exit codes; 2 is for the command line and the agent root."""


def exit_code(findings: Sequence[Finding], *, strict: bool = False) -> int:
    """1 for a failure (strict: for a warning too), else 3 when something could not be checked."""
    bad = {"fail", "warn"} if strict else {"fail"}
    if any(one.status in bad for one in findings):
        return FAILED
    return NOT_CHECKED if any(one.unchecked for one in findings) else FINE


def doctor_document(
    findings: Sequence[Finding], *, root: str, at: float, strict: bool = False,
    offline: bool = False, deep: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """What `doctor --json` prints; `at` is wall epoch seconds."""
    code = exit_code(findings, strict=strict)
    return {
        "schema_version": SCHEMA_VERSION,
        "version": __version__,
        "generated": iso(at),
        "root": root,
        "offline": offline,
        "deep": deep,
        "strict": strict,
        "ok": code == FINE,
        "exit_code": code,
        "counts": counts(findings),
        "findings": [msgspec.to_builtins(one) for one in findings],
    }


def counts(findings: Sequence[Finding]) -> dict[str, int]:
    """How many findings have each status, and how many could not be checked."""
    found = Counter(one.status for one in findings)
    return {
        **{status: found[status] for status in MARKS},
        "unchecked": sum(one.unchecked for one in findings),
    }


def render_plain(findings: Sequence[Finding]) -> str:
    """One line a check, its remedy indented below it, a summary; no colour, no escapes."""
    return "\n".join([*map(render_line, findings), summary(findings)]) + "\n"


def render_line(finding: Finding) -> str:
    """`FAIL  Title: detail (3.1 s)` and the remedy below it."""
    word = "????" if finding.unchecked else MARKS[finding.status]
    slow = f" ({finding.seconds:.1f} s)" if finding.slow else ""
    head = f"{word:<4}  {finding.title}: {_indented(finding.detail)}{slow}"
    if not finding.remedy or finding.status == "ok":
        return head
    return f"{head}\n      -> {_indented(finding.remedy)}"


def summary(findings: Sequence[Finding]) -> str:
    """`21 ok, 2 warnings, 1 failure, 3 skipped, 1 not checked`"""
    found = counts(findings)
    words = (
        (found["ok"], "ok", "ok"),
        (found["warn"], "warning", "warnings"),
        (found["fail"], "failure", "failures"),
        (found["skip"] - found["unchecked"], "skipped", "skipped"),
        (found["unchecked"], "not checked", "not checked"),
    )
    return ", ".join(f"{n} {one if n == 1 else many}" for n, one, many in words if n)


def _indented(text: str) -> str:
    return text.replace("\n", "\n         ")
