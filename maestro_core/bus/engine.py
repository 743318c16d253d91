"""What a bus engine promises, cut by verbs. Policy stays above it: how long to back off,
when a circuit opens, how many attempts there are. An engine only moves ticks, durably.

Guarantees, kept by tests/core/test_engine_contract.py on every engine:
- An acknowledged enqueue is in exactly one place until it is completed or discarded.
- `claim` gives a tick to one caller; its `attempts` is durable before the call returns.
- Order is priority (higher first), then enqueued_at, then id; a tick that names no priority
  has its cadence's `rank`. Held cadences and ticks whose `not_before` lies ahead are passed
  over and cost the others nothing.
- A settle (complete, retry, dead_letter, put_back, recovered) needs the claim's token:
  ClaimLost when the claim was taken over or settled.
- Bytes that are no tick are set aside with a reason, never fatal.

Engines are called from one thread at a time, except `enqueue`, which any thread may call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from maestro_core.bus.index import Rank, unranked
from maestro_core.models import ActResult, Claim, Failure, Receipt, Tick, TickView, Where


class Engine(Protocol):
    """See the module docstring for the guarantees."""

    @property
    def lease(self) -> float | None:
        """Where other consumers claim from it too: seconds without a heartbeat after which they
        may take a claim over, so that `abandoned` is asked again and again. None = it is ours."""
        ...

    def enqueue(self, tick: Tick) -> Receipt:
        """Add a waiting tick. FileExistsError if its id is already on the bus."""
        ...

    def refresh(self) -> bool:
        """Take in what other producers dropped; True when something changed."""
        ...

    def rejected(self) -> list[tuple[str, str]]:
        """Names and reasons of the files set aside since the last call."""
        ...

    def claim(self, *, held: Callable[[str], bool], rank: Rank = unranked) -> Claim | None:
        """The best waiting tick whose cadence is not held; attempts are raised by one."""
        ...

    def complete(self, claim: Claim) -> None:
        """The work is done: the tick leaves the bus."""
        ...

    def retry(self, claim: Claim, failure: Failure) -> None:
        """Back to the inbox with the failure added; the attempt stays spent."""
        ...

    def dead_letter(self, claim: Claim, failure: Failure) -> None:
        """To the dead letters, with the failure added and as last_error. Where an older dead
        letter has its id it takes another one; its field `namesake_of` tells which it had."""
        ...

    def put_back(self, claim: Claim) -> None:
        """Back to the inbox as if it had not been claimed: the attempt is given back."""
        ...

    def recovered(self, claim: Claim) -> None:
        """Back to the inbox after its consumer died: attempt kept, `recoveries` raised."""
        ...

    def abandoned(self) -> list[Claim]:
        """Claims of consumers that are gone, taken over with new tokens. Idempotent."""
        ...

    def heartbeat(self, claims: Sequence[Claim]) -> list[Claim]:
        """These are being worked on: their leases begin anew. Returns those that are lost, which
        somebody else has or may take."""
        ...

    def counts(self) -> dict[Where | str, int]:
        """How many are in inbox, claimed, dlq, quarantine and trash."""
        ...

    def waiting(self) -> dict[str, int]:
        """Waiting ticks by cadence."""
        ...

    def ready_cadences(self) -> set[str]:
        """Cadences with a waiting tick whose `not_before` is over (held or not)."""
        ...

    def next_ready_at(self) -> float | None:
        """Wall epoch seconds of the earliest `not_before` still ahead; None if there is none."""
        ...

    def page(
        self, where: Where, *, cadence: str | None = None, limit: int = 100, offset: int = 0
    ) -> list[TickView]:
        """Inbox in claim order; dlq and trash newest first."""
        ...

    def find(self, tick_id: str) -> TickView | None:
        """Where a tick is now."""
        ...

    def retry_dead(self, ids: Sequence[str]) -> list[ActResult]:
        """Dead letters back to the inbox: attempts 0, failures kept."""
        ...

    def discard_dead(self, ids: Sequence[str]) -> list[ActResult]:
        """Dead letters to the trash. What lies there under the same id takes another one."""
        ...

    def restore_dead(self, ids: Sequence[str]) -> list[ActResult]:
        """From the trash back to the dead letters."""
        ...

    def unretry(self, ids: Sequence[str]) -> list[ActResult]:
        """Retried dead letters that nobody has claimed since: dead again, as they were."""
        ...

    def withdraw(self, ids: Sequence[str]) -> list[ActResult]:
        """Waiting ticks to the trash."""
        ...

    def housekeep(self, older_than: float) -> dict[str, int]:
        """Drop trash, acks and stray temp files older than that wall time; counts by kind."""
        ...

    def close(self) -> None: ...
