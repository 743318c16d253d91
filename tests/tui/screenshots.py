"""Draws screenshots/*.svg of every screen from fixed data: `python -m tests.tui.screenshots`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from textual.widgets import Input

from maestro_core.layout import Layout
from maestro_core.observe.snapshot import Snapshot
from maestro_tui.app import MaestroApp
from tests.tui.fixed import CADENCES, RUNNING, SNAPSHOT, FixedBackend, at
from tests.tui.support import settled

TARGET = Path(__file__).parents[2] / "screenshots"
LOG = "logs/cadence-bus/subsessions/inbox-processor.stdout.log"

PICTURES: dict[str, tuple[tuple[int, int], tuple[str, ...]]] = {
    "board": ((120, 36), ()),
    "board-narrow": ((80, 24), ()),
    "dead-letters": ((120, 36), ("2", "j")),
    "runs": ((120, 36), ("3",)),
    "journal": ((120, 36), ("4",)),
    "doctor": ((120, 36), ("5",)),
    "costs": ((120, 36), ("6",)),
    "explain": ((120, 36), ("j", "k", "l", "escape", "right", "e")),
    "retry": ((120, 36), ("2", "R")),
    "help": ((120, 36), ("?",)),
    "palette": ((120, 36), (":",)),
}


def transcript() -> list[dict[str, Any]]:
    """What the sub-session has written so far."""

    def says(text: str) -> dict[str, Any]:
        return {"type": "text", "text": text}

    def calls(number: int, name: str, **given: Any) -> dict[str, Any]:
        return {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": given}

    def gives(number: int, text: str, failed: bool = False) -> dict[str, Any]:
        return {
            "type": "tool_result", "tool_use_id": f"toolu_{number}",
            "content": text, "is_error": failed,
        }  # fmt: skip

    turns: list[tuple[str, dict[str, Any]]] = [
        ("assistant", says("Seven new messages. I sort them by sender first.")),
        ("assistant", calls(1, "Bash", command="ls state/inbox | wc -l")),
        ("user", gives(1, "7")),
        ("assistant", calls(2, "Read", file_path="state/inbox/0411-invoice.md")),
        ("user", gives(2, "Invoice 0411 is due on Friday.")),
        ("assistant", says("An invoice: it goes to the chaser, with its due date.")),
        ("assistant", calls(3, "Write", file_path="state/invoices/0411.json", content="{…}")),
        ("user", gives(3, "written")),
        ("assistant", calls(4, "Bash", command="mail --check-address finance@…")),
        ("user", gives(4, "mail: no such address", failed=True)),
        ("assistant", calls(5, "Bash", command="grep -ri finance contacts/")),
    ]
    start: dict[str, Any] = {
        "type": "system", "subtype": "init", "session_id": "s", "model": "sonnet",
        "tools": ["Bash"],
    }  # fmt: skip
    return [start] + [
        {"type": kind, "message": {"role": kind, "content": [part]}, "session_id": "s"}
        for kind, part in turns
    ]


def snapshot_with_log(root: Path) -> Snapshot:
    """The fixed snapshot, its run with a log under `root`."""
    path = root / LOG
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in transcript()), encoding="utf-8")
    running = replace(RUNNING, stdout_path=LOG, timeout_at=at(858))
    views = tuple(replace(view, running=running) if view.running else view for view in CADENCES)
    return replace(SNAPSHOT, running=(running,), cadences=views)


async def draw(name: str, root: Path) -> None:
    """One picture."""
    size, keys = PICTURES[name]
    backend = FixedBackend(snapshot_with_log(root))
    backend.layout = Layout(root)
    app = MaestroApp(backend)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        for key in keys:
            await pilot.press(key)
            await settled(pilot)
        app.clear_notifications()
        await settled(pilot)
        (TARGET / f"{name}.svg").write_text(
            app.export_screenshot(title="maestro"), encoding="utf-8"
        )


async def main(names: list[str]) -> None:
    os.environ["TZ"] = "UTC"
    os.environ.pop("NO_COLOR", None)
    time.tzset()
    Input.cursor_blink._default = False
    TARGET.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in names or PICTURES:
            await draw(name, Path(folder))
            print(f"screenshots/{name}.svg")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
