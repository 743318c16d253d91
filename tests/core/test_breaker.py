"""The breaker and the retry policy as tables, and as properties over any history."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maestro_core.consumer.breaker import (
    CLOSED,
    LONGEST_FORCED,
    BreakerPolicy,
    after_expiry,
    after_failure,
    after_success,
    capped,
    forced_open,
    gate,
    half_opened,
)
from maestro_core.consumer.policy import backoff_seconds, is_poison, is_spent
from maestro_core.models import CadenceState, Tick

NOW = 1_000_000.0
POLICY = BreakerPolicy()
PLAIN = BreakerPolicy(probe=False)


@pytest.mark.parametrize(
    ("failures", "schedule", "seconds"),
    [
        (0, (30, 120), 0),
        (1, (30, 120), 30),
        (2, (30, 120), 120),
        (3, (30, 120), 120),
        (99, (30, 120), 120),
        (1, (), 0),
        (5, (7,), 7),
    ],
)
def test_back_off_follows_the_schedule_and_repeats_its_last_value(
    failures: int, schedule: tuple[float, ...], seconds: float
) -> None:
    assert backoff_seconds(failures, schedule) == seconds


@pytest.mark.parametrize(
    ("attempts", "recoveries", "budget", "spent"),
    [(1, 0, 2, False), (2, 0, 2, True), (2, 1, 2, False), (3, 1, 2, True), (1, 0, 1, True)],
)
def test_attempts_that_a_dead_consumer_cut_short_do_not_spend_the_budget(
    attempts: int, recoveries: int, budget: int, spent: bool
) -> None:
    tick = Tick(id="t", cadence="c", attempts=attempts, recoveries=recoveries)
    assert is_spent(tick, budget) is spent


@pytest.mark.parametrize(("recoveries", "poison"), [(0, False), (1, False), (2, True), (9, True)])
def test_a_third_death_of_the_consumer_makes_a_tick_poison(recoveries: int, poison: bool) -> None:
    assert is_poison(Tick(id="t", cadence="c", recoveries=recoveries)) is poison


@pytest.mark.parametrize(
    ("state", "word", "until"),
    [
        (CLOSED, "closed", 0),
        (CadenceState(failures=1), "closed", 0),
        (CadenceState(failures=1, next_allowed_at=NOW + 5), "backoff", NOW + 5),
        (CadenceState(failures=1, next_allowed_at=NOW), "closed", 0),
        (CadenceState(failures=3, open_until=NOW + 9), "open", NOW + 9),
        (CadenceState(failures=3, open_until=NOW), "half_open", 0),
        (CadenceState(failures=3), "half_open", 0),
        (CadenceState(open_until=NOW + 9, next_allowed_at=NOW + 99), "open", NOW + 9),
    ],
)
def test_what_a_state_means(state: CadenceState, word: str, until: float) -> None:
    found = gate(state, NOW, POLICY)
    assert (found.word, found.until) == (word, until)
    assert found.allowed is (word in ("closed", "half_open"))


def test_three_failures_in_a_row_open_the_circuit_for_its_full_time() -> None:
    one = after_failure(CLOSED, NOW, POLICY)
    two = after_failure(one, NOW + 60, POLICY)
    three = after_failure(two, NOW + 300, POLICY)
    assert (one.failures, one.next_allowed_at) == (1, NOW + 30)
    assert (two.failures, two.next_allowed_at) == (2, NOW + 180)
    assert three == CadenceState(failures=3, open_until=NOW + 300 + 1800)


def test_after_the_open_time_one_probe_may_run_and_its_failure_opens_again() -> None:
    opened = CadenceState(failures=3, open_until=NOW)
    probe = after_expiry(opened, NOW, POLICY)
    assert gate(probe, NOW, POLICY).word == "half_open"
    again = after_failure(probe, NOW + 1, POLICY)
    assert gate(again, NOW + 2, POLICY).word == "open"
    assert again.failures == 4


def test_without_probes_the_circuit_just_closes() -> None:
    assert after_expiry(CadenceState(failures=3, open_until=NOW), NOW, PLAIN) == CLOSED


def test_a_circuit_that_is_still_open_does_not_expire() -> None:
    state = CadenceState(failures=3, open_until=NOW + 0.001)
    assert after_expiry(state, NOW, POLICY) == state


def test_a_forced_circuit_probes_once_after_its_time() -> None:
    forced = forced_open(CLOSED, NOW, 600)
    assert gate(forced, NOW + 599, POLICY).word == "open"
    assert gate(after_expiry(forced, NOW + 600, POLICY), NOW + 600, POLICY).word == "half_open"


def test_stored_deadlines_are_cut_to_their_full_length_when_the_clock_jumped_back() -> None:
    stored = CadenceState(failures=3, open_until=NOW + 86400, next_allowed_at=NOW + 86400)
    found = capped(stored, NOW, POLICY)
    assert (found.open_until, found.next_allowed_at) == (NOW + 1800, NOW + 120)


@pytest.mark.parametrize("failures", [0, 2, 9])
def test_what_an_operator_forced_open_stays_so_whatever_its_last_run_came_to(failures: int) -> None:
    forced = forced_open(CadenceState(failures=failures), NOW, 7200)
    for state in (after_failure(forced, NOW + 1, POLICY), after_success(forced, NOW + 1)):
        assert (state.open_until, state.forced) == (NOW + 7200, True)
    assert after_success(forced, NOW + 7200) == CLOSED


def test_no_circuit_is_forced_open_for_longer_than_the_longest_time() -> None:
    assert forced_open(CLOSED, NOW, 1e12).open_until == NOW + LONGEST_FORCED
    stored = CadenceState(open_until=NOW + 10 * LONGEST_FORCED, forced=True)
    assert capped(stored, NOW, POLICY).open_until == NOW + LONGEST_FORCED
    assert not capped(CadenceState(open_until=NOW - 1, forced=True), NOW, POLICY).forced


def test_what_an_operator_forced_open_keeps_its_own_length() -> None:
    stored = CadenceState(open_until=NOW + 86400, forced=True)
    assert capped(stored, NOW, POLICY).open_until == NOW + 86400


policies = st.builds(
    BreakerPolicy,
    threshold=st.integers(1, 6),
    open_seconds=st.floats(0.1, 1e5),
    probe=st.booleans(),
    backoff=st.lists(st.floats(0, 1e4), max_size=4).map(tuple),
)
events = st.lists(st.tuples(st.sampled_from(["fail", "ok"]), st.floats(0, 1e5)), max_size=30)


@given(policies, events)
def test_no_history_keeps_a_cadence_shut_for_longer_than_its_longest_hold(
    policy: BreakerPolicy, history: list[tuple[str, float]]
) -> None:
    state, now = CLOSED, NOW
    longest = max((policy.open_seconds, *policy.backoff))
    for event, pause in history:
        now += pause
        state = after_expiry(state, now, policy)
        found = gate(state, now, policy)
        assert found.until <= now + longest
        if not found.allowed:
            continue
        state = CLOSED if event == "ok" else after_failure(state, now, policy)
        if event == "ok":
            assert gate(state, now, policy).word == "closed"
        elif state.failures >= policy.threshold:
            assert gate(state, now, policy).word == "open"
    assert gate(after_expiry(state, now + longest, policy), now + longest, policy).allowed


@given(policies, st.integers(0, 10))
def test_a_probe_that_fails_opens_at_once_whatever_came_before(
    policy: BreakerPolicy, failures: int
) -> None:
    probe = half_opened(CadenceState(failures=failures), policy)
    assert gate(probe, NOW, policy).allowed
    assert gate(after_failure(probe, NOW, policy), NOW, policy).word == "open"


@given(policies, st.floats(0, 1e7), st.floats(0, 1e7), st.integers(0, 9))
def test_cutting_never_lengthens_a_deadline_nor_forgets_a_failure(
    policy: BreakerPolicy, allowed: float, opened: float, failures: int
) -> None:
    before = CadenceState(failures=failures, next_allowed_at=allowed, open_until=opened)
    after = capped(before, NOW, policy)
    assert after.failures == failures
    assert after.open_until <= max(opened, 0)
    assert after.next_allowed_at <= max(allowed, 0)
