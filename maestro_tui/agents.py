"""Watches the agents of this machine while somebody looks at them: a thread a root.

So a root on a disk that hangs holds up none but itself. A line is posted when it changed; lines
belong to the main thread, readers to their threads. Between two visits the threads rest.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial

from msgspec.structs import replace
from textual.message import Message

from maestro_core.clock import Clock
from maestro_core.layout import Layout
from maestro_core.observe.agent_line import AgentLine, broken
from maestro_core.observe.agents import AgentReader
from maestro_core.wiring.view import reader_of
from maestro_tui.messages import AgentSeen

LOOK_SECONDS = 2.0

MakeReader = Callable[[str, Clock], AgentReader]


class AgentsWatch:
    """See the module docstring. Called from the main thread."""

    def __init__(
        self, roots: Sequence[str], clock: Clock, make_reader: MakeReader | None = None
    ) -> None:
        self.roots = tuple(roots)
        self.lines: dict[str, AgentLine] = {}
        """What was seen last of each root; one that is missing was not read yet."""
        self._clock = clock
        self._make_reader = make_reader or partial(AgentReader, make=reader_of)
        self._watched = threading.Event()
        self._ended = threading.Event()
        self._due = {root: threading.Event() for root in self.roots}
        self._threads: list[threading.Thread] = []

    def show(self, post: Callable[[Message], object]) -> None:
        """Somebody looks: read now, and again and again."""
        self._watched.set()
        self.look()
        if not self._threads:
            self._threads = [
                threading.Thread(
                    target=partial(self._watch, root, post), name=f"agent-{n}", daemon=True
                )
                for n, root in enumerate(self.roots)
            ]
            for thread in self._threads:
                thread.start()

    def hide(self) -> None:
        """Nobody looks any more."""
        self._watched.clear()

    def look(self) -> None:
        """Read everything now."""
        for due in self._due.values():
            due.set()

    def stop(self) -> None:
        """The threads end as soon as they can; none is waited for."""
        self._ended.set()
        self._watched.set()
        self.look()

    def take(self, line: AgentLine) -> None:
        self.lines[line.root] = line

    # ---- in the thread of a root ----------------------------------------------------------

    def _watch(self, root: str, post: Callable[[Message], object]) -> None:
        reader, last = self._make_reader(root, self._clock), None
        due = self._due[root]
        while not self._ended.is_set():
            whole = due.is_set()
            due.clear()
            line = self._read(reader, root, whole)
            if last is None or replace(line, at=last.at) != last:
                last = line
                post(AgentSeen(line))
            due.wait(LOOK_SECONDS)
            self._watched.wait()
        reader.close()

    def _read(self, reader: AgentReader, root: str, whole: bool) -> AgentLine:
        try:
            return reader.read(whole=whole)
        except Exception as error:  # told on the line itself; the next look tries again
            return broken(Layout(root), self._clock.wall(), f"{type(error).__name__}: {error}")
