"""How much may be sent now, so that a key never waits behind what nobody asked for.

The terminal is asked to report after what was sent; until it does, that much is on its way and
no more than the line carries in a moment may follow. Keys and what they change have room where
the rest has none. A terminal that never reports is sent so many bytes a second. Pure: times
are arguments, in seconds.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import NamedTuple

EVERYTHING = 1 << 30
ASK_FROM = 400
"""Bytes since the last question that are worth one: a report costs eight bytes the other way."""
QUEUE = 0.03
"""Seconds of the line, and tenths of its delay, that may be on their way at once: a key waits."""
SMALLEST = 500
"""Bytes: less at a time would be more questions than frames."""
DEAF_AFTER = 3.0
"""No report at all within this time: the terminal knows the question not."""
LOST_AFTER = 8.0
"""A report that takes longer is not waited for."""
REMEMBERED = 15.0
"""The delay is the shortest of the last one to two times so many seconds."""
TELLING = 1000
"""Bytes: less says little about the speed of a line."""
DEBT = 0.5
"""Seconds of its rate that a deaf terminal may be sent in advance when somebody pressed a key."""
SLOW = 60_000
"""Bytes a second; a line that carries less is spared."""


class Rates(NamedTuple):
    """Bytes a second for what nobody asked for, and the share of the line it may take."""

    unasked: float = 40_000.0
    share: float = 0.4
    deaf: float = 30_000.0
    """For everything, towards a terminal that does not report."""


NORMAL = Rates()
ECO = Rates(8_000.0, 0.25, 8_000.0)


class _Sent(NamedTuple):
    at: float
    size: int
    alone: bool
    """Nothing else was on its way: the time of its report measures the line."""


class Flow:
    """See the module docstring."""

    def __init__(self, rates: Rates = NORMAL) -> None:
        self.rates = rates
        self.delay: float | None = None
        """Shortest time from a question to its report; None = no report yet."""
        self.speed: float | None = None
        """Bytes a second that the line carries, as measured; None = not known."""
        self.deaf = False
        """The terminal does not report."""
        self._sent: deque[_Sent] = deque()
        self._not_asked = 0
        self._free_at = 0.0
        self._shortest = (-inf, inf, inf)
        """Since when; the shortest delay since then; that of the time before."""

    @property
    def slow(self) -> bool:
        """Is this a line to be spared?"""
        return self.rates is ECO or (self.speed is not None and self.speed < SLOW)

    @property
    def _blind(self) -> bool:
        """Nothing has been reported: all that can be done is to send little."""
        return self.deaf or self.delay is None

    @property
    def waiting(self) -> bool:
        """Is a report to come?"""
        return bool(self._sent)

    def room(self, now: float, *, urgent: bool, begun: bool = False) -> int:
        """Bytes that may be sent now; 0 = wait. `begun`: what a frame has left, to be finished."""
        self._give_up(now)
        free = begun or now >= self._free_at
        if self._blind:
            return EVERYTHING if free or (urgent and now >= self._free_at - DEBT) else 0
        if not urgent and (self._sent or not free):
            return 0
        window = self._window(urgent)
        room = window - sum(one.size for one in self._sent)
        return int(room) if room >= SMALLEST / 2 else 0

    def wait(self, now: float) -> float:
        """Seconds after which `room` is worth asking again, reports apart."""
        ends = [self._free_at] if self._free_at > now else []
        if self._sent:
            ends.append(self._sent[0].at + (DEAF_AFTER if self.delay is None else LOST_AFTER))
        return max(0.001, min(ends, default=now) - now)

    def sent(self, count: int, now: float, urgent: bool) -> bool:
        """So many bytes go now; True = ask for a report behind them."""
        rate = self.rates.deaf if self._blind else self._rate()
        if not urgent or self._blind:
            self._free_at = max(now, self._free_at) + count / rate
        self._not_asked += count
        stale = not self._sent and now - self._shortest[0] > REMEMBERED
        if self.deaf or (self._not_asked < ASK_FROM and not stale):
            return False
        self._sent.append(_Sent(now, self._not_asked, not self._sent))
        self._not_asked = 0
        return True

    def reported(self, now: float) -> None:
        """A report has come: all up to its question has arrived."""
        self.deaf = False
        if self._sent:
            self._measure(self._sent.popleft(), now)

    def restart(self) -> None:
        """What was on its way is of no interest any more; the line may be another one."""
        self._sent.clear()
        self._not_asked, self._free_at = 0, 0.0
        self.delay = self.speed = None
        self._shortest = (-inf, inf, inf)

    # ---- measuring ------------------------------------------------------------------------

    def _window(self, urgent: bool) -> float:
        """Bytes that may be on their way."""
        if self.speed is None or self.delay is None:
            return EVERYTHING if not self._sent else 0
        queue = QUEUE + 0.1 * self.delay
        seconds = self.delay + 2 * queue if urgent else queue
        return max(SMALLEST * (2 if urgent else 1), self.speed * seconds)

    def _rate(self) -> float:
        share = self.rates.share * self.speed if self.speed else self.rates.unasked
        return max(1000.0, min(self.rates.unasked, share))

    def _measure(self, sent: _Sent, now: float) -> None:
        if not sent.alone:
            return
        took = max(1e-4, now - sent.at)
        since, shortest, before = self._shortest
        if now - since > REMEMBERED:
            since, shortest, before = now, inf, shortest
        self._shortest = (since, min(shortest, took), before)
        self.delay = min(self._shortest[1:])
        carried = took - self.delay
        if self.speed is None and sent.size >= TELLING:
            self.speed = sent.size / (took if carried < 0.2 * took else carried)
        elif self.speed and (sent.size >= TELLING or carried > 0.5 * took):
            self.speed += 0.4 * (sent.size / max(carried, 0.1 * took) - self.speed)

    def _give_up(self, now: float) -> None:
        """Stop waiting for reports that do not come."""
        if not self._sent:
            return
        age = now - self._sent[0].at
        if self.delay is None and age > DEAF_AFTER:
            self.deaf = True
            self._sent.clear()
        elif age > LOST_AFTER:
            self._sent.clear()
