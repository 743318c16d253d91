"""After the screen is gone: end the consumer that lived here, and say whether the agent goes on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from maestro_core.observe.snapshot import Snapshot
from maestro_tui.presentation.cells import data, plural

if TYPE_CHECKING:
    from maestro_tui.app import MaestroApp
    from maestro_tui.feed import ConsumerThread

_TURN = 0.1


def leave(app: MaestroApp, *, demo: bool = False) -> int:
    """Wait for the consumer to end cleanly; a ctrl+c meanwhile ends what runs at once."""
    app.feed.stop()
    app.backend.memory.leave(app.backend.clock.wall())
    consumer = app.consumer
    here = consumer is not None and consumer.working
    if consumer is not None:
        if here:
            _tell(app)
        consumer.stop()
        _wait(consumer)
    _say(last_words(app.snapshot, here=here, demo=demo))
    return app.return_code or 0


def _tell(app: MaestroApp) -> None:
    """That the consumer is being stopped, to the journal and to the terminal."""
    why = app.leaving or "it was left"
    app.backend.write_journal("info", "console_closed", reason=why, consumer="stopping")
    running = len(app.snapshot.running) if app.snapshot else 0
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
        mode = data(view.mode or "consumer", 20)
        return f"The agent goes on: {mode} {view.pid} keeps running cadences."
    return f"No consumer is running: no cadence runs now.{wait}"


def _say(text: str) -> None:
    """To the terminal if it is still there; if not, nothing more is written to it at all."""
    try:
        print(text, flush=True)
    except (OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for fd in (1, 2):
            os.dup2(nowhere, fd)
        os.close(nowhere)
