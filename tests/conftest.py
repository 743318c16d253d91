"""What every test starts from: UTC, no settings or keys of this machine, an empty agent root."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from maestro_core.layout import Layout

# A busy machine is no fault of an example; in CI hypothesis also repeats the same examples.
settings.register_profile("patient", settings(), deadline=None)
settings.load_profile("patient")

# Started by `nohup` or a script's `&`, this process ignores what its children are to obey.
for _number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(_number) == signal.SIG_IGN:
        restored = signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL
        signal.signal(_number, restored)

_FOREIGN = ("MAESTRO_", "AGENT_", "ANTHROPIC_", "CLAUDE_")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """TZ=UTC, and nothing of the caller's settings, keys or colours."""
    for name in [n for n in os.environ if n.startswith(_FOREIGN)]:
        monkeypatch.delenv(name)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def agent_root(tmp_path: Path) -> Layout:
    """An agent root with every folder of the bus and nothing in them."""
    layout = Layout(tmp_path / "agent")
    for folder in layout.folders():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return layout
