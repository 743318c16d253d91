"""Carries out operators' commands. Whoever holds consumer.lock runs this: the consumer on
its live state, or `apply_offline` on the files when there is no consumer.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from maestro_core.bus.engine import Engine
from maestro_core.clock import Clock, iso
from maestro_core.consumer.breaker import (
    CLOSED,
    LONGEST_FORCED,
    breaker_policy,
    forced_open,
    gate,
    half_opened,
)
from maestro_core.consumer.gate_store import Gates
from maestro_core.control.commands import Ack, Command, Outcome
from maestro_core.layout import NAME, Layout
from maestro_core.models import ActResult
from maestro_core.settings import ConsumerSettings, Settings


class Applier:
    """One command at a time. `cancel` ends a run by its id; None = nothing runs."""

    def __init__(
        self, engine: Engine, gates: Gates, clock: Clock, settings: ConsumerSettings, *,
        cancel: Callable[[str], bool] | None, lift_budget: Callable[[str], bool] | None = None,
    ) -> None:  # fmt: skip
        self._engine = engine
        self._gates = gates
        self._clock = clock
        self._settings = settings
        self._cancel = cancel
        self._lift_budget = lift_budget

    def apply(self, command: Command) -> Ack:
        """Never raises for what a target is not: that is its outcome."""
        verbs: dict[str, Callable[[Command], list[Outcome]]] = {
            "dlq_retry": lambda one: self._each(self._engine.retry_dead, one.targets),
            "dlq_discard": lambda one: self._each(self._engine.discard_dead, one.targets),
            "dlq_restore": lambda one: self._each(self._engine.restore_dead, one.targets),
            "dlq_unretry": lambda one: self._each(self._engine.unretry, one.targets),
            "withdraw": lambda one: self._each(self._engine.withdraw, one.targets),
            "circuit_close": self._circuits,
            "circuit_open": self._circuits,
            "circuit_probe": self._circuits,
            "cancel": self._cancel_runs,
            "lift_hold": self._lift_hold,
        }
        before = self._facts(command)
        outcomes = verbs[command.verb](command)
        return Ack(
            id=command.id,
            ok=all(one.ok for one in outcomes),
            at=iso(self._clock.wall()),
            by_pid=os.getpid(),
            outcomes=tuple(outcomes),
            before=before,
            after=self._facts(command),
        )

    def _each(
        self, act: Callable[[Sequence[str]], list[ActResult]], targets: Sequence[str]
    ) -> list[Outcome]:
        return [Outcome(one.id, one.ok, one.detail) for one in act(targets)]

    def _circuits(self, command: Command) -> list[Outcome]:
        return [self._circuit(command, cadence) for cadence in command.targets]

    def _circuit(self, command: Command, cadence: str) -> Outcome:
        if not NAME.match(cadence):
            return Outcome(cadence, False, "not a cadence name")
        state, now = self._gates.get(cadence), self._clock.steady()
        policy = breaker_policy(self._settings)
        if command.verb == "circuit_open":
            seconds = min(command.seconds or policy.open_seconds, LONGEST_FORCED)
            self._gates.update(cadence, lambda one: forced_open(one, now, seconds))
            return Outcome(cadence, True, f"open for {seconds:.0f} s")
        was = gate(state, now, policy).word
        if command.verb == "circuit_close":
            self._gates.update(cadence, lambda _: CLOSED)
            return Outcome(cadence, True, f"closed (it was {was})")
        if was == "closed":
            return Outcome(cadence, False, "nothing to probe: its circuit is closed")
        self._gates.update(cadence, lambda one: half_opened(one, policy))
        return Outcome(cadence, True, f"the next tick is a probe (it was {was})")

    def _cancel_runs(self, command: Command) -> list[Outcome]:
        return [
            Outcome(run_id, True, "being ended")
            if self._cancel is not None and self._cancel(run_id)
            else Outcome(run_id, False, "no such run is going on")
            for run_id in command.targets
        ]

    def _lift_hold(self, command: Command) -> list[Outcome]:
        """`*` lifts the hold over all (a spent budget too), a cadence its own spent budget."""
        hold, target = self._gates.hold, command.targets[0] if command.targets else "*"
        lifted = []
        if target == "*" and hold is not None:
            self._gates.set_hold(None)
            lifted.append(f"{hold.kind} hold lifted")
        if self._lift_budget is not None and self._lift_budget(target):
            lifted.append("budget lifted until the end of the day (UTC)")
        return [Outcome(target, bool(lifted), "; ".join(lifted) or "no hold is on")]

    def _facts(self, command: Command) -> dict[str, Any]:
        """What the command is about, for the audit: where ticks are, how circuits stand."""
        if command.verb.startswith("dlq") or command.verb == "withdraw":
            found = {one: self._engine.find(one) for one in command.targets[:100]}
            return {one: view.where if view else None for one, view in found.items()}
        if command.verb.startswith("circuit"):
            return {one: self._circuit_facts(one) for one in command.targets}
        return {"hold": self._gates.hold.kind if self._gates.hold else None}

    def _circuit_facts(self, cadence: str) -> dict[str, Any]:
        state, now = self._gates.get(cadence), self._clock.steady()
        word = gate(state, now, breaker_policy(self._settings)).word
        facts: dict[str, Any] = {"state": word, "failures": state.failures}
        if word == "open":
            facts["open_until"] = iso(self._clock.wall() + state.open_until - now)
        return facts


def apply_offline(layout: Layout, command: Command, clock: Clock) -> Ack:
    """Apply a command on the files. The caller holds consumer.lock, so nobody else moves ticks.

    Raises OSError or BusError when the bus cannot be read or written.
    """
    from maestro_core.bus.directory import DirectoryEngine
    from maestro_core.consumer.gates import GateBook
    from maestro_core.files import OsFiles

    fs = OsFiles()
    settings = settings_or_default(layout)
    gates = GateBook(layout, clock, fs)
    gates.load(breaker_policy(settings), afresh=False)
    engine = DirectoryEngine(layout, clock=clock, fs=fs, owner="operator")
    try:
        engine.refresh()
        return Applier(engine, gates, clock, settings, cancel=None).apply(command)
    finally:
        engine.close()


def settings_or_default(layout: Layout) -> ConsumerSettings:
    """A broken settings file must not keep an operator from acting."""
    from maestro_core.errors import SettingsError
    from maestro_core.settings import load_settings

    try:
        settings: Settings = load_settings(layout)
    except SettingsError:
        return ConsumerSettings()
    return settings.consumer
