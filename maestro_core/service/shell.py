"""The one place that runs launchctl, systemctl and loginctl. A test puts a recorder here."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

TIMEOUT = 60.0


class Done(Struct, frozen=True):
    """How a program ended; `code` 127 = it is not here, 124 = it did not end in time."""

    code: int
    out: str = ""

    @property
    def ok(self) -> bool:
        return self.code == 0


class Shell(Protocol):
    def run(self, argv: Sequence[str]) -> Done:
        """Run it to its end. Never raises for what the program does."""
        ...


class SystemShell:
    """The real one: output and errors together, bounded in time."""

    def run(self, argv: Sequence[str]) -> Done:
        try:
            done = subprocess.run(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                timeout=TIMEOUT, check=False, text=True, errors="replace",
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return Done(124, f"no answer in {TIMEOUT:.0f} s")
        except OSError as error:
            return Done(127, f"{argv[0]}: {error.strerror}")
        return Done(done.returncode, done.stdout)
