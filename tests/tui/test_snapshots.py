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

from maestro_core.clock import FakeClock
from maestro_core.observe.agent_line import AgentLine, Held
from maestro_core.observe.agents import AgentReader
from maestro_core.observe.snapshot import ConsumerView, MarkerView, Snapshot
from maestro_tui.agents import AgentsWatch
from maestro_tui.app import MaestroApp
from tests.tui.fixed import CADENCES, EMPTY, HOLD, LIVE, NOW, SNAPSHOT, FixedBackend
from tests.tui.support import settled, until

SIZES = {"80x24": (80, 24), "120x36": (120, 36)}
STOP = MarkerView(NOW - 300, "ops from 10.0.0.7", "it mails customers in a loop")
WAITING = replace(
    SNAPSHOT, running=(), consumer=replace(LIVE, hold=HOLD),
    cadences=tuple(
        replace(view, running=None, state="quota" if view.state == "closed" else view.state)
        for view in CADENCES
    ),
)  # fmt: skip

IDLE = tuple(
    replace(view, running=None, state="closed", failures=0, open_until=None, waiting=2)
    for view in CADENCES
)
BAD = ConsumerView(
    settings_error="config/cadences.toml line 3: poll_secons is unknown; did you mean poll_seconds?"
)
CRASHED = replace(LIVE, word="crashed", beat_at=NOW - 3600)

STATES: dict[str, Snapshot] = {
    "emergency_stop": replace(SNAPSHOT, emergency_stop=STOP),
    "quota": WAITING,
    "stale": replace(SNAPSHOT, consumer=replace(LIVE, word="stale", beat_at=NOW - 95)),
    "no_consumer": replace(SNAPSHOT, running=(), consumer=ConsumerView(word="none")),
    "empty": EMPTY,
    "bad_settings": replace(SNAPSHOT, running=(), consumer=BAD, cadences=IDLE),
    "crashed": replace(SNAPSHOT, running=(), consumer=CRASHED, cadences=IDLE),
    "slots_taken": replace(SNAPSHOT, cadences=(CADENCES[0], *IDLE[1:])),
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


# ---- several agents -------------------------------------------------------------------------


def agent_of(name: str, **fields: Any) -> AgentLine:
    return AgentLine(root=f"/agents/{name}", name=name, at=NOW, **fields)


AGENTS = (
    agent_of("atlas", word="running", consumer="live", beat_at=NOW - 1, waiting=14, dead=5,
             running=("inbox-processor",), open_circuits=1, cost_today=1.934,
             held=(Held("invoice-chaser", "open", NOW + 1045, "exit 1: no invoices here"),
                   Held("expense-report", "paused", None, "waits for the new card"))),
    agent_of("boreas", word="hold", consumer="live", beat_at=NOW, waiting=3, hold_kind="quota",
             why="usage limit reached; resets at 03:19", hold_until=NOW + 3900),
    agent_of("calliope", word="hold", consumer="live", beat_at=NOW, waiting=3, hold_kind="auth",
             why="Invalid API key · Please run /login"),
    agent_of("dione", word="estop", consumer="live", beat_at=NOW, waiting=120, dead=1_204,
             why="it mails customers in a loop", hold_until=NOW + 3900, cost_today=31.2),
    agent_of("eunomia", word="broken", why="no consumer can start: config/cadences.toml line 3"),
    agent_of("fauna", word="crashed", consumer="crashed", beat_at=NOW - 86_000, waiting=7,
             why="its consumer is gone without a clean stop"),
    agent_of("galatea", problem="there is no such folder"),
    agent_of("hestia", word="idle", consumer="live", beat_at=NOW),
)  # fmt: skip


class FixedReader(AgentReader):
    """An agent that is always seen as it stands in the table."""

    def read(self, *, whole: bool = False) -> AgentLine:
        return next(one for one in AGENTS if one.root == str(self.layout.root))


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (120, 36)])
@pytest.mark.parametrize("pressed", [(), ("a",)], ids=["board", "switch"])
def test_all_agents(snap_compare: Any, size: tuple[int, int], pressed: tuple[str, ...]) -> None:
    app = MaestroApp(FixedBackend())
    watch = AgentsWatch([one.root for one in AGENTS], FakeClock(NOW), FixedReader)
    app.with_agents(watch, lambda _: FixedBackend(), first=True)

    async def before(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: len(watch.lines) == len(AGENTS), "every agent")
        await keys(*pressed)(pilot)

    assert snap_compare(app, terminal_size=size, run_before=before)
