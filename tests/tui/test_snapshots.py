"""Pictures of every screen and overlay from fixed data and a frozen clock.

To judge a difference, look at the two pictures of the report side by side: is what an operator
must see still there, aligned, and in its colour? Then `pytest --snapshot-update` takes it.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from maestro_core.observe.snapshot import ConsumerView, MarkerView, Snapshot
from maestro_tui.app import MaestroApp
from tests.tui.fixed import CADENCES, EMPTY, HOLD, LIVE, NOW, SNAPSHOT, FixedBackend
from tests.tui.support import settled

SIZES = {"80x24": (80, 24), "120x36": (120, 36)}
STOP = MarkerView(NOW - 300, "ada from 10.0.0.7", "it mails customers in a loop")
WAITING = replace(
    SNAPSHOT, running=(), consumer=replace(LIVE, hold=HOLD),
    cadences=tuple(
        replace(view, running=None, state="quota" if view.state == "closed" else view.state)
        for view in CADENCES
    ),
)  # fmt: skip

STATES: dict[str, Snapshot] = {
    "emergency_stop": replace(SNAPSHOT, emergency_stop=STOP),
    "quota": WAITING,
    "stale": replace(SNAPSHOT, consumer=replace(LIVE, word="stale", beat_at=NOW - 95)),
    "no_consumer": replace(SNAPSHOT, running=(), consumer=ConsumerView(word="none")),
    "empty": EMPTY,
}


def keys(*pressed: str) -> Callable[[Pilot[Any]], Awaitable[None]]:
    """Wait for the board, press, and wait until all of it is shown."""

    async def run(pilot: Pilot[Any]) -> None:
        await settled(pilot)
        for key in pressed:
            await pilot.press(key)
            await settled(pilot)
        pilot.app.clear_notifications()
        await settled(pilot)

    return run


@pytest.fixture
def looks(snap_compare: Any, request: pytest.FixtureRequest) -> Callable[..., bool]:
    """Compare the picture of a console after some keys."""
    if request.config.option.update_snapshots and sys.version_info[:2] != (3, 11):
        pytest.exit("pictures are drawn anew with Python 3.11 alone")

    def compare(
        size: tuple[int, int], *pressed: str, shot: Snapshot = SNAPSHOT,
        theme: str = "maestro-dark", read_only: bool = False,
    ) -> bool:  # fmt: skip
        app = MaestroApp(FixedBackend(shot, read_only=read_only), theme=theme)
        found: bool = snap_compare(app, terminal_size=size, run_before=keys(*pressed))
        return found

    return compare


SCREENS = {
    "board": (), "dead": ("2",), "journal": ("4",), "doctor": ("5",), "costs": ("6",),
}  # fmt: skip
OVERLAYS = {
    "help": ("?",), "palette": (":",), "details": ("j", "d"), "explain": ("j", "e"),
    "confirm_enqueue": ("E",), "confirm_retry": ("2", "R"), "confirm_stop": ("X",),
    "dead_details": ("2", "j", "d"), "dead_note": ("2", "m"), "journal_entry": ("4", "k", "d"),
    "filter": ("/", "i", "n", "v"), "marks": ("space", "j", "space"), "range": ("V", "j"),
    "frozen": ("p",),
}  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("screen", SCREENS)
def test_screen(looks: Any, screen: str, size: str) -> None:
    assert looks(SIZES[size], *SCREENS[screen])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_overlay(looks: Any, overlay: str, size: str) -> None:
    assert looks(SIZES[size], *OVERLAYS[overlay])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("state", STATES)
def test_state(looks: Any, state: str, size: str) -> None:
    assert looks(SIZES[size], shot=STATES[state])


@pytest.mark.parametrize("screen", SCREENS)
def test_smallest(looks: Any, screen: str) -> None:
    assert looks((60, 15), *SCREENS[screen])


def test_largest(looks: Any) -> None:
    assert looks((240, 70))


def test_many_cadences_are_a_table(looks: Any) -> None:
    many = tuple(
        replace(view, name=f"{view.name}-{number:02d}") for number in range(8) for view in CADENCES
    )
    assert looks((160, 45), shot=replace(SNAPSHOT, cadences=many))


@pytest.mark.parametrize("theme", ["maestro-light", "maestro-mono"])
@pytest.mark.parametrize("screen", ["board", "dead"])
def test_theme(looks: Any, screen: str, theme: str) -> None:
    assert looks((120, 36), *SCREENS[screen], theme=theme)


def test_read_only(looks: Any) -> None:
    assert looks((120, 36), read_only=True)


def test_no_dead_letters(snap_compare: Any) -> None:
    backend = FixedBackend()
    backend.dead = ()
    assert snap_compare(MaestroApp(backend), terminal_size=(80, 24), run_before=keys("2"))
