"""After the screen is gone: end the consumer that lived here, and say whether the agent goes on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from maestro_core.observe.snapshot import Snapshot
from maestro_tui.presentation.cells import data, plural

if TYPE_CHECKING:
    from maestro_tui.app import MaestroApp
    from maestro_tui.feed import ConsumerThread
    from maestro_tui.presentation.agents import Agent

_TURN = 0.1


def leave(app: MaestroApp, *, demo: bool = False) -> int:
    """Wait for the consumer to end cleanly; a ctrl+c meanwhile ends what runs at once."""
    app.feed.stop()
    if not app.at_agents or app.snapshot is not None:
        app.backend.memory.leave(app.backend.clock.wall())
    consumer = app.consumer
    here = consumer is not None and consumer.working
    if consumer is not None:
        if here:
            _tell(app)
        consumer.stop()
        _wait(consumer)
    if app.agents_first:
        _say(last_words_of_all(app.agent_rows()))
    else:
        _say(last_words(app.home_snapshot, here=here, demo=demo))
    return app.return_code or 0


def _tell(app: MaestroApp) -> None:
    """That the consumer is being stopped, to the journal and to the terminal."""
    why = app.leaving or "it was left"
    app.home.write_journal("info", "console_closed", reason=why, consumer="stopping")
    running = len(app.home_snapshot.running) if app.home_snapshot else 0
    if running:
        _say(f"Ending {plural(running, 'running sub-session')}; ctrl+c ends at once …")


def _wait(consumer: ConsumerThread) -> None:
    while consumer.is_alive():
        try:
            consumer.join(_TURN)
        except KeyboardInterrupt:
            consumer.stop()


def last_words(snapshot: Snapshot | None, *, here: bool, demo: bool = False) -> str:
    """Does the agent go on? In one or two sentences."""
    if demo:
        return "The demo is over."
    waiting = snapshot.counts.inbox if snapshot else 0
    wait = f" {plural(waiting, 'tick waits', 'ticks wait')} in the inbox." if waiting else ""
    if here:
        gone = "The consumer ran in this console and has stopped: no cadence runs now."
        return f"{gone}{wait} `maestro-tui run` starts it without a console."
    if snapshot is not None and snapshot.consumer.word == "live":
        view = snapshot.consumer
        if view.pid is None:
            return "The agent goes on: other hosts of its fleet keep running cadences."
        mode = data(view.mode or "consumer", 20)
        return f"The agent goes on: {mode} {view.pid} keeps running cadences."
    if snapshot is not None and snapshot.fleet is not None and snapshot.fleet.away is not None:
        return "The server of the fleet is away: whether a host goes on is not known."
    return f"No consumer is running: no cadence runs now.{wait}"


def last_words_of_all(agents: Sequence[Agent]) -> str:
    """Which agents go on: this console ran none of them."""
    live = sum(agent.line is not None and agent.line.consumer == "live" for agent in agents)
    goes = "goes" if live == 1 else "go"
    return f"{live} of {plural(len(agents), 'agent')} {goes} on, without this console."


def _say(text: str) -> None:
    """To the terminal if it is still there; if not, nothing more is written to it at all."""
    try:
        print(text, flush=True)
    except (OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for fd in (1, 2):
            os.dup2(nowhere, fd)
        os.close(nowhere)
