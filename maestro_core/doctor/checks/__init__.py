"""The registry of checks, in the order in which they are shown."""

from __future__ import annotations

from maestro_core.doctor.checks import (
    api_key,
    bus,
    claude,
    config,
    consoles,
    consumer,
    disk,
    env_file,
    login,
    machine,
    move,
    processes,
    prompts,
    queue,
    server,
    terminal,
    timers,
)
from maestro_core.doctor.context import Check

CHECKS: tuple[Check, ...] = (
    *env_file.CHECKS,
    *login.CHECKS,
    *api_key.CHECKS,
    *claude.CHECKS,
    *config.CHECKS,
    *timers.CHECKS,
    *prompts.CHECKS,
    *bus.CHECKS,
    *server.CHECKS,
    *move.CHECKS,
    *disk.CHECKS,
    *consumer.CHECKS,
    *consoles.CHECKS,
    *processes.CHECKS,
    *queue.CHECKS,
    *machine.CHECKS,
    *terminal.CHECKS,
)
