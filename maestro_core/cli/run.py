"""The consumer without a console, for launchd, systemd or a shell.

TERM, INT (ctrl+c) and HUP end it cleanly: runs are ended with their grace time and their ticks
go back to the inbox. A second signal ends at once. With --service it waits for its turn while
another consumer (a console) works here, and slows down when it keeps crashing.
"""

from __future__ import annotations

import argparse
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from maestro_core.cli.main import PROGRAM, Context
from maestro_core.cli.metrics import served
from maestro_core.consumer.driver import Driver
from maestro_core.errors import ReadOnly
from maestro_core.layout import Layout
from maestro_core.service.notify import Notifier
from maestro_core.service.supervise import Supervision
from maestro_core.text import visible
from maestro_core.wiring.consumer import chosen_bus

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def configure(parser: argparse.ArgumentParser, _name: str) -> None:
    parser.add_argument(
        "--until-idle", action="store_true", help="end when nothing can be claimed now"
    )
    parser.add_argument(
        "--service", action="store_true", help="as `maestro-tui service install` has it started"
    )


def run(arguments: argparse.Namespace, context: Context) -> int:
    layout = context.layout()
    if context.read_only:
        raise ReadOnly("read-only: this session may not run a consumer", "leave out --read-only")
    notifier = Notifier(os.environ)
    started = f"consumer, pid {os.getpid()}, on {visible(str(layout.root))}"
    supervision = _supervision(layout, notifier) if arguments.service else None
    driver = Driver(
        layout, mode="daemon", on_pass=notifier.alive, on_start=lambda: _say(started),
        bus=chosen_bus, looping=lambda: supervision is not None and supervision.looping,
    )  # fmt: skip
    worker = _Worker(driver, notifier, supervision, until_idle=arguments.until_idle)
    with _handled(worker), served(layout):
        code = worker.run()
    _say("consumer ended")
    return code


def _supervision(layout: Layout, notifier: Notifier) -> Supervision:
    """With a journal that tells people of a crash loop."""
    from maestro_core.notices.make import noting_journal

    journal, _ = noting_journal(layout)
    return Supervision(layout, notifier, journal=journal)


class _Worker:
    """Runs the driver in a thread of its own: a signal's handler may then take the driver's
    locks, which the main thread, waiting, never holds."""

    def __init__(
        self,
        driver: Driver,
        notifier: Notifier,
        supervision: Supervision | None,
        *,
        until_idle: bool,
    ) -> None:
        self._driver = driver
        self._notifier = notifier
        self._supervision = supervision
        self._until_idle = until_idle
        self._code = 1
        self._error: BaseException | None = None

    def stop(self) -> None:
        self._notifier.stopping()
        if self._supervision is not None:
            self._supervision.stop()
        self._driver.stop()

    def run(self) -> int:
        """The driver's exit code; raises what it raised."""
        thread = threading.Thread(target=self._work, name="consumer")
        thread.start()
        thread.join()
        if self._error is not None:
            raise self._error
        return self._code

    def _work(self) -> None:
        try:
            supervision = self._supervision
            self._code = supervision.run(self._drive) if supervision else self._drive()
        except BaseException as error:  # handed to the main thread, which raises it
            self._error = error

    def _drive(self) -> int:
        return self._driver.run(until_idle=self._until_idle)


@contextmanager
def _handled(worker: _Worker) -> Iterator[None]:
    """Signals stop the worker; one that was ignored at the start (nohup) stays so."""

    def stop(number: int, _frame: object) -> None:
        _say(f"{signal.Signals(number).name}: ending")
        worker.stop()

    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(text: str) -> None:
    """A line for the service's log, by one write: a signal's handler may say something too."""
    try:
        os.write(2, f"{PROGRAM}: {text}\n".encode(errors="backslashreplace"))
    except OSError:
        pass  # nobody reads it any more
