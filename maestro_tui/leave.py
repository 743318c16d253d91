"""After the screen is gone: end the consumer that lived here, and say whether the agent goes on."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, TextIO

from maestro_core.observe.snapshot import Snapshot
from maestro_tui.presentation.cells import data, plural

if TYPE_CHECKING:
    from maestro_tui.app import MaestroApp

_TURN = 0.1


def leave(app: MaestroApp, *, demo: bool = False) -> int:
    """Wait for the consumer to end cleanly; a ctrl+c meanwhile ends what runs at once."""
    app.feed.stop()
    consumer = app.consumer
    here = consumer is not None and consumer.is_alive()
    if consumer is not None and here:
        running = len(app.snapshot.running) if app.snapshot else 0
        if running:
            _say(f"Ending {plural(running, 'running sub-session')}; ctrl+c ends at once …")
        consumer.stop()
        _wait(consumer, consumer.stop)
    _say(last_words(app.snapshot, here=here, demo=demo))
    return app.return_code or 0


def _wait(thread: threading.Thread, hurry: object) -> None:
    while thread.is_alive():
        try:
            thread.join(_TURN)
        except KeyboardInterrupt:
            if callable(hurry):
                hurry()


def last_words(snapshot: Snapshot | None, *, here: bool, demo: bool = False) -> str:
    """Does the agent go on? In one or two sentences."""
    if demo:
        return "The demo is over."
    waiting = snapshot.counts.inbox if snapshot else 0
    wait = f" {plural(waiting, 'tick waits', 'ticks wait')} in the inbox." if waiting else ""
    if here:
        return f"The consumer ran in this console and has stopped: no cadence runs now.{wait} `maestro-tui run` starts it without a console."
    if snapshot is not None and snapshot.consumer.word == "live":
        view = snapshot.consumer
        return f"The agent goes on: {data(view.mode or 'consumer', 20)} {view.pid} keeps running cadences."
    return f"No consumer is running: no cadence runs now.{wait}"


def _say(text: str, to: TextIO | None = None) -> None:
    """To the terminal if it is still there."""
    try:
        print(text, file=to or sys.stdout, flush=True)
    except (OSError, ValueError):
        return  # the terminal is gone; nobody would read it
