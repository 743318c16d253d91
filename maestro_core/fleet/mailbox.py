"""Commands for one host's consumer (`cancel`), and their outcomes, as rows.

A command is applied at most once for each ack: the ack is stored on the command's own row.
"""

from __future__ import annotations

import msgspec

from maestro_core.clock import iso
from maestro_core.control.commands import Ack, Command
from maestro_core.control.mailbox import decode, refusal
from maestro_core.fleet.connect import Link, Row

_AT_ONCE = 64


class FleetMailbox:
    """`pending` and `acknowledge` for the consumer, `send` and `ack_of` for who asks."""

    def __init__(self, link: Link, host: str) -> None:
        self._link = link
        self._host = host

    def pending(self) -> list[Command]:
        """Commands for this host that have no outcome yet, oldest first. What is none, or one
        of a newer program, is answered with a refusal."""
        found = self._link.rows(
            "SELECT id, document FROM maestro_commands WHERE host = $1 AND ack IS NULL"
            " ORDER BY at, id LIMIT $2",
            self._host,
            _AT_ONCE,
        )
        return [one for row in found if (one := self._command(row)) is not None]

    def _command(self, row: Row) -> Command | None:
        try:
            return decode(f"{row['id']}.json", bytes(row["document"]))
        except ValueError as error:
            reason = f"not an operator command of this version: {error}"
            self.acknowledge(refusal(row["id"], iso(self._link.now()), reason))
            return None

    def acknowledge(self, ack: Ack) -> None:
        """Store the outcome; a second one for the same command changes nothing."""
        self._link.execute(
            "UPDATE maestro_commands SET ack = $2, acked = now() WHERE id = $1 AND ack IS NULL",
            ack.id,
            msgspec.json.encode(ack),
        )

    def send(self, command: Command) -> None:
        self._link.execute(
            "INSERT INTO maestro_commands (id, host, document) VALUES ($1, $2, $3)"
            " ON CONFLICT DO NOTHING",
            command.id,
            self._host,
            msgspec.json.encode(command),
        )

    def withdraw(self, command_id: str) -> None:
        """Nobody waits for its outcome any more: it is not to be carried out later."""
        self._link.execute("DELETE FROM maestro_commands WHERE id = $1 AND ack IS NULL", command_id)

    def ack_of(self, command_id: str) -> Ack | None:
        found = self._link.rows("SELECT ack FROM maestro_commands WHERE id = $1", command_id)
        if not found or found[0]["ack"] is None:
            return None
        return msgspec.json.decode(bytes(found[0]["ack"]), type=Ack)
