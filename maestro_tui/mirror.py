"""Logs of other hosts of a fleet: the end of a run's output, as its consumer tells it, written
into a file here that grows as they do. So the log viewer shows them as it shows any other.

One thread asks for those that somebody looked at within the last seconds. The files are removed
with the console. Any thread may call.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from maestro_core.errors import MaestroError
from maestro_core.models import RunRow
from maestro_core.observe.logfile_tail import behind
from maestro_core.observe.reads import PublishedTail

LOOK_SECONDS = 2.0
WANTED_SECONDS = 10.0
"""A log that nobody asked for within that time is not followed."""
_REMEMBERED = 64 << 10

Ask = Callable[[RunRow], PublishedTail | None]


class Mirror:
    """One log. `said` is what the operator should know of it."""

    def __init__(self, row: RunRow, path: Path) -> None:
        self.row = row
        self.path = path
        self.said = f"asking for the end of the output on {row.host} …"
        self.wanted_at = 0.0
        self.asked = False
        """Its host's word was looked for at least once."""
        self._known = b""
        self._lock = threading.Lock()
        path.touch(mode=0o600)

    def look(self, ask: Ask) -> None:
        """Ask once, and put what is new behind what is there. Blocks."""
        with self._lock:
            try:
                self._look(ask)
            except OSError as error:
                self.said = f"the end of the output cannot be kept here: {error.strerror}"
            self.asked = True

    def _look(self, ask: Ask) -> None:
        host = self.row.host
        try:
            tail = ask(self.row)
        except MaestroError as error:
            self.said = f"what {host} tells cannot be read now: {error.message}"
            return
        if tail is None:
            self.said = f"{host} has told nothing of this run's output"
            return
        self.said = f"the end of the output on {tail.host}, all of it: {tail.command}"
        if news := behind(self._known, tail.text):
            self._known = tail.text[-_REMEMBERED:]
            with self.path.open("ab") as file:
                file.write(news)


class Mirrors:
    """The logs of other hosts that were looked at, by run."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._folder: Path | None = None
        self._open: dict[str, Mirror] = {}
        self._ended = False

    def of(self, row: RunRow) -> Mirror:
        """The mirror of that run's log, which is followed from now on for a while."""
        with self._lock:
            mirror = self._open.get(row.run_id) or self._begin(row)
            now = time.monotonic()
            if now - mirror.wanted_at > WANTED_SECONDS:
                self._wanted.set()
            mirror.wanted_at = now
            return mirror

    def of_path(self, path: Path | str | None) -> Mirror | None:
        """The one behind that file; None for a file of this root. It is followed on."""
        if path is None:
            return None
        with self._lock:
            row = next((one.row for one in self._open.values() if one.path == Path(path)), None)
        return self.of(row) if row is not None else None

    def look(self, mirror: Mirror) -> None:
        """Look now. Blocks."""
        mirror.look(self._ask)

    def close(self) -> None:
        with self._lock:
            self._ended = True
            self._wanted.set()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)

    def _begin(self, row: RunRow) -> Mirror:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="maestro-tui-"))
            atexit.register(self.close)
            threading.Thread(target=self._run, name="log-mirrors", daemon=True).start()
        path = self._folder / f"{len(self._open)}-{row.cadence[:60]}.stdout.log"
        mirror = self._open[row.run_id] = Mirror(row, path)
        return mirror

    def _run(self) -> None:
        while not self._ended:
            now = time.monotonic()
            with self._lock:
                wanted = [one for one in self._open.values()
                          if now - one.wanted_at <= WANTED_SECONDS]  # fmt: skip
            for one in wanted:
                one.look(self._ask)
            self._wanted.wait(LOOK_SECONDS if wanted else None)
            self._wanted.clear()
