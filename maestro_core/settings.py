"""Typed settings of an agent root: `.env` (python-dotenv) and config/cadences.toml.

An environment variable or .env entry MAESTRO_<NAME> overrides a [consumer] key.
Errors name file, line or key, and what is allowed; see `SettingsError`.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Mode = Literal["inline", "guarded", "escalate"]


class ConsumerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[consumer]; see .env.example and the README for each key."""

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
    handler: Literal["heartbeat", "housekeeping", "doctor"] | Handler | None = None
    schedule: str | None = None
    priority: int = 0
    timeout_seconds: float | None = None
    model: str | None = None
    max_turns: int | None = None
    permission_mode: str | None = None
    args: tuple[str, ...] = ()


class Settings(Struct, frozen=True, kw_only=True):
    """All settings of an agent root. `env` is the .env file's entries (secrets inside)."""

    consumer: ConsumerSettings = ConsumerSettings()
    cadences: dict[str, CadenceSettings] = {}
    env: dict[str, str] = {}
