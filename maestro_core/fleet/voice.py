"""What a consumer tells the fleet of itself: its heartbeat, what it can run, how its runs ended,
and the end of what they print. Owner: the consumer's thread.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from maestro_core.fleet.hosts import TAIL_LIMIT, Hosts
from maestro_core.models import Beat, Claim, RunResult, RunRow

MOST_OWED = 1000
"""Ended runs that are kept until the server hears of them; then the oldest are not told."""
CATCH_UP = 200
"""Of so many newest runs it is asked at the start whether the server knows how they ended."""


class Tails:
    """The end of each run's output, published when it has grown."""

    def __init__(self, hosts: Hosts, root: Path, redact: Callable[[str], str]) -> None:
        self._hosts = hosts
        self._root = root
        self._redact = redact
        self._sizes: dict[str, int] = {}

    def publish(self, run_id: str, path: str | None, *, last: bool = False) -> None:
        """Raises BusError. `last`: nothing more comes."""
        if path is None:
            return
        size, tail = _end_of(self._root / path)
        if size != self._sizes.get(run_id, 0):
            self._hosts.publish_tail(run_id, self._masked(tail))
            self._sizes[run_id] = size
        if last:
            self._sizes.pop(run_id, None)

    def _masked(self, tail: bytes) -> bytes:
        """Secrets of this host are known here alone."""
        text = tail.decode("utf-8", "surrogateescape")
        return self._redact(text).encode("utf-8", "surrogateescape")


class Voice:
    """`beat` and `run` are a consumer's publish_beat and publish_run. They raise BusError."""

    def __init__(
        self, hosts: Hosts, tails: Tails, cadences: Callable[[], frozenset[str]],
        run_row: Callable[[str], RunRow | None], newest_runs: Callable[[int], Sequence[RunRow]],
    ) -> None:  # fmt: skip
        self._hosts = hosts
        self._tails = tails
        self._cadences = cadences
        self._run_row = run_row
        self._newest_runs = newest_runs
        self._caught_up = False
        self._announced: frozenset[str] | None = None
        self._owed: list[str] = []

    def beat(self, beat: Beat) -> None:
        """The heartbeat first; then what else is new."""
        self._hosts.publish_beat(beat)
        if (cadences := self._cadences()) != self._announced:
            self._hosts.announce(cadences)
            self._announced = cadences
        if not self._caught_up:
            self._owe_what_was_not_told()
        self._tell_runs()
        for run in beat.running:
            self._tails.publish(run.run_id, run.stdout_path)

    def run(self, _claim: Claim, _result: RunResult, run_id: str) -> None:
        """A run has ended."""
        self._owed = [*self._owed, run_id][-MOST_OWED:]
        self._tell_runs()

    def _owe_what_was_not_told(self) -> None:
        """Runs that ended with their consumer, or while the server was away at its end."""
        ended = [row.run_id for row in self._newest_runs(CATCH_UP) if row.ended_at is not None]
        known = self._hosts.known_runs(ended) | set(self._owed)
        self._owed = [*(one for one in reversed(ended) if one not in known), *self._owed]
        self._caught_up = True

    def _tell_runs(self) -> None:
        while self._owed:
            if (row := self._run_row(self._owed[0])) is not None:
                self._tails.publish(row.run_id, row.stdout_path, last=True)
                self._hosts.publish_run(row)
            self._owed.pop(0)


def _end_of(path: Path) -> tuple[int, bytes]:
    """The file's size, and its last whole lines; (0, b"") where there is none."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - TAIL_LIMIT))
            data = file.read(TAIL_LIMIT)
    except OSError:
        return 0, b""  # removed, or not there yet: there is nothing to show
    cut = data.find(b"\n") + 1 if size > TAIL_LIMIT else 0
    return size, data[cut:]
