"""Ticks that programs drop into this agent root's own inbox go on to the fleet.

A file is claimed here as a consumer of folders would, put onto the server, and only then gone:
a crash in between sends it once more, and the server knows its id while it waits or runs. What
is no tick goes to this root's quarantine. Owner: the consumer's thread.
"""

from __future__ import annotations

from typing import Any

from maestro_core.bus.directory import DirectoryEngine
from maestro_core.clock import Clock, iso
from maestro_core.errors import BusError, Refused
from maestro_core.files import FileSystem
from maestro_core.fleet.connect import Link
from maestro_core.fleet.engine import PostgresEngine
from maestro_core.layout import Layout
from maestro_core.models import Claim, Failure

AT_ONCE = 100
"""Ticks that one look sends on: the heartbeat must not wait for a full inbox."""


class HostEngine(PostgresEngine):
    """The engine of one host's consumer, with its inbox."""

    def __init__(
        self, link: Link, layout: Layout, fs: FileSystem, *, clock: Clock, **options: Any
    ) -> None:
        super().__init__(link, clock=clock, **options)
        self._inbox = DirectoryEngine(layout, clock=clock, fs=fs, owner="intake")
        self._taken_over = False

    def refresh(self) -> bool:
        self._send_on()
        return super().refresh()

    def rejected(self) -> list[tuple[str, str]]:
        return super().rejected() + self._inbox.rejected()

    def close_inbox(self) -> None:
        self._inbox.close()

    def _send_on(self) -> None:
        """Raises OSError or BusError; what was not sent stays in the inbox."""
        if not self._taken_over:
            for claim in self._inbox.abandoned():
                self._inbox.recovered(claim)
            self._taken_over = True
        self._inbox.refresh()
        for _ in range(AT_ONCE):
            found = self._inbox.claim(held=lambda _cadence: False)
            if found is None:
                return
            self._send(found)

    def _send(self, claim: Claim) -> None:
        tick = claim.tick.evolve(attempts=max(0, claim.tick.attempts - 1))
        try:
            self.enqueue(tick)
        except FileExistsError:
            pass  # it was sent before
        except Refused as error:
            failure = Failure(iso(self.clock.wall()), claim.tick.attempts, None, error.message)
            self._inbox.dead_letter(claim, failure)
            return
        except BusError:
            self._inbox.put_back(claim)
            raise
        self._inbox.complete(claim)
