"""Every message that crosses from a thread or a widget to the app: facts in the past tense."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from textual.message import Message

from maestro_core.bus.feed import Topic
from maestro_core.observe.snapshot import Snapshot

if TYPE_CHECKING:
    from maestro_core.observe.agent_line import AgentLine
    from maestro_tui.acts import Plan


class SnapshotArrived(Message):
    """The feed read the agent root anew. The next one comes only when this one was taken."""

    def __init__(self, snapshot: Snapshot, topics: frozenset[Topic]) -> None:
        super().__init__()
        self.snapshot = snapshot
        self.topics = topics


class WorkerFailed(Message):
    """Something in a thread went wrong; `where` names the part for a person."""

    def __init__(self, where: str, error: BaseException, *, lasting: bool = False) -> None:
        super().__init__()
        self.where = where
        self.error = error
        self.lasting = lasting
        """What is shown is old until it works again: say so until the next snapshot."""


class ConsumerEnded(Message):
    """The consumer of this console stopped working; `error` None = it was asked to."""

    def __init__(self, error: BaseException | None) -> None:
        super().__init__()
        self.error = error


class ConsumerElsewhere(Message):
    """Another process holds the lock: this console watches and steers."""

    def __init__(self, holder: str) -> None:
        super().__init__()
        self.holder = holder


class ActDone(Message):
    """An act was carried out, refused or failed."""

    def __init__(
        self, plan: Plan, result: Any = None, error: BaseException | None = None, *,
        backend: object = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.backend = backend
        """Whose agent it was done to: another one may be open by now."""
        self.plan = plan
        self.result = result
        self.error = error


class RowsRead(Message):
    """A list that a screen asked for; `ticket` tells an old answer from the newest question."""

    def __init__(self, screen: str, ticket: int, rows: Sequence[Any], seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.screen = screen
        self.ticket = ticket
        self.rows = rows


class RowsFailed(Message):
    """A list that a screen asked for could not be read; the toast comes on its own way."""

    def __init__(self, ticket: int, error: Exception) -> None:
        super().__init__()
        self.ticket = ticket
        self.error = error


class Shutdown(Message):
    """The system wants this console gone: SIGHUP, SIGTERM, or the terminal went away."""

    def __init__(self, why: str) -> None:
        super().__init__()
        self.why = why


class AgentSeen(Message):
    """An agent's line is another one now."""

    def __init__(self, line: AgentLine) -> None:
        super().__init__()
        self.line = line
