"""A machine of its own behind a cable that can be pulled: a network namespace and a veth pair.

Linux, as root, with `ip`; elsewhere `Unusable` says what is missing.
"""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import count

HERE = "10.213.77.1"
"""Our end of the cable."""
_THERE = "10.213.77.2"
_numbers = count()


class Unusable(Exception):
    """Why there can be no network namespace here."""


class Cable:
    """`words` go before a program that is to run at the other end."""

    def __init__(self) -> None:
        """Raises Unusable."""
        if not sys.platform.startswith("linux") or os.getuid() != 0:
            raise Unusable("network namespaces need Linux and root")
        number = f"{os.getpid()}{next(_numbers)}"
        self._name, self._end = f"mbus{number}", f"mb{number}"[-13:]
        self.words = ("ip", "netns", "exec", self._name)
        try:
            _ip("netns", "add", self._name)
            _ip("link", "add", self._end, "type", "veth", "peer", "name", "up0",
                "netns", self._name)  # fmt: skip
            _ip("addr", "add", f"{HERE}/30", "dev", self._end)
            _ip("link", "set", self._end, "up")
            _ip("-n", self._name, "addr", "add", f"{_THERE}/30", "dev", "up0")
            _ip("-n", self._name, "link", "set", "up0", "up")
            _ip("-n", self._name, "link", "set", "lo", "up")
        except Unusable:
            self.remove()
            raise

    def pull(self) -> None:
        """Nothing comes through any more, and nobody is told."""
        _ip("link", "set", self._end, "down")

    def plug(self) -> None:
        _ip("link", "set", self._end, "up")

    def remove(self) -> None:
        for words in (("link", "del", self._end), ("netns", "del", self._name)):
            subprocess.run(["ip", *words], capture_output=True, check=False, timeout=30)


def _ip(*words: str) -> None:
    try:
        done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=30)
    except OSError as error:
        raise Unusable(f"ip: {error.strerror}") from error
    if done.returncode:
        raise Unusable(f"ip {' '.join(words)}: {done.stderr.strip()}")
