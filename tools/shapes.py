"""The files and JSON documents of maestro-tui as types, for their schemas (tools/schemas.py).

Where the program has a type it is used as it is; what it prints from plain dictionaries is
written down here. Documents may get more fields within a schema_version, never fewer.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from maestro_core.doctor.finding import Finding
from maestro_core.models import CadenceWord, Failure, Running, Stats
from maestro_core.observe.agent_line import AgentWord
from maestro_core.observe.snapshot import ConsumerWord, CountsView, HostWord
from maestro_core.settings import CadenceSettings, ConsumerSettings
from maestro_core.settings_types import (
    BusSettings,
    MetricsSettings,
    NoticeSettings,
    ScheduleSettings,
)

Time = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
Version = Annotated[int, Meta(ge=1, le=1)]
Count = Annotated[int, Meta(ge=0)]


# ---- files ---------------------------------------------------------------------------------


class ClaimMark(Struct):
    """Who works on the tick; only while it is in claimed/."""

    owner: str
    token: str
    at: str


class TickFile(Struct, omit_defaults=True):
    """inbox/<id>.json, claimed/, dlq/ and trash/. Fields that are not named here survive."""

    id: Name
    cadence: Name
    source: str = "unknown"
    enqueued_at: str = ""
    attempts: Count = 0
    payload: Any = None
    priority: int = 0
    not_before: str | None = None
    dedupe_key: str | None = None
    last_error: str | None = None
    failures: tuple[Failure, ...] = ()
    recoveries: Count = 0
    claim: ClaimMark | None = None


class CadencesToml(Struct, forbid_unknown_fields=True):
    """config/cadences.toml. docs/settings.md has the ranges."""

    consumer: ConsumerSettings = ConsumerSettings()
    cadence: dict[Name, CadenceSettings] = {}
    schedules: ScheduleSettings = ScheduleSettings()
    notices: NoticeSettings = NoticeSettings()
    metrics: MetricsSettings = MetricsSettings()
    bus: BusSettings = BusSettings()


class OpenCircuit(Struct):
    failures: Count
    open_until: Time


class CircuitOpen(Struct):
    """circuit-open.json; absent when nothing is open."""

    generated: Time
    open: dict[Name, OpenCircuit]


class JournalLine(Struct):
    """A line of logs/cadence-bus/YYYY-MM-DD.jsonl; further fields depend on the stage."""

    ts: Time
    level: str
    stage: str


# ---- what commands print with --json -------------------------------------------------------


class Marker(Struct):
    at: Time | None
    by: str | None
    reason: str | None


class HoldState(Struct):
    kind: str
    until: Time | None
    since: Time
    reason: str


class ConsumerState(Struct):
    state: ConsumerWord
    stale: bool
    beat_age_seconds: float | None
    pid: int | None
    host: str | None
    version: str | None
    mode: str | None
    started_at: Time | None
    beat_at: Time | None
    settings_error: str | None
    trouble: str | None
    stats: Stats | None
    hold: HoldState | None


class FullUsage(Struct):
    """Every key is there."""

    tokens_in: int
    tokens_out: int
    tokens_cache_read: int
    tokens_cache_write: int
    cost_usd: float
    model: str | None
    turns: int | None
    session_id: str | None


class Run(Struct):
    """A row of the ledger."""

    run_id: str
    tick_id: str
    cadence: str
    attempt: int
    started_at: Time
    ended_at: Time | None
    outcome: str | None
    failure_class: str | None
    exit_code: int | None
    signal: int | None
    usage: FullUsage
    stdout_path: str | None
    stderr_path: str | None
    reason: str | None
    pid: int | None
    duration: float | None
    host: str | None


class Cadence(Struct):
    name: str
    mode: str
    state: CadenceWord
    failures: Count
    threshold: int
    max_attempts: int
    next_allowed_at: Time | None
    open_until: Time | None
    hold_length: float | None
    reason: str | None
    paused: Marker | None
    waiting: Count
    dead: Count
    next_due: Time | None
    schedule: str | None
    recent: list[str | None]
    usual_seconds: float | None
    running: Running | None
    prompt_exists: bool
    hosts: list[str]
    last_run: Run | None


class Host(Struct):
    """A host of a fleet; times on the clock of who asks."""

    host: str
    state: HostWord
    beat_age_seconds: float | None
    clock_ahead_seconds: float
    here: bool
    beat_at: Time | None
    cadences: list[str]
    running: list[Running]
    pid: int | None
    mode: str | None
    version: str | None
    started_at: Time | None
    settings_error: str | None
    trouble: str | None
    stats: Stats | None
    hold: HoldState | None
    address: str
    root: str


class Fleet(Struct):
    """The server that a fleet shares. `away` says why all is as it was at `seen_at`."""

    server: str
    here: str
    away: str | None
    seen_at: Time | None
    stopped_here: Marker | None
    hosts: list[Host]


class Status(Struct):
    """`status --json` of one agent."""

    schema_version: Version
    root: str
    agent: str
    at: Time
    consumer: ConsumerState
    emergency_stop: Marker | None
    counts: CountsView | None
    cost_today_usd: float | None
    error: str | None
    running: list[Running]
    cadences: list[Cadence]
    problems: list[str]
    fleet: Fleet | None
    settled: bool


class AgentStatus(Struct, kw_only=True):
    """An agent of several. `problem` says why nothing more is there."""

    problem: str | None
    root: str
    agent: str
    at: Time
    state: AgentWord = "broken"
    consumer: ConsumerState | None = None
    emergency_stop: Marker | None = None
    counts: CountsView | None = None
    cost_today_usd: float = 0.0
    running: list[Running] = []
    cadences: list[Cadence] = []
    problems: list[str] = []
    fleet: Fleet | None = None
    settled: bool = True


class StatusOfAll(Struct):
    """`status --json` of several agents."""

    schema_version: Version
    agents: list[AgentStatus]


class Runs(Struct):
    """`runs --json`, newest first."""

    schema_version: Version
    runs: list[Run]


class Cadences(Struct):
    """`cadences --json`."""

    schema_version: Version
    error: str | None
    cadences: list[Cadence]


class DeadLetter(Struct, kw_only=True):
    """The tick's own fields and these; see tick.schema.json."""

    id: Name
    cadence: Name
    since: Time
    signature: str


class DeadGroup(Struct):
    signature: str
    count: Count
    cadences: list[str]
    newest: Time
    oldest: Time
    ids: list[Name]


class DeadLetters(Struct):
    """`dlq list --json`, newest first."""

    schema_version: Version
    total: Count
    dead_letters: list[DeadLetter]
    groups: list[DeadGroup]


class Journal(Struct):
    """`journal --json`, newest last."""

    schema_version: Version
    entries: list[JournalLine]
    broken_lines: Count
    missing: str | None


class CostSum(Struct):
    runs: Count
    ok: Count
    tokens_in: Count
    tokens_out: Count
    tokens_cache_read: Count
    tokens_cache_write: Count
    cost_usd: float
    seconds: float


class Costs(Struct):
    """`costs --json`. A row also has the keys that `by` names."""

    schema_version: Version
    by: list[str]
    since: Time | None
    rows: list[CostSum]
    total: CostSum


class Obstacle(Struct):
    code: str
    says: str
    act: str | None
    command: str | None
    until: Time | None


class Explain(Struct):
    """`explain CADENCE --json`: what keeps it from running, in order."""

    schema_version: Version
    cadence: str
    known: bool
    running: bool | None
    waiting: Count | None
    obstacles: list[Obstacle]
    settled: bool
    error: str | None


class Doctor(Struct):
    """`doctor --json`."""

    schema_version: Version
    version: str
    generated: Time
    root: str
    offline: bool
    deep: bool
    strict: bool
    ok: bool
    exit_code: Annotated[int, Meta(ge=0, le=3)]
    counts: dict[str, int]
    findings: list[Finding]


class TimerManager(Struct):
    kind: str
    available: bool
    why: str | None


class Schedule(Struct):
    cadence: str
    schedule: str
    producer: str
    next_due: list[Time]
    last_due: Time | None
    last_tick_id: str | None
    covered: Count
    timer: str | None
    why: str | None


class Schedules(Struct):
    """`schedule show --json`."""

    schema_version: Version
    root: str
    at: Time
    time_zone: str | None
    manager: TimerManager
    leftover_timers: list[str]
    schedules: list[Schedule]


class BusHost(Struct):
    host: str
    state: str
    age_seconds: float
    version: str | None
    pid: Count | None
    trouble: str | None
    running: list[dict[str, str]]
    cadences: list[str]


class BusStatus(Struct, kw_only=True):
    """`bus status --json`; with folders only the first three."""

    schema_version: Version
    bus: str
    where: str
    problem: str | None
    remedy: str | None = None
    schema: Count | None = None
    engine: str | None = None
    counts: dict[str, int] = {}
    hosts: list[BusHost] = []
    here: str = ""


class KeptTick(Struct):
    shelf: str
    id: str
    reason: str


class SetAside(Struct):
    name: str
    reason: str


class BusMove(Struct):
    """`bus migrate --json`."""

    schema_version: Version
    dry_run: bool
    to: str
    server: str
    resumed: bool
    moved: dict[str, int]
    kept: list[KeptTick]
    aside: list[SetAside]
    pauses: list[str]
    circuits: list[str]
    emergency_stop: bool
    hold: str | None
    running: Count
    quarantined: Count
