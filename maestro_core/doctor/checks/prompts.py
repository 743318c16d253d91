"""The prompt files: there for every cadence that needs one, readable, not empty, not too long."""

from __future__ import annotations

import os
from pathlib import Path

from maestro_core.doctor.context import Check, Context
from maestro_core.doctor.finding import Verdict, fail, ok, skip

STDIN_LIMIT = 10 << 20
"""The CLI takes no longer prompt."""


def prompts(context: Context) -> Verdict:
    cadences = context.settings.cadences
    needed = [name for name, one in cadences.items() if one.mode != "inline"]
    if not needed:
        return skip("no registered cadence needs a prompt")
    layout = context.layout
    faults = {name: prompt_fault(layout.prompt(name)) for name in needed}
    wrong = [f"{layout.prompt(name)}: {why}" for name, why in sorted(faults.items()) if why]
    if wrong:
        return fail(
            "\n".join(wrong),
            "write what the cadence should do into schedules/triggers/<cadence>.md; without it"
            " each of its ticks becomes a dead letter",
        )
    return ok(f"{len(needed)} of {len(needed)} there")


def prompt_fault(path: Path) -> str | None:
    """What keeps a prompt file from being used; None = nothing."""
    try:
        if not path.is_file():
            return "is no regular file" if os.path.lexists(path) else "is not there"
        if path.stat().st_size > STDIN_LIMIT:
            return f"is larger than {STDIN_LIMIT >> 20} MB"
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        return "is not UTF-8"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if not text.strip():
        return "is empty"
    return "begins with a slash: a command is no prompt" if text.lstrip()[0] == "/" else None


CHECKS = (Check("prompts.present", "Prompts", prompts),)
