"""Makes the demo's agent root: its files, a past, and what waits for an operator.

The files themselves lie in the folder agent/ beside this module and are copied as they are.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

from maestro_core.clock import Clock, SystemClock, iso
from maestro_core.demo.history import seed_history
from maestro_core.errors import UsageError
from maestro_core.files import FILE_MODE, FOLDER_MODE
from maestro_core.layout import Layout
from maestro_core.models import Failure, Tick, tick_document

MARKER = ".maestro-demo"
_FILES = Path(__file__).with_name("agent")
_STAND_IN = Path(__file__).with_name("stand_in.py")

_DISK_FULL = (
    "exit 1: make: *** [reports/morning.pdf] Error 1 | "
    "OSError: [Errno 28] No space left on device | report-builder: gave up"
)
_BAD_GATEWAY = (
    "exit 1: sync: page 3 of 7 | sync: upstream answered 502 Bad Gateway | "
    "sync: giving up after 3 tries"
)
_UNKNOWN = "no cadence is registered under this name, and it has no prompt"
_DEAD = (
    # cadence, minutes ago, error
    ("report-builder", 410, _DISK_FULL),
    ("report-builder", 385, _DISK_FULL),
    ("report-builder", 371, _DISK_FULL),
    ("crm-sync", 96, _BAD_GATEWAY),
    ("newsletter", 44, _UNKNOWN),
)


def prepare_demo(folder: str | os.PathLike[str], clock: Clock | None = None) -> Layout:
    """An agent root in `folder`, ready for a consumer. One that was kept is used again.

    Raises:
        UsageError: the folder holds something else.
    """
    clock = clock or SystemClock()
    layout = Layout(os.path.realpath(folder))
    if (layout.root / MARKER).is_file():
        install_stand_in(layout)  # the Python that made it may be gone
        return layout
    if layout.root.exists() and any(layout.root.iterdir()):
        raise UsageError(f"{folder} is not empty and no demo", "name a new folder")
    for part in (layout.root, *layout.folders()):
        part.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    shutil.copytree(_FILES, layout.root, dirs_exist_ok=True)
    install_stand_in(layout)
    _write_env(layout)
    seed_history(layout, clock.wall())
    _seed_waiting(layout, clock.wall())
    (layout.root / MARKER).write_text(f"{os.getpid()}\n")
    return layout


def install_stand_in(layout: Layout) -> Path:
    """The stand-in as an executable bin/claude of the root; its path.

    A shell script, because the kernel limits the length of a #! line.
    """
    path = layout.root / "bin" / "claude"
    path.parent.mkdir(exist_ok=True)
    command = shlex.join([sys.executable, "-I", str(_STAND_IN)])
    path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    path.chmod(0o700)
    return path


def _write_env(layout: Layout) -> None:
    lines = [
        "# The demo needs no key: its claude is a stand-in.",
        "AGENT_NAME=demo",
        f"MAESTRO_CLAUDE_BIN='{layout.root / 'bin' / 'claude'}'",
        "MAESTRO_PREFER_SUBSCRIPTION_AUTH=1",
    ]
    layout.env_file.write_text("\n".join(lines) + "\n")
    layout.env_file.chmod(FILE_MODE)


def _seed_waiting(layout: Layout, now: float) -> None:
    """Dead letters, a paused cadence, bytes that are no tick, and a circuit that is open."""
    for number, (cadence, minutes, error) in enumerate(_DEAD):
        tick = _dead_letter(cadence, number, now - minutes * 60, error)
        path = layout.dlq / f"{tick.id}.json"
        _write_json(path, tick_document(tick))
        os.utime(path, (now - minutes * 60, now - minutes * 60))
    _write_json(
        layout.paused / "social-poster.json",
        {"at": iso(now - 5400), "by": "demo", "reason": "waiting for the new house style"},
    )
    circuit = {"failures": 3, "open_until": iso(now + 50)}
    document = {"generated": iso(now), "open": {"invoice-chaser": circuit}}
    _write_json(layout.circuit_open, document)
    (layout.quarantine / "export.json").write_text('{"id": "export", "cadence": \n')
    reason = {"at": iso(now - 7200), "reason": "not JSON: line 1 ends where a value should be"}
    _write_json(layout.quarantine / "export.json.reason.json", reason)


def _dead_letter(cadence: str, number: int, at: float, error: str) -> Tick:
    code = 1 if error.startswith("exit") else None
    attempts = 2 if code else 1
    return Tick(
        id=f"demo-{cadence}-{number + 1}",
        cadence=cadence,
        source="schedule",
        enqueued_at=iso(at - 60),
        attempts=attempts,
        last_error=error,
        failures=tuple(
            Failure(at=iso(at - 30 * (attempts - n)), attempt=n, exit_code=code, reason=error)
            for n in range(1, attempts + 1)
        ),
    )


def _write_json(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document, indent=2) + "\n")
    path.chmod(FILE_MODE)
