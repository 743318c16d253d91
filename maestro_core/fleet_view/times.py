"""Times of other clocks on this machine's. Pure."""

from __future__ import annotations

from typing import overload

from maestro_core.clock import iso
from maestro_core.observe.documents import moment


class Ahead:
    """How many seconds another clock is ahead of ours. It changes only when it really does: a
    value that wobbles with the network would make everything that is shown a new one."""

    def __init__(self, tolerance: float) -> None:
        self._tolerance = tolerance
        self.seconds = 0.0
        self._known = False

    def take(self, measured: float) -> float:
        """A new measurement; what counts from now on."""
        if not self._known or abs(measured - self.seconds) > self._tolerance:
            small = abs(measured) <= self._tolerance
            self.seconds, self._known = 0.0 if small else round(measured, 1), True
        return self.seconds


@overload
def shifted(text: str, seconds: float) -> str: ...
@overload
def shifted(text: None, seconds: float) -> None: ...
def shifted(text: str | None, seconds: float) -> str | None:
    """An ISO time so many seconds later; what is no time stays as it is."""
    at = moment(text)
    return text if at is None or not seconds else iso(at + seconds)
