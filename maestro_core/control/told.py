"""What the journal says of a command that was carried out, whoever carried it out.

The line of the command itself, and what it did to circuits under the names that the breaker's
own changes have: a reader who counts `circuit_opened` and `circuit_closed` has the truth.
"""

from __future__ import annotations

from maestro_core.control.commands import Ack, Command
from maestro_core.journal import Journal

BY_OPERATOR = "operator"
"""The `reason` of a circuit's change that an operator made."""


def tell(journal: Journal, command: Command, ack: Ack) -> None:
    """Journal it."""
    journal.write(
        "warn", command.verb, targets=list(command.targets), ok=ack.ok,
        by=command.actor.user, reason=command.reason,
    )  # fmt: skip
    if command.verb.startswith("circuit"):
        for cadence in dict.fromkeys(command.targets):
            _tell_circuit(journal, command, cadence, ack)


def _tell_circuit(journal: Journal, command: Command, cadence: str, ack: Ack) -> None:
    before, after = ack.before.get(cadence, {}), ack.after.get(cadence, {})
    was, now = before.get("state"), after.get("state")
    about = {
        "cadence": cadence, "failures": before.get("failures", 0),
        "reason": BY_OPERATOR, "by": command.actor.user,
    }  # fmt: skip
    if now == "open":
        journal.write("warn", "circuit_opened", **about, open_until=after["open_until"])
    elif was == "open" and now == "half_open":
        journal.write("info", "circuit_half_open", **about)
    elif was in ("open", "half_open") and now == "closed":
        journal.write("info", "circuit_closed", **about)
