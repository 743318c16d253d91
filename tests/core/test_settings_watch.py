"""Proves that a running consumer takes new settings, and keeps good ones over wrong ones."""

from __future__ import annotations

import os

import pytest

from maestro_core.clock import FakeClock
from maestro_core.errors import SettingsError
from maestro_core.layout import Layout
from maestro_core.settings import SettingsWatcher


def write(layout: Layout, attempts: object, *, at: float) -> None:
    """cadences.toml as a person's editor leaves it at that wall time."""
    layout.cadences_toml.parent.mkdir(parents=True, exist_ok=True)
    layout.cadences_toml.write_text(f"[consumer]\nmax_attempts = {attempts}\n")
    os.utime(layout.cadences_toml, (at, at))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def watcher(agent_root: Layout, clock: FakeClock) -> SettingsWatcher:
    write(agent_root, 3, at=clock.wall() - 100)
    return SettingsWatcher(agent_root, clock=clock, environ={})


def test_nothing_changed_nothing_new(watcher: SettingsWatcher) -> None:
    assert watcher.poll() is False
    assert watcher.settings.consumer.max_attempts == 3
    assert watcher.pending is False


def test_a_settled_change_is_taken_at_once(
    watcher: SettingsWatcher, agent_root: Layout, clock: FakeClock
) -> None:
    write(agent_root, 4, at=clock.wall() - 1)
    assert watcher.poll() is True
    assert watcher.settings.consumer.max_attempts == 4
    assert watcher.poll() is False


def test_a_file_that_may_be_half_written_waits(
    watcher: SettingsWatcher, agent_root: Layout, clock: FakeClock
) -> None:
    write(agent_root, 4, at=clock.wall())
    assert watcher.poll() is False
    assert watcher.pending is True
    clock.advance(0.2)
    write(agent_root, 5, at=clock.wall())
    assert watcher.poll() is False
    clock.advance(0.3)
    assert watcher.poll() is True
    assert watcher.settings.consumer.max_attempts == 5


def test_a_wrong_file_changes_nothing_but_the_error(
    watcher: SettingsWatcher, agent_root: Layout, clock: FakeClock
) -> None:
    write(agent_root, '"many"', at=clock.wall() - 1)
    assert watcher.poll() is False
    assert watcher.settings.consumer.max_attempts == 3
    assert watcher.error is not None
    assert "line 2: [consumer] max_attempts: must be a whole number" in watcher.error
    clock.advance(60)
    write(agent_root, 3, at=clock.wall() - 1)
    assert watcher.poll() is False, "the settings are the same as before the mistake"
    assert watcher.error is None


def test_a_file_that_vanishes_for_a_moment_is_not_missed(
    watcher: SettingsWatcher, agent_root: Layout, clock: FakeClock
) -> None:
    agent_root.cadences_toml.rename(agent_root.root / "aside")
    assert watcher.poll() is False
    (agent_root.root / "aside").rename(agent_root.cadences_toml)
    clock.advance(5)
    assert watcher.poll() is False
    assert watcher.settings.consumer.max_attempts == 3


def test_a_file_that_is_gone_for_good_means_the_defaults(
    watcher: SettingsWatcher, agent_root: Layout, clock: FakeClock
) -> None:
    agent_root.cadences_toml.unlink()
    assert watcher.poll() is False
    clock.advance(1)
    assert watcher.poll() is True
    assert watcher.settings.consumer.max_attempts == 2


def test_a_new_key_in_env_is_taken_and_masked_from_then_on(
    watcher: SettingsWatcher, agent_root: Layout, clock: FakeClock
) -> None:
    for value in ("first-secret-1234", "second-secret-5678"):
        agent_root.env_file.write_text(f"OPENAI_API_KEY={value}\n")
        clock.advance(1)
        watcher.poll()
        clock.advance(1)
        watcher.poll()
        assert watcher.settings.env["OPENAI_API_KEY"] == value
    assert watcher.redact("first-secret-1234 second-secret-5678") == "[masked] [masked]"


def test_a_clock_that_jumped_back_does_not_hold_a_change_for_ever(
    watcher: SettingsWatcher, agent_root: Layout, clock: FakeClock
) -> None:
    write(agent_root, 4, at=clock.wall() + 5000)
    assert watcher.poll() is True


def test_without_good_settings_there_is_no_start(agent_root: Layout) -> None:
    write(agent_root, 0, at=0)
    with pytest.raises(SettingsError):
        SettingsWatcher(agent_root, environ={})
