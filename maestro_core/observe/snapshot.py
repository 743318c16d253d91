"""What a screen shows of an agent root at one moment: one frozen struct, made from files.

Parts that did not change keep their identity between two snapshots, so that a screen may
compare with `is`. Times: floats are wall epoch seconds; None = there is none.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from maestro_core.models import CadenceWord, HoldBeat, Running, RunRow, Stats
from maestro_core.service.starts import Loop

ConsumerWord = Literal["live", "stale", "stopped", "crashed", "none"]


class ConsumerView(Struct, frozen=True, kw_only=True):
    """The consumer as its heartbeat tells. "live" only while the beat is younger than 10 s."""

    word: ConsumerWord = "none"
    pid: int | None = None
    host: str | None = None
    version: str | None = None
    mode: str | None = None
    started_at: float | None = None
    beat_at: float | None = None
    settings_error: str | None = None
    trouble: str | None = None
    stats: Stats | None = None
    hold: HoldBeat | None = None
    loop: Loop | None = None
    """The service that should keep it running is in a crash loop."""


class MarkerView(Struct, frozen=True):
    """An operator's marker (pause, emergency stop): who, when, why; None = it does not say."""

    at: float | None
    by: str | None
    reason: str | None


class CountsView(Struct, frozen=True):
    """Files in the bus folders and open circuits."""

    inbox: int = 0
    claimed: int = 0
    dlq: int = 0
    quarantine: int = 0
    open_circuits: int = 0


class CadenceView(Struct, frozen=True, kw_only=True):
    """One pane of the board."""

    name: str
    mode: str
    """inline | guarded | escalate | unregistered | elsewhere (of a fleet: other hosts, if any)"""
    state: CadenceWord | Literal["unknown"] = "closed"
    """"unknown" while nothing is known of the bus, see Snapshot.unknown."""
    failures: int = 0
    threshold: int = 3
    max_attempts: int = 2
    next_allowed_at: float | None = None
    open_until: float | None = None
    hold_length: float | None = None
    """Full length in seconds of the hold that is on, for a draining bar."""
    reason: str | None = None
    paused: MarkerView | None = None
    waiting: int = 0
    dead: int = 0
    next_due: float | None = None
    schedule: str | None = None
    recent: tuple[RunRow, ...] = ()
    """Its last 20 ended runs, oldest first."""
    usual_seconds: float | None = None
    """Median duration of its recent successful runs."""
    running: Running | None = None
    prompt_exists: bool = True
    hosts: tuple[str, ...] = ()
    """Of a fleet: the hosts that say that they can run it."""


HostWord = Literal["live", "stale", "gone", "stopped", "silent"]
"""stale: no beat for 10 s; gone: for its whole lease, so that others take its ticks over;
stopped: it said goodbye; silent: it has never beaten."""


class HostView(Struct, frozen=True, kw_only=True):
    """A host of a fleet as its heartbeat tells. Times on this machine's clock."""

    host: str
    word: HostWord = "silent"
    here: bool = False
    """It is the consumer of this agent root."""
    beat_at: float | None = None
    cadences: tuple[str, ...] = ()
    """What it can run."""
    running: tuple[Running, ...] = ()
    pid: int | None = None
    mode: str | None = None
    version: str | None = None
    started_at: float | None = None
    settings_error: str | None = None
    trouble: str | None = None
    stats: Stats | None = None
    hold: HoldBeat | None = None
    """A hold over this host alone (a refused sign-in)."""
    skew: float = 0.0
    """Seconds that its clock is ahead of the server's; small ones are told as 0."""
    address: str = ""
    """The name of its machine, for ssh."""
    root: str = ""
    """Its agent root, there."""


class FleetView(Struct, frozen=True, kw_only=True):
    """The server that a fleet shares, and the hosts."""

    server: str
    """Its address, without any password."""
    here: str
    """The name of this agent root among the hosts."""
    hosts: tuple[HostView, ...] = ()
    away: str | None = None
    """Why the server cannot be asked now: what is shown is then as it was at `seen_at`."""
    seen_at: float | None = None
    stopped_here: MarkerView | None = None
    """An emergency stop for this host alone, by the file of its agent root."""

    @property
    def unknown(self) -> str | None:
        """Why nothing is known, when the server was never heard."""
        return self.away if self.seen_at is None else None

    def able(self, cadence: str) -> tuple[HostView, ...]:
        """The hosts that can run that cadence, whatever they are like now."""
        return tuple(one for one in self.hosts if cadence in one.cadences)

    def named(self, host: str | None) -> HostView | None:
        return next((one for one in self.hosts if one.host == host), None)


class Later(Struct, frozen=True):
    """Waiting ticks of a cadence that are not due yet, and when the first of them is."""

    count: int
    next_at: float


class Snapshot(Struct, frozen=True, kw_only=True):
    """Everything that the strip and the board need."""

    root: str
    agent: str
    """Name of the agent: AGENT_NAME of .env, else the folder's name."""
    at: float
    consumer: ConsumerView = ConsumerView()
    emergency_stop: MarkerView | None = None
    counts: CountsView = CountsView()
    cost_today: float = 0.0
    cadences: tuple[CadenceView, ...] = ()
    running: tuple[Running, ...] = ()
    max_concurrent: int = 1
    """How many sub-sessions may run at once."""
    later: dict[str, Later] = {}
    """Of the waiting ticks by cadence, those that are not due yet."""
    problems: tuple[str, ...] = ()
    """What could not be read, one line each."""
    fleet: FleetView | None = None
    """None = the bus is this root's own folders."""

    @property
    def unknown(self) -> str | None:
        """Why nothing is known of the bus: then no count is true, not even 0."""
        return self.fleet.unknown if self.fleet is not None else None
