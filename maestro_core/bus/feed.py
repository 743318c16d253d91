"""Hints that something changed, as the second seam beside the engine.

A hint may be late, merged or lost: whoever hears one looks for themselves, and also looks
now and then without one.
"""

from __future__ import annotations

from typing import Literal, Protocol

Topic = Literal[
    "inbox", "claimed", "dlq", "quarantine", "paused", "control", "consumer", "circuit",
    "ledger", "journal", "subsessions", "estop", "settings", "prompts",
]  # fmt: skip

EVERYTHING: frozenset[Topic] = frozenset(Topic.__args__)  # type: ignore[attr-defined]


class Feed(Protocol):
    """A stream of hints for one listener."""

    def wait(self, timeout: float) -> frozenset[Topic]:
        """Topics that changed since the last call; empty after `timeout` seconds of nothing."""
        ...

    def wake(self) -> None:
        """Make a waiting `wait` return at once (from any thread)."""
        ...

    def close(self) -> None: ...
