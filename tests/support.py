"""Helpers for every test: waiting for a thing with a deadline, and writing bus files.

No test sleeps for a guessed time; it waits for what it needs and says what did not come.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

_pause = threading.Event()  # never set: waiting on it is a pause between two looks


def wait_until(condition: Callable[[], T], timeout: float = 30.0, what: str = "") -> T:
    """The first true value of `condition()`; AssertionError after `timeout` seconds without."""
    deadline = time.monotonic() + timeout
    interval = 0.002
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {what or condition}")
        _pause.wait(interval)
        interval = min(interval * 1.5, 0.05)
    return value


def write_json(path: Path, document: Any) -> Path:
    """`document` at `path`, the folders made as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return path


def read_json(path: Path) -> Any:
    """The JSON document at `path`."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_tick(folder: Path, tick_id: str, cadence: str = "inbox-processor", **fields: Any) -> Path:
    """A tick file as another program would drop it."""
    document = {
        "id": tick_id,
        "cadence": cadence,
        "source": "test",
        "enqueued_at": "2026-11-24T02:03:04.567Z",
        "attempts": 0,
    }
    return write_json(folder / f"{tick_id}.json", document | fields)
