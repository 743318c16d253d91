"""The registry of checks, in the order in which they are shown."""

from __future__ import annotations

from maestro_core.doctor.checks import (
    api_key,
    bus,
    claude,
    config,
    consumer,
    disk,
    env_file,
    login,
    machine,
    processes,
    prompts,
    queue,
    terminal,
)
from maestro_core.doctor.context import Check

CHECKS: tuple[Check, ...] = (
    *env_file.CHECKS,
    *login.CHECKS,
    *api_key.CHECKS,
    *claude.CHECKS,
    *config.CHECKS,
    *prompts.CHECKS,
    *bus.CHECKS,
    *disk.CHECKS,
    *consumer.CHECKS,
    *processes.CHECKS,
    *queue.CHECKS,
    *machine.CHECKS,
    *terminal.CHECKS,
)
