"""The doctor: one small check for each thing that keeps an agent from working.

`run_checks` runs them in parallel and changes nothing; `plan_repairs` and `apply_repairs` do
the few safe repairs. docs/doctor.md lists every check.
"""

from __future__ import annotations

from maestro_core.doctor.checks import CHECKS
from maestro_core.doctor.context import Check, Context
from maestro_core.doctor.finding import Finding, Status, Verdict
from maestro_core.doctor.repair import Repair, Repaired, apply_repairs, plan_repairs
from maestro_core.doctor.report import (
    doctor_document,
    exit_code,
    render_line,
    render_plain,
    summary,
)
from maestro_core.doctor.runner import run_checks, select

__all__ = [
    "CHECKS", "Check", "Context", "Finding", "Repair", "Repaired", "Status", "Verdict",
    "apply_repairs", "doctor_document", "exit_code", "plan_repairs", "render_line",
    "render_plain", "run_checks", "select", "summary",
]  # fmt: skip
