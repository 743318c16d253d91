"""Asks consumers on other hosts, and waits for their answers: to end a run, to lift a budget.

A command is a row that its host looks for; the answer is on the same row. Blocks; any thread.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable

from msgspec.structs import replace

from maestro_core.clock import Clock, iso
from maestro_core.control.commands import Ack, Command, Outcome
from maestro_core.errors import Busy
from maestro_core.fleet.connect import Link
from maestro_core.fleet.gates import FLEET
from maestro_core.fleet.hosts import Hosts, HostView
from maestro_core.fleet.mailbox import FleetMailbox
from maestro_core.fleet.shared_gates import SharedHolds
from maestro_core.models import Running

FRESH = 10.0
"""Seconds after which a host that says nothing is not expected to answer."""

TELL_AFTER = 1.0
LOOK = 0.1


class Asker:
    """`on_wait` is told once whose answer is waited for, when it does not come at once."""

    def __init__(
        self, link: Link, clock: Clock, wait_seconds: float,
        on_wait: Callable[[str], None] | None = None,
    ) -> None:  # fmt: skip
        self._link = link
        self._clock = clock
        self._wait_seconds = wait_seconds
        self._on_wait = on_wait

    def cancel(self, command: Command) -> Ack:
        """A target is a run id; the id of its tick or its cadence will do as well.

        Raises:
            Busy: a host did not answer in time; the command stays queued for it.
        """
        hosts = {view.host: view for view in Hosts(self._link).all()}
        outcomes: list[Outcome] = []
        asked: dict[str, list[str]] = {}
        for word in command.targets:
            found = _meant(hosts.values(), word)
            if len(found) == 1:
                asked.setdefault(found[0][0], []).append(found[0][1].run_id)
            else:
                outcomes.append(Outcome(word, False, _not_one(found)))
        sent = {
            host: self._send(host, replace(command, targets=tuple(ids)), number)
            for number, (host, ids) in enumerate(asked.items())
        }
        answers = self._answers(sent)
        for host in sent.keys() - answers.keys():
            raise self._unanswered(hosts[host])
        outcomes += [one for ack in answers.values() for one in ack.outcomes]
        return self._ack(command, outcomes)

    def lift(self, command: Command) -> Ack:
        """Take away every hold of the fleet and of its hosts, and the budgets that they count;
        a target other than `*` is a cadence whose own budget is meant."""
        target = command.targets[0] if command.targets else "*"
        lifted: list[str] = []
        if target == "*":
            holds = SharedHolds(self._link, self._clock)
            for scope, hold in holds.all().items():
                holds.lift(scope, hold)
                lifted.append(
                    f"{hold.kind} hold lifted" + ("" if scope == FLEET else f" on {scope}")
                )
        sent = {
            view.host: self._send(view.host, command, number)
            for number, view in enumerate(Hosts(self._link).all())
            if _counts_a_budget(view)
        }
        for host, ack in self._answers(sent).items():
            lifted += [f"{host}: {one.detail}" for one in ack.outcomes if one.ok]
        for host, command_id in sent.items():
            FleetMailbox(self._link, host).withdraw(command_id)
        said = "; ".join(lifted) or "no hold is on"
        return self._ack(command, [Outcome(target, bool(lifted), said)])

    def _send(self, host: str, command: Command, number: int) -> str:
        one = replace(command, id=f"{command.id}-{number}")
        FleetMailbox(self._link, host).send(one)
        return one.id

    def _answers(self, sent: dict[str, str]) -> dict[str, Ack]:
        """The answers that came in time, by host."""
        answers: dict[str, Ack] = {}
        begun, told, pause = time.monotonic(), False, threading.Event()
        while True:
            for host in sent.keys() - answers.keys():
                if (ack := FleetMailbox(self._link, host).ack_of(sent[host])) is not None:
                    answers[host] = ack
            waited = time.monotonic() - begun
            missing = sorted(sent.keys() - answers.keys())
            if not missing or waited > self._wait_seconds:
                return answers
            if waited > TELL_AFTER and not told and self._on_wait is not None:
                told = True
                self._on_wait("the consumer on " + ", ".join(missing))
            pause.wait(LOOK)

    def _unanswered(self, view: HostView) -> Busy:
        return Busy(
            f"no answer within {self._wait_seconds:g} s from the consumer on {view.host}, last"
            f" heard of {view.age:.0f} s ago",
            "the request stays queued and is carried out as soon as that consumer looks",
        )

    def _ack(self, command: Command, outcomes: list[Outcome]) -> Ack:
        return Ack(
            id=command.id,
            ok=all(one.ok for one in outcomes),
            at=iso(self._clock.wall()),
            by_pid=os.getpid(),
            outcomes=tuple(outcomes),
        )


def _meant(hosts: Iterable[HostView], word: str) -> list[tuple[str, Running]]:
    """The running runs that a word means, by the best of its meanings."""
    running = [(view.host, run) for view in hosts if view.beat for run in view.beat.running]
    for name in ("run_id", "tick_id", "cadence"):
        if found := [(host, run) for host, run in running if getattr(run, name) == word]:
            return found
    return []


def _not_one(found: list[tuple[str, Running]]) -> str:
    if not found:
        return "no such run is going on"
    return "more than one is meant: " + ", ".join(f"{run.run_id} on {host}" for host, run in found)


def _counts_a_budget(view: HostView) -> bool:
    beat = view.beat
    if beat is None or beat.stopped_at or view.age > FRESH:
        return False
    return any(cadence.state == "quota" for cadence in beat.cadences.values())
