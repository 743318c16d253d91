"""A masked copy of a log as a file of the operator's own, written in slices.

The copy has mode 0600 and never replaces anything. Secrets are masked line by line; all
other bytes stay as they are, so a program can read the copy as it would the log.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from maestro_core.files import FILE_MODE, FOLDER_MODE
from maestro_core.observe.logfile import LogFile

SLICE = 1 << 20
LONGEST = 4 << 20
"""A longer line is masked in pieces."""


class SavedCopy:
    """Copies what the log holds now; `step` until it says True. Any thread, one at a time."""

    def __init__(self, log: LogFile, folder: Path, name: str, redact: Callable[[str], str]) -> None:
        self.total = log.size
        self.done = 0
        self._read = log.reader()
        self._redact = redact
        self._rest = b""
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        self.path, self._fd = _new_file(folder, name)

    @property
    def share(self) -> float:
        return self.done / self.total if self.total else 1.0

    def step(self) -> bool:
        """One slice; True when the copy is whole. Raises OSError when the disk is full."""
        data = self._read(self.done, min(SLICE, self.total - self.done))
        self.done += len(data)
        ended = not data or self.done >= self.total
        whole, newline, self._rest = (self._rest + data).rpartition(b"\n")
        self._write(whole + newline)
        if ended or len(self._rest) > LONGEST:
            self._write(self._rest)
            self._rest = b""
        if ended:
            self.close()
        return ended

    def close(self) -> None:
        """Give the file back; what was written so far stays."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def _write(self, data: bytes) -> None:
        text = data.decode("utf-8", "surrogateescape")
        view = memoryview(self._redact(text).encode("utf-8", "surrogateescape"))
        while view:
            view = view[os.write(self._fd, view) :]


def _new_file(folder: Path, name: str) -> tuple[Path, int]:
    """`name`, or with a number before its ending when that is taken."""
    stem, dot, ending = name.partition(".")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    number = 1
    while True:
        path = folder / (name if number == 1 else f"{stem}-{number}{dot}{ending}")
        try:
            return path, os.open(path, flags, FILE_MODE)
        except FileExistsError:
            number += 1
