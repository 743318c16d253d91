"""What the consumer needs of a sub-session, and nothing more: the seam for simulations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

from msgspec import Struct

from maestro_core.models import Running, RunResult, Tick

StopKind = Literal["cancelled", "shutdown", "emergency_stop", "lease"]
"""`lease`: nobody confirmed for too long that its tick is still ours."""


class RunSpec(Struct, frozen=True, kw_only=True):
    """One run to start. Optional values are the cadence's settings; None = the CLI's default."""

    run_id: str
    tick: Tick
    timeout_seconds: float
    kill_grace_seconds: float
    lease_seconds: float = 0.0
    """It ends by itself before so long without a `renew`; 0 = nobody else can have its tick."""
    model: str | None = None
    max_turns: int | None = None
    permission_mode: str | None = None
    args: tuple[str, ...] = ()
    command: tuple[str, ...] | None = None
    """A handler command of an inline cadence; None = `claude` with the cadence's prompt."""


class Work(Protocol):
    """A run that was started. Driven by `poll`, from the consumer's thread."""

    spec: RunSpec

    def running(self) -> Running:
        """How consumer.json shows it."""
        ...

    def poll(self) -> RunResult | None:
        """Advance time-outs, kills and output reading; the result once all of it is gone.

        Never blocks. When it returns a result no process of the run is alive, its logs are
        closed, and its ledger row is written.
        """
        ...

    def renew(self) -> None:
        """The claim on its tick was confirmed a moment ago."""
        ...

    def stop(self, kind: StopKind, *, at_once: bool = False) -> None:
        """Begin to end it: TERM, grace, KILL of the whole tree (`at_once` skips the grace)."""
        ...


class Launcher(Protocol):
    """Starts runs."""

    def start(self, spec: RunSpec, wake: Callable[[], None]) -> Work:
        """Never raises for what goes wrong with the run itself: that is a result (-4).

        `wake` is called from any thread when `poll` has something new to say.
        """
        ...

    def prune(self, before: float) -> int:
        """Forget ended runs from before that wall time; how many."""
        ...

    def prepare(self) -> None:
        """Get ready to start one at once."""
        ...

    def close(self) -> None:
        """Nothing will be started any more; what was got ready goes."""
        ...

    def end_orphans(self, tick_ids: frozenset[str]) -> list[str]:
        """End processes that runs of a dead consumer left behind; one line on each.

        Found by the ledger's open rows (pid with start time) and by MAESTRO_TICK_ID and
        AGENT_ROOT in the process environment. Also closes those ledger rows ("orphaned").
        """
        ...
