"""The demo's life: a folder made and removed, a producer started and stopped around it."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from maestro_core.demo.agent import MARKER, prepare_demo
from maestro_core.demo.producer import DemoProducer
from maestro_core.layout import Layout

PREFIX = "maestro-demo-"
_FOREIGN = ("MAESTRO_", "AGENT_", "ANTHROPIC_", "CLAUDE_")


@contextmanager
def demo_root(keep: str | None = None) -> Iterator[Layout]:
    """A living agent root; in the body a console or a consumer works on it.

    Without `keep` its folder is removed at the end. The caller's own settings and keys are
    out of the environment meanwhile: they would override the demo's, the real `claude` too.

    Raises:
        UsageError: `keep` names a folder that holds something else.
    """
    with _own_environment(), _ended_by_signals(), _folder(keep) as folder:
        layout = prepare_demo(folder)
        producer = DemoProducer(layout)
        producer.start()
        try:
            yield layout
        finally:
            producer.stop()


@contextmanager
def _folder(keep: str | None) -> Iterator[str]:
    if keep is not None:
        yield keep
        return
    _remove_leftovers()
    folder = tempfile.mkdtemp(prefix=PREFIX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _own_environment() -> Iterator[None]:
    taken = {name: os.environ.pop(name) for name in [*os.environ] if name.startswith(_FOREIGN)}
    try:
        yield
    finally:
        os.environ.update(taken)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """TERM and HUP unwind the stack instead of ending the process on the spot."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, _unwind) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _unwind(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _remove_leftovers() -> None:
    """Folders of demos that were killed before they could remove theirs."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            pid = int((folder / MARKER).read_text())
            ours = folder.lstat().st_uid == os.getuid()
        except (OSError, ValueError):
            continue
        if ours and not _alive(pid):
            shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
