"""Reads agent roots side by side, and says what is wrong with one that has nothing to read.

`AgentReader` belongs to one thread, like the SnapshotReader in it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from maestro_core.bus.feed import EVERYTHING, Topic
from maestro_core.clock import Clock, SystemClock
from maestro_core.errors import MaestroError
from maestro_core.jsonl import map_strings
from maestro_core.layout import Layout
from maestro_core.observe.agent_line import AgentLine, agent_line, broken
from maestro_core.observe.reader import SnapshotReader
from maestro_core.observe.snapshot import Snapshot
from maestro_core.redact import Redactor

_QUICK: frozenset[Topic] = EVERYTHING - {"settings", "prompts", "ledger", "quarantine"}
_DEEP = 200
WHOLE_EVERY = 10.0
"""Seconds between two looks at everything; in between at what changes by the second."""


MakeReader = Callable[[Layout, Clock], SnapshotReader]


class AgentReader:
    """Reads one root, whatever it is like. `read` never raises. `make` makes the reader of its
    snapshots: that of its files, unless its bus is on a server."""

    def __init__(
        self, root: str, clock: Clock | None = None, make: MakeReader = SnapshotReader
    ) -> None:
        self.layout = Layout(root)
        self._make = make
        self._clock = clock or SystemClock()
        self._reader: SnapshotReader | None = None
        self._whole_at: float | None = None
        self.snapshot: Snapshot | None = None
        """What the last `read` saw; None = the root could not be read."""

    def read(self, *, whole: bool = False) -> AgentLine:
        """The agent now."""
        now = self._clock.wall()
        self.snapshot = None
        problem = root_problem(self.layout)
        try:
            if problem is None:
                snapshot = self._look(whole=whole)
                if (problem := snapshot.unknown) is None:
                    self.snapshot = snapshot
                else:
                    return broken(self.layout, now, problem)
        except (OSError, MaestroError, ValueError) as error:
            problem = str(error)
        if self.snapshot is None or self._reader is None:
            self.close()
            return broken(self.layout, now, problem or "it cannot be read")
        return agent_line(self.snapshot, self._reader.redactor())

    def masked(self, document: dict[str, Any]) -> dict[str, Any]:
        """The same without this agent's secrets."""
        redact = self._reader.redactor() if self._reader is not None else Redactor({})
        masked: dict[str, Any] = map_strings(document, redact, _DEEP)
        return masked

    @property
    def settled(self) -> bool:
        """Every tick file is counted under its cadence."""
        return self._reader is None or self._reader.settled

    def close(self) -> None:
        """Release the ledger; a later `read` begins anew."""
        if self._reader is not None:
            self._reader.close()
        self._reader = self._whole_at = None

    def _look(self, *, whole: bool) -> Snapshot:
        if self._reader is None:
            self._reader = self._make(self.layout, self._clock)
        steady = self._clock.steady()
        if whole or self._whole_at is None or steady - self._whole_at >= WHOLE_EVERY:
            self._whole_at = steady
            return self._reader.read(EVERYTHING)
        return self._reader.read(_QUICK)


def root_problem(layout: Layout) -> str | None:
    """Why this is no agent root that can be read; None = it is one."""
    try:
        os.listdir(layout.root)
        os.listdir(layout.bus)
    except FileNotFoundError as error:
        if error.filename == str(layout.root):
            return "there is no such folder"
        return f"it has no {layout.bus.relative_to(layout.root)}: no agent ever ran here"
    except OSError as error:
        return f"{error.strerror or error}: {error.filename}"
    return None
