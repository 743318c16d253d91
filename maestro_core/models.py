"""The nouns that travel between the parts: frozen structs, no I/O, no clock.

Times in these structs: `*_at` strings are ISO 8601 UTC as they stand in files;
floats are epoch seconds and say so.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct


class Failure(Struct, frozen=True, omit_defaults=True):
    """One failed attempt at a tick."""

    at: str
    attempt: int
    exit_code: int | None
    reason: str
    stdout_path: str | None = None
    stderr_path: str | None = None
    failure_class: str | None = None
    run_id: str | None = None
    host: str | None = None
    """Of a fleet: where it ran, and its logs are."""


class LogEnd(Struct, frozen=True):
    """The last lines of a run's log: of which stream, and of which other host, if of one."""

    lines: tuple[str, ...] = ()
    stream: str = "stderr"
    host: str | None = None


class Tick(Struct, frozen=True, kw_only=True):
    """A request to run a cadence. `extra` holds fields that we do not know: they survive."""

    id: str
    cadence: str
    source: str = "unknown"
    enqueued_at: str = ""
    attempts: int = 0
    payload: Any = UNSET
    priority: int = 0
    not_before: str | None = None
    dedupe_key: str | None = None
    last_error: str | None = None
    failures: tuple[Failure, ...] = ()
    recoveries: int = 0
    """How often a consumer died with this tick claimed (counted apart from failures)."""
    extra: dict[str, Any] = msgspec.field(default_factory=dict)

    @property
    def spent(self) -> int:
        """Attempts that count against the retry budget: those a dead consumer cut short do not."""
        return max(0, self.attempts - self.recoveries)

    def evolve(self, **changes: Any) -> Tick:
        """A copy with `changes`."""
        return msgspec.structs.replace(self, **changes)


def tick_document(tick: Tick) -> dict[str, Any]:
    """The tick as it stands in a file: optional fields only where they say something."""
    document: dict[str, Any] = {
        "id": tick.id,
        "cadence": tick.cadence,
        "source": tick.source,
        "enqueued_at": tick.enqueued_at,
        "attempts": tick.attempts,
    }
    if tick.payload is not UNSET:
        document["payload"] = tick.payload
    optional: tuple[tuple[str, Any, Any], ...] = (
        ("priority", tick.priority, 0),
        ("not_before", tick.not_before, None),
        ("dedupe_key", tick.dedupe_key, None),
        ("last_error", tick.last_error, None),
        ("recoveries", tick.recoveries, 0),
    )
    document.update({name: value for name, value, empty in optional if value != empty})
    if tick.failures:
        document["failures"] = [_failure_document(one) for one in tick.failures]
    return document | tick.extra


def _failure_document(failure: Failure) -> dict[str, Any]:
    """Both log paths stand in it, null where there is no log: readers need not ask twice."""
    found: dict[str, Any] = msgspec.to_builtins(failure)
    first = ("at", "attempt", "exit_code", "reason", "stdout_path", "stderr_path")
    return {name: found.get(name) for name in first} | found


class Claim(Struct, frozen=True):
    """Our right to work on a tick; `token` is refused once somebody else has taken it over."""

    tick: Tick
    token: str


class Receipt(Struct, frozen=True):
    """What became of an enqueue; `fresh` is False when a live tick has the same dedupe key."""

    id: str
    fresh: bool


Where = Literal["inbox", "claimed", "dlq", "trash"]


class TickView(Struct, frozen=True):
    """A tick as a list shows it. `since` is when it came there (epoch seconds)."""

    tick: Tick
    where: Where
    since: float


class ActResult(Struct, frozen=True):
    """What an act on one id came to; `ok` False has the reason in `detail`."""

    id: str
    ok: bool
    detail: str = ""


# ---- breaker and holds ------------------------------------------------------------------


class CadenceState(Struct, frozen=True, omit_defaults=True):
    """What the breaker remembers of one cadence. Deadlines are steady epoch seconds; 0 = none."""

    failures: int = 0
    next_allowed_at: float = 0.0
    open_until: float = 0.0
    forced: bool = False
    """An operator opened it: it outlives a clean restart."""


HoldKind = Literal["quota", "overload", "auth", "budget"]


class Hold(Struct, frozen=True):
    """Why every cadence waits (or one, for a budget). `until` 0 = until somebody lifts it."""

    kind: HoldKind
    until: float
    since: float
    reason: str


CadenceWord = Literal["closed", "backoff", "open", "half_open", "paused", "quota"]


# ---- consumer.json ----------------------------------------------------------------------


class Stats(Struct):
    """Counters since the consumer's start; names are the reference's."""

    started_at: str = ""
    ticks: int = 0
    inline: int = 0
    escalated: int = 0
    skipped_emergency_stop: int = 0
    skipped_circuit_open: int = 0
    skipped_backoff: int = 0
    dlq: int = 0
    retries: int = 0
    spawn_failures: int = 0
    last_decision: str | None = None


class Running(Struct, frozen=True):
    """A run that is going on, as consumer.json shows it."""

    run_id: str
    tick_id: str
    cadence: str
    pid: int | None
    started_at: str
    timeout_at: str | None
    stdout_path: str | None
    stderr_path: str | None
    attempt: int = 1
    activity: str | None = None
    """What its output says it is doing ("tool Bash", "retry 4 of 10, 529"); None = unknown."""
    host: str | None = None
    """Where it runs, of a fleet; None = here."""


class CadenceBeat(Struct, frozen=True):
    """One cadence in consumer.json."""

    state: CadenceWord
    failures: int
    next_allowed_at: str | None
    open_until: str | None
    reason: str | None = None


class HoldBeat(Struct, frozen=True):
    """A hold over all cadences, in consumer.json."""

    kind: HoldKind
    until: str | None
    since: str
    reason: str


class Beat(Struct, frozen=True, kw_only=True):
    """consumer.json: the live consumer's heartbeat and state, replaced whole."""

    pid: int
    host: str
    version: str
    started_at: str
    beat_at: str
    mode: Literal["console", "daemon"]
    stats: Stats
    running: tuple[Running, ...] = ()
    cadences: dict[str, CadenceBeat] = {}
    settings_error: str | None = None
    trouble: str | None = None
    """What keeps the consumer from working (disk full, read-only …); None = nothing."""
    hold: HoldBeat | None = None
    stopped_at: str | None = None
    """Set by a clean stop: the next start is afresh."""


# ---- runs -------------------------------------------------------------------------------


class Usage(Struct, frozen=True, omit_defaults=True):
    """What a sub-session used, summed over models; cost in USD."""

    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cache_read: int = 0
    tokens_cache_write: int = 0
    cost_usd: float = 0.0
    model: str | None = None
    turns: int | None = None
    session_id: str | None = None


class RunResult(Struct, frozen=True, kw_only=True):
    """How a run ended. `outcome` ok | failed | timeout | cancelled | shutdown | quota | …

    exit_code: the process's own; -1 ended by a signal, -4 could not start, -5 unknown,
    -6 process error (the reference's table).
    """

    outcome: str
    exit_code: int
    signal: int | None = None
    failure_class: str | None = None
    reason: str | None = None
    hold_until: float = 0.0
    """Wall epoch seconds that the CLI named for a quota; 0 = it named none."""
    duration: float = 0.0
    stdout_path: str | None = None
    stderr_path: str | None = None
    usage: Usage = Usage()

    @property
    def ok(self) -> bool:
        return self.outcome == "ok"


class RunRow(Struct, frozen=True, kw_only=True):
    """One row of the ledger."""

    run_id: str
    tick_id: str
    cadence: str
    attempt: int
    started_at: str
    ended_at: str | None
    outcome: str | None
    """None while it runs."""
    failure_class: str | None
    exit_code: int | None
    signal: int | None
    usage: Usage
    stdout_path: str | None
    stderr_path: str | None
    reason: str | None
    pid: int | None
    duration: float | None
    """Seconds, None while it runs."""
    host: str | None = None
    """Where it ran, of a fleet; None = here."""
