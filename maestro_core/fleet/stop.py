"""What keeps a consumer of a fleet from claiming, and who commands it: the fleet, or somebody at
this very machine. The files of the agent root go on to count, for this host alone, and count
also while the server is away.
"""

from __future__ import annotations

from maestro_core.consumer.holds import EmergencyStop, FileMarkers
from maestro_core.control.commands import Ack, Command
from maestro_core.control.mailbox import Mailbox
from maestro_core.errors import BusError
from maestro_core.fleet.gates import GateBoard
from maestro_core.fleet.mailbox import FleetMailbox
from maestro_core.fleet.markers import FleetMarkers, notes_of


class JoinedMarkers:
    """See consumer/holds.py `Markers`."""

    def __init__(self, fleet: FleetMarkers, board: GateBoard, here: FileMarkers) -> None:
        self._fleet = fleet
        self._board = board
        self._here = here

    def paused(self) -> frozenset[str]:
        """Asked once a pass, so it reads the board, for the gates too."""
        self._board.read()
        return self._here.paused() | notes_of(self._board.rows).keys()

    def emergency_stop(self) -> EmergencyStop | None:
        """This host's own first: it must work when nobody can be asked."""
        here = self._here.emergency_stop()
        if here is not None and here.kill:
            return here
        try:
            note = self._fleet.stop()
        except BusError:
            if here is not None:
                return here
            raise
        if note is None:
            return here
        kill, by, reason = note.get("kill"), note.get("by"), note.get("reason")
        return EmergencyStop(kill is True, _text(by), _text(reason))


class JoinedMailbox:
    """Commands from control/ and from the fleet. Each answer goes to where its command is."""

    def __init__(self, fleet: FleetMailbox, here: Mailbox) -> None:
        self._fleet = fleet
        self._here = here
        self._from_here: set[str] = set()

    def pending(self) -> list[Command]:
        here = self._here.pending()
        self._from_here |= {command.id for command in here}
        try:
            return here + self._fleet.pending()
        except BusError:
            if here:
                return here
            raise

    def acknowledge(self, ack: Ack) -> None:
        if ack.id in self._from_here:
            self._here.acknowledge(ack)
            self._from_here.discard(ack.id)
        else:
            self._fleet.acknowledge(ack)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
