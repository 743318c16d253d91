"""A run as a person would tell it: one step for each thing that happened. Pure.

`Steps` keeps the newest ones (and counts the others), and completes a tool's step when its
result comes. Texts in a step come from an agent: they are data, to be shown as such.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

StepKind = Literal[
    "start", "prompt", "text", "thinking", "tool", "retry", "limit", "denied", "task", "result",
    "note", "noise",
]  # fmt: skip
"""Which icon a step gets. note: an event nobody knows; noise: a line that is no event."""

SHORT = 200
LONG = 2000

_TARGETS = (
    "file_path", "notebook_path", "path", "command", "pattern", "url", "query", "skill",
    "subagent_type", "description", "prompt",
)  # fmt: skip


class Step(Struct, frozen=True, kw_only=True):
    """One step. `ok` None = not known (yet), or the question makes no sense."""

    kind: StepKind
    title: str
    """The tool's name, or a few words."""
    target: str = ""
    """What it was about: a path, a command, an address; one line, cut short."""
    at: float | None = None
    """Wall epoch seconds; None = the event does not say."""
    seconds: float | None = None
    ok: bool | None = None
    detail: str = ""
    """What came of it (several lines, cut); the whole of it is in the log."""
    offset: int = 0
    """Where its line begins in the stdout log."""
    nested: bool = False
    """It belongs to a subagent."""


class Steps:
    """The newest steps, oldest first."""

    def __init__(self, keep: int) -> None:
        self.dropped = 0
        """How many older ones are not kept."""
        self._keep = keep
        self._steps: deque[Step] = deque()
        self._open: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._steps)

    def all(self) -> list[Step]:
        return list(self._steps)

    def add(self, step: Step, call: str | None = None) -> None:
        """`call` is the id under which `complete` finds it again."""
        self._steps.append(step)
        if call is not None:
            self._open[call] = self.dropped + len(self._steps) - 1
        while len(self._steps) > self._keep:
            self._steps.popleft()
            self.dropped += 1
        if len(self._open) > 2 * self._keep:
            self._open = {one: at for one, at in self._open.items() if at >= self.dropped}

    def complete(self, call: str, *, at: float | None, ok: bool, detail: str) -> Step | None:
        """The result of a tool call; None when the call was never seen or is not kept."""
        place = self._open.pop(call, -1) - self.dropped
        if place < 0:
            return None
        step = self._steps[place]
        seconds = max(0.0, at - step.at) if at is not None and step.at is not None else None
        self._steps[place] = done = replace(step, ok=ok, seconds=seconds, detail=detail)
        return done

    def extend_last(self, kind: StepKind, count: int) -> bool:
        """Count on in the last step instead of adding one more of that kind."""
        if not self._steps or self._steps[-1].kind != kind:
            return False
        self._steps[-1] = replace(self._steps[-1], title=f"{count} lines of other output")
        return True


def target_of(tool_input: Any) -> str:
    """What a tool call is about, by the fields that tools usually have."""
    if not isinstance(tool_input, dict):
        return ""
    for name in _TARGETS:
        value = tool_input.get(name)
        if isinstance(value, str) and value.strip():
            return one_line(value)
    values = (one for one in tool_input.values() if isinstance(one, str) and one.strip())
    return one_line(next(values, ""))


def one_line(text: str, limit: int = SHORT) -> str:
    """The text with its white space closed up, cut with an ellipsis."""
    short = " ".join(text[: limit * 4].split())
    return short if len(short) <= limit else short[: limit - 1] + "…"


def cut(text: str, limit: int = LONG) -> str:
    """The text, or its beginning and how much is missing."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text) - limit} more)"


def content_text(content: Any) -> str:
    """The text of a message's or tool result's content: a string, or a list of blocks."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    blocks = (one for one in content if isinstance(one, dict))
    texts = (one.get("text") or f"[{one.get('type', '?')}]" for one in blocks)
    return "\n".join(one for one in texts if isinstance(one, str))
