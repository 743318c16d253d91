"""The shapes of the settings: what config/cadences.toml may say, as frozen structs.

The defaults are the product's defaults; `settings_rules` holds the ranges. No I/O.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Mode = Literal["inline", "guarded", "escalate"]
BuiltIn = Literal["heartbeat", "housekeeping", "doctor"]
Producer = Literal["timer", "consumer"]


class ConsumerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[consumer]; docs/settings.md describes each key. Durations in seconds."""

    poll_seconds: float = 5.0
    max_attempts: int = 2
    backoff_seconds: tuple[float, ...] = (30.0, 120.0)
    circuit_threshold: int = 3
    circuit_open_seconds: float = 1800.0
    probe: bool = True
    max_concurrent: int = 1
    timeout_seconds: float = 1800.0
    kill_grace_seconds: float = 10.0
    log_retention_days: int = 30
    log_cap_mb: float = 64.0
    """A run's output file keeps at most this much on disk, its head and its tail."""
    api_retry_cap: int = 2
    """How often the CLI may repeat one request by itself before the run is ended."""
    daily_warn_usd: float | None = None
    daily_hold_usd: float | None = None
    """Cost of all cadences in a day that warns, and that holds them all; None = no budget."""


class Guard(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Escalate only if a file matches the glob, or if the command exits 0."""

    files: str | None = None
    command: tuple[str, ...] | None = None


class Handler(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A command that handles an inline cadence."""

    command: tuple[str, ...]


class CadenceSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[cadence.<name>]."""

    mode: Mode = "escalate"
    guard: Guard | None = None
    handler: BuiltIn | Handler | None = None
    schedule: str | None = None
    producer: Producer | None = None
    """Who enqueues it when it is due; None = as [schedules] says."""
    priority: int = 0
    timeout_seconds: float | None = None
    model: str | None = None
    max_turns: int | None = None
    permission_mode: str | None = None
    args: tuple[str, ...] = ()
    daily_warn_usd: float | None = None
    daily_hold_usd: float | None = None
    """Cost of this cadence in a day that warns, and that holds it; None = no budget."""


class ScheduleSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[schedules]: what all schedules share."""

    time_zone: str | None = None
    """Name of the zone that schedules mean; None = this machine's."""
    producer: Producer = "timer"


class NoticeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[notices]: who is told when something changes. Nothing is sent without a way to send."""

    command: tuple[str, ...] | None = None
    webhook: str | None = None
    quiet_hours: str | None = None
    """Local times `HH:MM-HH:MM` in which nothing is sent."""
    min_interval: float = 60.0
    """Seconds between two deliveries; what comes in between is told together."""


class MetricsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[metrics]: a Prometheus endpoint of `maestro-tui run`, on the loopback address alone."""

    port: int | None = None


FOLDERS = "folders"
"""The bus that is the folders of the agent root itself: so where nothing else is said."""


class BusSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[bus]: where ticks, gates, markers and commands are. `url` may hold a password that came
    from the environment, so it is never shown."""

    url: str | None = None
    host: str | None = None
    """The name of this agent root's consumer on a bus that several share; None = the machine's."""
    per_cadence: int = 1
    """Ticks of one cadence that may run at once over all hosts; 0 = any number."""
    lease_seconds: float = 120.0
    """A consumer that is silent for so long has lost what it works on to the others."""

    @property
    def server(self) -> str | None:
        """The address of a server; None = the folders of the agent root."""
        return None if self.url == FOLDERS else self.url


class Settings(Struct, frozen=True, kw_only=True):
    """All settings of an agent root. `env` is the .env file's entries (secrets inside)."""

    consumer: ConsumerSettings = ConsumerSettings()
    cadences: dict[str, CadenceSettings] = {}
    schedules: ScheduleSettings = ScheduleSettings()
    notices: NoticeSettings = NoticeSettings()
    metrics: MetricsSettings = MetricsSettings()
    bus: BusSettings = BusSettings()
    env: dict[str, str] = {}
    warnings: tuple[str, ...] = ()
    """What is usable but probably not meant, one line each."""

    def producer(self, cadence: str) -> Producer | None:
        """Who enqueues the cadence when it is due; None = it has no schedule."""
        own = self.cadences.get(cadence)
        if own is None or own.schedule is None:
            return None
        return own.producer or self.schedules.producer
