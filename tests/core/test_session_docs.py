"""docs/sub-sessions.md is true: its example works, its table is that of the code."""

from __future__ import annotations

import re
from pathlib import Path

from maestro_core.models import Tick
from maestro_core.session.command import Options
from maestro_core.session.failures import FAILURES, MINUTE
from maestro_core.session.prompt import read_prompt
from maestro_core.session.surroundings import BACKGROUND_GRACE, RESULT_GRACE
from maestro_core.session.work import LOOK_SECONDS, STUBBORN_SECONDS

PAGE = Path(__file__).parents[2] / "docs" / "sub-sessions.md"


def test_the_prompt_of_the_page_is_read_as_it_says(tmp_path: Path) -> None:
    example = re.search(r"```\n(---.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    path = tmp_path / "memo.md"
    path.write_text(example[1])
    tick = Tick(id="t", cadence="memo", source="cron", payload={"subject": "tea"})
    prompt = read_prompt(path, tick)
    assert prompt.notes == ()
    assert prompt.text == "Work on tea, asked for by cron.\n"
    assert prompt.options == Options(
        model="claude-sonnet-5-5", max_turns=30, max_budget_usd=0.5, permission_mode="acceptEdits",
        allowed_tools=("Read", "Bash(git log:*)"), add_dirs=("../shared",),
    )  # fmt: skip


def test_the_table_of_classes_is_that_of_the_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (yes|no) \| ?(.*?) ?\|$", PAGE.read_text(), re.M)
    assert [row[0] for row in rows] == list(FAILURES)
    for name, outcome, pays, holds in rows:
        policy = FAILURES[name]
        assert (outcome, pays) == (policy.outcome, "yes" if policy.spends_attempt else "no")
        assert _minutes(holds) == (policy.hold, round(policy.hold_seconds / MINUTE)), name


def _minutes(cell: str) -> tuple[str, int]:
    found = re.match(r"(all).*?(\d+) min", cell)
    return (found[1], int(found[2])) if found else ("none", 0)


def test_the_graces_of_the_page_are_those_of_the_code() -> None:
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    graces = f"{RESULT_GRACE:g} s after its result ({BACKGROUND_GRACE:g} s while a task"
    assert graces in text
    assert f"survive SIGKILL for {STUBBORN_SECONDS:g} s" in text
    assert f"between two looks ({LOOK_SECONDS:g} s apart)" in text
