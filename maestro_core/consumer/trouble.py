"""What keeps the consumer from its work now: said in the heartbeat, and once in the journal.

Trouble of a pass lasts until the next pass begins. What goes wrong between passes (a look
at the bus) stands under its name until the same thing succeeds. Owner: the consumer's thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from maestro_core.errors import BusError
from maestro_core.journal import Journal


class Trouble:
    """`now` is what the heartbeat shows; None = all is well."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._passing: str | None = None
        self._standing: dict[str, str] = {}
        self._told: set[tuple[str, str, int | None]] = set()

    @property
    def now(self) -> str | None:
        return self._passing or next(iter(self._standing.values()), None)

    def begin_pass(self) -> None:
        self._passing = None

    def end_pass(self) -> None:
        """What is over may be told again when it comes back."""
        if self.now is None:
            self._told.clear()

    def tell(self, what: str, error: Exception | None = None) -> None:
        """Trouble of this pass."""
        self._passing = self._said(what, error)

    @contextmanager
    def caught(self, what: str) -> Iterator[None]:
        """Trouble with the bus or the disk in this block is told, and the pass goes on."""
        try:
            yield
        except (OSError, BusError) as error:
            self.tell(what, error)

    @contextmanager
    def standing(self, what: str) -> Iterator[None]:
        """As `caught`, but it stands until this block succeeds again."""
        try:
            yield
        except (OSError, BusError) as error:
            self._standing[what] = self._said(what, error)
        else:
            self._standing.pop(what, None)

    def _said(self, what: str, error: Exception | None) -> str:
        strerror = error.strerror if isinstance(error, OSError) else None
        text = f"{what}: {strerror or error}" if error is not None else what
        if (kind := _kind(what, error)) not in self._told:
            self._told.add(kind)
            self._journal.write("error", "trouble", error=text)
        return text


def _kind(what: str, error: Exception | None) -> tuple[str, str, int | None]:
    """What makes two troubles the same, although one names another file or other numbers."""
    cause = error if isinstance(error, OSError) else error.__cause__ if error else None
    number = cause.errno if isinstance(cause, OSError) else None
    return what, type(error).__name__, number
