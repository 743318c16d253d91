"""What the end of a run means: for its tick, its cadence's circuit, the holds, the numbers.

The tick is settled first. If the disk refuses that, nothing else has happened yet and the
consumer tries the whole of it again later.
"""

from __future__ import annotations

from maestro_core.bus.engine import Engine
from maestro_core.clock import Clock, iso
from maestro_core.consumer.breaker import (
    after_failure,
    after_success,
    breaker_policy,
    held_back,
    is_forced,
)
from maestro_core.consumer.gate_store import Gates
from maestro_core.consumer.gates import LONGEST_HOLD
from maestro_core.consumer.policy import is_spent
from maestro_core.journal import Journal
from maestro_core.models import Claim, Failure, Hold, RunResult, Stats, Tick
from maestro_core.session.failures import FailurePolicy, policy_for
from maestro_core.settings import ConsumerSettings

GIVEN_BACK = ("shutdown", "emergency_stop", "lease")
"""Outcomes that are not the tick's doing: it goes back as if it had not been claimed."""

TRUSTED_HOLDS = 3
"""Holds in a row whose end is believed to be when the CLI says."""

LONGEST_GROWN_HOLD = 1800.0
"""Seconds: a hold without a named end doubles with each one in a row, up to this."""


class Settler:
    """Applies results. Owned by the consumer's thread."""

    def __init__(
        self, engine: Engine, gates: Gates, journal: Journal, clock: Clock, stats: Stats
    ) -> None:
        self._engine = engine
        self._gates = gates
        self._journal = journal
        self._clock = clock
        self._stats = stats
        self._holds_in_a_row = 0

    def settle(
        self, claim: Claim, result: RunResult, settings: ConsumerSettings, *,
        inline: bool, run_id: str,
    ) -> None:  # fmt: skip
        """Raises OSError (nothing done, try again) or ClaimLost (not ours any more)."""
        if result.ok:
            self._succeeded(claim, result, inline=inline, run_id=run_id)
        elif result.outcome in GIVEN_BACK:
            self.put_back(claim, run_id=run_id, reason=result.outcome)
        elif result.outcome == "cancelled":
            self._cancelled(claim, result, run_id)
        else:
            self._failed(claim, result, settings, inline=inline, run_id=run_id)

    def _succeeded(self, claim: Claim, result: RunResult, *, inline: bool, run_id: str) -> None:
        self._engine.complete(claim)
        self._holds_in_a_row = self._holds_in_a_row if inline else 0
        self._forget_failures(claim.tick.cadence)
        stage = "inline_completed" if inline else "subsession_completed"
        self._log(
            "info", stage, claim.tick, run_id=run_id, exit_code=result.exit_code,
            duration_ms=round(result.duration * 1000),
            stdout_path=result.stdout_path, stderr_path=result.stderr_path,
        )  # fmt: skip
        if inline:
            self._stats.inline += 1
        else:
            self._stats.escalated += 1
        self._stats.last_decision = "inline" if inline else "escalated"

    def _cancelled(self, claim: Claim, result: RunResult, run_id: str) -> None:
        """An operator ended it: not to be run again by itself, and no fault of the cadence."""
        self._engine.dead_letter(claim, self._failure(claim, result, run_id))
        self._stats.dlq += 1
        self._stats.last_decision = "cancelled"
        self._log("warn", "subsession_cancelled", claim.tick, run_id=run_id, reason=result.reason)

    def _failed(
        self, claim: Claim, result: RunResult, settings: ConsumerSettings, *,
        inline: bool, run_id: str,
    ) -> None:  # fmt: skip
        policy = policy_for(result.failure_class)
        destination = self._move(claim, result, policy, settings, run_id)
        self._stats.spawn_failures += policy.spends_attempt and not inline
        self._stats.last_decision = destination
        stage = "inline_failed" if inline else "subsession_failed"
        self._log(
            "error", stage, claim.tick, run_id=run_id, exit_code=result.exit_code,
            duration_ms=round(result.duration * 1000), error=result.reason,
            failure_class=result.failure_class, stdout_path=result.stdout_path,
            stderr_path=result.stderr_path, destination=destination,
        )  # fmt: skip
        if policy.counts_for_breaker:
            self._count_failure(claim.tick.cadence, settings)
        if policy.hold == "all" and not inline:
            self._hold_all(result, policy)
        elif policy.hold != "none":  # a hold over all lets inline cadences pass: it waits alone
            self._hold_cadence(claim.tick.cadence, policy)

    def _move(
        self, claim: Claim, result: RunResult, policy: FailurePolicy,
        settings: ConsumerSettings, run_id: str,
    ) -> str:  # fmt: skip
        """Where the failed tick goes: put_back | retry | dlq."""
        if not policy.spends_attempt:
            self._engine.put_back(claim)
            return "put_back"
        failure = self._failure(claim, result, run_id)
        if is_spent(claim.tick, settings.max_attempts):
            self._engine.dead_letter(claim, failure)
            self._stats.dlq += 1
            return "dlq"
        self._engine.retry(claim, failure)
        self._stats.retries += 1
        return "retry"

    def put_back(self, claim: Claim, *, reason: str, run_id: str | None = None) -> None:
        """To the inbox as if it had not been claimed."""
        self._engine.put_back(claim)
        self._stats.last_decision = "put_back"
        self._log("info", "put_back", claim.tick, run_id=run_id, reason=reason)

    def dead_letter(self, claim: Claim, reason: str, stage: str) -> None:
        """At once, without a run: an unknown cadence, a poisonous tick."""
        failure = Failure(iso(self._clock.wall()), claim.tick.attempts, None, reason)
        self._engine.dead_letter(claim, failure)
        self._stats.dlq += 1
        self._stats.last_decision = "dlq"
        self._log("error", stage, claim.tick, error=reason)

    def _forget_failures(self, cadence: str) -> None:
        """A success closes the circuit, journalled when it was not, unless an operator holds it."""
        before, now = self._gates.get(cadence), self._clock.steady()
        after = self._gates.update(cadence, lambda state: after_success(state, now))
        if after != before and not after.forced:
            self._journal.write(
                "info", "circuit_closed", cadence=cadence, failures=before.failures,
                reason="success",
            )  # fmt: skip

    def _count_failure(self, cadence: str, settings: ConsumerSettings) -> None:
        now, wall = self._clock.steady(), self._clock.wall()
        before = self._gates.get(cadence)
        policy = breaker_policy(settings)
        state = self._gates.update(cadence, lambda one: after_failure(one, now, policy))
        if state.open_until and not is_forced(before, now):
            self._journal.write(
                "error", "circuit_opened", cadence=cadence, failures=state.failures,
                open_until=iso(wall + state.open_until - now),
            )  # fmt: skip

    def _hold_all(self, result: RunResult, policy: FailurePolicy) -> None:
        now, wall = self._clock.steady(), self._clock.wall()
        seconds = self._hold_length(result.hold_until - wall, policy)
        self._holds_in_a_row += 1
        reason = result.reason or policy.title
        hold = Hold(policy.hold_kind, now + min(seconds, LONGEST_HOLD), now, reason)
        self._gates.set_hold(hold)
        until = iso(wall + hold.until - now)
        self._journal.write("error", "hold_set", kind=hold.kind, reason=reason, until=until)

    def _hold_length(self, named: float, policy: FailurePolicy) -> float:
        """The time that the CLI named, as long as it keeps its word: one that is over again and
        again and was not the end must not start runs one after the other."""
        if named > 0 and self._holds_in_a_row < TRUSTED_HOLDS:
            return named
        return max(named, self._grown(policy.hold_seconds))

    def _grown(self, seconds: float) -> float:
        grown = seconds * 2.0 ** min(self._holds_in_a_row, 10)
        return max(seconds, min(grown, LONGEST_GROWN_HOLD))

    def _hold_cadence(self, cadence: str, policy: FailurePolicy) -> None:
        until = self._clock.steady() + policy.hold_seconds
        self._gates.update(cadence, lambda state: held_back(state, until))

    def _failure(self, claim: Claim, result: RunResult, run_id: str) -> Failure:
        return Failure(
            at=iso(self._clock.wall()),
            attempt=claim.tick.attempts,
            exit_code=result.exit_code,
            reason=result.reason or f"exit {result.exit_code}",
            stdout_path=result.stdout_path,
            stderr_path=result.stderr_path,
            failure_class=result.failure_class,
            run_id=run_id or None,
        )

    def _log(self, level: str, stage: str, tick: Tick, **fields: object) -> None:
        if not fields.get("run_id"):  # a guard, a built-in: no run of its own
            fields.pop("run_id", None)
        self._journal.write(
            level, stage, id=tick.id, cadence=tick.cadence, attempt=tick.attempts, **fields
        )
