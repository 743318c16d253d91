"""Operators' commands inside a running consumer: each is applied once and answered.

An answer that cannot be stored is owed: it is kept and stored later, and its command is not
applied again. One command's trouble keeps no other one waiting. Owner: the consumer's thread.
"""

from __future__ import annotations

from collections.abc import Callable

from maestro_core.consumer.ports import Ports
from maestro_core.consumer.trouble import Trouble
from maestro_core.control import told
from maestro_core.control.apply import Applier
from maestro_core.control.commands import Ack, Command


class Desk:
    """`work` once a pass."""

    def __init__(
        self, ports: Ports, trouble: Trouble, *,
        cancel: Callable[[str], bool], lift_budget: Callable[[str], bool],
    ) -> None:  # fmt: skip
        self._ports = ports
        self._trouble = trouble
        self._cancel = cancel
        self._lift_budget = lift_budget
        self._owed: dict[str, Ack] = {}

    def work(self) -> None:
        for ack in list(self._owed.values()):
            self._answer(ack)
        commands: list[Command] = []
        with self._trouble.caught("cannot read commands"):
            commands = self._ports.mailbox.pending()
        for command in commands:
            if command.id not in self._owed:
                with self._trouble.caught(f"cannot apply {command.verb}"):
                    self._apply(command)

    def _apply(self, command: Command) -> None:
        ports = self._ports
        applier = Applier(
            ports.engine, ports.gates, ports.clock, ports.limits, cancel=self._cancel,
            lift_budget=self._lift_budget,
        )  # fmt: skip
        ack = applier.apply(command)
        told.tell(ports.journal, command, ack)
        self._owed[ack.id] = ack
        self._answer(ack)

    def _answer(self, ack: Ack) -> None:
        with self._trouble.caught("cannot answer a command"):
            self._ports.mailbox.acknowledge(ack)
            del self._owed[ack.id]
