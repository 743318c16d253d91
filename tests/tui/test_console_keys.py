"""Press a key, then read the files: the real backend and operator on a real agent root.

No consumer runs here, so commands are applied by the console itself; tests/e2e has the rest.
"""

# ruff: noqa: E501  (tables read best with one row a line)

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from maestro_core.bus.feed import EVERYTHING, Topic
from maestro_core.layout import Layout
from maestro_tui.app import MaestroApp
from maestro_tui.backend import RootBackend
from tests.support import read_json, write_json, write_tick
from tests.tui.support import console, gone, said, see, settled, shown, until

pytestmark = pytest.mark.anyio


class PromptFeed:
    """Says that everything may have changed, twenty times a second."""

    def __init__(self) -> None:
        import threading

        self._woken = threading.Event()

    def wait(self, timeout: float) -> frozenset[Topic]:
        self._woken.wait(min(timeout, 0.05))
        self._woken.clear()
        return EVERYTHING

    def wake(self) -> None:
        self._woken.set()

    def close(self) -> None:
        return


class Backend(RootBackend):
    """The real one, but for hints that do not depend on a watcher."""

    def make_feed(self) -> PromptFeed:
        return PromptFeed()


@pytest.fixture
def root(agent_root: Layout) -> Layout:
    """An agent root with two cadences and three dead letters of two causes."""
    agent_root.cadences_toml.parent.mkdir(parents=True)
    agent_root.cadences_toml.write_text(
        '[cadence.inbox-processor]\nmode = "escalate"\n\n[cadence.invoice-chaser]\nmode = "escalate"\n'
    )
    agent_root.triggers.mkdir(parents=True)
    for name in ("inbox-processor", "invoice-chaser"):
        agent_root.prompt(name).write_text("do it\n")
    for number, error in ((1, "exit 1: boom 17"), (2, "exit 1: boom 23"), (3, "exit 2: other")):
        write_tick(
            agent_root.dlq, f"dead-{number}", "invoice-chaser", attempts=2, last_error=error,
            failures=[{"at": "2026-11-24T02:00:00.000Z", "attempt": 2, "exit_code": 1, "reason": error}],
        )  # fmt: skip
    return agent_root


def names(folder: Path) -> list[str]:
    return sorted(one.stem for one in folder.glob("*.json"))


def acts(root: Layout) -> list[str]:
    lines = root.operators_log.read_text().splitlines() if root.operators_log.exists() else []
    return [json.loads(line)["verb"] for line in lines]


async def on(app: MaestroApp, pilot: Any, cadence: str) -> None:
    """The cursor on that cadence."""
    await see(pilot, cadence)
    table = app.front().table  # type: ignore[union-attr]
    table.move_to(table.state.selection.place(cadence))
    await settled(pilot)


async def on_row(app: MaestroApp, pilot: Any, row_id: str) -> None:
    """The cursor on that row of the list in front."""
    table = app.front().table  # type: ignore[union-attr]
    table.move_to(table.state.selection.place(row_id))
    await settled(pilot)


async def test_p_pauses_and_u_resumes(root: Layout) -> None:
    async with console(Backend(root)) as (app, pilot):
        await on(app, pilot, "invoice-chaser")
        await pilot.press("P")
        await until(pilot, lambda: names(root.paused) == ["invoice-chaser"])
        await see(pilot, "‖ paused")
        assert read_json(root.paused / "invoice-chaser.json")["by"]
        await pilot.press("u")
        await until(pilot, lambda: names(root.paused) == [])
        await gone(pilot, "‖ paused")
    assert acts(root) == ["pause", "resume"]


async def test_p_on_a_paused_cadence_resumes_it(root: Layout) -> None:
    write_json(root.paused / "invoice-chaser.json", {"at": "2026-11-24T02:00:00.000Z"})
    async with console(Backend(root)) as (app, pilot):
        await on(app, pilot, "invoice-chaser")
        await see(pilot, "‖ paused")
        await pilot.press("P")
        await until(pilot, lambda: names(root.paused) == [])


async def test_e_asks_and_y_enqueues(root: Layout) -> None:
    async with console(Backend(root)) as (app, pilot):
        await on(app, pilot, "inbox-processor")
        await pilot.press("E")
        await see(pilot, "Enqueue 1 tick now")
        assert names(root.inbox) == []
        await pilot.press("y")
        await until(pilot, lambda: len(names(root.inbox)) == 1)
        (tick_id,) = names(root.inbox)
        document = read_json(root.inbox / f"{tick_id}.json")
        assert (document["cadence"], document["source"]) == ("inbox-processor", "operator")
        await see(pilot, "1 waiting")


async def test_an_enqueue_is_undone_until_a_consumer_has_taken_it(root: Layout) -> None:
    async with console(Backend(root)) as (app, pilot):
        await on(app, pilot, "inbox-processor")
        await pilot.press("E", "y")
        await until(pilot, lambda: "u undoes" in said(app)[-1] if said(app) else False)
        (tick_id,) = names(root.inbox)
        await pilot.press("u")
        await until(pilot, lambda: names(root.trash) == [tick_id])
        await until(pilot, lambda: said(app)[-1].startswith("undone: 1 tick taken out"))
        await gone(pilot, "u undoes")  # what the act had told is true no more
        await until(pilot, lambda: names(root.inbox) == [])
        await pilot.press("E", "y")
        await until(pilot, lambda: len(names(root.inbox)) == 1)
        await until(pilot, lambda: "u undoes" in said(app)[-1])
        (taken,) = names(root.inbox)
        (root.inbox / f"{taken}.json").rename(root.claimed / f"{taken}.json")
        await pilot.press("u")
        await until(pilot, lambda: "there is no such tick in inbox" in said(app)[-1])
        assert names(root.claimed) == [taken]


async def test_what_worked_of_an_act_is_undone_and_no_older_act(root: Layout) -> None:
    async with console(Backend(root)) as (app, pilot):
        await pilot.press("2")
        await see(pilot, "exit 2: other")
        await pilot.press("ctrl+a", "p")
        await settled(pilot)
        (root.dlq / "dead-3.json").unlink()  # the frozen list shows it all the same
        await pilot.press("D")
        await until(pilot, lambda: said(app) and "u undoes the others" in said(app)[-1])
        assert names(root.trash) == ["dead-1", "dead-2"]
        await pilot.press("u")
        await until(pilot, lambda: names(root.dlq) == ["dead-1", "dead-2"])
        await until(pilot, lambda: said(app)[-1] == "undone: 2 dead letters restored")


async def test_a_retry_is_undone_as_it_was(root: Layout) -> None:
    before = read_json(root.dlq / "dead-3.json")
    async with console(Backend(root)) as (app, pilot):
        await pilot.press("2")
        await see(pilot, "exit 2: other")
        await on_row(app, pilot, "dead-3")
        await pilot.press("R", "y")
        await until(pilot, lambda: names(root.inbox) == ["dead-3"])
        await until(pilot, lambda: "u undoes" in said(app)[-1])
        await pilot.press("u")
        await until(pilot, lambda: names(root.dlq) == ["dead-1", "dead-2", "dead-3"])
        await until(pilot, lambda: names(root.inbox) == [])
        await until(pilot, lambda: said(app)[-1] == "undone: 1 dead letter dead again, as before")
    after = read_json(root.dlq / "dead-3.json")
    assert after["attempts"] == before["attempts"]
    assert after["last_error"] == before["last_error"]
    assert len(after["failures"]) == len(before["failures"])
    assert acts(root) == ["dlq_retry", "dlq_unretry"]


@pytest.mark.parametrize("key", ["enter", "escape", "n"])
async def test_cancel_has_the_focus(root: Layout, key: str) -> None:
    async with console(Backend(root)) as (app, pilot):
        await on(app, pilot, "inbox-processor")
        await pilot.press("E")
        await see(pilot, "Enqueue 1 tick now")
        await pilot.press(key)
        await gone(pilot, "Enqueue 1 tick now")
    assert names(root.inbox) == []
    assert acts(root) == []


async def test_o_holds_a_circuit_open_c_closes_it_and_u_opens_it_again(root: Layout) -> None:
    def is_open() -> bool:
        return (
            root.circuit_open.exists() and "invoice-chaser" in read_json(root.circuit_open)["open"]
        )

    async with console(Backend(root)) as (app, pilot):
        await on(app, pilot, "invoice-chaser")
        await pilot.press("O")
        await until(pilot, is_open)
        await see(pilot, "■ OPEN")
        await pilot.press("C")
        await until(pilot, lambda: not is_open())
        await gone(pilot, "■ OPEN")
        await pilot.press("u")
        await until(pilot, is_open)
    assert acts(root) == ["circuit_open", "circuit_close", "circuit_open"]


async def test_c_on_a_closed_circuit_says_that_there_is_nothing_to_close(root: Layout) -> None:
    async with console(Backend(root)) as (app, pilot):
        await on(app, pilot, "invoice-chaser")
        await pilot.press("C")
        await until(pilot, lambda: said(app))
    assert "nothing to close" in said(app)[0]
    assert acts(root) == []


async def test_r_on_a_group_retries_all_of_its_cause(root: Layout) -> None:
    async with console(Backend(root)) as (app, pilot):
        await pilot.press("2")
        await see(pilot, "2 × exit 1: boom")
        table = app.front().table  # type: ignore[union-attr]
        group = next(row for row in table.rows if row.id.startswith("group"))
        table.move_to(table.state.selection.place(group.id))
        await pilot.press("R")
        await see(pilot, "Retry 2 dead letters")
        await pilot.press("y")
        await until(pilot, lambda: names(root.inbox) == ["dead-1", "dead-2"])
        await until(pilot, lambda: names(root.dlq) == ["dead-3"])
    document = read_json(root.inbox / "dead-1.json")
    assert (document["attempts"], len(document["failures"])) == (0, 1)


async def test_a_dead_letter_opens_no_file_that_is_no_log_of_the_agent(
    root: Layout, tmp_path: Path
) -> None:
    (tmp_path / "id_ed25519").write_text("a key of somebody\n")
    running = {"run_id": "r1", "tick_id": "t1", "cadence": "memo", "pid": 1,
               "stdout_path": str(tmp_path / "id_ed25519")}  # fmt: skip
    write_json(root.consumer_json, {"beat_at": "2026-11-24T02:00:00.000Z", "running": [running]})
    write_tick(
        root.dlq, "dead-9", "dropped", attempts=2, last_error="x",
        failures=[{"at": "2026-11-24T02:00:00.000Z", "attempt": 2, "exit_code": 1, "reason": "x",
                   "stdout_path": str(tmp_path / "id_ed25519"), "stderr_path": "../id_ed25519"}],
    )  # fmt: skip
    async with console(Backend(root)) as (app, pilot):
        await pilot.press("2")
        await see(pilot, "dropped")
        await on_row(app, pilot, "dead-9")
        await pilot.press("l")
        await until(pilot, lambda: any("is no log of this agent" in one for one in said(app)))
        assert "a key of somebody" not in shown(app)


async def test_one_first_retries_only_the_first(root: Layout) -> None:
    async with console(Backend(root)) as (app, pilot):
        await pilot.press("2")
        await see(pilot, "2 × exit 1: boom")
        await pilot.press("ctrl+a", "R")
        await see(pilot, "Retry 3 dead letters")
        await pilot.press("tab", "enter")
        await until(pilot, lambda: len(names(root.inbox)) == 1 and len(names(root.dlq)) == 2)
        await until(pilot, lambda: len(app.front().table.state.selection.marks) == 3)  # type: ignore[union-attr]


async def test_d_discards_what_is_marked_and_u_restores_it(root: Layout) -> None:
    async with console(Backend(root)) as (_, pilot):
        await pilot.press("2")
        await see(pilot, "exit 2: other")
        await pilot.press("ctrl+a", "D")
        await until(pilot, lambda: names(root.trash) == ["dead-1", "dead-2", "dead-3"])
        await see(pilot, "No dead letters")
        await pilot.press("u")
        await until(pilot, lambda: names(root.dlq) == ["dead-1", "dead-2", "dead-3"])
        await see(pilot, "exit 2: other")


async def test_an_act_hits_the_rows_that_were_shown_when_the_key_went_down(root: Layout) -> None:
    async with console(Backend(root)) as (app, pilot):
        await pilot.press("2")
        await see(pilot, "exit 2: other")
        await pilot.press("ctrl+a", "R")
        await see(pilot, "Retry 3 dead letters")
        write_tick(root.dlq, "late", "invoice-chaser", last_error="exit 1: boom 99")
        await until(pilot, lambda: len(app.front().all_rows) == 4)  # type: ignore[union-attr]
        await pilot.press("y")
        await until(pilot, lambda: names(root.inbox) == ["dead-1", "dead-2", "dead-3"])
        await until(pilot, lambda: names(root.dlq) == ["late"])


async def test_the_chord_engages_and_asks_before_it_lifts(root: Layout) -> None:
    async with console(Backend(root)) as (app, pilot):
        await pilot.press("ctrl+x")
        await settled(pilot)
        assert not root.emergency_stop.exists()
        assert said(app)[-1] == "ctrl+x again: EMERGENCY STOP"
        await pilot.press("ctrl+x")
        await until(pilot, root.emergency_stop.exists)
        await see(pilot, "EMERGENCY STOP by")
        await pilot.press("ctrl+x", "ctrl+x")
        assert said(app)[-1] == "ctrl+x again: lift the emergency stop"
        await see(pilot, "Lift the emergency stop")
        await see(pilot, "Engaged by")
        await pilot.press("y")
        await until(pilot, lambda: not root.emergency_stop.exists())
        await gone(pilot, "EMERGENCY STOP by")


async def test_the_chord_works_over_an_overlay_and_in_a_text_field(root: Layout) -> None:
    async with console(Backend(root)) as (_, pilot):
        await pilot.press("slash", "a")
        await pilot.press("ctrl+x", "ctrl+x")
        await until(pilot, root.emergency_stop.exists)


async def test_a_read_only_console_changes_nothing(root: Layout) -> None:
    async with console(Backend(root, read_only=True)) as (app, pilot):
        await on(app, pilot, "invoice-chaser")
        await pilot.press("P", "E", "O", "ctrl+x", "ctrl+x")
        await until(pilot, lambda: len(said(app)) >= 4)
    assert (names(root.paused), names(root.inbox), root.emergency_stop.exists()) == ([], [], False)
    assert acts(root) == []
    assert not list(root.logs.glob("2*.jsonl"))


async def test_lower_case_twins_of_dangerous_keys_change_nothing(root: Layout) -> None:
    async with console(Backend(root)) as (_, pilot):
        await pilot.press("2")
        await see(pilot, "exit 2: other")
        for key in ("r", "c", "o", "t", "x"):
            await pilot.press(key)
        await settled(pilot)
    assert acts(root) == []
    assert len(names(root.dlq)) == 3


async def test_a_refused_act_is_a_toast_and_the_screen_lives_on(root: Layout) -> None:
    async with console(Backend(root)) as (app, pilot):
        await pilot.press("2")
        await see(pilot, "exit 2: other")
        (root.dlq / "dead-3.json").unlink()
        table = app.front().table  # type: ignore[union-attr]
        if table.state.selection.place("dead-3") is not None:
            table.move_to(table.state.selection.place("dead-3"))
            await pilot.press("D")
            await until(pilot, lambda: said(app))
        await pilot.press("1")
        await see(pilot, "invoice-chaser")


async def test_a_note_is_kept_and_shows_in_the_next_console(root: Layout) -> None:
    async with console(Backend(root)) as (_app, pilot):
        await pilot.press("2")
        await see(pilot, "2 × exit 1: boom")
        await pilot.press("g", "m", "a", "s", "k", "enter")
        await see(pilot, "✎ ask")
    async with console(Backend(root)) as (_, pilot):
        await pilot.press("2")
        await see(pilot, "✎ ask")
