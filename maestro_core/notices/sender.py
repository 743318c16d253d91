"""Sends notices from threads of its own, so that nothing out there can hold the consumer up.

A thread for each way out (command, webhook), each with its own outbox: one that hangs or is
down delays the other by nothing. `post` may be called from any thread and never blocks.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Literal

import msgspec

from maestro_core.clock import Clock
from maestro_core.journal import Journal
from maestro_core.layout import Layout
from maestro_core.notices.hook import NotDelivered, Payload, post, run_command
from maestro_core.notices.notice import Change, Notice
from maestro_core.notices.outbox import Outbox, quiet_until
from maestro_core.redact import Redactor
from maestro_core.settings import Settings
from maestro_core.settings_schedule import zone
from maestro_core.text import one_line

Way = Literal["command", "webhook"]
WAYS: tuple[Way, ...] = ("command", "webhook")
PAUSES = (5.0, 30.0, 120.0, 600.0)
"""Seconds before each further try."""
GATHER = 1.0
"""Seconds: what belongs together comes together."""
LOOK_AGAIN = 60.0
"""Seconds: waits are cut into these, since a machine may sleep or its clock may be set."""
LAST_WAIT = 5.0
"""Seconds that the end of the consumer waits for the last notices."""
LONGEST_TEXT = 500


class Sender:
    """`settings` are asked for each delivery; `redact` masks this agent's secrets."""

    def __init__(
        self, layout: Layout, settings: Callable[[], Settings], journal: Journal, clock: Clock,
        redact: Callable[[str], str] = str, pauses: tuple[float, ...] = PAUSES,
    ) -> None:  # fmt: skip
        self._layout = layout
        self.settings = settings
        self.journal = journal
        self.clock = clock
        self.pauses = pauses
        self._redact = redact
        self._channels = [_Channel(self, way) for way in WAYS]

    def post(self, change: Change) -> None:
        """Let it be told, if there is anybody to tell."""
        for channel in self._channels:
            channel.add(change)

    def close(self, wait: float = LAST_WAIT, *, patient: bool = False) -> None:
        """Send what still waits, at most `wait` seconds long; `patient` with further tries."""
        for channel in self._channels:
            channel.finish(patient=patient)
        deadline = time.monotonic() + wait
        for channel in self._channels:
            channel.join(max(0.0, deadline - time.monotonic()))

    def deliver(self, way: Way, notices: list[Notice]) -> None:
        """Raises NotDelivered."""
        settings = self.settings().notices
        payload = self.payload(notices)
        if way == "command" and settings.command is not None:
            run_command(settings.command, payload, self._layout.root)
        elif way == "webhook" and settings.webhook is not None:
            post(settings.webhook, payload)

    def payload(self, notices: list[Notice]) -> Payload:
        """What both ways carry: for people `title` and `text`, for programs `notices`."""
        env = self.settings().env
        agent = env.get("AGENT_NAME", "").strip() or self._layout.root.name
        clean = [msgspec.structs.replace(one, text=self._clean(one.text)) for one in notices]
        return {
            "schema_version": 1,
            "title": self._clean(agent),
            "text": "\n".join(_line(one) for one in clean),
            "agent": self._clean(agent),
            "root": str(self._layout.root),
            "host": socket.gethostname(),
            "notices": msgspec.to_builtins(clean),
        }

    def _clean(self, text: str) -> str:
        address = self.settings().notices.webhook or ""
        return one_line(Redactor({"WEBHOOK": address})(self._redact(text)), LONGEST_TEXT)


def _line(notice: Notice) -> str:
    return f"{notice.text} (×{notice.count})" if notice.count > 1 else notice.text


class _Channel:
    """One way out: an outbox and the thread that empties it, started by the first notice."""

    def __init__(self, sender: Sender, way: Way) -> None:
        self._sender = sender
        self._way = way
        self._outbox = Outbox()
        self._changed = threading.Condition()
        self._finishing = self._patient = False
        self._thread: threading.Thread | None = None
        self._last = self._since = float("-inf")

    def add(self, change: Change) -> None:
        with self._changed:
            if not len(self._outbox):
                self._since = time.monotonic()
            self._outbox.add(change)
            if not self._is_on():
                self._outbox.take()  # nobody is told; what is going on is still known
            elif len(self._outbox) and self._thread is None:
                self._start()
            self._changed.notify()

    def _start(self) -> None:
        """Without room for a thread the notices wait: the next one tries again."""
        thread = threading.Thread(target=self._work, name=f"notices-{self._way}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self._sender.journal.write("warn", "notice_delayed", way=self._way, error=str(error))
        else:
            self._thread = thread

    def finish(self, *, patient: bool) -> None:
        with self._changed:
            self._finishing, self._patient = True, patient
            self._changed.notify()

    def _is_on(self) -> bool:
        return getattr(self._sender.settings().notices, self._way) is not None

    def join(self, seconds: float) -> None:
        if self._thread is not None:
            self._thread.join(seconds)

    # -- the thread

    def _work(self) -> None:
        while True:
            notices = self._next()
            if notices is None:
                return
            if notices and self._is_on():
                self._send(notices)
                self._last = time.monotonic()

    def _next(self) -> list[Notice] | None:
        """Waits until something is to be told; None = this is the end."""
        with self._changed:
            while True:
                waiting = len(self._outbox)
                if self._finishing and (not waiting or self._quiet_left()):
                    return None
                pause = self._pause() if waiting else LOOK_AGAIN
                if pause <= 0:
                    return self._outbox.take()
                self._changed.wait(min(pause, LOOK_AGAIN))

    def _pause(self) -> float:
        """Seconds to let people sleep, to keep the interval, to gather what belongs together."""
        if (quiet := self._quiet_left()) > 0:
            return quiet
        if self._finishing:
            return 0.0
        interval = self._sender.settings().notices.min_interval
        due = max(self._last + interval, self._since + min(GATHER, interval))
        return due - time.monotonic()

    def _quiet_left(self) -> float:
        """Seconds until the quiet hours end; 0 = there are none now."""
        settings, now = self._sender.settings(), self._sender.clock.wall()
        until = quiet_until(settings.notices.quiet_hours, now, zone(settings.schedules.time_zone))
        return until - now if until is not None else 0.0

    def _send(self, notices: list[Notice]) -> None:
        for pause in (*self._sender.pauses, None):
            try:
                self._sender.deliver(self._way, notices)
                return
            except NotDelivered as error:
                last = error
            if not last.again or pause is None or self._wait(pause):
                break
        self._sender.journal.write(
            "warn", "notice_failed", way=self._way, error=str(last),
            lost=[notice.text for notice in notices],
        )  # fmt: skip

    def _wait(self, seconds: float) -> bool:
        """A pause between two tries; True when there is no time for another one."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not self._ends_now() and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            return self._ends_now()

    def _ends_now(self) -> bool:
        return self._finishing and not self._patient
